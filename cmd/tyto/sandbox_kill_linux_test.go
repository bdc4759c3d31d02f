package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tyto/agent/control"
	"tyto/sandbox"
	"tyto/verdict"
)

// needleEngine calls malicious what holds a needle.
type needleEngine struct{}

func (needleEngine) Name() string    { return "needle" }
func (needleEngine) Version() string { return "1" }

func (needleEngine) Examine(_ context.Context, s sandbox.Sample) (*sandbox.Seen, error) {
	content, err := os.ReadFile(s.Path)
	if err != nil {
		return nil, err
	}
	seen := &sandbox.Seen{Engine: verdict.Engine{Saw: "it was searched"}}
	if bytes.Contains(content, []byte("a needle in the hay")) {
		seen.Threats = []string{"Test.Needle"}
		seen.Behaviours = []verdict.Behaviour{{ID: "needle", Score: 95, Detail: "it holds a needle"}}
	}
	return seen, nil
}

// asked is an agent process that asks a sandbox, and is killed now and then.
type asked struct {
	t      *testing.T
	dir    string
	client *control.Client
	agent  *exec.Cmd
}

func (a *asked) path(name string) string { return filepath.Join(a.dir, name) }

// start starts the agent and waits until it answers.
func (a *asked) start() {
	a.t.Helper()
	self, err := os.Executable()
	if err != nil {
		a.t.Fatal(err)
	}
	a.agent = exec.Command(self, "agent", "run", "--policy", a.path("policy.yaml"), "--data", a.path("data"), "--socket", a.path("sock"))
	a.agent.Env = append(os.Environ(), isTyto+"=1")
	var said bytes.Buffer
	a.agent.Stderr = &said
	if err := a.agent.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.client = control.NewClient(a.path("sock"))
	a.await("an agent that answers", func() bool {
		_, err := a.client.Status(a.t.Context())
		return err == nil
	})
}

// kill kills it.
func (a *asked) kill() {
	_ = a.agent.Process.Kill()
	_ = a.agent.Wait()
	a.client.Close()
}

func (a *asked) await(what string, is func() bool) {
	a.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			a.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestSandboxLinkKilled kills an agent that asks a sandbox at 200 random moments: what it has confirmed to be
// queued gets its verdict, what is malicious goes into the quarantine, and no file goes anywhere else.
func TestSandboxLinkKilled(t *testing.T) {
	computers, kills := 4, 50
	if testing.Short() {
		computers, kills = 1, 5
	}
	for i := range computers {
		t.Run(fmt.Sprintf("computer_%d", i), func(t *testing.T) {
			t.Parallel()
			testAskedAndKilled(t, kills, rand.New(rand.NewPCG(7, uint64(i))))
		})
	}
}

func testAskedAndKilled(t *testing.T, kills int, rng *rand.Rand) {
	dir, err := os.MkdirTemp("", "tyto-asked-") // short, as the names of sockets must be
	if err != nil {
		t.Fatal(err)
	}
	a := &asked{t: t, dir: dir}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })

	box, err := sandbox.Open(sandbox.Options{Dir: a.path("server"), Engines: []sandbox.Engine{needleEngine{}}, Product: "Test"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- box.Serve(ctx, l, nil) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	policy := fmt.Sprintf("events: {system_log: \"off\"}\npresence: {source: %q}\nsandbox:\n  servers: [{address: \"http://%s\"}]\n  timeout: 5s\n  response: {quarantine: true}\n",
		"file:"+a.path("presence"), l.Addr())
	for name, content := range map[string]string{"policy.yaml": policy, "presence": "active"} {
		if err := os.WriteFile(a.path(name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	confirmed := map[string]string{} // SHA-256 to path, of those that wait or were judged
	var malicious, harmless []string
	for i := range kills {
		a.start()
		// It dies at a random moment, from at once to some time after it has confirmed all objects.
		objects := 1 + rng.IntN(4)
		after, late := rng.IntN(objects+1), time.NewTimer(0)
		dieSoon := func() {
			late = time.AfterFunc(time.Duration(rng.Int64N(int64(300*time.Millisecond))), func() { _ = a.agent.Process.Kill() })
		}
		if after == 0 {
			dieSoon()
		}
		for j := range objects {
			content := fmt.Sprintf("#!/bin/sh\n# %d %d\n%s", i, j, strings.Repeat("echo hay and more hay\n", 20+rng.IntN(100)))
			path := a.path(fmt.Sprintf("tree/%d-%d.sh", i, j))
			bad := rng.IntN(5) == 0
			if bad {
				content += "# a needle in the hay\n"
			}
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
				t.Fatal(err)
			}
			v, err := a.client.CheckObject(t.Context(), control.ObjectCheck{Path: path})
			if err == nil && (v.Queued || v.Verdict != control.Unknown) {
				confirmed[fmt.Sprintf("%x", sha256.Sum256([]byte(content)))] = path
				if bad {
					malicious = append(malicious, path)
				}
			}
			if !bad {
				harmless = append(harmless, path)
			}
			if j+1 == after {
				dieSoon()
			}
		}
		_ = a.agent.Wait()
		late.Stop()
		a.client.Close()
	}
	if len(confirmed) < kills/2 {
		t.Errorf("only %d objects were confirmed in %d lives: the test says little", len(confirmed), kills)
	}

	a.start()
	defer a.kill()
	if _, err := a.client.FlushQueue(t.Context()); err != nil {
		t.Error(err)
	}
	a.await("an empty queue", func() bool {
		waiting, err := a.client.SandboxQueue(t.Context())
		return err == nil && len(waiting) == 0
	})
	for sum, path := range confirmed {
		v, err := a.client.CheckObject(t.Context(), control.ObjectCheck{SHA256: sum})
		if err != nil || v.Verdict == control.Unknown {
			t.Errorf("%s was lost: %+v, %v", path, v, err)
		}
	}
	q, err := a.client.Quarantine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]bool{}
	for _, o := range q.Objects {
		kept[o.Path] = true
	}
	for _, path := range malicious {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s was judged malicious and is still there", path)
		} else if !kept[path] {
			t.Errorf("%s is gone and not in the quarantine", path)
		}
	}
	for _, path := range harmless {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("a harmless file is gone: %v", err)
		}
	}
	leftover := 0
	_ = filepath.WalkDir(a.path("data/sandbox/queue"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "lock" {
			leftover++
		}
		return nil
	})
	if leftover > 0 {
		t.Errorf("%d files are left in the folder of an empty queue", leftover)
	}
	t.Logf("%d kills, %d objects confirmed, %d of them malicious", kills, len(confirmed), len(malicious))
}
