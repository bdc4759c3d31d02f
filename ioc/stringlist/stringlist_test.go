package stringlist

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func wide(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		b.WriteByte(c)
		b.WriteByte(0)
	}
	return b.String()
}

func TestFind(t *testing.T) {
	long := strings.Repeat("x", MaxRun-3) + "needle" + strings.Repeat("y", MaxRun)
	tests := []struct {
		name    string
		pattern Pattern
		content string
		want    []Hit
	}{
		{"ascii is", Pattern{1, "is", "Mshell.PDB", false}, "\x00\x01mshell.pdb\x00", []Hit{{1, 2, false, "mshell.pdb"}}},
		{"is wants the whole string", Pattern{1, "is", "shell", false}, "\x00mshell\x00", nil},
		{"case kept", Pattern{1, "is", "Shell", true}, "shell\x00Shell", []Hit{{1, 6, false, "Shell"}}},
		{"contains", Pattern{1, "contains", "hel", false}, "\nSHELL\n", []Hit{{1, 1, false, "SHELL"}}},
		{"starts with", Pattern{1, "starts-with", "she", false}, "ashell\x00shell", []Hit{{1, 7, false, "shell"}}},
		{"ends with", Pattern{1, "ends-with", "ell", false}, "shells\x00shell", []Hit{{1, 7, false, "shell"}}},
		{"matches", Pattern{1, "matches", "^s[aeiou]+n$", false}, "sooon\x00", []Hit{{1, 0, false, "sooon"}}},
		{"matches without literal", Pattern{1, "matches", "^[0-9]+$", false}, "abcd\x001234", []Hit{{1, 5, false, "1234"}}},
		{"too short", Pattern{1, "contains", "abc", false}, "\x00abc\x00", nil},
		{"wide", Pattern{1, "is", "shell", false}, "\x01" + wide("shell") + "\x01", []Hit{{1, 1, true, "shell"}}},
		{"wide after ascii", Pattern{1, "is", "shell", false}, "ab" + wide("shell"), []Hit{{1, 2, true, "shell"}}},
		{"wide ended by ascii", Pattern{1, "is", "shell", false}, wide("shell") + "zz", []Hit{{1, 0, true, "shell"}}},
		{"first hit only", Pattern{1, "contains", "abcd", false}, "abcd\x00abcd", []Hit{{1, 0, false, "abcd"}}},
		{"across a border of pieces", Pattern{1, "contains", "needle", false}, long,
			[]Hit{{1, MaxRun - MaxValue, false, long[MaxRun-MaxValue : 2*MaxRun-MaxValue]}}},
		{"a piece is not the whole", Pattern{1, "is", strings.Repeat("z", MaxValue), false}, strings.Repeat("z", MaxRun+1), nil},
		{"a piece does not begin", Pattern{1, "starts-with", "needle", false}, long, nil},
		{"longest that is whole", Pattern{1, "ends-with", "end!", false}, strings.Repeat("z", MaxRun-4) + "end!",
			[]Hit{{1, 0, false, strings.Repeat("z", MaxRun-4) + "end!"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, err := New([]Pattern{test.pattern})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, m.Find([]byte(test.content))); diff != "" {
				t.Errorf("whole content (-want +got):\n%s", diff)
			}
			for _, overlap := range []int{0, 3} {
				s := m.NewScan()
				for i := 0; i < len(test.content); i += 5 {
					from := max(0, i-overlap)
					s.Feed(int64(from), []byte(test.content[from:min(i+5, len(test.content))]))
				}
				if diff := cmp.Diff(test.want, s.Finish()); diff != "" {
					t.Errorf("chunks that overlap by %d (-want +got):\n%s", overlap, diff)
				}
			}
		})
	}
}

func TestGapEndsStrings(t *testing.T) {
	m, err := New([]Pattern{{1, "contains", "abcd", false}})
	if err != nil {
		t.Fatal(err)
	}
	s := m.NewScan()
	s.Feed(0, []byte("xxab"))
	s.Feed(10, []byte("cdxx"))
	if hits := s.Finish(); hits != nil {
		t.Errorf("a string across a gap was found: %+v", hits)
	}
}

func TestPatternsAreSerialisable(t *testing.T) {
	want := []Pattern{{7, "matches", `a\d`, true}, {8, "is", "x", false}}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got []Pattern
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNewErrors(t *testing.T) {
	for _, p := range []Pattern{
		{1, "greater-than", "x", false}, {1, "is", "", false}, {1, "matches", "(", false},
		{1, "is", strings.Repeat("x", MaxValue+1), false},
	} {
		if _, err := New([]Pattern{p}); err == nil {
			t.Errorf("%.60v was accepted", p)
		}
	}
}

// asciiRuns and wideRuns extract strings with regular expressions: the oracle.
var (
	asciiRuns = regexp.MustCompile(`[\t\x20-\x7e]{4,}`)
	wideRuns  = regexp.MustCompile(`(?s)(?:[\t\x20-\x7e]\x00){4,}`)
)

func FuzzFind(f *testing.F) {
	f.Add([]byte("abcd\x00"+wide("shell")), "shell", byte(0), byte(7))
	f.Add([]byte("abcdabcd"), "cda", byte(1), byte(3))
	f.Add([]byte("\x00x"+wide("abcde")+"y\x00"), "ABC", byte(2), byte(1))
	names := []string{"is", "contains", "starts-with", "ends-with"}
	compare := []func(text, value string) bool{
		func(a, b string) bool { return a == b }, strings.Contains, strings.HasPrefix, strings.HasSuffix,
	}
	f.Fuzz(func(t *testing.T, content []byte, value string, condition, step byte) {
		c := int(condition) % len(names)
		m, err := New([]Pattern{{1, names[c], value, false}})
		if err != nil || len(content) > MaxRun {
			return
		}
		whole := m.Find(content)
		s := m.NewScan()
		for i := 0; i < len(content); i += int(step) + 1 {
			s.Feed(int64(i), content[i:min(len(content), i+int(step)+1)])
		}
		if diff := cmp.Diff(whole, s.Finish()); diff != "" {
			t.Fatalf("chunks change the result (-whole +chunks):\n%s", diff)
		}
		want := false
		for _, run := range asciiRuns.FindAll(content, -1) {
			want = want || compare[c](strings.ToLower(string(run)), lower(value))
		}
		for i := range content { // a UTF-16 string may begin where an ASCII byte would spoil the search
			if i > 1 && content[i-1] == 0 && printable[content[i-2]] {
				continue // not the beginning of a run
			}
			if run := wideRuns.Find(content[i:]); run != nil && bytes.HasPrefix(content[i:], run) {
				text := slices.DeleteFunc(slices.Clone(run), func(b byte) bool { return b == 0 })
				want = want || compare[c](strings.ToLower(string(text)), lower(value))
			}
		}
		if got := whole != nil; got != want {
			t.Fatalf("%s %q in %q: got %v, want %v", names[c], value, content, got, want)
		}
	})
}

// lower is ASCII only, as the strings are; a value with other letters folds onto ASCII in two cases.
func lower(s string) string {
	return strings.ToLower(strings.NewReplacer("\u212a", "k", "ſ", "s").Replace(s))
}

func BenchmarkFind(b *testing.B) {
	m, err := New([]Pattern{
		{1, "is", `c:\Users\aa\Documents\Visual Studio 2008\Projects\MShell\Release\MShell.pdb`, false},
		{2, "contains", `C:\Users\aa\Documents\Visual Studio 2010\Projects`, false},
		{3, "is", "4113.pdb", false}, {4, "matches", `sekurlsa::[a-z]+`, false},
	})
	if err != nil {
		b.Fatal(err)
	}
	text := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog; 0123456789.\n"), 20000)
	binary := make([]byte, 1<<20)
	for i := range binary {
		binary[i] = byte(i*i>>3 ^ i*7>>5)
	}
	for _, c := range []struct {
		name    string
		content []byte
	}{{"text", text}, {"binary", binary}, {"zeros", make([]byte, 1<<20)}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.content)))
			for b.Loop() {
				m.Find(c.content)
			}
		})
	}
}
