package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tyto/agent/control"
	"tyto/sandbox"
	"tyto/sandbox/cert"
	"tyto/verdict"
)

// oracle is an engine that calls malicious what holds the needle.
type oracle struct{ hold <-chan struct{} }

func (oracle) Name() string    { return "oracle" }
func (oracle) Version() string { return "1" }

func (o oracle) Examine(ctx context.Context, s sandbox.Sample) (*sandbox.Seen, error) {
	if o.hold != nil {
		select {
		case <-o.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	content, err := os.ReadFile(s.Path)
	if err != nil {
		return nil, err
	}
	seen := &sandbox.Seen{Engine: verdict.Engine{Saw: "it was searched for a needle"}, Platform: "linux"}
	if bytes.Contains(content, []byte(needle)) {
		seen.Threats = []string{"Test.Needle"}
		seen.Behaviours = []verdict.Behaviour{{ID: "needle", Score: 95, Detail: "it holds a needle", Evidence: []string{needle}}}
		seen.Dropped = []verdict.Dropped{{Path: "/home/user/.cache/.hidden", Size: int64(len(dropped)), SHA256: sumOf(dropped), Executable: true}}
		// What a lying server would say: none of these is a path that this computer has met the object at.
		seen.Files = []verdict.FileAct{{Path: "../../../../victim", Act: verdict.Created}, {Path: "/etc/passwd", Act: verdict.Created}}
	}
	return seen, nil
}

// dropped is what the malicious scripts of these tests drop, and script one of them.
var dropped = "#!/bin/sh\n" + strings.Repeat("echo this is what was dropped by the needle\n", 20)

func script(more string) string {
	return "#!/bin/sh\n# " + more + "\necho hello\n" + strings.Repeat("# padding to be told from other scripts\n", 20)
}

func sumOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// sandboxServer is a sandbox that can be stopped and started at one address.
type sandboxServer struct {
	t        *testing.T
	dir      string
	address  string
	ca       string
	engine   oracle
	stopping context.CancelFunc
	ended    sync.WaitGroup
}

func newSandboxServer(t *testing.T, engine oracle) *sandboxServer {
	t.Helper()
	s := &sandboxServer{t: t, dir: t.TempDir(), engine: engine}
	authority, err := cert.Create(filepath.Join(s.dir, "certificates"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authority.Server([]string{"127.0.0.1"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	s.ca = authority.File()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	s.serve(l)
	t.Cleanup(s.stop)
	return s
}

func (s *sandboxServer) start() {
	s.t.Helper()
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.serve(l)
}

func (s *sandboxServer) serve(l net.Listener) {
	s.t.Helper()
	box, err := sandbox.Open(sandbox.Options{Dir: filepath.Join(s.dir, "data"), Engines: []sandbox.Engine{s.engine}, Product: "Test"})
	if err != nil {
		s.t.Fatal(err)
	}
	certificates := filepath.Join(s.dir, "certificates")
	pair, err := cert.Load(filepath.Join(certificates, cert.ServerFile), cert.KeyFile(filepath.Join(certificates, cert.ServerFile)))
	if err != nil {
		s.t.Fatal(err)
	}
	secure := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	ctx, cancel := context.WithCancel(context.Background())
	s.stopping = cancel
	s.ended.Go(func() {
		if err := box.Serve(ctx, l, secure); err != nil {
			s.t.Error(err)
		}
	})
}

func (s *sandboxServer) stop() {
	if s.stopping != nil {
		s.stopping()
		s.ended.Wait()
		s.stopping = nil
	}
}

// asking is the policy of an agent that asks the server.
func (s *sandboxServer) asking(more string) string {
	return fmt.Sprintf("sandbox:\n  servers: [{address: %q, ca: %q}]\n  timeout: 10s\n%s", s.address, s.ca, more)
}

func TestSandboxLoop(t *testing.T) {
	s := newSandboxServer(t, oracle{})
	m := newMachine(t)
	m.policy(s.asking(fmt.Sprintf(`  response:
    quarantine: true
    scan_critical: true
    task: {run: now, areas: [], paths: [%q], quarantine: true}
`, m.tree)))
	m.start()
	evil := script(needle)
	first, second, child := m.write("tree/ann/invoice.sh", evil), m.write("tree/bob/copy.sh", evil), m.write("tree/carol/other-name", dropped)
	harmless := m.write("tree/ann/harmless.sh", script("nothing"))

	v, err := m.client.CheckObject(t.Context(), control.ObjectCheck{Path: first})
	if err != nil || v.Verdict != control.Unknown || !v.Queued || v.SHA256 != sumOf(evil) {
		t.Fatalf("the first question: %+v, %v", v, err)
	}
	if v, err = m.client.CheckObject(t.Context(), control.ObjectCheck{Path: harmless}); err != nil || !v.Queued {
		t.Fatalf("the harmless one: %+v, %v", v, err)
	}
	m.awaitEvent("sandbox-verdict", 2)
	m.await("the verdicts to be known", func() bool {
		v, err = m.client.CheckObject(t.Context(), control.ObjectCheck{SHA256: sumOf(evil)})
		h, err2 := m.client.CheckObject(t.Context(), control.ObjectCheck{SHA256: sumOf(script("nothing"))})
		return err == nil && err2 == nil && v.Verdict == "malicious" && h.Verdict == "clean"
	})
	if v.Score < 80 || len(v.Threats) == 0 || v.Threats[0] != "Test.Needle" || v.Server == "" {
		t.Errorf("the verdict: %+v", v)
	}

	for _, path := range []string{first, second} {
		m.await(path+" to be moved", func() bool { _, err := os.Lstat(path); return os.IsNotExist(err) })
	}
	if _, err := os.Lstat(harmless); err != nil {
		t.Error(err)
	}
	m.awaitEvent("quarantined", 2)
	// The report's word is enough to find what was dropped, and not to take it away.
	m.await("the dropped file to be found", func() bool {
		return slices.ContainsFunc(m.events("finding"), func(text string) bool { return strings.Contains(text, "other-name") })
	})
	m.awaitEvent("run-finished", 2)
	if _, err := os.Lstat(child); err != nil {
		t.Error(err)
	}
	m.awaitEvent("sandbox-indicators-derived", 1)
	m.awaitEvent("sandbox-task-made", 1)
	m.awaitEvent("critical-scan-queued", 1)
	if v, err = m.client.CheckObject(t.Context(), control.ObjectCheck{SHA256: sumOf(evil)}); err != nil || len(v.Actions) == 0 {
		t.Errorf("what was done is not told: %+v, %v", v, err)
	}
	for _, name := range []string{"indicators/" + sumOf(evil) + ".ioc", "stix/" + sumOf(evil) + ".json", "reports/" + sumOf(evil) + ".json"} {
		if _, err := os.Stat(filepath.Join(m.dir, "data", SandboxFolder, filepath.FromSlash(name))); err != nil {
			t.Error(err)
		}
	}
	if _, err := m.client.Task(t.Context(), "sandbox-"+sumOf(evil)[:32]); err != nil {
		t.Error(err)
	}
	status, err := m.client.Sandbox(t.Context())
	if err != nil || status.Verdicts != 2 || status.Waiting != 0 {
		t.Errorf("the link: %+v, %v", status, err)
	}

	// Brought again, it is known, and goes at once, also when several ask at the same time.
	again := m.write("tree/dora/again.sh", evil)
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			v, err := m.client.CheckObject(t.Context(), control.ObjectCheck{Path: again})
			var p *control.Error
			if gone := errors.As(err, &p) && p.Status == 404; !gone && (err != nil || v.Verdict != "malicious" || len(v.Actions) == 0) {
				t.Errorf("brought again: %+v, %v", v, err)
			}
		})
	}
	asking.Wait()
	if _, err := os.Lstat(again); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
	if failed := m.events("quarantine-failed"); len(failed) > 0 {
		t.Errorf("one was in another's way: %q", failed)
	}
}

// A person who gives an object back has the last word.
func TestGivenBackIsLeftAlone(t *testing.T) {
	s := newSandboxServer(t, oracle{})
	m := newMachine(t)
	m.policy(s.asking("  response: {quarantine: true}\n"))
	m.start()
	path := m.write("tree/mine.sh", script(needle))
	if v, err := m.client.CheckObject(t.Context(), control.ObjectCheck{Path: path}); err != nil || !v.Queued {
		t.Fatalf("%+v, %v", v, err)
	}
	m.awaitEvent("quarantined", 1)
	q, err := m.client.Quarantine(t.Context())
	if err != nil || len(q.Objects) != 1 {
		t.Fatalf("%+v, %v", q, err)
	}
	if _, err := m.client.Restore(t.Context(), q.Objects[0].ID, control.Restoration{}); err != nil {
		t.Fatal(err)
	}
	v, err := m.client.CheckObject(t.Context(), control.ObjectCheck{Path: path})
	if err != nil || v.Verdict != control.Unknown || v.Queued {
		t.Errorf("after it was given back: %+v, %v", v, err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

// Offline, killed, restarted: what was queued gets its verdict, and one event tells of the outage.
func TestServerIsAway(t *testing.T) {
	s := newSandboxServer(t, oracle{})
	m := newMachine(t)
	m.policy(s.asking("  response: {quarantine: true}\n"))
	s.stop()
	m.start()
	var evil []string
	for i := range 5 {
		evil = append(evil, m.write(fmt.Sprintf("tree/%d.sh", i), script(fmt.Sprint(i, needle))))
		if v, err := m.client.CheckObject(t.Context(), control.ObjectCheck{Path: evil[i]}); err != nil || !v.Queued {
			t.Fatalf("%+v, %v", v, err)
		}
	}
	m.awaitEvent("sandbox-lost", 1)
	waiting, err := m.client.SandboxQueue(t.Context())
	if err != nil || len(waiting) != 5 || len(waiting[0].Names) == 0 {
		t.Fatalf("%+v, %v", waiting, err)
	}
	if lost := m.events("sandbox-lost"); len(lost) != 1 {
		t.Errorf("one outage, told so: %q", lost)
	}
	m.halt()
	s.start()
	m.start()
	if _, err := m.client.FlushQueue(t.Context()); err != nil {
		t.Error(err)
	}
	for _, path := range evil {
		m.await(path+" to be moved", func() bool { _, err := os.Lstat(path); return os.IsNotExist(err) })
	}
	m.await("an empty queue", func() bool {
		waiting, err = m.client.SandboxQueue(t.Context())
		return err == nil && len(waiting) == 0
	})
}

// Without a server nothing is kept for one.
func TestNoServerNothingQueued(t *testing.T) {
	m := newMachine(t)
	m.policy("")
	m.start()
	path := m.write("tree/some.sh", script("anything"))
	v, err := m.client.CheckObject(t.Context(), control.ObjectCheck{Path: path})
	if err != nil || v.Queued || v.Verdict != control.Unknown || v.Reason != "no sandbox is configured" {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := m.client.SandboxQueue(t.Context()); err == nil {
		t.Error("there is a queue")
	}
	if _, err := os.Lstat(filepath.Join(m.dir, "data", SandboxFolder)); !os.IsNotExist(err) {
		t.Errorf("something was made for nobody: %v", err)
	}
}

// What cannot be asked about is told by its kind.
func TestWrongQuestions(t *testing.T) {
	m := newMachine(t)
	m.policy("")
	m.start()
	for name, test := range map[string]struct {
		question control.ObjectCheck
		status   int
	}{
		"nothing there":   {control.ObjectCheck{Path: filepath.Join(m.tree, "nothing")}, 404},
		"folder":          {control.ObjectCheck{Path: m.tree}, 409},
		"no whole path":   {control.ObjectCheck{Path: "some/path"}, 400},
		"no hash":         {control.ObjectCheck{SHA256: "77"}, 400},
		"two of them":     {control.ObjectCheck{SHA256: sumOf(""), Path: m.tree}, 400},
		"none of them":    {control.ObjectCheck{}, 400},
		"object by a lie": {control.ObjectCheck{Path: m.tree + "/../tree"}, 409},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			_, err := m.client.CheckObject(t.Context(), test.question)
			var p *control.Error
			if !errors.As(err, &p) || p.Status != test.status {
				t.Errorf("%v, want status %d", err, test.status)
			}
		})
	}
	if runtime.GOOS == "linux" {
		f, err := os.Open(m.write("tree/open.sh", script("open")))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		number := int(f.Fd())
		v, err := m.client.CheckObject(t.Context(), control.ObjectCheck{Descriptor: &number})
		if err != nil || v.SHA256 != sumOf(script("open")) {
			t.Errorf("by descriptor: %+v, %v", v, err)
		}
		number = 1 << 20
		if _, err := m.client.CheckObject(t.Context(), control.ObjectCheck{Descriptor: &number}); err == nil {
			t.Error("a descriptor that is not open was")
		}
	}
}
