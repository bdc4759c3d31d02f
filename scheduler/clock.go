package scheduler

import "time"

// Clock is the time as the scheduler sees it. [NewSystemClock] is the real one.
//
// There are two kinds of time. What is due is told by the clock on the wall, which people and servers
// set forwards and backwards at will. How long something lasted is told by a stopwatch, which nobody
// can set; it may stand still while the computer sleeps.
type Clock interface {
	// Now is the time on the wall.
	Now() time.Time
	// Elapsed is what the stopwatch shows. It never goes back.
	Elapsed() time.Duration
	// Timer sends on the channel once d has elapsed on the stopwatch; stop releases the timer.
	Timer(d time.Duration) (fired <-chan time.Time, stop func())
}

// systemClock is the computer's own.
type systemClock struct{ begun time.Time }

// NewSystemClock returns the computer's clock.
func NewSystemClock() Clock { return systemClock{time.Now()} }

func (systemClock) Now() time.Time           { return time.Now().Round(0) } // without the stopwatch
func (c systemClock) Elapsed() time.Duration { return time.Since(c.begun) }
func (systemClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// moment is one reading of both.
type moment struct {
	wall    time.Time
	elapsed time.Duration
}

// alarm finds the earliest of several times. The zero value rings never.
type alarm struct {
	now moment
	set bool
	in  time.Duration
}

// after asks to ring once d has elapsed.
func (a *alarm) after(d time.Duration) {
	if !a.set || d < a.in {
		a.set, a.in = true, max(0, d)
	}
}

// recheck is the longest timer while a time on the wall is awaited: that clock may be set meanwhile, and
// no system tells a program portably.
const recheck = 10 * time.Minute

// at asks to ring when the clock on the wall shows t; the zero time is never.
func (a *alarm) at(t time.Time) {
	if !t.IsZero() {
		a.after(min(t.Sub(a.now.wall), recheck))
	}
}
