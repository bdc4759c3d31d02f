package rules_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/rules"
)

func (y *tyto) scan(t *testing.T, data string, ext rules.Externals) []string {
	t.Helper()
	result, err := y.scanner.ScanMem([]byte(data), &ext)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range result.Matches {
		names = append(names, y.set.Rules[m.Rule].Name)
	}
	return names
}

func TestExternals(t *testing.T) {
	y := scannerFor(t, `
		rule loki { condition: filename == "a.exe" and filepath == "C:\\x" and extension == ".exe" and filetype == "EXE" and owner == "root" and md5 == "00" and id == "" }
		rule thor { condition: timezone == "CET" and language == "de" and group == "wheel" and permissions == "rwx" and filemode & 0111 != 0 and osversion > 10 and unpack_parent == "ZIP" and unpack_source == "EMAIL>ZIP" }
		rule name { condition: filename == "a.exe" }
	`, rules.ScannerOptions{})
	e := rules.Externals{
		Filename: "a.exe", Filepath: `C:\x`, Extension: ".exe", Filetype: "EXE", Owner: "root", MD5: "00",
		Timezone: "CET", Language: "de", Group: "wheel", Permissions: "rwx", FileMode: 0o755, OSVersion: 19045,
		UnpackParent: "ZIP", UnpackSource: "EMAIL>ZIP",
	}
	if diff := cmp.Diff([]string{"loki", "thor", "name"}, y.scan(t, "x", e)); diff != "" {
		t.Error(diff)
	}
	// Nothing of one object is left for the next.
	if diff := cmp.Diff([]string(nil), y.scan(t, "x", rules.Externals{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"name"}, y.scan(t, "x", rules.Externals{Filename: "a.exe\x00b"})); diff != "" {
		t.Error(diff)
	}
	if !y.scanner.Uses("md5") || y.scanner.Uses("nothing") {
		t.Error("Uses is wrong")
	}
}

// TestEvidence says what is told of a match.
func TestEvidence(t *testing.T) {
	y := scannerFor(t, `
		rule evidence {
			strings:
				$a = "needle"
				$x = "secret" xor(5)
				$p = "needle" private
				$r = /ne+/
			condition: all of them
		}
	`, rules.ScannerOptions{BytesPerMatch: 4})
	xored := []byte("secret")
	for i := range xored {
		xored[i] ^= 5
	}
	result, err := y.scanner.ScanMem([]byte("..needle.."+string(xored)+".needle"), &rules.Externals{})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(result.Matches[0].Strings, func(a, b rules.StringMatch) int { return strings.Compare(a.ID, b.ID)*100 + int(a.Offset-b.Offset) })
	want := rules.Result{Matches: []rules.Match{{Strings: []rules.StringMatch{
		{ID: "$a", Offset: 2, Length: 6, Data: []byte("need")},
		{ID: "$a", Offset: 17, Length: 6, Data: []byte("need")},
		{ID: "$r", Offset: 2, Length: 3, Data: []byte("nee")},
		{ID: "$r", Offset: 17, Length: 3, Data: []byte("nee")},
		{ID: "$x", Offset: 10, Length: 6, Data: xored[:4], XorKey: 5},
	}}}}
	if diff := cmp.Diff(want, result); diff != "" {
		t.Error(diff)
	}
	// It travels from the worker to the broker.
	line, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	var back rules.Result
	if err := json.Unmarshal(line, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(result, back); diff != "" {
		t.Error(diff)
	}
}

// TestEvidenceLimits shows that a frequent string does not hide the others.
func TestEvidenceLimits(t *testing.T) {
	y := scannerFor(t, `
		rule one { strings: $often = "aa" $once = "needle" condition: all of them }
		rule two { strings: $often = "aa" condition: $often }
	`, rules.ScannerOptions{MatchesPerRule: 10, MatchesPerObject: 12})
	result, err := y.scanner.ScanMem([]byte(strings.Repeat("a", 1001)+"needle"), &rules.Externals{})
	if err != nil {
		t.Fatal(err)
	}
	type summary struct{ Kept, Cut, Needles int }
	var got []summary
	for _, m := range result.Matches {
		s := summary{Kept: len(m.Strings), Cut: m.Cut}
		for _, o := range m.Strings {
			if o.ID == "$once" {
				s.Needles++
			}
		}
		got = append(got, s)
	}
	if diff := cmp.Diff([]summary{{10, 991, 1}, {2, 998, 0}}, got); diff != "" {
		t.Error(diff)
	}
}

// TestOverflow shows that a string which libyara gives up counting is told.
func TestOverflow(t *testing.T) {
	y := scannerFor(t, `rule zeros { strings: $a = { 00 00 } condition: #a > 5 } rule text { strings: $t = "text" condition: $t }`, rules.ScannerOptions{})
	result, err := y.scanner.ScanMem(append(make([]byte, 1_100_000), "text"...), &rules.Externals{})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Matches) != 2 {
		t.Errorf("%d rules match, want both", len(result.Matches))
	}
	if diff := cmp.Diff([]rules.Overflow{{Rule: 0, ID: "$a"}}, result.Overflows); diff != "" {
		t.Error(diff)
	}
}

// TestScanError shows that a scan which libyara aborts is an error that names the rule, and that the
// next object is scanned as if nothing had happened.
func TestScanError(t *testing.T) {
	y := scannerFor(t, `
		rule name { condition: filename == "x" }
		rule complex { strings: $a = /x(y{1,30}.{1,30}){10,20}z/ condition: $a }
	`, rules.ScannerOptions{})
	_, err := y.scanner.ScanMem(bytes.Repeat([]byte("xyyyyy"), 10_000), &rules.Externals{Filename: "x"})
	if err == nil {
		t.Skip("this libyara copes with the expression")
	}
	var se *rules.ScanError
	if !errors.As(err, &se) {
		t.Fatalf("error %v", err)
	}
	if se.Rule != 1 || se.ID != "$a" {
		t.Errorf("it failed at rule %d, string %q", se.Rule, se.ID)
	}
	t.Log(err)
	if diff := cmp.Diff([]string{"name"}, y.scan(t, "x", rules.Externals{Filename: "x"})); diff != "" {
		t.Error(diff)
	}
}

// TestMemory loads and drops variants under a limit that holds one of them at a time.
func TestMemory(t *testing.T) {
	text := `rule every { condition: true }
		rule mz { condition: uint16(0) == 0x5A4D }
		rule elf { condition: uint32(0) == 0x464C457F }`
	y := scannerFor(t, text, rules.ScannerOptions{Memory: 1})
	for range 3 {
		for data, want := range map[string][]string{"": {"every"}, "MZ": {"every", "mz"}, "\x7fELF": {"every", "elf"}, "text": {"every"}} {
			if diff := cmp.Diff(want, y.scan(t, data, rules.Externals{})); diff != "" {
				t.Errorf("%q: %s", data, diff)
			}
		}
	}
}

// TestEntryPoint makes sure that nothing is remembered of the file before, as libyara does.
func TestEntryPoint(t *testing.T) {
	y := scannerFor(t, `rule has { condition: entrypoint >= 0 }`, rules.ScannerOptions{Plain: true})
	elf := make([]byte, 200)
	copy(elf, "\x7fELF\x01\x01\x01")
	copy(elf[16:], "\x02\x00\x03\x00\x01\x00\x00\x00\x60\x80\x04\x08\x34\x00\x00\x00") // executable, i386, entry
	copy(elf[40:], "\x34\x00\x20\x00\x01\x00")                                         // one program header
	copy(elf[52:], "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x80\x04\x08\x00\x80\x04\x08\xc8\x00\x00\x00\xc8\x00\x00\x00")
	if got := y.scan(t, string(elf), rules.Externals{}); len(got) != 1 {
		t.Errorf("the program has no entry point")
	}
	if got := y.scan(t, "text", rules.Externals{}); len(got) != 0 {
		t.Errorf("the text has the entry point of the program before it")
	}
}

func TestChunkReadErrors(t *testing.T) {
	y := scannerFor(t, `rule late { strings: $a = "needle" condition: $a } rule size { condition: filesize == 5000 }`, rules.ScannerOptions{})
	window := rules.Chunks{Size: 1000, Overlap: 100}
	data := append(bytes.Repeat([]byte("-"), 4000), "needle"...)
	// The file shrank: the rest is missed, and that is told.
	result, err := y.scanner.ScanChunks(bytes.NewReader(data), 5000, window, &rules.Externals{})
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(result.Matches) != 2 {
		t.Errorf("%d matches, error %v", len(result.Matches), err)
	}
	broken := errors.New("the disk is broken")
	result, err = y.scanner.ScanChunks(failing{data, 3000, broken}, 5000, window, &rules.Externals{})
	if !errors.Is(err, broken) || len(result.Matches) != 1 {
		t.Errorf("%d matches, error %v", len(result.Matches), err)
	}
	if _, err := y.scanner.ScanChunks(bytes.NewReader(nil), 10, window, &rules.Externals{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
	if _, err := y.scanner.ScanChunks(bytes.NewReader(data), 4000, rules.Chunks{Size: 100, Overlap: 60}, &rules.Externals{}); err == nil {
		t.Error("an overlap of more than half a chunk is accepted")
	}
	if result, err := y.scanner.ScanChunks(bytes.NewReader(nil), 0, window, &rules.Externals{}); err != nil || len(result.Matches) != 0 {
		t.Errorf("an empty file: %d matches, error %v", len(result.Matches), err)
	}
}

// failing fails to read beyond an offset.
type failing struct {
	data []byte
	end  int64
	err  error
}

func (f failing) ReadAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) > f.end {
		return 0, f.err
	}
	return bytes.NewReader(f.data).ReadAt(b, off)
}

func ExampleScanner() {
	set, err := rules.Load([]string{"testdata/example.yar"}, rules.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer set.Close()
	info, err := set.File().Stat()
	if err != nil {
		fmt.Println(err)
		return
	}
	// In a worker process, with the file passed to it:
	scanner, err := rules.Open(set.File(), info.Size(), rules.ScannerOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer scanner.Close()
	result, err := scanner.ScanMem([]byte("To be, or not to be"), &rules.Externals{Filename: "hamlet.txt"})
	if err != nil {
		fmt.Println(err)
		return
	}
	// Back in the broker:
	for _, m := range result.Matches {
		match, err := set.Match(m)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s (%s:%d), score %d\n", match.Name, filepath.ToSlash(match.Source), match.Line, match.Score)
		for _, e := range match.Evidence {
			fmt.Printf("%s at %d: %q\n", e.Term, e.Offset, e.Data)
		}
	}
	// Output:
	// soliloquy (testdata/example.yar:1), score 50
	// $a at 0: "To be"
	// $a at 14: "to be"
}
