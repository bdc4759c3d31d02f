package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"tyto/store"
)

// What the methods for people return; test with errors.Is.
var (
	// ErrUnknownTask is returned for an ID that no task has.
	ErrUnknownTask = errors.New("there is no such task")
	// ErrExists is returned by Add for an ID that a task has already.
	ErrExists = errors.New("there is a task with this id already")
	// ErrNoRun is returned where a run is needed that has not ended, and the task has none.
	ErrNoRun = errors.New("the task has no run that waits or works")
	// ErrPolicy is returned for changes to tasks that the policy defines.
	ErrPolicy = errors.New("the task comes from the policy: change it there")
)

// Origins of tasks.
const (
	FromPolicy   = "policy"
	FromUser     = "user"
	FromResponse = "response"
)

// Add stores a new task. One that responds to a threat expires after [ResponseExpiry] if it does not say.
func (s *Scheduler) Add(ctx context.Context, t Task, origin string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tasks[t.ID] != nil {
		return fmt.Errorf("add task %q: %w", t.ID, ErrExists)
	}
	return s.add(ctx, t, origin)
}

func (s *Scheduler) add(ctx context.Context, t Task, origin string) error {
	t = clone(t)
	if origin == FromResponse {
		set(&t.ExpireAfter, ResponseExpiry)
	}
	now := s.now()
	p, err := t.plan(now.wall, s.o.Zone)
	if err != nil {
		return err
	}
	e := &entry{task: t, origin: origin, created: now.wall, updated: now.wall, plan: p, started: s.ready,
		state: served{Schedule: now.wall, Sets: s.sets}}
	if err := s.o.Store.PutTask(ctx, e.row()); err != nil {
		return fmt.Errorf("add task %q: %w", t.ID, err)
	}
	s.tasks[t.ID] = e
	s.saveState(e)
	s.tell(Event{Kind: TaskAdded, Task: t.ID, Message: fmt.Sprintf("task %q was added", t.ID)})
	return nil
}

// Update replaces a task. A run of it goes on under the new conditions; if the task now looks at or for
// something else, the run is cancelled and a new one takes its place.
func (s *Scheduler) Update(ctx context.Context, t Task) error {
	return s.with(t.ID, "update", true, func(e *entry) error { return s.update(ctx, e, t) })
}

func (s *Scheduler) update(ctx context.Context, e *entry, t Task) error {
	t = clone(t)
	p, err := t.plan(e.created, s.o.Zone)
	if err != nil {
		return err
	}
	now := s.now()
	changed := *e
	changed.task, changed.plan, changed.updated = t, p, now.wall
	if err := s.o.Store.PutTask(ctx, changed.row()); err != nil {
		return err
	}
	if e.task.Disabled && !t.Disabled || e.task.When.times() != t.When.times() {
		e.state.Schedule = now.wall // the new times begin now
	}
	if e.task.Disabled && !t.Disabled || !e.task.When.AfterUpdate {
		e.state.Sets = s.sets
	}
	e.task, e.plan, e.updated = t, p, now.wall
	s.saveState(e)
	s.tell(Event{Kind: TaskChanged, Task: t.ID, Message: fmt.Sprintf("task %q was changed", t.ID)})
	if r := e.begun; r != nil && r.Definition != p.definition {
		if s.current != nil && s.current.run == r {
			s.stop(s.current, ErrChanged)
		} else {
			s.finish(r, Cancelled, ErrChanged.Error(), now)
			s.again(r, now)
		}
	}
	return nil
}

// Sync makes the tasks of one origin those given: it adds, replaces and deletes. A task that cannot be
// used, or whose ID another origin has, is left as it is; the errors are joined.
func (s *Scheduler) Sync(ctx context.Context, origin string, tasks []Task) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wake()
	var errs []error
	named := map[string]bool{}
	for _, t := range tasks {
		e := s.tasks[t.ID]
		switch {
		case named[t.ID]:
			errs = append(errs, fmt.Errorf("task %q is there twice", t.ID))
		case e == nil:
			errs = append(errs, s.add(ctx, t, origin))
		case e.origin != origin:
			errs = append(errs, fmt.Errorf("task %q of the %s: %w (made by: %s)", t.ID, origin, ErrExists, e.origin))
		case !equal(e.task, t):
			errs = append(errs, s.update(ctx, e, t))
		}
		named[t.ID] = true
	}
	for _, e := range s.sorted() {
		if e.origin == origin && !named[e.task.ID] {
			errs = append(errs, s.delete(e))
		}
	}
	return errors.Join(errs...)
}

// Delete deletes a task; a run of it is cancelled. Results stay until they are too old.
func (s *Scheduler) Delete(id string) error {
	return s.with(id, "delete", true, s.delete)
}

func (s *Scheduler) delete(e *entry) error {
	if err := s.remove(e, s.now()); err != nil {
		return err
	}
	s.tell(Event{Kind: TaskDeleted, Task: e.task.ID, Message: fmt.Sprintf("task %q was deleted", e.task.ID)})
	return nil
}

func (s *Scheduler) remove(e *entry, now moment) error {
	if err := s.o.Store.DeleteTask(s.ctx, e.task.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	delete(s.tasks, e.task.ID)
	s.kept(s.o.Store.Set(s.ctx, stateKey(e.task.ID), nil))
	s.drop(e, ErrDeleted, now)
	return nil
}

// drop ends all runs of a task.
func (s *Scheduler) drop(e *entry, cause error, now moment) {
	for _, r := range e.runs() {
		if s.current != nil && s.current.run == r {
			s.stop(s.current, cause)
		} else {
			s.finish(r, Cancelled, cause.Error(), now)
		}
	}
}

// RunOptions are how a person wants a run.
type RunOptions struct {
	// Now lets it work whatever the conditions of its task: in use, on battery, outside its hours. By
	// default only the battery and delays are disregarded.
	Now bool
}

// RunTask starts a run of a task because a person asked for it, and returns the run's ID. If a run has not
// ended yet, that one becomes the person's: it is at least as urgent and knows no delay.
func (s *Scheduler) RunTask(id string, o RunOptions) (run int64, err error) {
	err = s.with(id, "run", false, func(e *entry) error {
		r := s.queue(e, order{trigger: ByPerson, force: o.Now}, s.now())
		if r == nil {
			return errors.New("the run could not be stored; see the log")
		}
		if r.Held {
			r.Held = false
			s.save(r)
		}
		run = r.record.ID
		return nil
	})
	return run, err
}

// Respond starts a run of a task because of a detection, whether or not its AfterDetection is set, and
// returns the run's ID. After a run that a detection started, the next rests 15 minutes.
func (s *Scheduler) Respond(id string, d Detection) (run int64, err error) {
	err = s.with(id, "run", false, func(e *entry) error {
		r := s.respond(e, d)
		if r == nil {
			return errors.New("the run could not be stored; see the log")
		}
		run = r.record.ID
		return nil
	})
	return run, err
}

func (s *Scheduler) respond(e *entry, d Detection) *run {
	now := s.now()
	o := order{trigger: ByDetection, detection: &d}
	if e.rest.After(now.wall) {
		o.notBefore = e.rest
	}
	return s.queue(e, o, now)
}

// Detection starts the tasks that run after a detection. What a run found that was itself started by
// a detection starts nothing: it would find it again, for ever.
func (s *Scheduler) Detection(d Detection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wake()
	if s.current != nil && s.current.run.record.ID == d.Run && s.current.run.Class == response {
		return
	}
	for _, e := range s.sorted() {
		own := d.Run != 0 && e.begun != nil && e.begun.record.ID == d.Run
		if e.task.When.AfterDetection && !e.task.Disabled && !own {
			s.respond(e, d)
		}
	}
}

// SetsChanged tells the version of the rules and indicators in use. Tasks that run after an update run if
// it is another than they have last run for, also in an earlier life of the agent.
func (s *Scheduler) SetsChanged(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sets = version
	s.wake()
}

// Pause holds the run of a task until Resume, also across restarts.
func (s *Scheduler) Pause(id string) error { return s.held(id, "pause", true) }

// Resume ends Pause. The run goes on when its conditions hold.
func (s *Scheduler) Resume(id string) error { return s.held(id, "resume", false) }

func (s *Scheduler) held(id, what string, hold bool) error {
	return s.with(id, what, false, func(e *entry) error {
		r := e.next()
		if r == nil {
			return ErrNoRun
		}
		r.Held = hold
		if s.current != nil && s.current.run == r && hold {
			s.valve.hold(r.needs(s.now().wall), []string{says[WaitPerson]})
		}
		s.save(r)
		return nil
	})
}

// Cancel ends all runs of a task that have not ended.
func (s *Scheduler) Cancel(id string) error {
	return s.with(id, "cancel", false, func(e *entry) error {
		if e.next() == nil {
			return ErrNoRun
		}
		s.drop(e, ErrCancelled, s.now())
		return nil
	})
}

// with does something to a task, and lets Run look at it afterwards. change is true if the task's
// definition is to be changed, which a person may not do to tasks of the policy.
func (s *Scheduler) with(id, what string, change bool, do func(*entry) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wake()
	e := s.tasks[id]
	err := ErrUnknownTask
	switch {
	case e == nil:
	case change && e.origin == FromPolicy:
		err = ErrPolicy
	default:
		err = do(e)
	}
	if err != nil {
		return fmt.Errorf("%s task %q: %w", what, id, err)
	}
	return nil
}

// clone returns a task that shares no list with t.
func clone(t Task) Task {
	for _, list := range []*[]string{&t.Rules, &t.Indicators, &t.Scope.Paths, &t.Scope.Exclude, &t.Actions.Command, &t.When.Schedule} {
		*list = slices.Clone(*list)
	}
	t.Scope.Areas = slices.Clone(t.Scope.Areas)
	return t
}

func equal(a, b Task) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
