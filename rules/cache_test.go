package rules

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func loadCached(t *testing.T, dir, cacheDir string) *Set {
	t.Helper()
	set, err := Load([]string{dir}, Options{CacheDir: cacheDir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	if len(set.Rules) != 1 {
		t.Fatalf("%d rules", len(set.Rules))
	}
	return set
}

func TestCache(t *testing.T) {
	dir := tree(t, map[string]string{"a.yar": ok, "b.yar": "include \"b.inc\"", "b.inc": "// nothing"})
	cacheDir := filepath.Join(t.TempDir(), "deep", "cache")
	if loadCached(t, dir, cacheDir).Cached {
		t.Error("cached before it was compiled")
	}
	again := loadCached(t, dir, cacheDir)
	if !again.Cached || len(again.Problems) != 0 {
		t.Errorf("not cached after it was compiled: %+v", again.Problems)
	}
	if info, err := again.File().Stat(); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b.inc"), []byte("// something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if loadCached(t, dir, cacheDir).Cached {
		t.Error("an included file changed, and nothing was compiled")
	}
}

// TestCacheUnusable shows that whatever is wrong with the cache costs time and is told, no more.
func TestCacheUnusable(t *testing.T) {
	for _, c := range []struct {
		name    string
		spoil   func(t *testing.T, dir, file string)
		warning string
	}{
		{"damaged in the middle", func(t *testing.T, _, file string) { flip(t, file, -1) }, "checksum of section"},
		{"damaged header", func(t *testing.T, _, file string) { flip(t, file, 20) }, "checksum of the header"},
		{"other format", func(t *testing.T, _, file string) { flip(t, file, 8) }, "format"},
		{"truncated", func(t *testing.T, _, file string) { must(t, os.Truncate(file, 100)) }, "or damaged"},
		{"empty", func(t *testing.T, _, file string) { must(t, os.Truncate(file, 0)) }, "or damaged"},
		{"writable by others", func(t *testing.T, _, file string) { unixOnly(t); must(t, os.Chmod(file, 0o622)) }, "can be written by other users"},
		{"folder writable by others", func(t *testing.T, dir, _ string) { unixOnly(t); must(t, os.Chmod(dir, 0o777)) }, "can be written by other users"},
		{"of another user", func(t *testing.T, _, file string) {
			if os.Getuid() != 0 {
				t.Skip("needs root to give a file away")
			}
			must(t, os.Chown(file, 65534, -1))
		}, "belongs to another user"},
		{"a link", func(t *testing.T, dir, file string) {
			unixOnly(t)
			moved := filepath.Join(t.TempDir(), "moved")
			must(t, os.Rename(file, moved))
			must(t, os.Symlink(moved, file))
		}, "cannot be opened"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, cacheDir := tree(t, map[string]string{"a.yar": ok}), t.TempDir()
			must(t, os.Chmod(cacheDir, 0o700))
			first := loadCached(t, dir, cacheDir)
			c.spoil(t, cacheDir, first.File().Name())
			first.Close()
			set := loadCached(t, dir, cacheDir)
			if set.Cached {
				t.Error("used")
			}
			if len(set.Problems) == 0 || !set.Problems[0].Warning || !strings.Contains(set.Problems[0].Message, c.warning) {
				t.Errorf("problems: %+v; want a warning with %q", set.Problems, c.warning)
			}
		})
	}
}

func unixOnly(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("access lists say this on Windows")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// flip changes one byte of a file; negative positions count from the end.
func flip(t *testing.T, file string, at int) {
	t.Helper()
	b, err := os.ReadFile(file)
	must(t, err)
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 0xff
	must(t, os.WriteFile(file, b, 0o600))
}

// TestCacheConcurrent lets many load the same rules at once.
func TestCacheConcurrent(t *testing.T) {
	dir, cacheDir := tree(t, map[string]string{"a.yar": ok}), filepath.Join(t.TempDir(), "cache")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			set, err := Load([]string{dir}, Options{CacheDir: cacheDir})
			if err != nil {
				t.Error(err)
				return
			}
			defer set.Close()
			if len(set.Rules) != 1 {
				t.Errorf("%d rules", len(set.Rules))
			}
			if runtime.GOOS != "windows" && len(set.Problems) > 0 {
				t.Errorf("problems: %+v", set.Problems)
			}
		})
	}
	wg.Wait()
}

func TestCachePrune(t *testing.T) {
	dir, cacheDir := tree(t, map[string]string{"a.yar": ok}), t.TempDir()
	must(t, os.Chmod(cacheDir, 0o700))
	for i := range cacheKept + 3 {
		must(t, os.WriteFile(filepath.Join(dir, "a.yar"), []byte(ok+strings.Repeat(" ", i)), 0o600))
		loadCached(t, dir, cacheDir).Close() // Windows removes no open files
	}
	entries, err := os.ReadDir(cacheDir)
	must(t, err)
	if len(entries) != cacheKept {
		t.Errorf("%d files in the cache, want %d", len(entries), cacheKept)
	}
}

// TestCompileFails shows that a failing compiler is an error of the whole.
func TestCompileFails(t *testing.T) {
	dir := tree(t, map[string]string{"a.yar": ok})
	fail := func(*Sources, *os.File) error { return errors.New("the compiler was killed") }
	for _, cacheDir := range []string{"", t.TempDir()} {
		if _, err := Load([]string{dir}, Options{CacheDir: cacheDir, Compile: fail}); err == nil || !strings.Contains(err.Error(), "the compiler was killed") {
			t.Errorf("error %v", err)
		}
	}
}

// FuzzContainer makes sure that no file of compiled rules, however damaged, crashes its reader or
// makes it take more memory than the file is large.
func FuzzContainer(f *testing.F) {
	file, err := os.Create(filepath.Join(f.TempDir(), "good"))
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	w := newContainerWriter(file, [32]byte{1}, firstBlob)
	if err := w.finish(&table{Rules: []Rule{{Name: "a"}}}, &directory{Variants: []entry{{Name: "any"}}}); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(file.Name())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:headerSize])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := openContainer(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			if !errors.Is(err, errDamaged) {
				t.Errorf("error %v", err)
			}
			return
		}
		for i, s := range c.sections {
			if s.offset < 0 || s.size < 0 || s.offset+s.size > int64(len(data)) {
				t.Errorf("section %d: %+v in %d bytes", i, s, len(data))
			}
		}
		if c.verify() == nil {
			var tab table
			c.decode(sectionTable, &tab)
			Open(bytes.NewReader(data), int64(len(data)), ScannerOptions{})
		}
	})
}
