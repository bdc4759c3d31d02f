package submit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tyto/sandboxlink/submit/wire"
)

const (
	// pollMax is the longest time between two polls of one task.
	pollMax = 30 * time.Second
	// patience is how long a rest of the server is waited out with the object in hand. Longer ones cost
	// a write to the queue, and make room for other objects.
	patience = 30 * time.Second
	// maxReportTries is how often a report that is missing is asked for before the verdict goes without it.
	maxReportTries = 3
)

// follow asks the server that has the object for the outcome. It reports whether there is more to do now.
func (e *errand) follow(ctx context.Context) bool {
	sv := e.s.find(e.state.Server)
	if sleep(ctx, min(e.nextPoll.Sub(e.s.o.Now()), e.interval)) != nil {
		return false
	}
	answer, until, err := e.poll(ctx, sv)
	if !until.IsZero() {
		return e.waitFor(ctx, sv, until)
	}
	now := e.s.o.Now()
	e.nextPoll = now.Add(e.interval)
	e.interval = min(e.interval*3/2, max(pollMax, e.s.o.PollEvery))
	var fault *wire.Error
	switch {
	case ctx.Err() != nil:
		return false
	case errors.Is(err, wire.ErrForgotten):
		e.forgotten(sv)
	case errors.As(err, &fault) && fault.Kind == wire.Refused:
		e.refused(sv, fault.Reason)
		e.forgetTask()
	case err != nil:
		e.state.LastError = cut(fmt.Sprintf("%s: %v", sv.name, err))
	case answer.Pending:
		e.overdue(sv, now)
	case worthWaiting(answer) && e.reports < maxReportTries:
		e.reports++
	default:
		return e.deliver(ctx, sv, answer)
	}
	return true
}

// poll asks once, or says when the server may be asked.
func (e *errand) poll(ctx context.Context, sv *server) (answer Answer, until time.Time, err error) {
	if err := e.s.polls.acquire(ctx); err != nil {
		return Answer{}, time.Time{}, err
	}
	defer e.s.polls.release()
	v, until := e.s.visit(sv, false)
	if v == nil {
		return Answer{}, until, nil
	}
	defer v.end()
	answer, err = sv.backend.Poll(ctx, e.state.Task, e.object)
	if err == nil {
		answer, err = e.accept(answer)
	}
	v.asked(err)
	return answer, time.Time{}, err
}

// waitFor deals with a server that has the object and is rested.
func (e *errand) waitFor(ctx context.Context, sv *server, until time.Time) bool {
	now := e.s.o.Now()
	if since := sv.deadSince(); !since.IsZero() && now.Sub(since) >= e.s.o.MoveAfter && e.anotherReady(sv, now) {
		e.s.o.Log.Info("asking another server, because this one is out of reach", "server", sv.name, "sha256", e.object.SHA256)
		e.forgetTask()
		return true
	}
	if wait := until.Sub(now); wait <= patience {
		return sleep(ctx, max(wait, time.Millisecond)) == nil
	}
	e.putBack(until)
	return false
}

// anotherReady reports whether another server could take the object now.
func (e *errand) anotherReady(not *server, now time.Time) bool {
	for _, sv := range e.candidates() {
		if sv == not {
			continue
		}
		sv.mu.Lock()
		line, _ := sv.line.ready(now)
		intake, _ := sv.intake.ready(now)
		sv.mu.Unlock()
		if line && intake {
			return true
		}
	}
	return false
}

// overdue gives a server up that does not come to an end with the object.
func (e *errand) overdue(sv *server, now time.Time) {
	age := now.Sub(e.state.Sent)
	if age < 0 {
		e.state.Sent = now // the clock was set back
		return
	}
	if age < e.s.o.TaskDeadline {
		return
	}
	reason := fmt.Sprintf("no verdict within %v", e.s.o.TaskDeadline)
	e.s.events.event(Event{Kind: TaskOverdue, Server: sv.name, Object: e.object.SHA256, Err: errors.New(reason)}, "")
	e.refused(sv, reason)
	e.forgetTask()
}

// forgotten gives a server that has lost the task one more chance.
func (e *errand) forgotten(sv *server) {
	e.state.Task, e.state.Sent = "", time.Time{}
	e.state.Forgotten++
	if e.state.Forgotten == 1 {
		e.state.LastError = sv.name + " has forgotten the task"
		e.save()
		return
	}
	err := fmt.Errorf("the server has forgotten the task twice")
	e.s.events.event(Event{Kind: TaskForgotten, Server: sv.name, Object: e.object.SHA256, Err: err}, "")
	e.refused(sv, err.Error())
	e.forgetTask()
}
