package fanotify

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The rest is tested through package intercept, with everything around it.

// responder makes one that watches a file system in memory, on which there is one file.
func responder(t *testing.T, o Options) (r *Responder, path string) {
	t.Helper()
	r, err := NewResponder(o)
	if errors.Is(err, fs.ErrPermission) && (os.Getenv("CI") == "" || os.Geteuid() == 0) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(r.Release(), r.Close()); err != nil {
			t.Error(err)
		}
	})
	dir := filepath.Join(t.TempDir(), "fs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tyto-test", dir, "tmpfs", 0, ""); err != nil {
		t.Skip("mount:", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	path = filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := r.Watch(fd, Open); err != nil {
		t.Fatal(err)
	}
	return r, path
}

// openers start programs that open the file, and return what becomes of each.
func openers(t *testing.T, n int, path string) chan error {
	t.Helper()
	results := make(chan error, n)
	for range n {
		go func() {
			ctx, stop := context.WithTimeout(context.Background(), time.Minute)
			defer stop()
			results <- exec.CommandContext(ctx, "cat", path).Run()
		}()
	}
	return results
}

func TestAnswers(t *testing.T) {
	r, path := responder(t, Options{Wait: time.Hour, ExecWait: time.Hour})
	for _, deny := range []bool{true, false} {
		result := openers(t, 1, path)
		events, err := r.Next()
		if err != nil || len(events) != 1 {
			t.Fatalf("%v, %v", events, err)
		}
		if events[0].Exec || events[0].PID == 0 {
			t.Errorf("%+v", events[0])
		}
		if !r.Answer(events[0], deny) {
			t.Error("that was not too late")
		}
		unix.Close(events[0].FD)
		if err := <-result; (err != nil) != deny {
			t.Errorf("denied %v: %v", deny, err)
		}
	}
	if err := r.Release(); err != nil {
		t.Error(err)
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after Release: %v", err)
	}
}

// Nobody calls Next: the guard reads, keeps what fits, lets the rest through, and keeps the time.
func TestNobodyReads(t *testing.T) {
	const slots, n = 2, 6
	r, path := responder(t, Options{Wait: 2 * time.Second, ExecWait: time.Hour, Slots: slots})
	results := openers(t, n, path)
	for range n {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if c := r.Counts(); c.Late == 0 || c.Full == 0 || c.Late+c.Full != n {
		t.Errorf("%+v", c)
	}
	events, err := r.Next()
	if err != nil || len(events) != slots {
		t.Fatalf("%v, %v", events, err)
	}
	for _, e := range events {
		if r.Answer(e, true) {
			t.Error("an answer after its time is not taken for one in time")
		}
		unix.Close(e.FD)
	}
}

// What a process of ours opens needs no answer.
func TestOwn(t *testing.T) {
	r, path := responder(t, Options{Wait: time.Hour, ExecWait: time.Hour})
	for range 3 {
		if _, err := os.ReadFile(path); err != nil {
			t.Error(err)
		}
	}
	if c := r.Counts(); c.Own < 3 {
		t.Errorf("%+v", c)
	}
}

// No program that we start gets our descriptors: as long as somebody has one, the kernel releases nobody.
func TestNobodyInheritsTheGroup(t *testing.T) {
	responder(t, Options{Wait: time.Hour, ExecWait: time.Hour})
	listener, err := NewListener()
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	out, err := exec.Command("ls", "-l", "/proc/self/fd").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if strings.Contains(string(out), "anon_inode") {
		t.Errorf("a child has\n%s", out)
	}
}
