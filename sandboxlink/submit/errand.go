package submit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tyto/sandboxlink/submit/wire"
	"tyto/verdict"
)

const (
	// pollMax is the longest time between two polls of one task.
	pollMax = 30 * time.Second
	// patience is how long a rest of the server is waited out with the object in hand. Longer ones cost
	// a write to the queue, and make room for other objects.
	patience = 30 * time.Second
	// ownMin and ownMax bound how long an object waits on which servers break.
	ownMin = 30 * time.Second
	ownMax = 15 * time.Minute
	// maxReportTries is how often a report that is missing is asked for before the verdict goes without it.
	maxReportTries = 3
	// maxDeliveries is how often delivering is tried in a row.
	maxDeliveries = 5
	// maxReason bounds what is stored of a server's words.
	maxReason = 500
)

// errand brings one object to its end, or as far as it goes now.
type errand struct {
	s      *Submitter
	item   Item
	object Object
	state  State

	nextPoll time.Time
	interval time.Duration
	reports  int // tries for a report
}

func newErrand(s *Submitter, item Item) *errand {
	return &errand{s: s, item: item, object: item.Object(), state: item.State(), interval: s.o.PollEvery}
}

// run goes on until the object is delivered, put back, or the context ends. handedIn is called when the
// object is at a server.
func (e *errand) run(ctx context.Context, handedIn func()) {
	if e.state.Task != "" && e.s.find(e.state.Server) == nil {
		e.forgetTask() // the server is not configured any more
	}
	for more := true; more && ctx.Err() == nil; {
		if e.state.Task == "" {
			more = e.handIn(ctx)
		} else {
			handedIn()
			more = e.follow(ctx)
		}
	}
}

// handIn asks the servers in turn. It reports whether there is more to do now.
func (e *errand) handIn(ctx context.Context) bool {
	if e.s.uploads.acquire(ctx) != nil {
		return false
	}
	defer e.s.uploads.release()
	var earliest time.Time
	left := 0
	for _, sv := range e.candidates() {
		left++
		v, until := e.s.visit(sv, true)
		if v == nil {
			earliest = sooner(earliest, until)
			if e.state.LastError == "" {
				e.state.LastError = cut(fmt.Sprintf("%s: %v", sv.name, sv.trouble()))
			}
			continue
		}
		answer, err := e.offer(ctx, v)
		v.end()
		var fault *wire.Error
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil && (answer.Pending || worthWaiting(answer)):
			e.sent(sv, answer.Task)
			return true
		case err == nil:
			return e.deliver(ctx, sv, answer)
		case errors.Is(err, wire.ErrContent):
			e.unreadable(err)
			return false
		case errors.As(err, &fault) && fault.Kind == wire.Refused:
			e.refused(sv, fault.Reason)
			left--
		default:
			e.state.LastError = cut(fmt.Sprintf("%s: %v", sv.name, err))
			earliest = sooner(earliest, sv.readyAt(e.s.o.Now()))
		}
	}
	if left == 0 {
		return e.deliverError(ctx)
	}
	e.putBack(earliest)
	return false
}

// sent notes that a server has the object.
func (e *errand) sent(sv *server, task string) {
	now := e.s.o.Now()
	e.state.Server, e.state.Task, e.state.Sent, e.state.LastError = sv.name, task, now, ""
	e.interval = e.s.o.PollEvery
	e.nextPoll = now.Add(e.interval)
	e.save()
}

// worthWaiting reports whether asking again for a verdict that is there may bring the report, too.
func worthWaiting(a Answer) bool {
	var fault *wire.Error
	return errors.As(a.NoReport, &fault) && (fault.Kind == wire.Down || fault.Kind == wire.Busy) && wire.CheckTask(a.Task) == nil
}

// candidates are the servers that may be asked, that which has forgotten the task first.
func (e *errand) candidates() []*server {
	var all []*server
	for _, sv := range e.s.servers {
		switch {
		case e.state.refusedBy(sv.name):
		case sv.name == e.state.Server:
			all = append([]*server{sv}, all...)
		default:
			all = append(all, sv)
		}
	}
	return all
}

// offer asks one server by hash and, if it does not know the object, hands it in.
func (e *errand) offer(ctx context.Context, v *visit) (Answer, error) {
	sv := v.server
	answer, err := sv.backend.Lookup(ctx, e.object)
	if err == nil {
		answer, err = e.accept(answer)
	}
	v.asked(err)
	if !errors.Is(err, wire.ErrUnknown) {
		return answer, err
	}
	content, err := e.item.Open()
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", wire.ErrContent, err)
	}
	// Reading is over and checked by the reader itself.
	defer func() { _ = content.Close() }()
	answer, err = sv.backend.Submit(ctx, e.object, e.s.pace.reader(ctx, content))
	if err == nil {
		answer, err = e.accept(answer)
	}
	v.handedIn(err)
	var fault *wire.Error
	switch {
	case err == nil:
		sv.mu.Lock()
		sv.uploads++
		sv.mu.Unlock()
	case errors.As(err, &fault) && fault.Answered && fault.Kind != wire.Busy && fault.Kind != wire.Refused:
		e.state.Attempts++ // perhaps it breaks on this object
	}
	return answer, err
}

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

// refused notes that a server cannot judge the object.
func (e *errand) refused(sv *server, reason string) {
	e.s.o.Log.Info("a server cannot judge an object", "server", sv.name, "sha256", e.object.SHA256, "reason", reason)
	if !e.state.refusedBy(sv.name) {
		e.state.Refusals = append(e.state.Refusals, Refusal{Server: sv.name, Reason: cut(reason)})
	}
}

// forgetTask makes the object one that no server has.
func (e *errand) forgetTask() {
	e.state.Server, e.state.Task, e.state.Sent, e.state.Forgotten = "", "", time.Time{}, 0
	e.save()
}

// accept holds an answer to what it must be, whoever made it. A verdict of other content, or from
// tomorrow, is none.
func (e *errand) accept(a Answer) (Answer, error) {
	if a.Pending {
		return a, wire.CheckTask(a.Task)
	}
	v := a.Verdict
	if v == nil || v.SHA256 != e.object.SHA256 || !v.Level.Known() {
		return Answer{}, wire.Bad("the server answers with a verdict of something else")
	}
	v.Score = min(max(v.Score, 0), 100)
	if now := e.s.o.Now(); v.Time.IsZero() || v.Time.After(now) {
		v.Time = now
	}
	if a.Report != nil && a.Report.Object.SHA256 != e.object.SHA256 {
		a.Report, a.NoReport = nil, wire.Bad("the report is of another object")
	}
	return a, nil
}

// deliver hands a verdict on. It reports whether there is more to do now.
func (e *errand) deliver(ctx context.Context, sv *server, a Answer) bool {
	sv.mu.Lock()
	sv.verdicts++
	sv.mu.Unlock()
	e.s.database(ctx, sv, a.Verdict.Database)
	if a.NoReport != nil {
		e.s.events.event(Event{Kind: ReportMissing, Server: sv.name, Object: e.object.SHA256, Err: a.NoReport}, "")
	}
	e.handOn(ctx, Delivery{Object: e.object, Item: e.item, Answer: a, Refusals: e.state.Refusals, Server: sv.name})
	return false
}

// deliverError hands on that nobody can judge the object. It reports whether there is more to do now.
func (e *errand) deliverError(ctx context.Context) bool {
	v := &verdict.Verdict{SHA256: e.object.SHA256, Level: verdict.Error, Time: e.s.o.Now()}
	e.handOn(ctx, Delivery{Object: e.object, Item: e.item, Answer: Answer{Verdict: v}, Refusals: e.state.Refusals})
	return false
}

// handOn delivers, and takes the object out of the queue. An outcome that nobody takes is asked for again later.
func (e *errand) handOn(ctx context.Context, d Delivery) {
	wait := time.Second
	for try := 1; ; try++ {
		err := e.s.o.Deliver(ctx, d)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return
		}
		e.s.events.event(Event{Kind: DeliveryFailed, Server: d.Server, Object: e.object.SHA256, Err: err}, "")
		if try == maxDeliveries {
			e.state.LastError = cut(fmt.Sprintf("handing on the verdict: %v", err))
			e.putBack(e.s.o.Now().Add(time.Minute))
			return
		}
		if sleep(ctx, wait) != nil {
			return
		}
		wait *= 2
	}
	if err := e.item.Remove(); err != nil {
		e.s.o.Log.Warn("an object stays in the queue although its outcome was delivered; it will be asked about again", "sha256", e.object.SHA256, "error", err)
		e.putBack(e.s.o.Now().Add(ownMax))
	}
}

// unreadable puts back an object whose content cannot be read, for a while: a disk may come back. The queue
// drops it when it expires.
func (e *errand) unreadable(err error) {
	e.s.events.event(Event{Kind: ObjectUnreadable, Object: e.object.SHA256, Err: err}, "")
	e.state.LastError = cut(err.Error())
	e.state.Attempts++
	e.putBack(time.Time{})
}

// putBack stores when the object is due again: not before a time, and later if servers have broken on it.
func (e *errand) putBack(notBefore time.Time) {
	now := e.s.o.Now()
	if e.state.Attempts > 0 {
		notBefore = later(notBefore, now.Add(min(ownMin<<min(e.state.Attempts-1, 10), ownMax)))
	}
	e.state.NotBefore = later(notBefore, now.Add(time.Second))
	e.save()
}

// save stores the state. If it cannot be stored the work goes on: after a restart the object is sent once more.
func (e *errand) save() {
	if err := e.item.Update(e.state); err != nil {
		e.s.events.event(Event{Kind: StateNotKept, Object: e.object.SHA256, Err: err}, "")
	}
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sooner returns the earlier of two times; the zero time is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// cut bounds a text that is stored.
func cut(s string) string {
	if len(s) > maxReason {
		s = s[:maxReason]
	}
	return strings.ToValidUTF8(s, "?")
}
