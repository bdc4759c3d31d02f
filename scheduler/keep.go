package scheduler

import (
	"encoding/json"
	"fmt"

	"tyto/store"
)

// stateKey is where a task's [served] is stored.
func stateKey(id string) string { return "scheduler/task/" + id }

// save stores a run. If that fails the run goes on: its next change is another chance.
func (s *Scheduler) save(r *run) { s.kept(s.o.Store.UpdateRun(s.ctx, r.row())) }

func (s *Scheduler) saveTask(e *entry) { s.kept(s.o.Store.PutTask(s.ctx, e.row())) }

func (s *Scheduler) saveState(e *entry) {
	text, err := json.Marshal(e.state)
	if err != nil {
		panic(err) // plain data
	}
	s.kept(s.o.Store.Set(s.ctx, stateKey(e.task.ID), text))
}

// kept reports whether the store did what it was asked. The first of several failures in a row is told
// as an event.
func (s *Scheduler) kept(err error) bool {
	if err == nil {
		s.troubled = false
		return true
	}
	s.log.Error("the scheduler's state could not be stored", "error", err)
	if !s.troubled {
		s.troubled = true
		s.tell(Event{Kind: StoreFailed, Error: err.Error(), Message: fmt.Sprintf("tasks and runs cannot be stored, a restart would repeat or lose work: %v", err)})
	}
	return false
}

// tellRun tells of a run. e.Message is a predicate: "was started".
func (s *Scheduler) tellRun(kind EventKind, r *run, e Event) {
	e.Kind, e.Task, e.Run = kind, r.record.Task, r.record.ID
	if e.Trigger == "" {
		e.Trigger = Trigger(r.record.Trigger)
	}
	e.Message = fmt.Sprintf("run %d of task %q %s", r.record.ID, r.record.Task, e.Message)
	s.tell(e)
}

// expire deletes a task whose time is over, unless it is at work, and reports whether it did.
func (s *Scheduler) expire(e *entry, now moment, ring *alarm) bool {
	at := e.expires()
	if at.IsZero() {
		return false
	}
	if now.wall.Before(at) {
		ring.at(at)
		return false
	}
	if s.current != nil && s.current.run.owner == e && len(s.current.waits) == 0 {
		return false // its end makes us look again
	}
	if !s.kept(s.remove(e, now)) {
		ring.after(storeRetry)
		return false
	}
	s.tell(Event{Kind: TaskExpired, Task: e.task.ID, Message: fmt.Sprintf("task %q was deleted %v after it was created, as it says", e.task.ID, Duration(e.plan.expireAfter))})
	return true
}

// prune deletes the results of runs that are older than their tasks keep them.
func (s *Scheduler) prune(now moment, ring *alarm) {
	if now.elapsed < s.pruneAt {
		ring.after(s.pruneAt - now.elapsed)
		return
	}
	s.pruneAt = now.elapsed + pruneEvery
	ring.after(pruneEvery)
	runs, err := s.o.Store.Runs(s.ctx, store.RunFilter{States: ended})
	if !s.kept(err) {
		return
	}
	for _, r := range runs {
		keep := span(DefaultKeepResults)
		if e := s.tasks[r.Task]; e != nil {
			keep = e.plan.keepResults
		}
		if keep > 0 && !r.Finished.IsZero() && now.wall.Sub(r.Finished) > keep {
			s.kept(s.o.Store.DeleteRun(s.ctx, r.ID))
		}
	}
}
