package intercept

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// sleeperVariable has the test's program wait for the end of its input instead of testing.
const sleeperVariable = "TYTO_TEST_SLEEPER"

func TestMain(m *testing.M) {
	if os.Getenv(sleeperVariable) != "" {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// observed collects what is noticed.
type observed struct {
	*Interceptor
	mu      sync.Mutex
	noticed []Access
	content map[string]string
}

func observe(t *testing.T, o Options) *observed {
	t.Helper()
	g := &observed{content: map[string]string{}}
	watching := make(chan struct{}, 10)
	folders := 0
	for _, dir := range o.FileSystems {
		if _, err := os.Stat(dir); err == nil {
			folders++
		}
	}
	o.Memory = newBlacklist()
	o.Event = func(e Event) {
		t.Log(e)
		if e.Kind == Watching {
			watching <- struct{}{}
		}
	}
	o.Notice = func(a Access) {
		defer a.File.Close()
		data, _ := io.ReadAll(io.LimitReader(a.File, 100))
		g.mu.Lock()
		defer g.mu.Unlock()
		g.noticed = append(g.noticed, a)
		g.content[filepath.Base(a.Path)] = string(data)
	}
	var err error
	if g.Interceptor, err = Open(o); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Error("run does not end")
		}
	})
	for range folders {
		<-watching
	}
	return g
}

func (g *observed) await(t *testing.T, name string) Access {
	t.Helper()
	var found Access
	until(t, name+" is noticed", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		i := slices.IndexFunc(g.noticed, func(a Access) bool { return strings.EqualFold(filepath.Base(a.Path), name) })
		if i >= 0 {
			found = g.noticed[i]
		}
		return i >= 0
	})
	return found
}

func TestChangedFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	// The folder below is named as well, as Wine does not tell of changes in folders below a watched one.
	below := filepath.Join(dir, "a", "b")
	g := observe(t, Options{Open: true, FileSystems: []string{dir, below, filepath.Join(dir, "not there")}})
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("new", "one")
	write(`a\b\deep ü`, "two")
	write("old name", "three")
	if err := os.Rename(filepath.Join(dir, "old name"), filepath.Join(dir, "new name")); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"new": "one", "deep ü": "two", "new name": "three"} {
		a := g.await(t, name)
		g.mu.Lock()
		if g.content[name] != content || !a.After || a.Identity.Size != int64(len(content)) {
			t.Errorf("%q is noticed as %+v with %q", name, a, g.content[name])
		}
		g.mu.Unlock()
	}
	places := g.Places()
	if len(places) != 3 || !places[0].Watching || !places[1].Watching || places[2].Watching || places[2].Reason == "" {
		t.Errorf("places: %+v", places)
	}
}

func TestStartedProcess(t *testing.T) {
	own, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "sleeper.exe")
	if err := os.WriteFile(program, own, 0o755); err != nil {
		t.Fatal(err)
	}
	g := observe(t, Options{Exec: true})
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), sleeperVariable+"=1")
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a := g.await(t, "sleeper.exe")
	if !a.Exec || !a.After || a.PID != cmd.Process.Pid || a.Identity.Size != int64(len(own)) {
		t.Errorf("noticed as %+v", a)
	}
	input.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
