package intercept

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tyto/sandboxlink/intercept/procevents"
)

// denied reports whether a program could not be started, as opposed to failing by itself: env's exit code.
func denied(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == 126
}

func TestKnownMalwareIsRefused(t *testing.T) {
	memory := newBlacklist()
	g := guard(t, Options{Exec: true, Open: true, Memory: memory, ExecWait: 10 * time.Second, Wait: 10 * time.Second})
	bad, content := g.program("bad")
	if err := g.run(bad); err != nil {
		t.Fatal("an unknown program must run:", err)
	}
	if a := g.awaitNotice(bad); a.After || a.Process == "" || a.PID == 0 || a.Identity.Size != int64(len(content)) {
		t.Errorf("noticed as %+v", a)
	}
	memory.add(content)
	g.Recheck()

	script := []byte("#!/bin/sh\nexit 0\n")
	memory.add(script)
	g.write("script", script)
	g.write("harmless", append([]byte(nil), append(content[:len(content)-1:len(content)-1], 'X')...)) // of the same size
	if err := os.Link(bad, g.path("linked")); err != nil {
		t.Fatal(err)
	}
	// The copy, by somebody whom nobody watches.
	g.write("copy", content)
	g.write("moved", content)
	if err := os.Rename(g.path("moved"), g.write("target", []byte("something else"))); err != nil {
		t.Fatal(err)
	}

	for _, test := range []struct {
		name string
		run  []string
		fine bool
	}{
		{"second start", []string{bad}, false},
		{"third start", []string{bad}, false},
		{"start of a copy", []string{g.path("copy")}, false},
		{"start through a hard link", []string{g.path("linked")}, false},
		{"start of a renamed one that replaced another", []string{g.path("target")}, false},
		{"start of a script", []string{g.path("script")}, false},
		{"start of a program of the same size", []string{g.path("harmless")}, true},
		{"again", []string{g.path("harmless")}, true},
		{"script given to an interpreter", []string{"sh", g.path("script")}, false},
		{"program given to the linker", []string{interpreterOf(t), bad}, false},
		{"reading", []string{"cat", bad}, false},
		{"copying", []string{"cp", bad, g.path("another")}, false},
		{"overwriting", []string{"dd", "if=/dev/null", "of=" + bad}, false},
		{"hard link", []string{"ln", bad, g.path("link2")}, true}, // opens nothing, and what it makes is refused by its content
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := runFor(t, 20*time.Second, test.run[0], test.run[1:]...); (err == nil) != test.fine {
				t.Errorf("%q: %v", test.run, err)
			}
		})
	}
	until(t, "refusals are told", func() bool { g.mu.Lock(); defer g.mu.Unlock(); return len(g.refused) >= 4 })
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.refused {
		if r.Sum != sha256.Sum256(content) && r.Sum != sha256.Sum256(script) || r.After || r.Path == "" {
			t.Errorf("refused %+v", r)
		}
	}
	if s := g.Stats(); s.Late != 0 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

// interpreterOf is the dynamic linker of /bin/true.
func interpreterOf(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("/lib64/ld-linux*")
	if err != nil || len(found) == 0 {
		t.Skip("no dynamic linker in /lib64")
	}
	return found[0]
}

// Only what is executed is intercepted: files can be read, and a script that is given to an interpreter is noticed when
// the process is.
func TestExecOnly(t *testing.T) {
	memory := newBlacklist()
	g := guard(t, Options{Exec: true, Memory: memory, ExecWait: 10 * time.Second})
	bad, content := g.program("bad")
	memory.add(content)
	if err := g.run(bad); !denied(err) {
		t.Errorf("starting it: %v", err)
	}
	if err := g.run("cat", bad); err != nil {
		t.Errorf("reading it: %v", err)
	}
	script := g.write("script", []byte("#!/bin/sh\nsleep 1; exit 0\n"))
	if err := g.run("sh", "-e", script); err != nil {
		t.Errorf("an interpreted script: %v", err)
	}
	if processEvents(t) {
		if a := g.awaitNotice(script); !a.After || !a.Exec {
			t.Errorf("noticed as %+v", a)
		}
	}
}

// What is known costs nothing: the kernel does not even ask. What changes is asked about again.
func TestKnownUntilItChanges(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(t *testing.T, g *guarded, path string, content []byte)
	}{
		{"write", func(t *testing.T, g *guarded, path string, content []byte) {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt(content, 0); err != nil {
				t.Fatal(err)
			}
		}},
		{"mapping", func(t *testing.T, g *guarded, path string, content []byte) { overwriteMapped(t, path, content) }},
		{"rename over", func(t *testing.T, g *guarded, path string, content []byte) {
			if err := os.Rename(g.write("new", content), path); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			memory := newBlacklist()
			g := guard(t, Options{Exec: true, Open: true, Memory: memory, Wait: 10 * time.Second})
			path := g.write("document", bytes.Repeat([]byte("good "), 2000))
			old(t)
			read := func() error { return g.run("cat", path) }
			if err := read(); err != nil {
				t.Fatal(err)
			}
			g.awaitNotice(path)
			before := g.Stats().Allowed
			for range 3 {
				if err := read(); err != nil {
					t.Fatal(err)
				}
			}
			if asked := g.Stats().Allowed - before; asked != 0 {
				t.Errorf("the kernel asked %d times about a known file", asked)
			}
			bad := bytes.Repeat([]byte("evil "), 2000)
			test.change(t, g, path, bad)
			memory.add(bad) // and no Recheck: the change alone must do
			until(t, "it is refused", func() bool { return read() != nil })
		})
	}
}

func overwriteMapped(t *testing.T, path string, content []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mapped, err := unix.Mmap(int(f.Fd()), 0, len(content), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	copy(mapped, content)
	if err := unix.Munmap(mapped); err != nil {
		t.Fatal(err)
	}
}

// New malicious content: what was let through before is asked about again after Recheck.
func TestRecheck(t *testing.T) {
	memory := newBlacklist()
	g := guard(t, Options{Open: true, Memory: memory, Wait: 10 * time.Second})
	content := []byte("a document that turns out to be malicious")
	path := g.write("document", content)
	if err := g.run("cat", path); err != nil {
		t.Fatal(err)
	}
	memory.add(content)
	g.Recheck()
	if g.run("cat", path) == nil {
		t.Error("it can still be opened")
	}
}

// Who has hashed a file that was noticed tells the sum; then nobody waits for it when the verdict has come.
func TestLearn(t *testing.T) {
	memory := newBlacklist()
	var g *guarded
	ready := make(chan struct{})
	g = guard(t, Options{Exec: true, Memory: memory, Notice: func(a Access) {
		<-ready
		content, err := io.ReadAll(a.File)
		if err != nil {
			t.Error(err)
		}
		g.Learn(a, sha256.Sum256(content))
		g.notice(a)
	}})
	close(ready)
	bad, content := g.program("bad")
	changed, before := g.program("changed")
	old(t)
	for _, path := range []string{bad, changed} {
		if err := g.run(path); err != nil {
			t.Fatal(err)
		}
		g.awaitNotice(path)
	}
	memory.add(content)
	memory.add(before)
	after := bytes.Clone(before)
	after[len(after)-1]++
	g.write("changed", after)
	if err := g.run(bad); !denied(err) {
		t.Errorf("the second start: %v", err)
	}
	if s := g.Stats(); s.Hashed != 0 {
		t.Errorf("somebody had to wait: %+v", s)
	}
	if err := g.run(changed); err != nil {
		t.Errorf("what has changed since is still believed to be malicious: %v", err)
	}
}

// What could not be dealt with is noticed again.
func TestForget(t *testing.T) {
	var g *guarded
	ready := make(chan struct{})
	forgot := 0
	g = guard(t, Options{Open: true, Notice: func(a Access) {
		<-ready
		if forgot++; forgot <= 2 {
			g.Forget(a)
		}
		g.notice(a)
	}})
	close(ready)
	path := g.write("document", []byte("hello"))
	old(t)
	for n := 1; n <= 3; n++ {
		if err := g.run("cat", path); err != nil {
			t.Fatal(err)
		}
		until(t, fmt.Sprintf("it is noticed %d times", n), func() bool { return g.seen(path) == n })
	}
	before := g.Stats().Allowed
	if err := g.run("cat", path); err != nil {
		t.Fatal(err)
	}
	if g.Stats().Allowed != before {
		t.Error("it is not known after the third time")
	}
}

// A file too large to be hashed in time: access is allowed, counted, told, and noticed as after the fact; the sum is
// known the next time.
func TestWaitIsBounded(t *testing.T) {
	const size = 220 << 20
	memory := newBlacklist()
	memory.sizes[size] = true
	g := guard(t, Options{Open: true, Memory: memory, Wait: time.Millisecond})
	path := g.path("large")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil { // a hole, of zeros
		t.Fatal(err)
	}
	hash := sha256.New()
	for range size >> 20 {
		hash.Write(make([]byte, 1<<20))
	}
	memory.mu.Lock()
	memory.sums[[32]byte(hash.Sum(nil))] = true
	memory.mu.Unlock()
	old(t)
	if err := g.run("head", "-c", "1", path); err != nil {
		t.Error("it was not allowed:", err)
	}
	if a := g.awaitNotice(path); !a.After {
		t.Errorf("noticed as %+v", a)
	}
	if s := g.Stats(); s.Late == 0 {
		t.Errorf("%+v", s)
	}
	until(t, "it is told", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, e := range g.events {
			if e.Kind == Late {
				return true
			}
		}
		return false
	})
	if g.run("head", "-c", "1", path) == nil {
		t.Error("its sum is not remembered")
	}
}

// Programs that are excluded open even what is malicious, and are not noticed.
func TestExcludedProgram(t *testing.T) {
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Skip(err)
	}
	content := []byte("malicious content")
	g := guard(t, Options{Open: true, Memory: newBlacklist(content), Excluded: []string{cat, "/no/such/program"}, Wait: 10 * time.Second})
	path := g.write("bad", content)
	if err := g.run("cat", path); err != nil {
		t.Error("the excluded program may not:", err)
	}
	if g.run("head", path) == nil {
		t.Error("others may, too")
	}
	if g.seen(path) != 0 || g.Stats().Excluded == 0 {
		t.Errorf("noticed: %+v", g.Stats())
	}
}

// This process opens what it likes, from many goroutines, and starts programs on the file system that it guards, while
// its collector of garbage stops all threads again and again.
func TestOwnAccessesDoNotDeadlock(t *testing.T) {
	content := []byte("malicious content")
	g := guard(t, Options{Exec: true, Open: true, Memory: newBlacklist(content)})
	path := g.write("bad", content)
	program, _ := g.program("program")
	done := make(chan error)
	const openers, starters, times = 8, 3, 60
	for range openers {
		go func() {
			var err error
			for range times * 20 {
				var f *os.File
				if f, err = os.Open(path); err != nil {
					break
				}
				f.Close()
			}
			done <- err
		}()
	}
	for range starters {
		go func() {
			var err error
			for i := 0; i < times && err == nil; i++ {
				err = exec.Command(program).Run()
			}
			done <- err
		}()
	}
	stop := make(chan struct{})
	go collectGarbage(stop)
	defer close(stop)
	for range openers + starters {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Fatal("deadlock")
		}
	}
	if s := g.Stats(); s.Late != 0 {
		t.Errorf("some had to wait: %+v", s)
	}
}

// What is no regular file is let through without being touched.
func TestSpecialFiles(t *testing.T) {
	memory := newBlacklist([]byte{})
	g := guard(t, Options{Open: true, Memory: memory})
	fifo, device := g.path("fifo"), g.path("null")
	if err := unix.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(device, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Fatal(err)
	}
	if err := g.run("sh", "-c", fmt.Sprintf("echo hello >%s & read x <%s; [ $x = hello ]", fifo, fifo)); err != nil {
		t.Error("FIFO:", err)
	}
	if err := g.run("sh", "-c", "echo hello >"+device+"; cat "+device); err != nil {
		t.Error("device:", err)
	}
	if s := g.Stats(); s.Hashed != 0 || g.seen(fifo) != 0 || g.seen(device) != 0 {
		t.Errorf("%+v", s)
	}
}

// Names can be anything, and files are larger than 2 GiB.
func TestUnusualFiles(t *testing.T) {
	g := guard(t, Options{Open: true})
	deep := g.dir
	for len(deep) < 3800 {
		deep = filepath.Join(deep, strings.Repeat("d", 200))
	}
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	huge := g.write("huge", nil)
	if err := os.Truncate(huge, 3<<30); err != nil {
		t.Fatal(err)
	}
	bytesInName := make([]byte, 0, 255)
	for b := 1; b < 256; b++ {
		if b != '/' {
			bytesInName = append(bytesInName, byte(b))
		}
	}
	for _, path := range []string{huge, g.write(string(bytesInName), []byte("x")), g.write(strings.TrimPrefix(deep, g.dir)+"/f", []byte("x"))} {
		if err := g.run("head", "-c", "1", path); err != nil {
			t.Errorf("%.100q: %v", path, err)
		}
		g.awaitNotice(path)
	}
}

// A file system that is mounted later is watched from then on.
func TestLaterMount(t *testing.T) {
	later := filepath.Join(t.TempDir(), "later")
	g := guard(t, Options{Open: true, FileSystems: nil}, later)
	if err := os.Mkdir(later, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tyto-test", later, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(later, unix.MNT_DETACH) })
	path := filepath.Join(later, "document")
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	until(t, "it is noticed", func() bool { return g.run("cat", path) == nil && g.seen(path) > 0 })
}

// A program without a file is noticed when it is started.
func TestProgramInMemory(t *testing.T) {
	if !processEvents(t) {
		t.Skip("no process events here")
	}
	g := guard(t, Options{Exec: true})
	fd, err := unix.MemfdCreate("tyto-test", 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "memfd")
	defer f.Close()
	content, err := os.ReadFile("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := g.run(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd), "1"); err != nil {
		t.Fatal(err)
	}
	if a := g.awaitNotice("/memfd:tyto-test (deleted)"); !a.After || !a.Exec || a.Identity.Size != int64(len(content)) {
		t.Errorf("noticed as %+v", a)
	}
}

// processEvents reports whether this machine has them for us.
func processEvents(t *testing.T) bool {
	l, err := procevents.Listen()
	if err != nil {
		t.Log(err)
		return false
	}
	l.Close()
	return true
}

func collectGarbage(stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
			runtime.GC()
		}
	}
}
