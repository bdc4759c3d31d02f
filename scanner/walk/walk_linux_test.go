package walk

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tyto/finding"
)

func TestLinksAndSpecialFiles(t *testing.T) {
	root := tree(t, "file", "dir/inner")
	outside := tree(t, "secret")
	must(t, os.Symlink("file", filepath.Join(root, "link-to-file")))
	must(t, os.Symlink("dir", filepath.Join(root, "link-to-dir")))
	must(t, os.Symlink(outside, filepath.Join(root, "link-out")))
	must(t, os.Symlink("nowhere", filepath.Join(root, "link-to-nothing")))
	must(t, os.Symlink("..", filepath.Join(root, "dir", "link-up")))
	must(t, unix.Mkfifo(filepath.Join(root, "pipe"), 0o600))
	socket, err := net.Listen("unix", filepath.Join(root, "socket"))
	must(t, err)
	defer socket.Close()
	want := result{
		Files: []string{"dir/inner", "file"},
		Skips: []string{"special pipe", "special socket", "symlink dir/link-up", "symlink link-out",
			"symlink link-to-dir", "symlink link-to-file", "symlink link-to-nothing"},
	}
	if diff := cmp.Diff(want, collect(t, root, Options{Roots: []string{root}})); diff != "" {
		t.Error(diff)
	}
}

func TestRootBehindLinksIsResolved(t *testing.T) {
	root := tree(t, "real/dir/file")
	must(t, os.Symlink("real", filepath.Join(root, "link")))
	want := result{Files: []string{"real/dir/file"}}
	for _, name := range []string{"link", "link/dir", "link/dir/file"} {
		if diff := cmp.Diff(want, collect(t, root, Options{Roots: []string{filepath.Join(root, name)}})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestNamesAreKeptByteExact(t *testing.T) {
	root := tree(t)
	names := []string{"new\nline", "esc\x1b[31m", "not utf-8 \xff\xfe", " spaces ", "back\\slash", "-dash", "tab\t", strings.Repeat("x", 255), "..."}
	for _, name := range names {
		must(t, os.WriteFile(filepath.Join(root, name), nil, 0o600))
		must(t, os.Mkdir(filepath.Join(root, name[:min(len(name), 250)]+".dir"), 0o700))
		must(t, os.WriteFile(filepath.Join(root, name[:min(len(name), 250)]+".dir", "f"), nil, 0o600))
	}
	var want []string
	for _, name := range names {
		want = append(want, name, name[:min(len(name), 250)]+".dir/f")
	}
	slices.Sort(want)
	if diff := cmp.Diff(result{Files: want}, collect(t, root, Options{Roots: []string{root}})); diff != "" {
		t.Error(diff)
	}
}

// deep makes depth directories inside each other below root, each with a file beside the next
// directory. The paths get longer than PATH_MAX, so everything is relative.
func deep(t *testing.T, root string, depth int) {
	t.Helper()
	const name = "a-directory-name"
	fd, err := unix.Open(root, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	for range depth {
		file, err := unix.Openat(fd, "file", unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
		must(t, err)
		unix.Close(file)
		must(t, unix.Mkdirat(fd, name, 0o700))
		next, err := unix.Openat(fd, name, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		must(t, err)
		unix.Close(fd)
		fd = next
	}
	unix.Close(fd)
	t.Cleanup(func() { exec.Command("rm", "-rf", root).Run() })
}

func TestDeepDirectories(t *testing.T) {
	inMemory(t)
	root := tree(t)
	const depth = 2000
	deep(t, root, depth)
	n, longest := 0, 0
	err := Walk(t.Context(), Options{Roots: []string{root}}, func(e *Entry) error {
		n++
		longest = max(longest, len(e.Object.Path))
		if n%100 == 0 {
			file, err := e.Open()
			if err != nil {
				t.Error(err)
				return nil
			}
			file.Close()
		}
		return nil
	}, func(s finding.Skip) { t.Errorf("skipped %.100q: %s %s", s.Path, s.Reason, s.Detail) })
	if err != nil || n != depth || longest <= unix.PathMax {
		t.Errorf("%d files, the longest path %d bytes, %v; want %d and more than %d", n, longest, err, depth, unix.PathMax)
	}
}

func TestTooDeep(t *testing.T) {
	inMemory(t)
	root := tree(t)
	deep(t, root, MaxDepth+10)
	n := 0
	var skips []finding.Reason
	err := Walk(t.Context(), Options{Roots: []string{root}}, func(*Entry) error { n++; return nil },
		func(s finding.Skip) { skips = append(skips, s.Reason) })
	if diff := cmp.Diff([]finding.Reason{finding.TooDeep}, skips); err != nil || n != MaxDepth || diff != "" {
		t.Errorf("%d files, %v, want %d; skips: %s", n, err, MaxDepth, diff)
	}
}

// branches makes a tree that is both deep and wide.
func branches(t *testing.T) string {
	var names []string
	var grow func(path string, depth int)
	grow = func(path string, depth int) {
		names = append(names, path+"f")
		if depth == 0 {
			return
		}
		grow(path+"a/", depth-1)
		if depth%4 == 0 {
			grow(path+"b/", depth-1)
			names = append(names, path+"c/d/f")
		}
	}
	grow("", 20)
	return tree(t, names...)
}

// walkWith walks with at most maxOpen open directories and batches of a few entries.
func walkWith(t *testing.T, root string, maxOpen int, during func(path string)) result {
	t.Helper()
	var r result
	w, err := newWalker(&Options{Roots: []string{root}}, func(e *Entry) error {
		r.Files = append(r.Files, relative(root, e.Object.Path))
		during(relative(root, e.Object.Path))
		return nil
	}, func(s finding.Skip) { r.Skips = append(r.Skips, string(s.Reason)+" "+relative(root, s.Path)) })
	must(t, err)
	defer w.close()
	w.maxOpen, w.buf = maxOpen, make([]byte, 4096)
	must(t, w.walk(t.Context()))
	slices.Sort(r.Files)
	return r
}

func TestDirectoriesAreReopened(t *testing.T) {
	inMemory(t)
	root := branches(t)
	want := collect(t, root, Options{Roots: []string{root}})
	if len(want.Files) < 200 {
		t.Fatalf("only %d files", len(want.Files))
	}
	for _, maxOpen := range []int{4, 6, 10} {
		if diff := cmp.Diff(want, walkWith(t, root, maxOpen, func(string) {})); diff != "" {
			t.Errorf("with %d: %s", maxOpen, diff)
		}
	}
}

// A directory that is moved away while it is closed is lost, but not what lies above it.
func TestDirectoryMovedWhileClosed(t *testing.T) {
	root := tree(t, "a/b/c/d/e/f/g/h/i/file", "a/b/c/d/e/last", "a/z", "y/x")
	elsewhere := tree(t)
	moved := false
	got := walkWith(t, root, 4, func(path string) {
		if strings.HasSuffix(path, "i/file") {
			moved = true
			must(t, os.Rename(filepath.Join(root, "a/b/c/d/e/f"), filepath.Join(elsewhere, "f")))
		}
	})
	if !moved || !slices.Contains(got.Files, "a/z") || !slices.Contains(got.Files, "y/x") || !slices.Contains(got.Files, "a/b/c/d/e/last") {
		t.Errorf("moved %v, files %q", moved, got.Files)
	}
	for _, s := range got.Skips {
		if !strings.HasPrefix(s, "vanished a/b/c/d/e/f") && !strings.HasPrefix(s, "changed a/b/c/d/e/f") {
			t.Errorf("unexpected skip %q", s)
		}
	}
}

func TestDescriptorsRunShort(t *testing.T) {
	inMemory(t)
	root := branches(t)
	want := collect(t, root, Options{Roots: []string{root}})
	var before unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	open, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	highest := 0
	for _, fd := range open {
		var n int
		fmt.Sscan(fd.Name(), &n)
		highest = max(highest, n)
	}
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(highest + 12), Max: before.Max}))
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &before)
	got := collect(t, root, Options{Roots: []string{root}})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUnreadable(t *testing.T) {
	root := tree(t, "open/a", "closed/b", "d/secret", "z")
	asNobody(t, root)
	for _, path := range []string{"", "open", "d"} {
		must(t, os.Chmod(filepath.Join(root, path), 0o755))
	}
	must(t, os.Chmod(filepath.Join(root, "closed"), 0o700))
	must(t, os.Chmod(filepath.Join(root, "z"), 0o644))

	var opened []string
	var r result
	runAsNobody(t, func() {
		r = collect(t, root, Options{Roots: []string{root}})
		err := Walk(t.Context(), Options{Roots: []string{root}}, func(e *Entry) error {
			file, err := e.Open()
			if err == nil {
				file.Close()
				opened = append(opened, relative(root, e.Object.Path))
			} else if Reason(err) != finding.Unreadable {
				t.Errorf("Reason(%v) = %s", err, Reason(err))
			}
			return nil
		}, func(finding.Skip) {})
		must(t, err)
	})
	want := result{Files: []string{"d/secret", "open/a", "z"}, Skips: []string{"unreadable closed"}}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"z"}, opened); diff != "" {
		t.Errorf("opened: %s", diff)
	}
}

// asNobody skips the test if it cannot become another user, and lets that user through to root.
func asNobody(t *testing.T, root string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become nobody")
	}
	for dir := root; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755))
	}
}

// runAsNobody runs f on a thread whose file accesses are those of the user nobody.
func runAsNobody(t *testing.T, f func()) {
	t.Helper()
	const nobody = 65534
	var done sync.WaitGroup
	done.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		unix.SetfsgidRetGid(nobody)
		unix.SetfsuidRetUid(nobody)
		f()
	})
	done.Wait()
}

func TestAccessTimeIsKept(t *testing.T) {
	root := tree(t, "f")
	path := filepath.Join(root, "f")
	old := time.Now().Add(-48 * time.Hour).Truncate(time.Second)
	must(t, os.Chtimes(path, old, time.Now()))
	err := Walk(t.Context(), Options{Roots: []string{root}}, func(e *Entry) error {
		file, err := e.Open()
		must(t, err)
		defer file.Close()
		if _, err := file.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
		return nil
	}, func(finding.Skip) {})
	must(t, err)
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	if got := time.Unix(st.Atim.Unix()); !got.Equal(old) {
		t.Errorf("access time %v, want %v", got, old)
	}
}

func TestFileReplacedByPipe(t *testing.T) {
	root := tree(t, "f")
	err := Walk(t.Context(), Options{Roots: []string{root}}, func(e *Entry) error {
		must(t, os.Remove(e.Object.Path))
		must(t, unix.Mkfifo(e.Object.Path, 0o600))
		if _, err := e.Open(); Reason(err) != finding.Changed {
			t.Errorf("Open = %v, want an error that means changed", err)
		}
		return nil
	}, func(finding.Skip) {})
	must(t, err)
}

// TestSwapForLink swaps a directory, and a file, for a link to a place outside while it is
// walked, again and again. Nothing outside may ever be seen or opened.
func TestSwapForLink(t *testing.T) {
	root := tree(t, "dir/sub/file", "file", "pad/a", "pad/b")
	outside := tree(t, "sub/file", "secret")
	must(t, os.WriteFile(filepath.Join(outside, "sub", "file"), []byte("secret"), 0o600))
	must(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600))
	forbidden := map[FileID]bool{}
	for _, name := range []string{"sub/file", "secret", "sub", ""} {
		id, err := Identify(filepath.Join(outside, name))
		must(t, err)
		forbidden[id] = true
	}

	stop := make(chan struct{})
	var swapper sync.WaitGroup
	swapper.Go(func() {
		swap := func(name, target string) {
			path := filepath.Join(root, name)
			os.Rename(path, path+".aside")
			os.Symlink(target, path)
			runtime.Gosched()
			os.Remove(path)
			os.Rename(path+".aside", path)
		}
		for {
			select {
			case <-stop:
				return
			default:
				swap("dir", outside)
				swap("file", filepath.Join(outside, "secret"))
				swap("dir/sub", filepath.Join(outside, "sub"))
			}
		}
	})
	linksSeen, changes := 0, 0
	for range 1000 {
		err := Walk(t.Context(), Options{Roots: []string{root}}, func(e *Entry) error {
			if forbidden[e.ID()] {
				t.Errorf("%q of outside was yielded", e.Object.Path)
			}
			file, err := e.Open()
			if err != nil {
				changes++
				return nil
			}
			defer file.Close()
			content := make([]byte, 100)
			if n, _ := file.Read(content); bytes.Contains(content[:n], []byte("secret")) {
				t.Errorf("%q of outside was opened", e.Object.Path)
			}
			return nil
		}, func(s finding.Skip) {
			switch s.Reason {
			case finding.Symlink:
				linksSeen++
			case finding.Changed, finding.Vanished:
				changes++
			default:
				t.Errorf("unexpected skip %v", s)
			}
		})
		must(t, err)
	}
	close(stop)
	swapper.Wait()
	t.Logf("%d links seen, %d changes noticed", linksSeen, changes)
	if linksSeen+changes == 0 {
		t.Error("the walk never met a swap: the test shows nothing")
	}
}

// TestAgainstFind compares with find(1) on a real tree.
func TestAgainstFind(t *testing.T) {
	tree := "/usr/share"
	if _, err := os.Stat(tree); err != nil {
		t.Skip("no " + tree)
	}
	out, err := exec.Command("find", tree, "-xdev", "-type", "f", "-printf", `%s %i %m %u %g %n %T@ %p\0`).Output()
	if err != nil {
		t.Skip("find -printf does not work here:", err)
	}
	want := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	var got []string
	err = Walk(t.Context(), Options{Roots: []string{tree}, OneFileSystem: true}, func(e *Entry) error {
		o := &e.Object
		mode := uint32(o.Mode.Perm())
		if o.Mode&os.ModeSetuid != 0 {
			mode |= 0o4000
		}
		if o.Mode&os.ModeSetgid != 0 {
			mode |= 0o2000
		}
		if o.Mode&os.ModeSticky != 0 {
			mode |= 0o1000
		}
		got = append(got, fmt.Sprintf("%d %d %o %s %s %d %d.%09d0 %s", o.Size, o.Inode, mode, o.Owner, o.Group, o.Links,
			o.Modified.Unix(), o.Modified.Nanosecond(), o.Path))
		return nil
	}, func(finding.Skip) {})
	must(t, err)
	slices.Sort(want)
	slices.Sort(got)
	t.Logf("%d files", len(got))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff[:min(len(diff), 4000)])
	}
}

func TestOldStatAgrees(t *testing.T) {
	root := tree(t, "f")
	d, _, err := openParent(filepath.Join(root, "f"))
	must(t, err)
	defer d.close()
	want, err := d.stat("f")
	must(t, err)
	got, err := oldStat(d.fd, "f", unix.AT_SYMLINK_NOFOLLOW)
	must(t, err)
	want.created = time.Time{}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(meta{}, platformMeta{})); diff != "" {
		t.Error(diff)
	}
}

func FuzzDirents(f *testing.F) {
	root := tree(f, "a", "b/", "name")
	fd, err := unix.Open(root, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		f.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := unix.Getdents(fd, buf)
	if err != nil {
		f.Fatal(err)
	}
	unix.Close(fd)
	f.Add(buf[:n])
	f.Fuzz(func(t *testing.T, buf []byte) {
		for _, ent := range (&dir{}).parse(buf, nil) {
			if name := string(ent.name); name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
				t.Errorf("name %q", name)
			}
		}
	})
}

// BenchmarkWalk measures on /usr; compare its CPU time with find -printf '%s'.
func BenchmarkWalk(b *testing.B) {
	entries := 0
	var before, after unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &before)
	for b.Loop() {
		entries = 0
		err := Walk(b.Context(), Options{Roots: []string{"/usr"}}, func(*Entry) error { entries++; return nil },
			func(finding.Skip) { entries++ })
		if err != nil {
			b.Fatal(err)
		}
	}
	unix.Getrusage(unix.RUSAGE_SELF, &after)
	cpu := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(cpu)/float64(b.N)/float64(entries), "cpu-ns/entry")
	b.ReportMetric(float64(entries)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

func BenchmarkFind(b *testing.B) {
	entries, cpu := 0, time.Duration(0)
	for b.Loop() {
		find := exec.Command("find", "/usr", "-printf", "%s\n")
		out, err := find.Output()
		if err != nil {
			b.Skip(err)
		}
		entries = bytes.Count(out, []byte("\n"))
		cpu += find.ProcessState.UserTime() + find.ProcessState.SystemTime()
	}
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N)/float64(entries), "cpu-ns/entry")
	b.ReportMetric(float64(entries)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
