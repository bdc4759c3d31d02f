package control_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/agent/control"
	"tyto/agent/control/controltest"
	"tyto/scheduler"
)

// address is where this test's agent listens.
func address(t *testing.T) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		return `\\.\pipe\tyto-test-` + strings.NewReplacer("/", "-", "\\", "-").Replace(t.Name())
	}
	return filepath.Join(t.TempDir(), "agent.sock")
}

// serve starts a server of b and returns its address.
func serve(t *testing.T, b control.Backend, a control.Access) string {
	t.Helper()
	at := address(t)
	l, err := control.Listen(at, a)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	server := control.NewServer(b, control.ServerOptions{FollowEvery: time.Millisecond})
	go func() { done <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return at
}

func client(t *testing.T, address string) *control.Client {
	t.Helper()
	c := control.NewClient(address)
	t.Cleanup(c.Close)
	return c
}

// A client is as good as the agent itself.
func TestClientAndServer(t *testing.T) {
	ctx := t.Context()
	agent := controltest.New(`{"event":{"action":"start"}}`, `{"event":{"action":"summary"}}`)
	c := client(t, serve(t, agent, control.Access{}))

	same(t, "status", func(b control.Backend) (any, error) { return b.Status(ctx) }, agent, c)
	same(t, "presence", func(b control.Backend) (any, error) { return b.Presence(ctx) }, agent, c)
	same(t, "no tasks", func(b control.Backend) (any, error) { return b.Tasks(ctx) }, agent, c)

	task := scheduler.Task{ID: "weekly", Scope: scheduler.Scope{Areas: []scheduler.Area{scheduler.Computer}}}
	if view, err := c.AddTask(ctx, task); err != nil || view.Task.ID != "weekly" || view.Origin != scheduler.FromUser {
		t.Fatalf("add a task: %+v, %v", view, err)
	}
	task.Description = "of people & <things>"
	if view, err := c.UpdateTask(ctx, task); err != nil || view.Task.Description != task.Description {
		t.Fatalf("update a task: %+v, %v", view, err)
	}
	same(t, "a task", func(b control.Backend) (any, error) { return b.Task(ctx, "weekly") }, agent, c)

	run, err := c.StartTask(ctx, "weekly", control.Start{Now: true})
	if err != nil || run.ID != 1 || !run.Force {
		t.Fatalf("start a task: %+v, %v", run, err)
	}
	if view, err := c.PauseTask(ctx, "weekly"); err != nil || view.Run == nil || view.Run.State != scheduler.Paused {
		t.Errorf("pause: %+v, %v", view, err)
	}
	same(t, "runs", func(b control.Backend) (any, error) { return b.Runs(ctx, control.RunFilter{Task: "weekly", Limit: 5}) }, agent, c)
	same(t, "a run", func(b control.Backend) (any, error) { return b.Run(ctx, 1) }, agent, c)
	if view, err := c.ResumeTask(ctx, "weekly"); err != nil || view.Run.State != scheduler.Working {
		t.Errorf("resume: %+v, %v", view, err)
	}
	var states []string
	for view, err := range c.Follow(ctx, 1) {
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, view.State)
	}
	if diff := cmp.Diff([]string{"running", "running", "running", "finished"}, states); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	var lines []string
	for line, err := range c.Records(ctx, 1) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	if diff := cmp.Diff(agent.Report, lines); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if _, err := c.StartTask(ctx, "weekly", control.Start{}); err != nil {
		t.Error(err)
	}
	if view, err := c.CancelTask(ctx, "weekly"); err != nil || view.Last.State != scheduler.Cancelled {
		t.Errorf("cancel: %+v, %v", view, err)
	}
	if err := c.DeleteTask(ctx, "weekly"); err != nil {
		t.Error(err)
	}

	same(t, "events", func(b control.Backend) (any, error) {
		return b.Events(ctx, control.EventFilter{ID: "TY-101", Since: controltest.Moment, Limit: 5})
	}, agent, c)
	same(t, "policy", func(b control.Backend) (any, error) { return b.Policy(ctx) }, agent, c)
	if p, err := c.ReloadPolicy(ctx); err != nil || p.Rejected != "" {
		t.Errorf("reload: %+v, %v", p, err)
	}

	same(t, "quarantine", func(b control.Backend) (any, error) { return b.Quarantine(ctx) }, agent, c)
	same(t, "an object", func(b control.Backend) (any, error) { return b.Quarantined(ctx, "q1") }, agent, c)
	same(t, "rescan", func(b control.Backend) (any, error) { return b.Rescan(ctx, []string{"q1"}) }, agent, c)
	if o, err := c.AddToQuarantine(ctx, control.Containment{Path: "/tmp/x", DryRun: true}); err != nil || o.Path != "/tmp/x" {
		t.Errorf("dry run: %+v, %v", o, err)
	}
	if o, err := c.AddToQuarantine(ctx, control.Containment{Path: "/tmp/x"}); err != nil || o.ID != "q2" {
		t.Errorf("add: %+v, %v", o, err)
	}
	if o, err := c.Restore(ctx, "q1", control.Restoration{To: "/srv/x", Rename: true}); err != nil || o.Path != "/srv/x" {
		t.Errorf("restore: %+v, %v", o, err)
	}
	if err := c.DeleteFromQuarantine(ctx, "q2"); err != nil {
		t.Error(err)
	}

	same(t, "the sandbox link", func(b control.Backend) (any, error) { return b.Sandbox(ctx) }, agent, c)
	same(t, "its queue", func(b control.Backend) (any, error) { return b.SandboxQueue(ctx) }, agent, c)
	same(t, "a queued object", func(b control.Backend) (any, error) { return b.Queued(ctx, controltest.Malicious) }, agent, c)
	same(t, "flush", func(b control.Backend) (any, error) { return b.FlushQueue(ctx) }, agent, c)
	for _, o := range []control.ObjectCheck{{Path: "/tmp/x"}, {Descriptor: new(int)}, {SHA256: controltest.Malicious}} {
		same(t, "check", func(b control.Backend) (any, error) { return b.CheckObject(ctx, o) }, agent, c)
	}
	if err := c.DropQueued(ctx, controltest.Malicious); err != nil {
		t.Error(err)
	}
	if _, err := c.CheckObject(ctx, control.ObjectCheck{Path: "/tmp/x", SHA256: controltest.Malicious}); err == nil {
		t.Error("an object was asked about by two names")
	}
}

// same holds what the agent says itself against what comes through the API.
func same(t *testing.T, what string, ask func(control.Backend) (any, error), agent, client control.Backend) {
	t.Helper()
	want, err := ask(agent)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	got, err := ask(client)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-agent +client):\n%s", what, diff)
	}
}

func TestProblems(t *testing.T) {
	ctx := t.Context()
	agent := controltest.New("{}", "broken")
	c := client(t, serve(t, agent, control.Access{}))
	task := scheduler.Task{ID: "a", Scope: scheduler.Scope{Areas: []scheduler.Area{scheduler.Computer}}}
	if _, err := c.AddTask(ctx, task); err != nil {
		t.Fatal(err)
	}
	drain := func(run int64) error {
		for _, err := range c.Records(ctx, run) {
			if err != nil {
				return err
			}
		}
		return nil
	}
	for _, test := range []struct {
		name   string
		do     func() error
		status int
		next   string
	}{
		{"unknown task", func() error { _, err := c.Task(ctx, "b/../a?x"); return err }, 404, "tyto task list"},
		{"task that exists", func() error { _, err := c.AddTask(ctx, task); return err }, 409, "--replace"},
		{"task that makes no sense", func() error { _, err := c.AddTask(ctx, scheduler.Task{ID: "No!"}); return err }, 422, "docs/tasks.md"},
		{"nothing to pause", func() error { _, err := c.PauseTask(ctx, "a"); return err }, 409, "tyto task run"},
		{"unknown run", func() error { _, err := c.Run(ctx, 99); return err }, 404, ""},
		{"records of an unknown run", func() error { return drain(99) }, 404, ""},
		{"unknown object", func() error { return c.DeleteFromQuarantine(ctx, "zz") }, 404, "tyto quarantine list"},
		{"nothing to quarantine", func() error { _, err := c.AddToQuarantine(ctx, control.Containment{}); return err }, 400, "path"},
		{"two ways at once", func() error {
			_, err := c.Restore(ctx, "q1", control.Restoration{Replace: true, Rename: true})
			return err
		}, 400, "choose one"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.do()
			var p *control.Error
			if !errors.As(err, &p) {
				t.Fatalf("got %v, want a problem", err)
			}
			if p.Status != test.status || !strings.Contains(p.Next, test.next) || p.Title != http.StatusText(p.Status) {
				t.Errorf("problem %+v, want status %d and next %q", p, test.status, test.next)
			}
		})
	}
	var p *control.Error
	if _, err := c.AddTask(ctx, scheduler.Task{ID: "No!"}); !errors.As(err, &p) || len(p.Problems) < 2 {
		t.Errorf("a task with several mistakes: %+v", p)
	}
	// A report that breaks off is not taken for a whole one.
	if _, err := c.StartTask(ctx, "a", control.Start{}); err != nil {
		t.Fatal(err)
	}
	if err := drain(1); err == nil {
		t.Error("half a report was taken for a whole one")
	}
}

func TestNoAgent(t *testing.T) {
	at := address(t)
	_, err := client(t, at).Status(t.Context())
	if !errors.Is(err, control.ErrNoAgent) {
		t.Errorf("got %v, want ErrNoAgent", err)
	}
}

func TestOneAgentOnly(t *testing.T) {
	at := serve(t, controltest.New(), control.Access{})
	if l, err := control.Listen(at, control.Access{}); err == nil {
		l.Close()
		t.Error("two agents listen at one address")
	} else if !strings.Contains(err.Error(), "tyto agent status") {
		t.Errorf("the error does not say what to do: %v", err)
	}
}

// panics is an agent with a mistake in it.
type panics struct{ control.Backend }

func (panics) Status(context.Context) (control.Status, error) { panic("a mistake") }

func (panics) Policy(context.Context) (control.Policy, error) {
	return control.Policy{}, errors.New("plain")
}

func TestAMistakeCostsOneRequest(t *testing.T) {
	c := client(t, serve(t, panics{controltest.New()}, control.Access{}))
	var p *control.Error
	if _, err := c.Status(t.Context()); !errors.As(err, &p) || p.Status != 500 {
		t.Errorf("a panic: %v", err)
	}
	if _, err := c.Policy(t.Context()); !errors.As(err, &p) || p.Detail != "plain" {
		t.Errorf("an error: %v", err)
	}
	if _, err := c.Tasks(t.Context()); err != nil {
		t.Errorf("the next request: %v", err)
	}
}

// A stream ends with the agent, and does not hold up its end.
func TestStreamsEndWithTheAgent(t *testing.T) {
	agent := controltest.New()
	at := address(t)
	l, err := control.Listen(at, control.Access{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- control.NewServer(agent, control.ServerOptions{}).Serve(ctx, l) }()
	c := client(t, at)
	if _, err := c.AddTask(ctx, scheduler.Task{ID: "a", Scope: scheduler.Scope{Areas: []scheduler.Area{scheduler.Computer}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.StartTask(ctx, "a", control.Start{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PauseTask(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	for view, err := range c.Follow(t.Context(), 1) {
		if err != nil {
			break // the agent has ended
		}
		if view.State != scheduler.Paused {
			t.Errorf("state %q", view.State)
		}
		cancel()
	}
	if err := <-done; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}
