// Package controltest holds an agent that does nothing, for tests of the control API and of the commands that
// use it. It is to package control what net/http/httptest is to net/http.
package controltest

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"tyto/agent/control"
	"tyto/idle"
	"tyto/scheduler"
)

// Moment is when everything happens here.
var Moment = time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC)

// Backend is an agent in memory. Its runs make progress each time somebody looks at them, and end.
type Backend struct {
	// Report are the lines of every run's report.
	Report []string

	mu      sync.Mutex
	tasks   map[string]scheduler.TaskView
	runs    []scheduler.RunView
	objects map[string]control.Object
	// Reloads is how often the policy was read.
	reloads int
}

// New returns an agent without tasks and with one object in its quarantine, "q1".
func New(report ...string) *Backend {
	return &Backend{
		Report: report,
		tasks:  map[string]scheduler.TaskView{},
		objects: map[string]control.Object{"q1": {
			ID: "q1", Path: "/tmp/evil", Size: 68, SHA256: "00", Time: Moment, Level: "alert", Score: 100, Matches: []string{"EICAR"},
		}},
	}
}

// Status implements [control.Backend], as the other methods do.
func (b *Backend) Status(context.Context) (control.Status, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return control.Status{
		Version: "test", PID: 1, Started: Moment, Policy: "/etc/tyto/policy.yaml", Data: "/var/lib/tyto",
		Presence: string(idle.Idle), Reason: "nobody is logged in", Tasks: len(b.tasks), Rules: 20, Files: 1000,
		Quarantined: len(b.objects), Degraded: []string{"kernel memory: not built yet"},
	}, nil
}

// Presence says idle.
func (b *Backend) Presence(context.Context) (idle.State, error) {
	return idle.State{Presence: idle.Idle, Reason: "nobody is logged in", Since: Moment,
		Sources: []idle.Source{{Name: "logind", Presence: idle.Idle, Since: Moment}}}, nil
}

// Tasks lists tasks.
func (b *Backend) Tasks(context.Context) ([]scheduler.TaskView, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := []scheduler.TaskView{}
	for _, id := range slices.Sorted(maps.Keys(b.tasks)) {
		all = append(all, b.view(b.tasks[id]))
	}
	return all, nil
}

// Task shows a task.
func (b *Backend) Task(_ context.Context, id string) (scheduler.TaskView, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.task(id)
}

func (b *Backend) task(id string) (scheduler.TaskView, error) {
	t, ok := b.tasks[id]
	if !ok {
		return t, fmt.Errorf("show task %q: %w", id, scheduler.ErrUnknownTask)
	}
	return b.view(t), nil
}

// view fills in a task's runs.
func (b *Backend) view(t scheduler.TaskView) scheduler.TaskView {
	for _, r := range b.runs {
		if r.Task != t.Task.ID {
			continue
		}
		if r.Finished.IsZero() {
			t.Run = &r
		} else {
			t.Last = &r
		}
	}
	return t
}

// AddTask adds a task.
func (b *Backend) AddTask(_ context.Context, t scheduler.Task) (scheduler.TaskView, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.tasks[t.ID]; ok {
		return scheduler.TaskView{}, fmt.Errorf("add task %q: %w", t.ID, scheduler.ErrExists)
	}
	b.tasks[t.ID] = scheduler.TaskView{Task: t, Origin: scheduler.FromUser, Created: Moment, Updated: Moment}
	return b.tasks[t.ID], nil
}

// UpdateTask replaces a task.
func (b *Backend) UpdateTask(_ context.Context, t scheduler.Task) (scheduler.TaskView, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	view, err := b.task(t.ID)
	if err == nil {
		view.Task = t
		b.tasks[t.ID] = view
	}
	return view, err
}

// DeleteTask deletes a task.
func (b *Backend) DeleteTask(_ context.Context, id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, err := b.task(id)
	delete(b.tasks, id)
	return err
}

// StartTask adds a run.
func (b *Backend) StartTask(_ context.Context, id string, o control.Start) (scheduler.RunView, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, err := b.task(id)
	if err != nil || t.Run != nil {
		return scheduler.RunView{}, err
	}
	run := scheduler.RunView{ID: int64(len(b.runs) + 1), Task: id, State: scheduler.Working, Trigger: scheduler.ByPerson, Queued: Moment, Started: Moment, Force: o.Now}
	b.runs = append(b.runs, run)
	return run, nil
}

// PauseTask holds a task's run.
func (b *Backend) PauseTask(_ context.Context, id string) (scheduler.TaskView, error) {
	return b.change(id, func(r *scheduler.RunView) {
		r.State, r.Why = scheduler.Paused, "paused: paused by a person"
		r.Waits = []scheduler.Wait{{Code: scheduler.WaitPerson, Text: "paused by a person"}}
	})
}

// ResumeTask lets it go on.
func (b *Backend) ResumeTask(_ context.Context, id string) (scheduler.TaskView, error) {
	return b.change(id, func(r *scheduler.RunView) { r.State, r.Why, r.Waits = scheduler.Working, "", nil })
}

// CancelTask ends it.
func (b *Backend) CancelTask(_ context.Context, id string) (scheduler.TaskView, error) {
	return b.change(id, func(r *scheduler.RunView) { r.State, r.Finished = scheduler.Cancelled, Moment })
}

func (b *Backend) change(id string, how func(*scheduler.RunView)) (scheduler.TaskView, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.task(id); err != nil {
		return scheduler.TaskView{}, err
	}
	for i := range b.runs {
		if b.runs[i].Task == id && b.runs[i].Finished.IsZero() {
			how(&b.runs[i])
			return b.task(id)
		}
	}
	return scheduler.TaskView{}, fmt.Errorf("task %q: %w", id, scheduler.ErrNoRun)
}

// Runs lists runs.
func (b *Backend) Runs(_ context.Context, f control.RunFilter) ([]scheduler.RunView, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := []scheduler.RunView{}
	for _, r := range slices.Backward(b.runs) {
		if (f.Task == "" || f.Task == r.Task) && (f.State == "" || f.State == r.State) && len(all) < f.Limit {
			all = append(all, r)
		}
	}
	return all, nil
}

// Run shows a run. One that is at work has done a third more each time, and then has ended.
func (b *Backend) Run(_ context.Context, id int64) (scheduler.RunView, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if id < 1 || int(id) > len(b.runs) {
		return scheduler.RunView{}, control.Errorf(http.StatusNotFound, "tyto task list shows the tasks", "there is no run %d", id)
	}
	r := &b.runs[id-1]
	if r.State == scheduler.Working {
		r.Attempts++
		r.Progress = fmt.Appendf(nil, `{"objects":%d,"files":%d,"bytes":4096,"total_files":3,"total_bytes":4096,"elapsed":1.5,"current":"/tmp/x"}`, r.Attempts, r.Attempts)
		if r.Attempts > 3 {
			r.State, r.Finished = scheduler.Finished, Moment
		}
	}
	return *r, nil
}

// Records yields Report.
func (b *Backend) Records(context.Context, int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, line := range b.Report {
			if line == "broken" {
				yield(nil, fmt.Errorf("the database is broken"))
				return
			}
			if !yield([]byte(line), nil) {
				return
			}
		}
	}
}

// Events returns one event.
func (b *Backend) Events(_ context.Context, f control.EventFilter) ([]control.Event, error) {
	e := control.Event{Time: Moment, ID: "TY-101", Name: "agent-started", Level: "info", Message: "the agent is ready"}
	if f.ID != "" && f.ID != e.ID || f.Since.After(e.Time) {
		return []control.Event{}, nil
	}
	return []control.Event{e}, nil
}

// Policy returns a policy.
func (b *Backend) Policy(context.Context) (control.Policy, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := control.Policy{File: "/etc/tyto/policy.yaml", Loaded: Moment, YAML: "data: \"\"\n"}
	if b.reloads > 1 {
		p.Rejected = "line 1: it is broken"
		p.Problems = []control.PolicyProblem{{Line: 1, Message: "it is broken"}}
	}
	return p, nil
}

// ReloadPolicy returns the policy; from the second time on the file is rejected.
func (b *Backend) ReloadPolicy(ctx context.Context) (control.Policy, error) {
	b.mu.Lock()
	b.reloads++
	b.mu.Unlock()
	return b.Policy(ctx)
}

// Quarantine lists objects.
func (b *Backend) Quarantine(context.Context) (control.Quarantine, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := control.Quarantine{Used: 68, Limit: 200 << 20}
	for _, id := range slices.Sorted(maps.Keys(b.objects)) {
		q.Objects = append(q.Objects, b.objects[id])
	}
	return q, nil
}

// Quarantined shows an object.
func (b *Backend) Quarantined(_ context.Context, id string) (control.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.objects[id]
	if !ok {
		return o, control.Errorf(http.StatusNotFound, "tyto quarantine list shows the objects", "there is no object %q", id)
	}
	return o, nil
}

// AddToQuarantine adds an object without taking the file away.
func (b *Backend) AddToQuarantine(_ context.Context, c control.Containment) (control.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := control.Object{ID: fmt.Sprintf("q%d", len(b.objects)+1), Path: c.Path, Time: Moment, Reason: c.Reason}
	if !c.DryRun {
		b.objects[o.ID] = o
	}
	return o, nil
}

// Restore removes an object.
func (b *Backend) Restore(ctx context.Context, id string, o control.Restoration) (control.Object, error) {
	object, err := b.Quarantined(ctx, id)
	if err != nil {
		return object, err
	}
	if o.To != "" {
		object.Path = o.To
	}
	return object, b.DeleteFromQuarantine(ctx, id)
}

// DeleteFromQuarantine removes an object.
func (b *Backend) DeleteFromQuarantine(ctx context.Context, id string) error {
	if _, err := b.Quarantined(ctx, id); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.objects, id)
	return nil
}

// Rescan finds nothing any more.
func (b *Backend) Rescan(_ context.Context, ids []string) ([]control.Rescanned, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := []control.Rescanned{}
	for _, id := range slices.Sorted(maps.Keys(b.objects)) {
		if len(ids) == 0 || slices.Contains(ids, id) {
			all = append(all, control.Rescanned{ID: id, Path: b.objects[id].Path, Found: []string{}})
		}
	}
	return all, nil
}

// CheckObject knows nothing but one hash.
func (b *Backend) CheckObject(_ context.Context, c control.ObjectCheck) (control.ObjectVerdict, error) {
	if c.SHA256 == Malicious {
		return control.ObjectVerdict{SHA256: c.SHA256, Verdict: "malicious", Score: 90, Threats: []string{"Test.Dropper"}, Time: Moment, Actions: []string{"quarantined"}}, nil
	}
	return control.ObjectVerdict{Verdict: control.Unknown, Queued: c.SHA256 == ""}, nil
}

// Malicious is the hash of a content that is known to be.
const Malicious = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

// queued waits for a verdict for ever.
var queued = control.QueuedObject{SHA256: Malicious, Size: 3, Stored: 40, Risk: 50, Names: []string{"/tmp/foo"}, Added: Moment}

// Sandbox shows one server.
func (b *Backend) Sandbox(context.Context) (control.Sandbox, error) {
	return control.Sandbox{Servers: []control.SandboxServer{{Address: "sandbox:443", Kind: "tyto", State: "ready"}}, Waiting: 1, Used: 40, Limit: 100_000_000}, nil
}

// SandboxQueue lists one object.
func (b *Backend) SandboxQueue(context.Context) ([]control.QueuedObject, error) {
	return []control.QueuedObject{queued}, nil
}

// Queued shows it.
func (b *Backend) Queued(_ context.Context, sha256 string) (control.QueuedObject, error) {
	if sha256 != queued.SHA256 {
		return control.QueuedObject{}, control.Errorf(http.StatusNotFound, "tyto sandbox queue list shows the objects", "no object %q waits", sha256)
	}
	return queued, nil
}

// DropQueued drops nothing.
func (b *Backend) DropQueued(ctx context.Context, sha256 string) error {
	_, err := b.Queued(ctx, sha256)
	return err
}

// FlushQueue shows the state.
func (b *Backend) FlushQueue(ctx context.Context) (control.Sandbox, error) { return b.Sandbox(ctx) }
