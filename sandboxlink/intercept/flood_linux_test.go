package intercept

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"tyto/scanner/mountinfo"
)

// fast is a clock on which a minute lasts a second.
func fast() func() time.Time {
	began := time.Now()
	return func() time.Time { return began.Add(60 * time.Since(began)) }
}

// held is a guarded file system whose Notice does nothing until release is called.
func held(t *testing.T, o Options) (g *guarded, release func()) {
	t.Helper()
	hold, ready := make(chan struct{}), make(chan struct{})
	o.Notice = func(a Access) { <-hold; <-ready; g.notice(a) }
	g = guard(t, o)
	close(ready)
	released := false
	release = func() {
		if !released {
			released = true
			close(hold)
		}
	}
	t.Cleanup(release)
	return g, release
}

// lastCount is what the last event of a kind says.
func (g *guarded) lastCount(kind EventKind) (count uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.events {
		if e.Kind == kind {
			count = e.Count
		}
	}
	return count
}

// A queue that nobody empties: accesses go on, what is not noticed is counted, told until the number is right, and
// noticed later.
func TestFloodOfOpens(t *testing.T) {
	const files, pending = 300, 16
	g, release := held(t, Options{Open: true, Pending: pending, Now: fast()})
	for i := range files {
		g.write(fmt.Sprintf("file%03d", i), []byte("x"))
	}
	readAll := func() {
		t.Helper()
		if err := g.run("sh", "-c", "cat "+g.dir+"/file* >/dev/null"); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // it goes on after it was told
		readAll()
		s := g.Stats()
		if s.NotNoticed < files-pending-2 || s.Noticed > 1 {
			t.Errorf("%+v", s)
		}
		until(t, "the right number is told", func() bool { return g.lastCount(NotNoticed) == s.NotNoticed })
	}
	release()
	for round := 0; ; round++ {
		until(t, "the queue is empty", func() bool {
			b := g.system.(*linux).backlog
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.lanes[opens].n == 0
		})
		readAll()
		g.mu.Lock()
		n := len(g.contents)
		g.mu.Unlock()
		if n >= files {
			break
		}
		if round > 200 {
			t.Fatalf("%d of %d files were noticed in the end", n, files)
		}
	}
}

// Somebody without privileges keeps the queue full. What root starts is noticed next, and what root opens soon.
func TestFloodHidesNobodyElse(t *testing.T) {
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip(err)
	}
	const files, pending = 100, 16
	g, release := held(t, Options{Open: true, Exec: true, Pending: pending})
	for i := range files {
		g.write(fmt.Sprintf("file%03d", i), []byte("x"))
		if err := os.Chmod(g.path(fmt.Sprintf("file%03d", i)), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	flood := func() {
		t.Helper()
		if err := g.run("-C", g.dir, "setpriv", "--reuid=65534", "--clear-groups", "sh", "-c", "for f in file*; do echo y >>$f; done; cat file* >/dev/null"); err != nil {
			t.Fatal(err)
		}
	}
	flood()
	script := g.write("script", []byte("#!/bin/sh\nexit 0\n"))
	document := g.write("document", []byte("x"))
	if err := g.run(script); err != nil {
		t.Fatal(err)
	}
	if err := g.run("cat", document); err != nil {
		t.Fatal(err)
	}
	flood()
	if s := g.Stats(); s.NotNoticed < files-pending || s.NotNoticed > 4*files {
		t.Errorf("%+v", s)
	}
	release()
	until(t, "all is noticed", func() bool { return g.Stats().Noticed >= pending })
	g.awaitNotice(document)
	g.mu.Lock()
	defer g.mu.Unlock()
	at := func(path string) int {
		return slices.IndexFunc(g.noticed, func(a Access) bool { return a.Path == path })
	}
	// The first was at work already.
	if at(script) != 1 || !g.noticed[1].Exec || at(document) > 4 {
		t.Errorf("the script is noticed as number %d, the document as %d", at(script), at(document))
	}
}

func TestUserOf(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start programs of others")
	}
	for uid, want := range map[uint32]uint32{0: 0, 65_534: 65_534, 65_536: 65_536, 131_071: 65_536, 165_537: 131_072} {
		cmd := exec.Command("cat")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		input, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if got := userOf(cmd.Process.Pid); got != want {
			t.Errorf("user %d counts as %d, want %d", uid, got, want)
		}
		input.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	if got := userOf(1 << 30); got != nobody {
		t.Errorf("a process that is not there is that of %d", got)
	}
}

// What somebody starts from a file system of their own mount namespace is noticed. No file system is watched here:
// all that are mounted now count as if they were, so that the rest of the machine is left alone.
func TestPrivateMountNamespace(t *testing.T) {
	if !processEvents(t) {
		t.Skip("no process events here")
	}
	for name, unshare := range map[string][]string{"of root": {"-m"}, "of a user": {"-Urm"}} {
		t.Run(name, func(t *testing.T) {
			dir := mountMemory(t)
			if err := runFor(t, 20*time.Second, "unshare", append(unshare, "mount", "-t", "tmpfs", "none", dir)...); err != nil {
				t.Skip("no private namespaces here:", err)
			}
			g := observeStarts(t, dir)
			const run = `cd "$0" && mount -t tmpfs none . && cd . && cd "$0" && cp /bin/sleep program && echo "$0" >>program &&
printf '#!/bin/sh\nsleep 1; exit 0 # %s\n' "$0" >script && chmod +x script && "$0"/program 1 && "$0"/script`
			if err := g.run("unshare", append(unshare, "sh", "-c", run, dir)...); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"program", "script"} {
				if a := g.awaitNotice(filepath.Join(dir, name)); !a.After || !a.Exec || a.Identity.Size == 0 {
					t.Errorf("noticed as %+v", a)
				}
			}
			own := g.path("watched")
			if err := errors.Join(g.run("cp", "/bin/sleep", own), g.run(own, "1")); err != nil {
				t.Fatal(err)
			}
			g.mu.Lock()
			defer g.mu.Unlock()
			for _, a := range g.noticed {
				if a.Path == own || strings.Contains(a.Path, "/bin/") {
					t.Errorf("%q is noticed although it lies on a watched file system", a.Path)
				}
			}
		})
	}
}

// observeStarts notices what process events tell of.
func observeStarts(t *testing.T, dir string) *guarded {
	t.Helper()
	g := &guarded{T: t, dir: dir, contents: map[string]string{}}
	s, err := open(Options{Exec: true, Memory: newBlacklist(), Notice: g.notice}.withDefaults())
	if errors.Is(err, fs.ErrPermission) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	l := s.(*linux)
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	l.mounts.devices, l.mounts.ids = map[uint64]bool{}, map[uint64]bool{}
	for _, m := range mountinfo.Parse(table) {
		l.mounts.devices[m.Device], l.mounts.ids[m.ID] = true, true
	}
	ctx := t.Context() // it ends before what is cleaned up
	done := make(chan error, 2)
	go func() { done <- l.watchProcesses(ctx) }()
	go func() { l.backlog.deliver(ctx, l.take); done <- nil }()
	t.Cleanup(func() {
		err := errors.Join(l.processes.Stop(), <-done, <-done)
		l.backlog.drain(seen.drop)
		if err := errors.Join(err, l.close()); err != nil {
			t.Error(err)
		}
	})
	return g
}
