package idle

import (
	"context"
	"errors"
	"time"
)

// Provider watches one part of the computer.
type Provider interface {
	// Name is what people call it.
	Name() string

	// Watch reports what it sees at once, and then whenever that changes, until ctx ends or it fails.
	// Each report replaces the one before. After an error it is called again, later and later; until it
	// reports again, its answer is that error.
	Watch(ctx context.Context, report func(Report)) error
}

// Feeder is a [Provider] that wants to hear what the service manager tells ([Monitor.Feed]).
type Feeder interface {
	Provider
	Feed(Event)
}

// Report is everything that a provider sees.
type Report struct {
	// Sessions are the interactive ones.
	Sessions []Session
	// Note is what the provider says when there are no sessions, such as "nobody is logged in".
	Note string
	// Err, if set, says that the provider cannot tell.
	Err error
	// Sleeping is true while the system prepares to sleep.
	Sleeping bool
	// Told, if set, is called when [Options.Changed] has seen this report.
	Told func()
}

// Session is one interactive session: a desktop, a text console, a remote login.
type Session struct {
	// Name for people, such as "2 (ann, seat0, x11)".
	Name string
	// Claims are what sources say of this session.
	Claims []Claim
	// Exempt, if set, says why nobody sits at this session, such as "the login screen". It is told, but
	// does not count.
	Exempt string
}

// Claim is what one source says of one session.
type Claim struct {
	Source string   // its name
	About  Evidence // what kind of statement it is
	Says   Presence
	Detail string // for people
	Err    error  // why Says is Unknown or Silent
	// Pending is true until the source has answered for the first time; Says is Unknown then.
	Pending bool
}

// Evidence is what a claim rests on. A claim can be contradicted by one of the same kind only: a mouse
// that moves before a locked screen does not unlock it.
type Evidence int

const (
	// Lock claims say Idle for a locked screen or an active screensaver, Active for the opposite. A source
	// that cannot tell "not locked" from "I do not know of locks" is Silent instead of Active.
	Lock Evidence = iota
	// Input claims say Idle when there has been no input for long enough.
	Input
)

// Retries begin after retryFirst and double up to retryMax. A provider that worked for retryMax begins anew.
const (
	retryFirst = time.Second
	retryMax   = time.Minute
)

// supervise keeps a provider watching until ctx ends.
func supervise(ctx context.Context, p Provider, report func(Report)) {
	wait := retryFirst
	for {
		began := time.Now()
		err := p.Watch(ctx, report)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("it stopped watching")
		}
		report(Report{Err: err})
		if time.Since(began) > retryMax {
			wait = retryFirst
		}
		if !sleep(ctx, wait) {
			return
		}
		wait = min(2*wait, retryMax)
	}
}

// sleep returns false if ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
