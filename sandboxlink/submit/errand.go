package submit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tyto/sandboxlink/submit/wire"
)

const (
	// ownMin and ownMax bound how long an object waits on which servers break.
	ownMin = 30 * time.Second
	ownMax = 15 * time.Minute
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
