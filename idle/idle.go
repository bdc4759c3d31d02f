// Package idle knows whether somebody is using this computer.
//
// The computer is idle when every interactive session is locked or has its screensaver on, or, if
// [Options.Input] asks for it, has had no input for so long. A computer without interactive sessions is
// idle. Anything else is active: also a session that nobody can say anything about, sources that
// contradict each other, and a source that fails. So an error costs a scan that waits, never a person
// who is disturbed.
//
// # From sources to an answer
//
//	Provider ─► Report{Sessions{Claims}} ─┐
//	Provider ─► Report ───────────────────┼─► combine ─► settle ─► Options.Changed
//	power, sleep ─────────────────────────┘
//
// A [Provider] watches one part of the computer and reports all sessions that it sees, each with the
// [Claim]s that sources make about it. A claim counts for its own session only: what a user's session bus
// says, and that user can make it say anything, never makes another user's session idle. combine is a pure
// function of the last report of each provider. What it answers goes to [Options.Changed] at once if it is
// "active", and after it has held for [Options.Settle] if it is "idle".
//
// # Sources
//
// Linux: logind, the screensavers on each user's session bus, X11 with xscreensaver, terminals (see
// idle/logind, idle/screensaver, idle/x11). Windows: the session manager, screensaver processes. Both: a
// file, for tests ([File]). What each can and cannot see is told in docs/idle.md.
package idle

import (
	"log/slog"
	"time"
)

// Presence says whether somebody is there.
type Presence string

const (
	// Active: somebody is using the computer, or may be.
	Active Presence = "active"
	// Idle: nobody is.
	Idle Presence = "idle"
	// Unknown: a source that should know cannot say. It counts as Active.
	Unknown Presence = "unknown"
	// Silent: a source has nothing to say, such as a screensaver that does not run. It does not count. Only
	// sources are silent, never a [State].
	Silent Presence = "silent"
)

// State is what is known at one moment.
type State struct {
	// Presence is Active, Idle or Unknown.
	Presence Presence `json:"presence"`
	// Reason says for people why, such as "session 2 (ann): not locked".
	Reason string `json:"reason"`
	// Since is when Presence took this value.
	Since time.Time `json:"since"`
	// OnBattery is whether the computer runs from its battery; false if it has none.
	OnBattery bool `json:"on_battery"`
	// Sleeping is true from the moment when the system says that it is about to sleep until it has woken up.
	Sleeping bool `json:"sleeping"`
	// Sources is what each source says, in a fixed order.
	Sources []Source `json:"sources"`
}

// Source is what one source says of one session, or that a provider fails.
type Source struct {
	// Name of the source, such as "logind" or "org.mate.ScreenSaver".
	Name string `json:"name"`
	// Session that it speaks of, empty for the computer as a whole.
	Session string `json:"session,omitempty"`
	// Presence may be Silent.
	Presence Presence `json:"presence"`
	// Detail says what the source sees, such as "the screen is locked". Parts of it may come from the
	// source: make it harmless before printing it.
	Detail string `json:"detail,omitempty"`
	// Error says why the source cannot tell.
	Error string `json:"error,omitempty"`
	// Pending is true while the source has not answered for the first time.
	Pending bool `json:"pending,omitempty"`
	// Since is when the source began to say so, as far as we saw.
	Since time.Time `json:"since"`
}

// Options configure a [Monitor]. The zero value is useful.
type Options struct {
	// Input is how long a session without input counts as idle although it is not locked. 0: it never does.
	Input time.Duration
	// Terminal is how long after the last input a session on a text console or over ssh still counts as
	// used: it has no lock and no screensaver. Default 10 min.
	Terminal time.Duration
	// Settle is how long everything must have been idle before Idle is announced. Default 5 s; negative:
	// announced at once, for tests.
	Settle time.Duration
	// DelaySleep makes sleep wait until Changed has returned from the change of State.Sleeping to true, up to
	// the system's limit (logind: 5 s by default). It needs the right to delay sleep, which root has. On
	// Windows sleep waits for [Monitor.Feed] in any case.
	DelaySleep bool
	// Changed is called from one goroutine on every change of Presence, Reason, OnBattery or Sleeping, at
	// once. Until it returns no further change is seen.
	Changed func(State)
	// Observe, if set, is called like Changed, on every change of any source too. It is for "tyto idle".
	Observe func(State)
	// Providers replace those of this platform, see [Providers].
	Providers []Provider
	// Now is the clock for what is told to people. Default time.Now.
	Now func() time.Time
	// Log takes the reasons of changes (info) and failing sources (warn). Default: discarded.
	Log *slog.Logger

	// onBattery replaces the computer's answer in tests.
	onBattery func() bool
}

func (o Options) withDefaults() Options {
	if o.Terminal == 0 {
		o.Terminal = 10 * time.Minute
	}
	if o.Settle == 0 {
		o.Settle = 5 * time.Second
	}
	if o.Changed == nil {
		o.Changed = func(State) {}
	}
	if o.Observe == nil {
		o.Observe = func(State) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.onBattery == nil {
		o.onBattery = onBattery
	}
	if o.Providers == nil {
		o.Providers = Providers(o)
	}
	return o
}
