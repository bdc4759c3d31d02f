package examine

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
	"tyto/ioc/stringlist"
	"tyto/rules"
	"tyto/scanner/archive"
)

const testRules = `
rule Needle { strings: $a = "a needle in the hay" condition: $a }
rule Named { condition: filename == "named.txt" and filepath == "/some/where" and extension == ".txt" }
rule Member { condition: unpack_parent == "ZIP" and filename == "inner.bin" }
rule MemberOfMember { condition: unpack_source == "ZIP>ZIP" and filesize == 4 }
rule Hashed { condition: md5 == "098f6bcd4621d373cade4e832627b4f6" }
rule Typed { condition: filetype == "ELF" }
`

// setUp returns an examiner with the test rules and the function that names them.
func setUp(t *testing.T, cfg Config) (*Examiner, func(facts Facts) []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.yar")
	if err := os.WriteFile(path, []byte(testRules), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := rules.Load([]string{path}, rules.Options{})
	if err != nil || len(set.Problems) > 0 {
		t.Fatal(err, set.Problems)
	}
	t.Cleanup(func() { set.Close() })
	cfg.HasRules = true
	setup, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	x := New()
	if err := x.Setup(setup, []*os.File{set.File()}); err != nil {
		t.Fatal(err)
	}
	return x, func(facts Facts) (names []string) {
		for _, m := range facts.Rules {
			names = append(names, set.Rules[m.Rule].Name)
		}
		return names
	}
}

var limits = Limits{
	Whole: 1 << 20, Chunk: 256 << 10, Matches: 100, MatchBytes: 64,
	Archives: true, Archive: archive.Limits{MemberBytes: 1 << 20},
}

// examineFile writes content to a file and returns what the examiner answers.
func examineFile(t *testing.T, x *Examiner, req Request, content []byte) []Facts {
	t.Helper()
	path := filepath.Join(t.TempDir(), "object")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return handle(t, x, req, f)
}

func handle(t *testing.T, x *Examiner, req Request, f *os.File) (answers []Facts) {
	t.Helper()
	request, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	err = x.Handle(request, f, func(line []byte) error {
		var facts Facts
		if err := json.Unmarshal(line, &facts); err != nil {
			return err
		}
		answers = append(answers, facts)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return answers
}

func TestFacts(t *testing.T) {
	x, names := setUp(t, Config{
		MD5: true, SHA1: true, SHA256: true, Limits: limits,
		Strings: []stringlist.Pattern{{ID: 7, Condition: "contains", Value: "needle"}},
	})
	answers := examineFile(t, x, Request{Path: []byte("/some/where/named.TXT")}, []byte("here is a needle in the hay"))
	if len(answers) != 1 {
		t.Fatalf("%d answers, want 1", len(answers))
	}
	facts := answers[0]
	if diff := cmp.Diff([]string{"Needle"}, names(facts)); diff != "" {
		t.Error(diff)
	}
	if at := facts.Rules[0].Strings[0].Offset; at != 8 {
		t.Errorf("the string stands at %d, want 8", at)
	}
	if len(facts.Strings) != 1 || facts.Strings[0].ID != 7 {
		t.Errorf("string hits %v, want pattern 7", facts.Strings)
	}
	if got, want := facts.Hashes.SHA256, sha256Of("here is a needle in the hay"); got != want {
		t.Errorf("SHA-256 %s, want %s", got, want)
	}
}

func TestExternals(t *testing.T) {
	x, names := setUp(t, Config{MD5: true, Limits: limits})
	for _, test := range []struct {
		name, path string
		content    string
		want       []string
	}{
		{"folder name and extension", "/some/where/named.txt", "x", []string{"Named"}},
		{"a windows path", `C:\some\named.txt`, "x", nil},
		{"md5 of the content", "/a", "test", []string{"Hashed"}},
		{"type by content", "/a.txt", "\x7fELF\x02\x01\x01" + string(make([]byte, 100)), []string{"Typed"}},
		{"empty content", "/some/where/named.txt", "", []string{"Named"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			answers := examineFile(t, x, Request{Path: []byte(test.path)}, []byte(test.content))
			if diff := cmp.Diff(test.want, names(answers[0])); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// zipOf returns a zip archive of names and contents.
func zipOf(t *testing.T, members ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		m, err := w.Create(members[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(m, members[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestMembersAreObjects(t *testing.T) {
	x, names := setUp(t, Config{SHA256: true, Limits: limits})
	inner := zipOf(t, "four", "1234")
	outer := zipOf(t, "dir/inner.bin", "hello", "nested.zip", string(inner))
	type object struct {
		Member string
		Size   int64
		SHA256 string
		Rules  []string
	}
	var got []object
	for _, facts := range examineFile(t, x, Request{Path: []byte("/a.zip")}, outer) {
		if len(facts.Skips) > 0 {
			t.Errorf("%q: skips %v", facts.Member, facts.Skips)
		}
		got = append(got, object{string(facts.Member), facts.Size, facts.Hashes.SHA256, names(facts)})
	}
	want := []object{
		{"dir/inner.bin", 5, sha256Of("hello"), []string{"Member"}},
		{"nested.zip", int64(len(inner)), sha256Of(string(inner)), nil},
		{"nested.zip!/four", 4, sha256Of("1234"), []string{"MemberOfMember"}},
		{"", int64(len(outer)), sha256Of(string(outer)), nil},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func sha256Of(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// TestChunks holds the chunked scan against the scan in one piece, on content with needles across
// the borders of chunks.
func TestChunks(t *testing.T) {
	const size = 1 << 20
	content := make([]byte, size)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range content {
		content[i] = byte(rng.Uint32())
	}
	for _, at := range []int{0, 256<<10 - 7, 512 << 10, 500_000, size - 19} {
		copy(content[at:], "a needle in the hay")
	}
	cfg := Config{
		SHA256: true, Limits: limits,
		Strings: []stringlist.Pattern{{ID: 1, Condition: "contains", Value: "in the hay"}},
	}
	whole, names := setUp(t, cfg)
	cfg.Limits.Whole, cfg.Limits.Archives = 1<<16, false
	chunked, _ := setUp(t, cfg)
	want := examineFile(t, whole, Request{Path: []byte("/a")}, content)
	got := examineFile(t, chunked, Request{Path: []byte("/a")}, content)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(names(got[0])) == 0 || len(got[0].Rules[0].Strings) != 5 {
		t.Errorf("found %v, want 5 needles", got[0].Rules)
	}
}

// TestFilesThatChange tells a log that grows from a file that may have been read as a mixture.
func TestFilesThatChange(t *testing.T) {
	now := time.Now()
	info := func(size int64, modified time.Time) os.FileInfo { return fakeInfo{size: size, modified: modified} }
	for _, test := range []struct {
		name          string
		before, after os.FileInfo
		read          int64
		want          finding.Reason
	}{
		{"unchanged", info(10, now), info(10, now), 10, ""},
		{"a log that grew", info(10, now), info(20, now.Add(1)), 10, ""},
		{"cut", info(10, now), info(5, now.Add(1)), 10, finding.Changed},
		{"cut before it was read", info(10, now), info(10, now), 12, finding.Changed},
		{"rewritten in place", info(10, now), info(10, now.Add(1)), 10, finding.Changed},
		{"not read to its end", info(10, now), info(10, now), 8, finding.Changed},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, detail := changed(test.before, test.after, test.read); got != test.want {
				t.Errorf("%q (%s), want %q", got, detail, test.want)
			}
		})
	}
}

type fakeInfo struct {
	os.FileInfo
	size     int64
	modified time.Time
}

func (i fakeInfo) Size() int64        { return i.size }
func (i fakeInfo) ModTime() time.Time { return i.modified }
func (i fakeInfo) Sys() any           { return nil }

// TestShrinkingFile cuts a large file again and again while it is examined: no crash, and each
// examination ends with facts.
func TestShrinkingFile(t *testing.T) {
	x, _ := setUp(t, Config{SHA256: true, Limits: limits})
	path := filepath.Join(t.TempDir(), "log")
	w, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := w.Truncate(int64(i%3) << 21); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for range 200 {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if answers := handle(t, x, Request{Path: []byte(path)}, f); len(answers) != 1 {
			t.Fatalf("%d answers, want 1", len(answers))
		}
		f.Close()
	}
	close(stop)
	<-stopped
}

func TestProblemsOfOneObjectAreBounded(t *testing.T) {
	x, _ := setUp(t, Config{Limits: limits})
	o := &object{Examiner: x}
	for i := range 10 * maxSkips {
		o.skip(nil, finding.Damaged, fmt.Sprint(i))
	}
	if n := len(o.facts.Skips); n != maxSkips {
		t.Errorf("%d skips, want %d", n, maxSkips)
	}
	if last := o.facts.Skips[maxSkips-1]; last.Reason != finding.ArchiveLimit {
		t.Errorf("the last skip is %v, want one that says that there are more", last)
	}
}

func TestBufferGivesMemoryBack(t *testing.T) {
	b := &buffer{}
	if err := b.grow(10 << 20); err != nil {
		t.Fatal(err)
	}
	b.reset()
	if b.memory != nil {
		t.Errorf("%d bytes kept after a large object, want none", len(b.memory))
	}
	if err := b.grow(100); err != nil {
		t.Fatal(err)
	}
	b.reset()
	if b.memory == nil {
		t.Error("the memory of a small object was not kept for the next")
	}
	b.free()
}
