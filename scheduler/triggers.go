package scheduler

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"tyto/store"
)

// order is a start: what asks for a run.
type order struct {
	trigger    Trigger
	occurrence time.Time // of the schedule
	notBefore  time.Time
	force      bool
	detection  *Detection
}

// answer starts what a task's own triggers ask for, and sets the alarm for the next.
func (s *Scheduler) answer(e *entry, ring *alarm) {
	if e.task.Disabled {
		return
	}
	if ring.now.elapsed < e.retry {
		ring.after(e.retry - ring.now.elapsed)
		return
	}
	s.answerSchedule(e, ring)
	s.answerStart(e, ring)
	s.answerUpdate(e, ring.now)
	if ring.now.elapsed < e.retry { // the store has just failed
		ring.after(e.retry - ring.now.elapsed)
	}
}

// answerSchedule starts one run for all times that have passed since the last one that was answered.
func (s *Scheduler) answerSchedule(e *entry, ring *alarm) {
	now, since := ring.now.wall, e.state.Schedule
	first := e.plan.due.next(since)
	if first.IsZero() || first.After(now) {
		ring.at(first)
		return
	}
	due := latest(e.plan.due, since, now)
	missed := count(e.plan.due, since, due)
	late := now.Sub(due) > grace
	if !late {
		missed--
	}
	skip := late && e.task.When.SkipMissed
	if !skip && s.queue(e, order{trigger: BySchedule, occurrence: due, notBefore: due.Add(s.delay(e, due))}, ring.now) == nil {
		return // it is tried again
	}
	if missed > 0 {
		s.tellMissed(e, missed, skip)
	}
	e.state.Schedule = due
	s.saveState(e)
	ring.at(e.plan.due.next(due))
}

func (s *Scheduler) tellMissed(e *entry, n int, skipped bool) {
	outcome := "one run makes up for them"
	if skipped {
		outcome = "they are left out, as the task says"
	}
	more := ""
	if n >= mostCounted {
		more = " or more"
	}
	s.tell(Event{Kind: StartsMissed, Task: e.task.ID, Trigger: BySchedule, Count: n,
		Message: fmt.Sprintf("task %q missed %d%s starts; %s", e.task.ID, n, more, outcome)})
}

// answerStart starts a run once after the agent's start.
func (s *Scheduler) answerStart(e *entry, ring *alarm) {
	if !e.task.When.AtStart || e.started {
		return
	}
	if wait := s.readyAt + e.plan.startDelay - ring.now.elapsed; wait > 0 {
		ring.after(wait)
		return
	}
	now := ring.now.wall
	o := order{trigger: ByStart, notBefore: now.Add(s.delay(e, now.Truncate(day)))}
	e.started = s.queue(e, o, ring.now) != nil
}

// answerUpdate starts a run for rules and indicators that are not those of the last time.
func (s *Scheduler) answerUpdate(e *entry, now moment) {
	if s.sets == "" || e.state.Sets == s.sets {
		return
	}
	if e.task.When.AfterUpdate && e.state.Sets != "" {
		o := order{trigger: ByUpdate, notBefore: now.wall.Add(s.delay(e, now.wall.Truncate(day)))}
		if s.queue(e, o, now) == nil {
			return // it is tried again
		}
	}
	e.state.Sets = s.sets
	s.saveState(e)
}

// delay is how long a start is put off: evenly spread between nothing and the task's random delay, and
// always the same for the same machine, task and time, so that a restart draws no other.
func (s *Scheduler) delay(e *entry, at time.Time) time.Duration {
	most := e.plan.randomDelay
	if most <= 0 {
		return 0
	}
	sum := sha256.Sum256([]byte(s.o.Machine + "\x00" + e.task.ID + "\x00" + strconv.FormatInt(at.Unix(), 10)))
	seconds := uint64(most/time.Second) + 1
	return time.Duration(binary.BigEndian.Uint64(sum[:8])%seconds) * time.Second
}

// queue answers a start: by a run of the task that has not begun, by the one at work if the start
// asks for nothing that it does not do, or by a new one. It returns nil if the store does not take it.
func (s *Scheduler) queue(e *entry, o order, now moment) *run {
	if r := e.waiting; r != nil {
		return s.merge(r, o)
	}
	// What has begun may have passed what was detected, and looks for what was known when it began.
	if r := e.begun; r != nil && o.trigger != ByDetection && o.trigger != ByUpdate && !s.doomed(r) {
		return s.merge(r, o)
	}
	r := &run{owner: e, detail: detail{
		Class: o.trigger.class(), Occurrence: o.occurrence, NotBefore: o.notBefore, Force: o.force, Detection: o.detection,
	}}
	r.record = store.Run{Task: e.task.ID, State: Waiting, Trigger: string(o.trigger), Queued: now.wall}
	id, err := s.o.Store.AddRun(s.ctx, r.row())
	if !s.kept(err) {
		e.retry = now.elapsed + storeRetry
		return nil
	}
	r.record.ID = id
	e.waiting = r
	s.tellRun(RunQueued, r, Event{Message: fmt.Sprintf("was queued (%s)", o.trigger)})
	s.wake()
	return r
}

// merge lets an unfinished run answer one more start. It takes over what makes it more urgent.
func (s *Scheduler) merge(r *run, o order) *run {
	r.Class = min(r.Class, o.trigger.class())
	r.Force = r.Force || o.force
	if o.occurrence.After(r.Occurrence) {
		r.Occurrence = o.occurrence
	}
	// A person does not wait for a delay drawn by chance, nor for the back-off after a failure.
	if o.notBefore.Before(r.NotBefore) && (r.Attempts == 0 || o.trigger == ByPerson) {
		r.NotBefore = o.notBefore
	}
	if r.Detection == nil {
		r.Detection = o.detection
	}
	s.save(r)
	s.tellRun(RunMerged, r, Event{Trigger: o.trigger, Message: fmt.Sprintf("also answers a start (%s)", o.trigger)})
	s.wake()
	return r
}

// doomed reports whether r is being ended for good, so that nothing may count on it.
func (s *Scheduler) doomed(r *run) bool {
	c := s.current
	return c != nil && c.run == r && c.cause != nil && !resumable(c.cause)
}
