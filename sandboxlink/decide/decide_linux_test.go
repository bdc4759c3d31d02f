package decide_test

import (
	"crypto/md5"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tyto/sandboxlink/decide"
	"tyto/sandboxlink/decide/decidetest"
)

// delivered are the digests that dpkg's lists state, by path without the first slash. They are read in the simplest way,
// as an oracle.
type delivered map[string][]string

func readDelivered(t testing.TB) delivered {
	lists, err := filepath.Glob("/var/lib/dpkg/info/*.md5sums")
	if err != nil || len(lists) == 0 {
		t.Skip("this computer has no dpkg")
	}
	all := delivered{}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			sum, path, _ := strings.Cut(strings.TrimSpace(line), "  ")
			all[path] = append(all[path], sum)
		}
	}
	diversions, _ := exec.Command("dpkg-divert", "--list").Output() // "diversion of A to B by P"
	for line := range strings.Lines(string(diversions)) {
		words := strings.Fields(line)
		for i, w := range words {
			if w == "to" && i > 0 && i+1 < len(words) {
				to := words[i+1][1:]
				all[to] = append(all[to], all[words[i-1][1:]]...)
			}
		}
	}
	return all
}

// has reports whether a package delivered that content at that path, as it is or from before /usr was merged.
func (d delivered) has(path string, content []byte) bool {
	sum := md5.Sum(content)
	stated := slices.Concat(d[strings.TrimPrefix(path, "/")], d[strings.TrimPrefix(path, "/usr/")])
	return slices.Contains(stated, hex.EncodeToString(sum[:]))
}

// Of 2,000 files of this computer, whatever is as its package delivered it is not asked about.
func TestThisComputer(t *testing.T) {
	all := readDelivered(t)
	b := newBench(t, nil)
	most := 1000 // of each folder
	if testing.Short() {
		most = 200
	}
	count := map[string]int{}
	for _, root := range []string{"/usr/bin", "/usr/share"} {
		n := 0
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return nil
			}
			if n++; n > most {
				return fs.SkipAll
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return nil
			}
			unchanged := all.has(path, content)
			d := b.about(path, true)
			last := d.Reasons[len(d.Reasons)-1].Code
			count[last]++
			if (d.Ask || d.Risk != 0) && unchanged {
				t.Errorf("%s is as its package delivered it, and asked about: %+v", path, d.Reasons)
			}
			if last == "package" && !unchanged {
				t.Errorf("%s is trusted, and no package has such a file: %+v", path, d.Reasons)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Log(count)
	if count["package"] < most/10 {
		t.Errorf("only %d files were trusted for their package", count["package"])
	}
}

// A package's file is trusted where it is, whatever the way to it, and nowhere else.
func TestPackageFileElsewhere(t *testing.T) {
	const program = "/usr/bin/env"
	content, err := os.ReadFile(program)
	if err != nil || !readDelivered(t).has(program, content) {
		t.Skip("this computer has no such program of a package")
	}
	b := newBench(t, nil)
	if d := b.about(program, true); d.Ask || !has(d, "package") {
		t.Errorf("the program itself: %+v", d)
	}
	link := filepath.Join(b.dir, "bin")
	if err := os.Symlink("/usr/bin", link); err != nil {
		t.Fatal(err)
	}
	if d := b.about(filepath.Join(link, "env"), true); d.Ask || !has(d, "package") {
		t.Errorf("the program through a linked folder: %+v", d)
	}
	if d := b.about(b.write("env", content), true); !d.Ask || has(d, "package") {
		t.Errorf("a copy: %+v", d)
	}
	if d := b.about(b.write("changed/env", append(content, 0)), true); !d.Ask || has(d, "package") {
		t.Errorf("a changed copy: %+v", d)
	}
	// Who asks may lie about the path.
	f, err := os.Open(b.write("other/env", content))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := b.decider.Decide(t.Context(), decide.Request{File: f, Path: program, Exec: true})
	if err != nil || !d.Ask || has(d, "package") {
		t.Errorf("a copy under the program's path: %+v, %v", d, err)
	}
}

// Paths are allowed only where nobody but the administrator can write.
func TestAllowedPaths(t *testing.T) {
	b := newBench(t, func(o *decide.Options) {
		o.Policy.AllowPaths = []string{"/**"}
		o.Policy.TrustPackages = false
	})
	if d := b.about("/usr/bin/env", true); d.Ask || !has(d, "allowed-path") {
		t.Errorf("a program of the system: %+v", d)
	}
	if d := b.about(b.write("a.exe", decidetest.PE(nil)), true); !d.Ask || !has(d, "allowed-path-open") {
		t.Errorf("a program below a folder for everybody: %+v", d)
	}
}

func TestRemembering(t *testing.T) {
	now := time.Now()
	b := newBench(t, func(o *decide.Options) { o.Now = func() time.Time { return now } })
	path := b.write("a.exe", decidetest.PE(nil))
	remembered := func(when string, exec, want bool) {
		t.Helper()
		if d := b.about(path, exec); has(d, "remembered") != want || !d.Ask || d.SHA256 == "" {
			t.Errorf("%s: %+v, want it remembered: %t", when, d, want)
		}
	}
	remembered("at first", true, false)
	remembered("a moment after it was written", true, false)
	now = now.Add(2 * time.Minute)
	remembered("when it has settled", true, false)
	remembered("again", true, true)
	remembered("opened, not started", false, false)
	now = now.Add(11 * time.Minute)
	remembered("too long after", true, false)
	now = now.Add(-time.Hour)
	remembered("when the clock was set back", true, false)
	now = now.Add(time.Hour + time.Minute)
	remembered("when it is right again", true, true)
	old := time.Now().Add(-time.Hour)
	b.write("a.exe", decidetest.PE([]byte{0x90, 0xC3}))
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	remembered("after a change with forged times", true, false)
}

func TestPlaces(t *testing.T) {
	b := newBench(t, nil)
	pe := decidetest.PE(nil)
	t.Run("deleted", func(t *testing.T) {
		path := b.write("gone.exe", pe)
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		d, err := b.decider.Decide(t.Context(), decide.Request{File: f, Path: path})
		if err != nil || !has(d, "no-path") {
			t.Errorf("%+v, %v", d, err)
		}
	})
	t.Run("from the web", func(t *testing.T) {
		path := b.write("fetched.exe", pe)
		if err := unix.Setxattr(path, "user.xdg.origin.url", []byte("https://example.invalid/a"), 0); err != nil {
			t.Skip("extended attributes cannot be set here: ", err)
		}
		if d := b.about(path, false); !has(d, "web") {
			t.Errorf("%+v", d)
		}
	})
	t.Run("setuid", func(t *testing.T) {
		path := b.write("su", decidetest.ELF(decidetest.ELFProgram, nil, ".text"))
		if err := os.Chmod(path, 0o755|fs.ModeSetuid); err != nil {
			t.Fatal(err)
		}
		if d := b.about(path, false); !has(d, "setuid") {
			t.Errorf("%+v", d)
		}
	})
	t.Run("pipe", func(t *testing.T) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		d, err := b.decider.Decide(t.Context(), decide.Request{File: r, Path: "pipe"})
		if err != nil || d.Ask || !has(d, "not-a-file") {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

// BenchmarkDecide measures one decision of each price.
func BenchmarkDecide(b *testing.B) {
	now := time.Now()
	bench := newBench(b, func(o *decide.Options) { o.Now = func() time.Time { return now } })
	files := map[string]string{
		"text":                    bench.write("a.h", []byte(strings.Repeat("static int x; /* the quick brown fox */\n", 300))),
		"program not yet settled": bench.write("a.exe", decidetest.PE(make([]byte, 100<<10))),
		"package":                 "/usr/bin/env",
		"document with macros":    bench.write("a.docm", decidetest.Docx(part{"word/vbaProject.bin", "x"})),
	}
	for name, path := range files {
		b.Run(name, func(b *testing.B) {
			bench.t = b
			for b.Loop() {
				bench.about(path, true)
			}
		})
	}
	b.Run("remembered", func(b *testing.B) {
		bench.t = b
		now = now.Add(5 * time.Minute)
		for b.Loop() {
			bench.about(files["program not yet settled"], true)
		}
	})
	b.Run("new content each time", func(b *testing.B) {
		bench.t = b
		n := 0
		for b.Loop() {
			b.StopTimer()
			n++
			path := bench.write("n.exe", decidetest.PE([]byte{byte(n), byte(n >> 8), byte(n >> 16), 0xC3}))
			b.StartTimer()
			bench.about(path, true)
		}
	})
}
