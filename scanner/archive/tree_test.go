package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
)

// tree is what testdata/make.sh packs.
var tree = func() map[string]string {
	var numbers, random bytes.Buffer
	for range 5 {
		for i := range 2000 {
			fmt.Fprintln(&numbers, i+1)
		}
	}
	for i := range 64 {
		sum := sha256.Sum256(fmt.Appendf(nil, "tyto %d", i))
		random.Write(sum[:])
	}
	return map[string]string{
		"hello.txt":       "hello\n",
		"empty":           "",
		"dir/numbers.txt": numbers.String(),
		"dir/random.bin":  random.String(),
	}
}()

// small is the part of it that archives without compression hold.
var small = func() map[string]string {
	m := maps.Clone(tree)
	delete(m, "dir/numbers.txt")
	return m
}()

// seen is what a walk yielded, in order. A problem of the archive itself has no name.
type seen struct {
	Name    string
	Content string // read before Err
	Reason  finding.Reason
	Detail  string
}

// walkAll reads every member to its end. Directories are left out.
func walkAll(t testing.TB, name string, data []byte, budget *Budget) []seen {
	t.Helper()
	var all []seen
	for m, err := range Walk(bytes.NewReader(data), int64(len(data)), name, budget) {
		if err == nil && m.Mode.IsDir() {
			continue
		}
		all = append(all, see(t, m, err))
	}
	return all
}

func newBudget(size int) *Budget {
	return NewBudget(context.Background(), Limits{}, int64(size))
}

// contents maps names to contents, and fails the test if anything was wrong.
func contents(t testing.TB, all []seen) map[string]string {
	t.Helper()
	m := make(map[string]string)
	for _, s := range all {
		if s.Reason != "" {
			t.Errorf("%q: %s: %s", s.Name, s.Reason, s.Detail)
		}
		m[s.Name] = s.Content
	}
	return m
}

// outcomes maps names to reasons; "" is a member that was read without error.
func outcomes(all []seen) map[string]finding.Reason {
	m := make(map[string]finding.Reason)
	for _, s := range all {
		m[s.Name] = s.Reason
	}
	return m
}

// brief shortens contents for messages.
func brief(m map[string]string) map[string]string {
	short := make(map[string]string)
	for name, content := range m {
		if len(content) > 40 {
			content = fmt.Sprintf("%d bytes, SHA-256 %x", len(content), sha256.Sum256([]byte(content)))
		}
		short[name] = content
	}
	return short
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestFormats reads what other tools packed.
func TestFormats(t *testing.T) {
	numbers := map[string]string{"dir/numbers.txt": tree["dir/numbers.txt"]}
	plain := func(name string) map[string]string {
		return map[string]string{name: tree["dir/numbers.txt"]}
	}
	inRPM := make(map[string]string)
	for name, content := range tree {
		inRPM["./t/"+name] = content
	}
	inCab := func(files map[string]string) map[string]string {
		m := make(map[string]string)
		for name, content := range files {
			m[strings.ReplaceAll(name, "/", `\`)] = content
		}
		return m
	}
	for _, test := range []struct {
		file string
		want map[string]string
	}{
		{"tree.zip", tree},
		{"tree.streamed.zip", map[string]string{"-": tree["hello.txt"]}},
		{"tree.bzip2.zip", numbers},
		{"tree.lzma.zip", numbers},
		{"tree.LZMA.7z", tree},
		{"tree.LZMA2.7z", tree},
		{"tree.PPMd.7z", tree},
		{"tree.BZip2.7z", tree},
		{"tree.Deflate.7z", tree},
		{"small.Copy.7z", small},
		{"solid.7z", tree},
		{"solid.bcj.7z", tree},
		{"solid.bcj2.7z", tree},
		{"small.stored.cab", inCab(small)},
		{"tree.mszip.cab", inCab(tree)},
		{"tree.tar.gz", tree},
		{"tree.v7.tar.bz2", tree},
		{"tree.pax.tar.xz", tree},
		{"tree.ustar.tar.zst", tree},
		{"tree.tar.lz4", tree},
		{"tree.numbers.gz", plain("tree.numbers")},
		{"tree.crc32.xz", plain("tree.crc32")},
		{"tree.sha256.xz", plain("tree.sha256")},
		{"tree.two.xz", plain("tree.two")},
		{"tree.two.zst", plain("tree.two")},
		{"tree.two.lz4", plain("tree.two")},
		{"tree.two.bz2", plain("tree.two")},
		{"small.ar", map[string]string{"hello.txt": small["hello.txt"], "empty": "", "random.bin": small["dir/random.bin"]}},
		{"tree.long.ar", map[string]string{"a-name-that-is-longer-than-sixteen.txt": tree["hello.txt"]}},
		{"small.cpio", small},
		{"tree.w9.gzdio.rpm", inRPM},
		{"tree.w0.xzdio.rpm", inRPM},
		{"tree.w19.zstdio.rpm", inRPM},
	} {
		t.Run(test.file, func(t *testing.T) {
			data := fixture(t, test.file)
			got := contents(t, walkAll(t, test.file, data, newBudget(len(data))))
			if diff := cmp.Diff(brief(test.want), brief(got)); diff != "" {
				t.Errorf("contents differ (-packed +unpacked):\n%s", diff)
			}
		})
	}
}

// TestNotReadable names what cannot be read, and reads the rest.
func TestNotReadable(t *testing.T) {
	for _, test := range []struct {
		file string
		want map[string]finding.Reason
	}{
		{"locked.zip", map[string]finding.Reason{"hello.txt": finding.Encrypted}},
		{"locked.aes.zip", map[string]finding.Reason{"hello.txt": finding.Encrypted}},
		{"locked.7z", map[string]finding.Reason{"hello.txt": finding.Encrypted, "empty": ""}},
		{"locked.header.7z", map[string]finding.Reason{"": finding.Encrypted}},
		{"tree.deflate64.zip", map[string]finding.Reason{"dir/numbers.txt": finding.Unsupported}},
		{"tree.x86.xz", map[string]finding.Reason{"tree.x86": finding.Unsupported}},
	} {
		t.Run(test.file, func(t *testing.T) {
			data := fixture(t, test.file)
			got := outcomes(walkAll(t, test.file, data, newBudget(len(data))))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("outcomes differ (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMetadata compares times and modes with what make.sh set.
func TestMetadata(t *testing.T) {
	for _, file := range []string{"tree.zip", "solid.7z", "tree.mszip.cab", "tree.tar.gz", "tree.pax.tar.xz", "small.cpio"} {
		t.Run(file, func(t *testing.T) {
			data := fixture(t, file)
			for m, err := range Walk(bytes.NewReader(data), int64(len(data)), file, newBudget(len(data))) {
				if err != nil {
					t.Fatal(err)
				}
				if m.Name != "hello.txt" {
					continue
				}
				if got := m.Modified.UTC().Format("2006-01-02 15:04:05"); got != "2024-02-03 04:05:06" {
					t.Errorf("modified %s", got)
				}
				if !m.Mode.IsRegular() || m.Size != 6 {
					t.Errorf("mode %v, size %d", m.Mode, m.Size)
				}
			}
		})
	}
}

// TestLazy leaves members unread, or reads one byte of them: the others must come out whole.
func TestLazy(t *testing.T) {
	for name, data := range archives(t) {
		for only, want := range tree {
			t.Run(name+" "+only, func(t *testing.T) {
				whole := outcomes(walkAll(t, name, data, newBudget(len(data))))
				for m, err := range Walk(bytes.NewReader(data), int64(len(data)), name, newBudget(len(data))) {
					if err != nil || whole[m.Name] != "" {
						continue
					}
					if strings.TrimPrefix(m.Name, "./t/") != only {
						if len(m.Name)%2 == 0 {
							_, _ = m.Read(make([]byte, 1))
						}
						continue
					}
					if got, err := io.ReadAll(m); err != nil || string(got) != want {
						t.Errorf("read %d bytes and %v, want %d bytes", len(got), err, len(want))
					}
				}
			})
		}
	}
}

// TestAfterTurn reads a member whose turn is over.
func TestAfterTurn(t *testing.T) {
	data := fixture(t, "tree.zip")
	var kept *Member
	for m, err := range Walk(bytes.NewReader(data), int64(len(data)), "", newBudget(len(data))) {
		if err != nil {
			t.Fatal(err)
		}
		kept = m
	}
	if _, err := kept.Read(make([]byte, 1)); err != errOver {
		t.Errorf("got %v", err)
	}
}

// TestStop leaves the loop at the first member.
func TestStop(t *testing.T) {
	for name, data := range archives(t) {
		for range Walk(bytes.NewReader(data), int64(len(data)), name, newBudget(len(data))) {
			break // the runtime panics if the walk goes on
		}
	}
}

// TestPanicPassesThrough: a panic of the caller's loop is not damage of the archive.
func TestPanicPassesThrough(t *testing.T) {
	defer func() {
		if p := recover(); p != "mine" {
			t.Errorf("recovered %v", p)
		}
	}()
	data := fixture(t, "tree.tar.gz")
	for range Walk(bytes.NewReader(data), int64(len(data)), "", newBudget(len(data))) {
		panic("mine")
	}
}
