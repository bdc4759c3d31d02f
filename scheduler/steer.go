package scheduler

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// execution is a run at work, from when it is started until it has ended.
type execution struct {
	run    *run
	begun  time.Duration // on the stopwatch
	before time.Duration // how long the run had worked before
	cancel context.CancelCauseFunc
	cause  error // why it is being ended; nil while it is not
	waits  []Wait
	saveAt time.Duration // on the stopwatch
}

// steer makes the run work that should, and no other.
func (s *Scheduler) steer(now moment, ring *alarm) {
	presence := s.valve.seen()
	s.replace(now, presence)
	best := s.best(now, presence, ring)
	if s.current == nil && best != nil && !s.closing {
		s.start(best, now)
		best = s.best(now, presence, ring)
	}
	if s.current != nil {
		s.tend(s.current, best, now, presence, ring)
	}
}

// replace ends runs that a more urgent one of their own task waits for: a response must not stand behind
// a run that a person holds, or that still has hours to go.
func (s *Scheduler) replace(now moment, p Presence) {
	for _, e := range s.sorted() {
		old, urgent := e.begun, e.waiting
		if old == nil || urgent == nil || urgent.Class >= old.Class || len(s.waits(urgent, now.wall, p)) > 0 {
			continue
		}
		if s.current != nil && s.current.run == old {
			s.stop(s.current, ErrReplaced)
		} else {
			s.finish(old, Cancelled, ErrReplaced.Error(), now)
		}
	}
}

// best returns the most urgent run that could work now and does not, and sets the alarm for when that
// may change.
func (s *Scheduler) best(now moment, p Presence, ring *alarm) *run {
	var best *run
	for _, e := range s.sorted() {
		r := e.next()
		if r == nil || s.current != nil && s.current.run == r {
			continue
		}
		waits := s.waits(r, now.wall, p)
		if len(waits) == 0 {
			if r.before(best) {
				best = r
			}
			continue
		}
		for _, w := range waits {
			ring.at(w.Until)
		}
	}
	return best
}

// start begins or resumes a run. What is stored first is that it has begun: if the agent dies now, it
// is resumed, which finds nothing done and misses nothing.
func (s *Scheduler) start(r *run, now moment) {
	e := r.owner
	resume := r.Begun
	if !resume {
		r.Begun, r.Definition, r.record.Started = true, e.plan.definition, now.wall
		e.begun, e.waiting = r, nil
	}
	r.record.State, r.record.Reason = Working, ""
	s.override(r, now.wall)
	s.save(r)

	ctx, cancel := context.WithCancelCause(s.ctx)
	c := &execution{run: r, begun: now.elapsed, before: r.record.Active, cancel: cancel, saveAt: now.elapsed + saveEvery}
	s.current = c
	s.valve.begin(r.needs(now.wall), nil)
	task := e.task.WithDefaults()
	job := Job{Task: &task, Run: r.record, Resume: resume}
	s.wg.Go(func() { s.supervise(ctx, c, job) })

	kind, word := RunStarted, "was started"
	if resume {
		kind, word = RunResumed, "goes on"
	}
	s.tellRun(kind, r, Event{Message: word})
}

// override tells once that a run no longer waits for an idle computer.
func (s *Scheduler) override(r *run, now time.Time) {
	if r.Overridden || !r.overdue(now) {
		return
	}
	r.Overridden = true
	s.tellRun(RunOverride, r, Event{Message: fmt.Sprintf("has waited %v for an idle computer: it works from now on although the computer is in use", r.owner.plan.idleOverride)})
}

// tend holds the run at work to its conditions, and ends it when it has to give way.
func (s *Scheduler) tend(c *execution, best *run, now moment, p Presence, ring *alarm) {
	r := c.run
	s.override(r, now.wall)
	waits := s.waits(r, now.wall, p)
	s.valve.hold(r.needs(now.wall), beyondValve(waits))
	active, closed := s.valve.state()
	r.record.Active = c.before + active
	if c.cause != nil {
		return // it is on its way out
	}
	s.report(c, waits)
	for _, w := range waits {
		ring.at(w.Until)
	}
	if h := r.owner.plan.hours; h != nil && len(waits) == 0 {
		ring.at(h.change(now.wall))
	}
	most := r.owner.plan.maxDuration
	switch {
	case most > 0 && r.record.Active >= most:
		s.stop(c, ErrTimeUp)
	case best != nil && (len(waits) > 0 || best.Class < r.Class):
		s.stop(c, ErrUrgent)
	case len(waits) > 0 && closed >= s.o.ParkAfter:
		s.stop(c, ErrParked)
	case len(waits) > 0:
		ring.after(s.o.ParkAfter - closed)
	default:
		if most > 0 {
			ring.after(most - r.record.Active)
		}
		if now.elapsed >= c.saveAt {
			c.saveAt = now.elapsed + saveEvery
			s.snapshot(r)
			s.save(r)
		}
		ring.after(c.saveAt - now.elapsed)
	}
}

// report tells and stores that the run was paused or goes on.
func (s *Scheduler) report(c *execution, waits []Wait) {
	if same(waits, c.waits) {
		return
	}
	r, before := c.run, c.waits
	c.waits = waits
	if len(waits) > 0 {
		r.record.State, r.record.Reason = Paused, s.sentence(waits)
		s.tellRun(RunPaused, r, Event{Waits: waits, Message: "was paused: " + r.record.Reason})
	} else {
		r.record.State, r.record.Reason = Working, ""
		s.tellRun(RunResumed, r, Event{Waits: before, Message: "goes on"})
	}
	s.snapshot(r)
	s.save(r)
}

// snapshot notes how far the run at work is.
func (s *Scheduler) snapshot(r *run) {
	progress := s.valve.progress()
	if progress == nil {
		return
	}
	text, err := json.Marshal(progress)
	if err != nil {
		s.log.Error("the progress of a run cannot be written", "run", r.record.ID, "error", err)
		return
	}
	r.record.Progress = text
}

// stop asks the run at work to end. A cause after which it is not resumed replaces one after which it
// would be.
func (s *Scheduler) stop(c *execution, cause error) {
	if c.cause == nil || resumable(c.cause) {
		c.cause = cause
	}
	c.cancel(cause)
}

// supervise sees a run through. It is the only goroutine beside Run.
func (s *Scheduler) supervise(ctx context.Context, c *execution, job Job) {
	result := Result{}
	running, err := s.o.Runner.Start(ctx, job)
	if err != nil {
		result.Err = err
	} else {
		s.valve.attach(running)
		select {
		case <-running.Done():
		case <-ctx.Done():
			running.Cancel(context.Cause(ctx))
			<-running.Done()
		}
		result = running.Result()
	}
	s.over(c, result)
	c.cancel(nil)
}

// over draws the conclusions of a run's end.
func (s *Scheduler) over(c *execution, result Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wake()
	now, r := s.now(), c.run
	s.snapshot(r)
	r.record.Active = c.before + s.valve.end()
	if result.Profile != "" {
		r.record.Profile = result.Profile
	}
	if result.Summary != nil {
		r.record.Summary = result.Summary
	}
	s.current = nil
	switch {
	case result.Err == nil:
		s.finish(r, Finished, "", now)
	case c.cause == nil:
		s.failed(r, result.Err, now)
	case resumable(c.cause):
		r.record.State, r.record.Reason = Interrupted, c.cause.Error()
		s.save(r)
		s.tellRun(RunParked, r, Event{Waits: c.waits, Message: "was put aside and goes on later: " + c.cause.Error()})
	default:
		s.finish(r, Cancelled, c.cause.Error(), now)
		if c.cause == ErrChanged {
			s.again(r, now)
		}
	}
}

// failed lets a run be tried again later, or for the last time gives up.
func (s *Scheduler) failed(r *run, err error, now moment) {
	if r.Attempts >= len(backOff) {
		s.finish(r, Failed, err.Error(), now)
		return
	}
	wait := backOff[r.Attempts]
	r.Attempts++
	r.NotBefore = now.wall.Add(wait)
	r.record.State, r.record.Reason = Interrupted, err.Error()
	s.save(r)
	s.tellRun(RunRetried, r, Event{Error: err.Error(), Message: fmt.Sprintf("failed and is tried again in %v: %v", wait, err)})
}

// finish ends a run for good.
func (s *Scheduler) finish(r *run, state, reason string, now moment) {
	r.record.State, r.record.Reason, r.record.Finished = state, reason, now.wall
	e := r.owner
	e.forget(r)
	if r.Class == response {
		e.rest = now.wall.Add(responseRest)
	}
	s.save(r)
	last := r.record
	e.last = &last
	switch state {
	case Finished:
		s.tellRun(RunFinished, r, Event{Message: fmt.Sprintf("has finished after %v of work", r.record.Active.Round(time.Second))})
	case Failed:
		s.tellRun(RunFailed, r, Event{Error: reason, Message: "has failed: " + reason})
	default:
		s.tellRun(RunCancelled, r, Event{Message: "was cancelled: " + reason})
	}
}

// again queues a run in place of one whose task has changed. It is as old as that one, so that it
// waits no longer for an idle computer.
func (s *Scheduler) again(old *run, now moment) {
	e := old.owner
	if s.tasks[e.task.ID] != e {
		return
	}
	fresh := s.queue(e, order{trigger: Trigger(old.record.Trigger), occurrence: old.Occurrence, force: old.Force, detection: old.Detection}, now)
	if fresh == nil {
		return
	}
	fresh.Held = fresh.Held || old.Held
	fresh.Class = min(fresh.Class, old.Class)
	if old.record.Queued.Before(fresh.record.Queued) {
		fresh.record.Queued = old.record.Queued
	}
	s.save(fresh)
}
