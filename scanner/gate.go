package scanner

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Gate is the one place where pauses act. It is asked before each access to a file system and before each
// object, and it holds what works on objects already: closing it suspends the worker processes
// wherever they are, so a pause does not wait for the end of a large file or a slow rule.
//
// Several parties may close the gate at once, each under its own reason (the user is back, the
// processor budget is used up); it opens when the last of them has opened it again.
type Gate struct {
	now    func() time.Time
	closed atomic.Bool // whether there are reasons; spares those who pass the lock

	mu      sync.Mutex
	reasons []string      // why it is closed, in order; empty while open
	changed chan struct{} // closed with the next change of reasons; nil if nobody waits for it
	held    []Suspender
	active  time.Duration // open until since
	since   time.Time     // when it was opened last
}

// A Suspender can be stopped in the middle of its work and continued.
type Suspender interface {
	Suspend()
	Resume()
}

// NewGate returns an open gate. now is the clock that measures active time.
func NewGate(now func() time.Time) *Gate {
	return &Gate{now: now, since: now()}
}

// Hold puts a suspender behind the gate, until the returned function is called. If the gate is closed,
// the suspender is suspended at once.
func (g *Gate) Hold(s Suspender) (release func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = append(g.held, s)
	if len(g.reasons) > 0 {
		s.Suspend()
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.held = slices.DeleteFunc(g.held, func(h Suspender) bool { return h == s })
		if len(g.reasons) > 0 {
			s.Resume()
		}
	}
}

// Pause closes the gate for a reason and suspends what is behind it before it returns. Pausing twice
// for the same reason is the same as once.
func (g *Gate) Pause(reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if slices.Contains(g.reasons, reason) {
		return
	}
	g.reasons = append(g.reasons, reason)
	defer g.announce()
	if len(g.reasons) > 1 {
		return
	}
	g.closed.Store(true)
	for _, s := range g.held {
		s.Suspend()
	}
	g.active += g.now().Sub(g.since)
}

// Resume withdraws a reason; the gate opens when none is left.
func (g *Gate) Resume(reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.reasons, reason)
	if i < 0 {
		return
	}
	g.reasons = slices.Delete(g.reasons, i, i+1)
	defer g.announce()
	if len(g.reasons) > 0 {
		return
	}
	g.since = g.now()
	for _, s := range g.held {
		s.Resume()
	}
	g.closed.Store(false)
}

// announce wakes those who wait for a change of reasons. g.mu is held.
func (g *Gate) announce() {
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
}

// Wait returns when the gate is open, or with the context's cause when that ends first. It is cheap
// while the gate is open.
func (g *Gate) Wait(ctx context.Context) error {
	if !g.closed.Load() && ctx.Err() == nil {
		return nil
	}
	return g.await(ctx, func(reasons []string) bool { return len(reasons) == 0 })
}

// await returns when what is said of the reasons is true, or with the context's cause when that ends
// first.
func (g *Gate) await(ctx context.Context, is func(reasons []string) bool) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		g.mu.Lock()
		if is(g.reasons) {
			g.mu.Unlock()
			return nil
		}
		if g.changed == nil {
			g.changed = make(chan struct{})
		}
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// lasting reports whether one of the reasons is more than the short breaks that keep the limit on
// processor time: a pause in which nothing at all shall happen, for seconds or for days.
func lasting(reasons []string) bool {
	return slices.ContainsFunc(reasons, func(r string) bool { return r != cpuBudget })
}

// awaitPause returns when the gate is closed for a reason that lasts.
func (g *Gate) awaitPause(ctx context.Context) error { return g.await(ctx, lasting) }

// awaitWork returns when the gate is closed for no reason that lasts.
func (g *Gate) awaitWork(ctx context.Context) error {
	return g.await(ctx, func(reasons []string) bool { return !lasting(reasons) })
}

// Paused returns why the gate is closed, or "" if it is open. A reason that lasts comes before the
// limit on processor time.
func (g *Gate) Paused() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.reasons) == 0 {
		return ""
	}
	if i := slices.IndexFunc(g.reasons, func(r string) bool { return r != cpuBudget }); i >= 0 {
		return g.reasons[i]
	}
	return g.reasons[0]
}

// Active returns how long the gate has been open in all.
func (g *Gate) Active() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.reasons) > 0 {
		return g.active
	}
	return g.active + g.now().Sub(g.since)
}
