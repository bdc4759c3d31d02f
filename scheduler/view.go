package scheduler

import (
	"encoding/json"
	"fmt"
	"time"

	"tyto/store"
)

// TaskView is a task as people see it.
type TaskView struct {
	Task    Task      `json:"task"`
	Origin  string    `json:"origin"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	Expires time.Time `json:"expires,omitzero"`
	// Next is when the schedule next asks for a run, without the random delay; zero is never.
	Next time.Time `json:"next,omitzero"`
	// Run is the run whose turn it is, Pending one that waits for its end, Last the last that ended.
	Run     *RunView `json:"run,omitzero"`
	Pending *RunView `json:"pending,omitzero"`
	Last    *RunView `json:"last,omitzero"`
}

// RunView is a run as people see it.
type RunView struct {
	ID       int64         `json:"id"`
	Task     string        `json:"task"`
	State    string        `json:"state"`
	Trigger  Trigger       `json:"trigger"`
	Queued   time.Time     `json:"queued"`
	Started  time.Time     `json:"started,omitzero"`
	Finished time.Time     `json:"finished,omitzero"`
	Active   time.Duration `json:"active"`
	// Waits is why it does not work now; Why says it in a sentence, such as "waiting: the computer is in
	// use (session 3 of alice is active)".
	Waits []Wait `json:"waits,omitzero"`
	Why   string `json:"why,omitzero"`
	// Reason is what was stored with the state of an ended run.
	Reason   string          `json:"reason,omitzero"`
	Force    bool            `json:"force,omitzero"`
	Attempts int             `json:"attempts,omitzero"`
	Progress json.RawMessage `json:"progress,omitzero"`
	Summary  json.RawMessage `json:"summary,omitzero"`
}

// List returns all tasks in the order of their IDs.
func (s *Scheduler) List() []TaskView {
	s.mu.Lock()
	defer s.mu.Unlock()
	views := []TaskView{}
	for _, e := range s.sorted() {
		views = append(views, s.view(e))
	}
	return views
}

// Show returns one task.
func (s *Scheduler) Show(id string) (TaskView, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.tasks[id]
	if e == nil {
		return TaskView{}, fmt.Errorf("show task %q: %w", id, ErrUnknownTask)
	}
	return s.view(e), nil
}

// RunView returns a stored run, as it is at this moment if it has not ended.
func (s *Scheduler) RunView(row store.Run) RunView {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.tasks[row.Task]; e != nil {
		for _, r := range e.runs() {
			if r.record.ID == row.ID {
				return *s.viewRun(r, s.now().wall)
			}
		}
	}
	return viewRow(row)
}

func (s *Scheduler) view(e *entry) TaskView {
	now := s.now()
	v := TaskView{Task: clone(e.task), Origin: e.origin, Created: e.created, Updated: e.updated, Expires: e.expires()}
	if !e.task.Disabled {
		from := e.state.Schedule
		if now.wall.After(from) {
			from = now.wall
		}
		v.Next = e.plan.due.next(from)
	}
	if r := e.next(); r != nil {
		v.Run = s.viewRun(r, now.wall)
	}
	if e.begun != nil && e.waiting != nil {
		v.Pending = s.viewRun(e.waiting, now.wall)
		v.Pending.Waits = append(v.Pending.Waits, Wait{Code: WaitTurn, Text: fmt.Sprintf("run %d of this task comes first", e.begun.record.ID)})
		v.Pending.Why = "waiting: " + s.sentence(v.Pending.Waits)
	}
	if e.last != nil {
		last := viewRow(*e.last)
		v.Last = &last
	}
	return v
}

func (s *Scheduler) viewRun(r *run, now time.Time) *RunView {
	v := viewRow(r.record)
	v.Force, v.Attempts = r.Force, r.Attempts
	v.Waits = s.waits(r, now, s.valve.seen())
	word := "waiting"
	if c := s.current; c != nil && c.run == r {
		s.snapshot(r)
		active, _ := s.valve.state()
		v.Progress, v.Active, word = r.record.Progress, c.before+active, "paused"
		v.State, v.Reason = Working, "" // what is stored may be older
		if len(v.Waits) > 0 {
			v.State = Paused
		}
		if c.cause != nil {
			v.Why = "ending: " + c.cause.Error()
			return &v
		}
	} else if c != nil && len(v.Waits) == 0 {
		v.Waits = append(v.Waits, Wait{Code: WaitTurn, Text: fmt.Sprintf("run %d of task %q is at work", c.run.record.ID, c.run.record.Task)})
	}
	if len(v.Waits) > 0 {
		v.Why = word + ": " + s.sentence(v.Waits)
	}
	return &v
}

func viewRow(r store.Run) RunView {
	return RunView{
		ID: r.ID, Task: r.Task, State: r.State, Trigger: Trigger(r.Trigger), Queued: r.Queued, Started: r.Started,
		Finished: r.Finished, Active: r.Active, Reason: r.Reason, Progress: r.Progress, Summary: r.Summary,
	}
}
