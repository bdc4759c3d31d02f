package submit

import (
	"context"
	"errors"
	"sync"
	"time"

	"tyto/sandboxlink/submit/wire"
)

// health remembers how one side of a server does: its line (can it be reached and asked?) or its intake (does it
// take objects?). A server whose queue is full answers questions well, and answers to them do not empty its
// queue; so the two are rested apart.
//
// After a failure the server is rested: a second at first, twice as long after each further failure, up to
// the longest rest, and between half and all of that by chance, so that the agents of a company do not come back
// at once. When the rest is over one asker may try; the others wait for how that ends.
type health struct {
	failures int
	since    time.Time // of the first failure of this outage
	until    time.Time // end of the rest
	probing  bool      // somebody is trying after a rest
	err      *wire.Error
	// round counts failures. What began before one says nothing of the time after it: without this, ten
	// uploads that break together would count as ten failures.
	round int
	told  map[wire.Kind]bool
}

// ready reports whether the side may be used, and if not, when to look again.
func (h *health) ready(now time.Time) (bool, time.Time) {
	switch {
	case h.failures == 0:
		return true, time.Time{}
	case now.Before(h.until) && h.until.Sub(now) <= restMax: // or the clock was set back
		return false, h.until
	case h.probing:
		return false, now.Add(time.Second)
	}
	return true, time.Time{}
}

// server is one server and how it does.
type server struct {
	name     string
	settings Server
	plain    bool
	backend  Backend

	mu           sync.Mutex
	line, intake health
	database     string
	success      time.Time
	uploads      int64
	verdicts     int64
}

// visit is the right to use a server once.
type visit struct {
	submitter *Submitter
	server    *server
	rounds    [2]int  // of each side, when the visit began
	probes    [2]bool // this visit is the try after a rest
}

// The sides of a server, as indexes.
const (
	line = iota
	intake
)

// sides returns the sides of a server.
func (v *visit) sides() [2]*health { return [2]*health{&v.server.line, &v.server.intake} }

// visit asks for the right to use a server: its line, and its intake if an object is to be handed in. If
// there is none now, it says when to ask again. The caller ends it.
func (s *Submitter) visit(sv *server, handIn bool) (*visit, time.Time) {
	now := s.o.Now()
	sv.mu.Lock()
	defer sv.mu.Unlock()
	v := &visit{submitter: s, server: sv}
	sides := v.sides()
	if !handIn {
		sides[intake] = nil
	}
	var until time.Time
	for _, h := range sides {
		if h == nil {
			continue
		}
		if ok, at := h.ready(now); !ok && at.After(until) {
			until = at
		}
	}
	if !until.IsZero() {
		return nil, until
	}
	for i, h := range sides {
		if h == nil {
			continue
		}
		v.rounds[i] = h.round
		if h.failures > 0 {
			h.probing, v.probes[i] = true, true
		}
	}
	return v, time.Time{}
}

// end gives the right back. What was not reported stays as it was.
func (v *visit) end() {
	v.server.mu.Lock()
	defer v.server.mu.Unlock()
	for i, h := range v.sides() {
		if v.probes[i] && h.round == v.rounds[i] {
			h.probing = false
		}
	}
	v.submitter.changed.signal()
}

// asked reports the outcome of a question.
func (v *visit) asked(err error) { v.report(err, false) }

// handedIn reports the outcome of an upload.
func (v *visit) handedIn(err error) { v.report(err, true) }

// report books an outcome. Errors that are not the server's are none.
func (v *visit) report(err error, upload bool) {
	var fault *wire.Error
	if errors.As(err, &fault) && fault.Kind != wire.Refused && !errors.Is(err, wire.ErrContent) {
		if upload && fault.Answered {
			v.fail(intake, fault)
		} else {
			v.fail(line, fault)
		}
		return
	}
	if err != nil && fault == nil && !errors.Is(err, wire.ErrUnknown) && !errors.Is(err, wire.ErrForgotten) {
		return // the context's, or the object's
	}
	v.recover(line)
	if upload {
		v.recover(intake)
	}
}

// fail begins or prolongs a rest.
func (v *visit) fail(side int, fault *wire.Error) {
	s, sv := v.submitter, v.server
	now := s.o.Now()
	sv.mu.Lock()
	h := v.sides()[side]
	if h.round != v.rounds[side] {
		sv.mu.Unlock()
		return
	}
	if h.failures == 0 {
		h.since = now
	}
	h.round++
	h.failures++
	h.probing = false
	h.err = fault
	h.until = now.Add(s.rest(h.failures, fault))
	tell := !h.told[fault.Kind]
	until := h.until
	sv.mu.Unlock()
	s.changed.signal()
	if !tell {
		return
	}
	if s.events.event(Event{Kind: ServerFailed, Server: sv.name, Err: fault, Until: until}, string(fault.Kind)) {
		sv.mu.Lock()
		if h.told == nil {
			h.told = map[wire.Kind]bool{}
		}
		if h.failures > 0 {
			h.told[fault.Kind] = true
		}
		sv.mu.Unlock()
	}
}

// recover ends the outage of a side.
func (v *visit) recover(side int) {
	s, sv := v.submitter, v.server
	sv.mu.Lock()
	sv.success = s.o.Now()
	h := v.sides()[side]
	if h.failures == 0 || h.round != v.rounds[side] {
		sv.mu.Unlock()
		return
	}
	tell := len(h.told) > 0
	*h = health{round: h.round + 1}
	v.rounds[side] = h.round
	sv.mu.Unlock()
	s.changed.signal()
	if tell {
		// Not quieted: it ends an event that was told, and those are few.
		s.events.told(Event{Kind: ServerBack, Server: sv.name, Count: 1})
	}
}

// Shortest and longest rests.
const (
	restMin = time.Second
	restMax = 5 * time.Minute
	// restConfig is the first rest when a person has to do something first.
	restConfig = 30 * time.Second
)

// rest is how long a server is left alone after so many failures in a row. What the server asks for is
// granted, within the longest rest.
func (s *Submitter) rest(failures int, fault *wire.Error) time.Duration {
	d := restMin
	if fault.Kind == wire.Config {
		d = restConfig
	}
	d = min(d<<min(failures-1, 16), restMax)
	d = d/2 + time.Duration(s.random()*float64(d/2))
	return max(d, min(fault.Retry, restMax))
}

// readyAt returns when a server that was just seen to fail may be asked again.
func (sv *server) readyAt(now time.Time) time.Time {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	_, line := sv.line.ready(now)
	_, intake := sv.intake.ready(now)
	return later(line, intake)
}

// trouble returns why a server is rested; nil if it is not.
func (sv *server) trouble() error {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	for _, h := range []*health{&sv.line, &sv.intake} {
		if h.failures > 0 {
			return h.err
		}
	}
	return nil
}

// deadSince returns since when a server cannot be reached; the zero time if it can.
func (sv *server) deadSince() time.Time {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	return sv.line.since
}

// awaitReady waits until some server takes objects.
func (s *Submitter) awaitReady(ctx context.Context) error {
	for {
		now := s.o.Now()
		var next time.Time
		for _, sv := range s.servers {
			at := sv.readyAt(now)
			if at.IsZero() {
				return ctx.Err()
			}
			next = sooner(next, at)
		}
		// A minute at most, because the clock may be set back meanwhile.
		if err := s.changed.wait(ctx, min(next.Sub(now), time.Minute)); err != nil {
			return err
		}
	}
}

// signal wakes the one who waits. The zero value is not usable.
type signal chan struct{}

func (c signal) signal() {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (c signal) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c:
	case <-ctx.Done():
	}
	return ctx.Err()
}
