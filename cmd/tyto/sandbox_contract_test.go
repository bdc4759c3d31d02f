package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tyto/sandbox"
	"tyto/sandbox/cert"
	"tyto/sandboxlink/submit/kaspersky"
	"tyto/sandboxlink/submit/wire"
	"tyto/verdict"
)

// byWord is an engine that finds evil what says so, once it is allowed to.
type byWord struct{ allowed chan struct{} }

func (byWord) Name() string    { return "by-word" }
func (byWord) Version() string { return "1" }
func (e byWord) Examine(ctx context.Context, s sandbox.Sample) (*sandbox.Seen, error) {
	select {
	case <-e.allowed:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	seen := &sandbox.Seen{Engine: verdict.Engine{Saw: "Looked at its name.", Blind: []string{"All else."}}, Threats: []string{"Evil"}}
	if strings.HasPrefix(s.Name, "evil") {
		seen.Behaviours = []verdict.Behaviour{{ID: "says-so", Score: 95, Detail: "It says so."}}
	}
	return seen, nil
}

// The sandbox server and the agent's client know nothing of each other but the protocol: here they meet, with the
// certificates that the commands make.
func TestAgentAsksOwnSandbox(t *testing.T) {
	authority, err := cert.Create(filepath.Join(t.TempDir(), "tls"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	identity, err := authority.Server([]string{"127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	agent, err := authority.Client("agent", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := cert.Load(identity.Certificate, identity.Key)
	if err != nil {
		t.Fatal(err)
	}
	clients, err := cert.ReadPool(authority.File())
	if err != nil {
		t.Fatal(err)
	}
	allowed := make(chan struct{})
	box, err := sandbox.Open(sandbox.Options{Dir: filepath.Join(t.TempDir(), "box"), Engines: []sandbox.Engine{byWord{allowed}}, Product: "Tyto test", Limits: sandbox.Limits{Waiting: 1, Parallel: 1}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- box.Serve(ctx, l, &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	// The waits are generous: the test is not about them, and this computer may be busy.
	client, err := wire.NewClient(wire.Server{
		Address: l.Addr().String(), Kind: "tyto", Pin: cert.Pin(identity.Leaf), CA: authority.File(), ClientCertificate: agent.Certificate, ClientKey: agent.Key,
	}, wire.Limits{Connect: time.Minute, Answer: time.Minute}, "")
	if err != nil {
		t.Fatal(err)
	}
	backend := kaspersky.New(client, kaspersky.Settings{Tyto: true})
	t.Cleanup(backend.Close)

	object := func(name, content string) wire.Object {
		sum := sha256.Sum256([]byte(content))
		return wire.Object{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(content)), Name: name}
	}
	evil, good := object("evil.sh", "evil"), object("good.sh", "good")
	if _, err := backend.Lookup(ctx, evil); !errors.Is(err, wire.ErrUnknown) {
		t.Errorf("a look-up of what nobody sent: %v, want ErrUnknown", err)
	}
	if _, err := backend.Poll(ctx, strings.Repeat("0", 32), evil); !errors.Is(err, wire.ErrForgotten) {
		t.Errorf("a task that there is not: %v, want ErrForgotten", err)
	}
	first, err := backend.Submit(ctx, evil, strings.NewReader("evil"))
	if err != nil || first.Task == "" || !first.Pending {
		t.Fatalf("the upload: %+v, %v", first, err)
	}
	if known, err := backend.Lookup(ctx, evil); err != nil || !known.Pending || known.Task != first.Task {
		t.Errorf("a look-up of what is being looked at: %+v, %v", known, err)
	}
	// One is being looked at, or waits; of two more at least one is too many.
	_, err1 := backend.Submit(ctx, good, strings.NewReader("good"))
	_, err2 := backend.Submit(ctx, object("more.sh", "more"), strings.NewReader("more"))
	busy := (*wire.Error)(nil)
	if err := errors.Join(err1, err2); !errors.As(err, &busy) || busy.Kind != wire.Busy {
		t.Errorf("a full queue: %v, want an error of the kind busy", err)
	}
	close(allowed)
	if a := polled(t, backend, first.Task, evil); a.Verdict == nil || a.Verdict.Level != verdict.Malicious || a.Report == nil || a.Report.Behaviours[0].ID != "says-so" {
		t.Errorf("the verdict: %+v", a)
	}
	known, err := backend.Lookup(ctx, evil)
	if err != nil || known.Pending || known.Verdict == nil || known.Verdict.Level != verdict.Malicious || known.Verdict.Database != box.Database() {
		t.Errorf("a look-up of what is known: %+v, %v", known, err)
	}
	again, err := backend.Submit(ctx, good, strings.NewReader("good"))
	if err != nil {
		t.Fatal(err)
	}
	if again.Pending {
		again = polled(t, backend, again.Task, good)
	}
	if again.Verdict == nil || again.Verdict.Level != verdict.Clean {
		t.Errorf("what is good: %+v", again)
	}
	if database, err := backend.Database(ctx); err != nil || database != box.Database() {
		t.Errorf("the database version is %q (%v), want %q", database, err, box.Database())
	}
}

// polled waits for a task's end.
func polled(t *testing.T, b *kaspersky.Backend, task string, o wire.Object) wire.Answer {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(5 * time.Millisecond) {
		a, err := b.Poll(t.Context(), task, o)
		if err != nil {
			t.Fatal(err)
		}
		if !a.Pending {
			return a
		}
	}
	t.Fatal("no verdict within a minute")
	return wire.Answer{}
}
