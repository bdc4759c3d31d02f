package intercept

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// guarded is a file system in memory with an interceptor on it. What this process opens is its own and goes unseen; the
// tests let other programs open files.
type guarded struct {
	*testing.T
	*Interceptor
	dir string

	mu       sync.Mutex
	noticed  []Access // with closed files
	refused  []Refusal
	events   []Event
	contents map[string]string // of noticed files, by path
}

// mountMemory mounts a file system in memory.
func mountMemory(t testing.TB) string {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("CI runs as root")
		}
		t.Skip("only root can mount file systems and answer fanotify's permission events")
	}
	dir := filepath.Join(t.TempDir(), "fs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	err := unix.Mount("tyto-test", dir, "tmpfs", 0, "size=256m")
	if errors.Is(err, unix.EPERM) {
		t.Skip("this root lacks CAP_SYS_ADMIN: mount: EPERM")
	}
	if err != nil {
		t.Fatal("mount:", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error("unmount:", err)
		}
	})
	return dir
}

// guard mounts a file system and intercepts accesses on it until the test ends.
func guard(t *testing.T, o Options, others ...string) *guarded {
	t.Helper()
	g := &guarded{T: t, dir: mountMemory(t), contents: map[string]string{}}
	o.FileSystems = append([]string{g.dir}, others...)
	if o.Memory == nil {
		o.Memory = newBlacklist()
	}
	if o.Notice == nil {
		o.Notice = g.notice
	}
	o.Refused = g.refuse
	o.Event = func(e Event) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.events = append(g.events, e)
	}
	var err error
	g.Interceptor, err = Open(o)
	if errors.Is(err, fs.ErrPermission) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Interceptor.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-done:
			if err != nil {
				t.Error("run:", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("run does not end")
		}
	})
	until(t, "the file system is watched", func() bool {
		return slices.ContainsFunc(g.Places(), func(p Place) bool { return p.Path == g.dir && p.Watching })
	})
	return g
}

func (g *guarded) notice(a Access) {
	defer a.File.Close()
	content := make([]byte, 100)
	n, _ := a.File.ReadAt(content, 0)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.noticed = append(g.noticed, a)
	g.contents[a.Path] = string(content[:n])
}

func (g *guarded) refuse(r Refusal) {
	r.File.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = append(g.refused, r)
}

// path of a file on the guarded file system.
func (g *guarded) path(name string) string { return filepath.Join(g.dir, name) }

// write makes a file that can be executed.
func (g *guarded) write(name string, content []byte) string {
	g.Helper()
	path := g.path(name)
	if err := os.WriteFile(path, content, 0o755); err != nil {
		g.Fatal(err)
	}
	return path
}

// program makes an executable that exits with 0. Each has a content of its own.
func (g *guarded) program(name string) (path string, content []byte) {
	g.Helper()
	content, err := os.ReadFile("/bin/true")
	if err != nil {
		g.Fatal(err)
	}
	content = append(content, name...)
	return g.write(name, content), content
}

// run runs another program. It is env that starts it: what this process starts is its own.
func (g *guarded) run(name string, args ...string) error {
	g.Helper()
	return runFor(g.T, 20*time.Second, name, args...)
}

func runFor(t testing.TB, limit time.Duration, name string, args ...string) error {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), limit)
	defer stop()
	cmd := exec.CommandContext(ctx, "env", append([]string{name}, args...)...)
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	output, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%s %q hangs", name, args)
	}
	if err != nil {
		t.Logf("%s %q: %v: %s", name, args, err, output)
	}
	return err
}

// seen returns how often an access to the path was noticed.
func (g *guarded) seen(path string) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range g.noticed {
		if a.Path == path {
			n++
		}
	}
	return n
}

// awaitNotice waits until the path was noticed, and returns the last Access.
func (g *guarded) awaitNotice(path string) (found Access) {
	g.Helper()
	until(g, path+" is noticed", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		i := slices.IndexFunc(g.noticed, func(a Access) bool { return a.Path == path })
		if i >= 0 {
			found = g.noticed[i]
		}
		return i >= 0
	})
	return found
}

// old waits until a further change of the files that were just written will show in their times.
func old(t *testing.T) {
	t.Helper()
	time.Sleep(settle + 20*time.Millisecond)
}
