package agent

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"

	"tyto/agent/control"
	"tyto/agent/events"
	"tyto/agent/policy"
	"tyto/idle"
	"tyto/quarantine"
	"tyto/scheduler"
	"tyto/store"
)

// backend answers the control API. It implements [control.Backend].
type backend struct{ a *Agent }

var _ control.Backend = backend{}

// Status implements [control.Backend].
func (b backend) Status(ctx context.Context) (control.Status, error) {
	a := b.a
	presence := a.watch.state()
	tasks := a.sched.List()
	s := control.Status{
		Version: a.o.Version, PID: os.Getpid(), Started: a.began,
		Policy: a.keeper.State().File, Data: a.data,
		Presence: string(presence.Presence), Reason: presence.Reason,
		Tasks: len(tasks),
	}
	for i := range tasks {
		if r := tasks[i].Run; r != nil && (r.State == scheduler.Working || r.State == scheduler.Paused) {
			s.Work = r
		}
	}
	a.mu.Lock()
	s.Rules, s.Indicators = a.sets.rules.Entries, a.sets.indicators.Entries
	a.mu.Unlock()
	counts, err := a.store.Counts(ctx)
	if err != nil {
		return s, err
	}
	s.Files, s.Findings = counts.Files, counts.Findings
	_ = a.vault.use(func(v *quarantine.Vault) error { // else it stands among what does not work
		list, _, err := v.List(ctx)
		s.Quarantined = len(list)
		return err
	})
	for part, trouble := range a.troubles.all() {
		s.Degraded = append(s.Degraded, fmt.Sprintf("%s: %s", part, trouble))
	}
	if rejected := a.keeper.State().Rejected; rejected != nil {
		s.Degraded = append(s.Degraded, fmt.Sprintf("policy: %v", rejected))
	}
	for _, output := range a.hub.Status() {
		if output.Error != nil {
			s.Degraded = append(s.Degraded, fmt.Sprintf("events to %s: %v", output.Name, output.Error))
		}
	}
	slices.Sort(s.Degraded)
	return s, nil
}

// Presence implements [control.Backend].
func (b backend) Presence(context.Context) (idle.State, error) { return b.a.watch.state(), nil }

// Tasks implements [control.Backend].
func (b backend) Tasks(context.Context) ([]scheduler.TaskView, error) { return b.a.sched.List(), nil }

// Task implements [control.Backend].
func (b backend) Task(_ context.Context, id string) (scheduler.TaskView, error) {
	return b.a.sched.Show(id)
}

// AddTask implements [control.Backend].
func (b backend) AddTask(ctx context.Context, t scheduler.Task) (v scheduler.TaskView, err error) {
	if err := b.allowed(&t); err != nil {
		return v, err
	}
	if err := b.a.sched.Add(ctx, t, scheduler.FromUser); err != nil {
		return v, err
	}
	return b.a.sched.Show(t.ID)
}

// UpdateTask implements [control.Backend].
func (b backend) UpdateTask(ctx context.Context, t scheduler.Task) (v scheduler.TaskView, err error) {
	if err := b.allowed(&t); err != nil {
		return v, err
	}
	if err := b.a.sched.Update(ctx, t); err != nil {
		return v, err
	}
	return b.a.sched.Show(t.ID)
}

// allowed refuses a command that is not the policy's, and the id of the agent's own task. Only who may write the
// policy says which programs the agent runs.
func (b backend) allowed(t *scheduler.Task) error {
	if t.ID == responseTask || strings.HasPrefix(t.ID, verdictTask) {
		return control.Errorf(409, "choose another id", "the task id %q is kept for the agent's own task", t.ID)
	}
	command := t.Actions.Command
	if len(command) == 0 || slices.Equal(command, b.a.policy().Response.Command) {
		return nil
	}
	return control.Errorf(403, "name the command in the policy under response.command, or leave it out",
		"task %q: only the policy can name a command: a task may use the command of the policy or none", t.ID)
}

// DeleteTask implements [control.Backend].
func (b backend) DeleteTask(_ context.Context, id string) error { return b.a.sched.Delete(id) }

// StartTask implements [control.Backend].
func (b backend) StartTask(ctx context.Context, id string, o control.Start) (v scheduler.RunView, err error) {
	run, err := b.a.sched.RunTask(id, scheduler.RunOptions{Now: o.Now})
	if err != nil {
		return v, err
	}
	return b.Run(ctx, run)
}

// PauseTask implements [control.Backend].
func (b backend) PauseTask(_ context.Context, id string) (scheduler.TaskView, error) {
	return b.after(id, b.a.sched.Pause(id))
}

// ResumeTask implements [control.Backend].
func (b backend) ResumeTask(_ context.Context, id string) (scheduler.TaskView, error) {
	return b.after(id, b.a.sched.Resume(id))
}

// CancelTask implements [control.Backend].
func (b backend) CancelTask(_ context.Context, id string) (scheduler.TaskView, error) {
	return b.after(id, b.a.sched.Cancel(id))
}

// after returns a task as it is after something was done to it.
func (b backend) after(id string, err error) (scheduler.TaskView, error) {
	if err != nil {
		return scheduler.TaskView{}, err
	}
	return b.a.sched.Show(id)
}

// Runs implements [control.Backend].
func (b backend) Runs(ctx context.Context, f control.RunFilter) ([]scheduler.RunView, error) {
	filter := store.RunFilter{Task: f.Task, Limit: f.Limit}
	if filter.Limit == 0 {
		filter.Limit = 100
	}
	if f.State != "" {
		filter.States = []string{f.State}
	}
	rows, err := b.a.store.Runs(ctx, filter)
	if err != nil {
		return nil, err
	}
	views := []scheduler.RunView{}
	for _, row := range rows {
		views = append(views, b.a.sched.RunView(row))
	}
	return views, nil
}

// Run implements [control.Backend].
func (b backend) Run(ctx context.Context, id int64) (scheduler.RunView, error) {
	row, err := b.a.store.Run(ctx, id)
	if err != nil {
		return scheduler.RunView{}, err
	}
	return b.a.sched.RunView(row), nil
}

// Records implements [control.Backend].
func (b backend) Records(ctx context.Context, run int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if _, err := b.a.store.Run(ctx, run); err != nil {
			yield(nil, err)
			return
		}
		for record, err := range b.a.store.Records(ctx, run) {
			if !yield(record.Line, err) {
				return
			}
		}
	}
}

// Events implements [control.Backend].
func (b backend) Events(ctx context.Context, f control.EventFilter) ([]control.Event, error) {
	filter := store.EventFilter{ID: f.ID, Since: f.Since, Limit: f.Limit}
	if filter.Limit == 0 {
		filter.Limit = 100
	}
	rows, err := b.a.store.Events(ctx, filter)
	if err != nil {
		return nil, err
	}
	list := []control.Event{}
	for _, e := range rows {
		list = append(list, control.Event{
			Time: e.Time, ID: e.ID, Name: events.KindOf(events.ID(e.ID)).Name, Level: e.Level, Message: e.Message, Data: e.Data,
		})
	}
	return list, nil
}

// Policy implements [control.Backend].
func (b backend) Policy(context.Context) (control.Policy, error) {
	state := b.a.keeper.State()
	text, err := state.Policy.YAML()
	if err != nil {
		return control.Policy{}, err
	}
	p := control.Policy{File: state.File, Loaded: state.Loaded, YAML: string(text)}
	problems := state.Warnings
	if state.Rejected != nil {
		p.Rejected, problems = state.Rejected.Error(), nil // whose lines are those of a file that is gone
		if rejected := (*policy.Rejected)(nil); errors.As(state.Rejected, &rejected) {
			problems = rejected.Problems
		}
	}
	for _, w := range problems {
		p.Problems = append(p.Problems, control.PolicyProblem{Line: w.Line, Message: w.Message, Warning: w.Warning})
	}
	return p, nil
}

// ReloadPolicy implements [control.Backend].
func (b backend) ReloadPolicy(ctx context.Context) (control.Policy, error) {
	_ = b.a.keeper.Reload() // stands in the answer
	return b.Policy(ctx)
}
