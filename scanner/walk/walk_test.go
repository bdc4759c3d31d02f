package walk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
)

// result is what a walk yielded, with paths relative to a folder.
type result struct {
	Files []string // sorted; further names of a file end in " (again)"
	Skips []string // sorted: "reason path"
}

// collect walks and collects. Paths are made relative to base.
func collect(t testing.TB, base string, opts Options) result {
	t.Helper()
	var r result
	err := Walk(t.Context(), opts, func(e *Entry) error {
		path := relative(base, e.Object.Path)
		if e.SeenBefore {
			path += " (again)"
		}
		r.Files = append(r.Files, path)
		return nil
	}, func(s finding.Skip) {
		r.Skips = append(r.Skips, string(s.Reason)+" "+relative(base, s.Path))
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(r.Files)
	slices.Sort(r.Skips)
	return r
}

func relative(base, path string) string {
	if rel, ok := strings.CutPrefix(path, strings.TrimSuffix(base, string(os.PathSeparator))+string(os.PathSeparator)); ok {
		return filepath.ToSlash(rel)
	}
	return path
}

// tree makes a folder with files; a name that ends in / is a folder.
func tree(t testing.TB, names ...string) string {
	t.Helper()
	root, err := resolveLinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := filepath.Join(root, filepath.FromSlash(name))
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// inMemory lets the folders of a test lie in memory on Linux, where making thousands of files
// is quick.
func inMemory(t *testing.T) {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err == nil && info.IsDir() {
		t.Setenv("TMPDIR", memory)
	}
}

func TestWalkYieldsEveryFileOnce(t *testing.T) {
	root := tree(t, "a", "d/b", "d/e/c", "empty/", "f/g/h/i/j/k")
	got := collect(t, root, Options{Roots: []string{root}})
	want := result{Files: []string{"a", "d/b", "d/e/c", "f/g/h/i/j/k"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRoots(t *testing.T) {
	root := tree(t, "a", "d/b", "d/e/c")
	in := func(names ...string) []string {
		for i := range names {
			names[i] = filepath.Join(root, filepath.FromSlash(names[i]))
		}
		return names
	}
	for _, test := range []struct {
		name  string
		roots []string
		want  result
	}{
		{"a file", in("a"), result{Files: []string{"a"}}},
		{"two folders", in("d/e", "d"), result{Files: []string{"d/b", "d/e/c"}, Skips: []string{"duplicate d/e"}}},
		{"the inner one last", in("d", "d/e"), result{Files: []string{"d/b", "d/e/c"}, Skips: []string{"duplicate d/e"}}},
		{"the same folder twice", in("d/e", "d/e"), result{Files: []string{"d/e/c"}, Skips: []string{"duplicate d/e"}}},
		{"a file and its folder", in("d/b", "d"), result{Files: []string{"d/b", "d/b (again)", "d/e/c"}, Skips: []string{"hard-link d/b"}}},
		{"one that does not exist", in("d/e", "x"), result{Files: []string{"d/e/c"}, Skips: []string{"vanished x"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, collect(t, root, Options{Roots: test.roots})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRelativeRoot(t *testing.T) {
	root := tree(t, "d/b")
	t.Chdir(root)
	if diff := cmp.Diff(result{Files: []string{"d/b"}}, collect(t, root, Options{Roots: []string{"d"}})); diff != "" {
		t.Error(diff)
	}
}

func TestInvalidOptions(t *testing.T) {
	for _, test := range []struct {
		name string
		opts Options
		want string
	}{
		{"no root", Options{}, "no path is given"},
		{"empty root", Options{Roots: []string{""}}, "a path is empty"},
		{"invalid pattern", Options{Roots: []string{"."}, Exclude: []string{"[a"}}, `invalid pattern "[a": a [ has no ]`},
		{"invalid mapping", Options{Roots: []string{"."}, MapRoot: []Mapping{{From: "x"}}}, "invalid mapping"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := Walk(t.Context(), test.opts, func(*Entry) error { t.Error("visited"); return nil }, func(finding.Skip) {})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestExclude(t *testing.T) {
	root := tree(t, "a.iso", "b.txt", "cache/x/y", "d/cache/z", "d/e/f.iso", "logs/a", "logs/sub/b")
	sep := string(os.PathSeparator)
	for _, test := range []struct {
		name    string
		exclude []string
		want    result
	}{
		{"base name", []string{"*.iso"}, result{
			Files: []string{"b.txt", "cache/x/y", "d/cache/z", "logs/a", "logs/sub/b"},
			Skips: []string{"excluded a.iso", "excluded d/e/f.iso"},
		}},
		{"folders by name are not read", []string{"cache"}, result{
			Files: []string{"a.iso", "b.txt", "d/e/f.iso", "logs/a", "logs/sub/b"},
			Skips: []string{"excluded cache", "excluded d/cache"},
		}},
		{"whole path", []string{root + sep + "logs", root + sep + "d" + sep + "**"}, result{
			Files: []string{"a.iso", "b.txt", "cache/x/y"},
			Skips: []string{"excluded d", "excluded logs"},
		}},
		{"tail of a path", []string{"logs/*"}, result{
			Files: []string{"a.iso", "b.txt", "cache/x/y", "d/cache/z", "d/e/f.iso"},
			Skips: []string{"excluded logs/a", "excluded logs/sub"},
		}},
		{"folders only", []string{"a*/", "logs/"}, result{
			Files: []string{"a.iso", "b.txt", "cache/x/y", "d/cache/z", "d/e/f.iso"},
			Skips: []string{"excluded logs"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, collect(t, root, Options{Roots: []string{root}, Exclude: test.exclude})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExcludeByOriginalPath(t *testing.T) {
	root := tree(t, "Windows/WinSxS/a", "Windows/b")
	got := collect(t, root, Options{
		Roots:   []string{root},
		Exclude: []string{`C:\windows\winsxs`},
		MapRoot: []Mapping{{From: root, To: "C:"}},
	})
	want := result{Files: []string{"Windows/b"}, Skips: []string{"excluded Windows/WinSxS"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSkipNamesThePattern(t *testing.T) {
	root := tree(t, "a.iso")
	var got []finding.Skip
	err := Walk(t.Context(), Options{Roots: []string{root}, Exclude: []string{"*.iso"}},
		func(*Entry) error { return nil }, func(s finding.Skip) { got = append(got, s) })
	if err != nil {
		t.Fatal(err)
	}
	want := []finding.Skip{{Path: filepath.Join(root, "a.iso"), Reason: finding.Excluded, Detail: "*.iso"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHardLinks(t *testing.T) {
	root := tree(t, "a", "d/b")
	for _, name := range []string{"a2", "d/a3"} {
		if err := os.Link(filepath.Join(root, "a"), filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	again, first := 0, 0
	err := Walk(t.Context(), Options{Roots: []string{root}}, func(e *Entry) error {
		if e.SeenBefore {
			again++
		} else {
			first++
		}
		return nil
	}, func(s finding.Skip) {
		if s.Reason != finding.HardLink {
			t.Errorf("unexpected skip %v", s)
		}
	})
	if err != nil || first != 2 || again != 2 {
		t.Errorf("%d files and %d further names (%v), want 2 and 2", first, again, err)
	}
}

// A name that cannot be opened must not hide the content from the next.
func TestHardLinkAfterFailure(t *testing.T) {
	root := tree(t, "a")
	if err := os.Link(filepath.Join(root, "a"), filepath.Join(root, "b")); err != nil {
		t.Fatal(err)
	}
	visits := 0
	err := Walk(t.Context(), Options{Roots: []string{root}}, func(e *Entry) error {
		if visits++; visits > 1 {
			if e.SeenBefore {
				t.Errorf("%q counts as seen although its content was not", e.Object.Path)
			}
			return nil
		}
		os.Remove(e.Object.Path)
		if _, err := e.Open(); Reason(err) != finding.Vanished {
			t.Errorf("Open = %v, want an error that means vanished", err)
		}
		return nil
	}, func(s finding.Skip) { t.Errorf("unexpected skip %v", s) })
	if err != nil || visits != 2 {
		t.Errorf("%d visits (%v), want 2", visits, err)
	}
}

// Content that changed between two names must be looked at again.
func TestHardLinkToChangedContent(t *testing.T) {
	root := tree(t, "a")
	if err := os.Link(filepath.Join(root, "a"), filepath.Join(root, "b")); err != nil {
		t.Fatal(err)
	}
	fresh := 0
	err := Walk(t.Context(), Options{Roots: []string{root}}, func(e *Entry) error {
		if !e.SeenBefore {
			fresh++
		}
		time.Sleep(20 * time.Millisecond) // beyond the clock tick of file times
		return os.WriteFile(filepath.Join(root, "a"), []byte("changed"), 0o600)
	}, func(finding.Skip) {})
	if err != nil || fresh != 2 {
		t.Errorf("%d visits as new (%v), want 2", fresh, err)
	}
}

func TestObject(t *testing.T) {
	root := tree(t, "sub/file.txt")
	path := filepath.Join(root, "sub", "file.txt")
	modified := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	if err := os.Chtimes(path, modified, modified); err != nil {
		t.Fatal(err)
	}
	var got finding.Object
	var id FileID
	err := Walk(t.Context(), Options{Roots: []string{root}, MapRoot: []Mapping{{From: root, To: "D:"}}},
		func(e *Entry) error { got, id = e.Object, e.ID(); return nil }, func(finding.Skip) {})
	if err != nil {
		t.Fatal(err)
	}
	if want, err := Identify(path); err != nil || id != want {
		t.Errorf("ID = %v, want %v (%v)", id, want, err)
	}
	if age := time.Since(got.Changed); age < 0 || age > time.Hour {
		t.Errorf("Changed = %v, want a moment ago", got.Changed)
	}
	if got.Owner == "" || got.Inode == 0 {
		t.Errorf("owner %q, inode %d: want both", got.Owner, got.Inode)
	}
	want := finding.Object{
		Kind: finding.File, Path: path, OriginalPath: `D:\sub\file.txt`,
		Size: int64(len("sub/file.txt")), Links: 1, Modified: modified, Accessed: modified,
	}
	sameTime := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
	rest := cmp.FilterPath(func(p cmp.Path) bool {
		switch p.Last().String() {
		case ".Mode", ".Owner", ".Group", ".Device", ".Inode", ".Changed", ".Created", ".Attributes":
			return true
		}
		return false
	}, cmp.Ignore())
	if diff := cmp.Diff(want, got, sameTime, rest); diff != "" {
		t.Error(diff)
	}
}

func TestOpen(t *testing.T) {
	root := tree(t, "f")
	path := filepath.Join(root, "f")
	visit := func(t *testing.T, during func(*Entry)) {
		t.Helper()
		if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := Walk(t.Context(), Options{Roots: []string{root}}, func(e *Entry) error { during(e); return nil }, func(finding.Skip) {})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Run("reads", func(t *testing.T) {
		visit(t, func(e *Entry) {
			file, err := e.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			buf := make([]byte, 20)
			if n, _ := file.Read(buf); string(buf[:n]) != "content" {
				t.Errorf("read %q", buf[:n])
			}
		})
	})
	t.Run("refreshes the size", func(t *testing.T) {
		visit(t, func(e *Entry) {
			if err := os.WriteFile(path, []byte("longer content"), 0o600); err != nil {
				t.Fatal(err)
			}
			file, err := e.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if e.Object.Size != int64(len("longer content")) {
				t.Errorf("size %d", e.Object.Size)
			}
		})
	})
	t.Run("refuses another file", func(t *testing.T) {
		visit(t, func(e *Entry) {
			replacement := path + ".new"
			if err := os.WriteFile(replacement, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(replacement, path); err != nil {
				t.Fatal(err)
			}
			if _, err := e.Open(); !errors.Is(err, ErrChanged) || Reason(err) != finding.Changed {
				t.Errorf("Open = %v, want ErrChanged", err)
			}
		})
	})
	t.Run("says when it is gone", func(t *testing.T) {
		visit(t, func(e *Entry) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if _, err := e.Open(); Reason(err) != finding.Vanished || !strings.Contains(err.Error(), "f") {
				t.Errorf("Open = %v, want vanished", err)
			}
		})
	})
}

func TestOwnFiles(t *testing.T) {
	root := tree(t, "tyto", "rules/a", "b")
	var own []FileID
	for _, name := range []string{"tyto", "rules"} {
		id, err := Identify(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		own = append(own, id)
	}
	got := collect(t, root, Options{Roots: []string{root}, Own: own})
	want := result{Files: []string{"b"}, Skips: []string{"own-file rules", "own-file tyto"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestVisitErrorEndsTheWalk(t *testing.T) {
	root := tree(t, "a/b", "c")
	stop := errors.New("stop")
	visits := 0
	err := Walk(t.Context(), Options{Roots: []string{root}}, func(*Entry) error { visits++; return stop }, func(finding.Skip) {})
	if err != stop || visits != 1 {
		t.Errorf("Walk = %v after %d visits, want %v after 1", err, visits, stop)
	}
}

func TestCancel(t *testing.T) {
	root := tree(t, "a", "b", "c", "d")
	ctx, cancel := context.WithCancel(t.Context())
	visits := 0
	err := Walk(ctx, Options{Roots: []string{root}}, func(*Entry) error { visits++; cancel(); return nil }, func(finding.Skip) {})
	if !errors.Is(err, context.Canceled) || visits != 1 {
		t.Errorf("Walk = %v after %d visits", err, visits)
	}
}

func TestManyEntries(t *testing.T) {
	inMemory(t)
	root := tree(t, "many/")
	n := 10_000
	if runtime.GOOS == "windows" {
		n = 1000 // making a file takes Wine the longer the more there are
	}
	for i := range n {
		if err := os.WriteFile(filepath.Join(root, "many", fmt.Sprintf("file-with-a-name-%05d", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := collect(t, root, Options{Roots: []string{root}})
	if distinct := slices.Compact(got.Files); len(distinct) != n || len(got.Skips) != 0 {
		t.Errorf("%d files, %d skips, want %d and none", len(distinct), len(got.Skips), n)
	}
}

func TestCount(t *testing.T) {
	root := tree(t, "a", "dir/bb", "ccc")
	if err := os.Link(filepath.Join(root, "ccc"), filepath.Join(root, "again")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		maxSize int64
		want    int64
	}{{0, 1 + 6 + 3}, {3, 1 + 3}} {
		files, bytes, err := Count(t.Context(), Options{Roots: []string{root}}, test.maxSize)
		if err != nil || files != 3 || bytes != test.want {
			t.Errorf("Count with limit %d = %d, %d, %v, want 3 files, %d bytes", test.maxSize, files, bytes, err, test.want)
		}
	}
}
