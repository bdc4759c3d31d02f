// Package sandboxlink asks sandboxes about what is started and opened on this computer, and says what they
// answered.
//
//	access ─► decide ─► recall ─► known: malicious ─────────────────────────────► act
//	          worth a    recent?   unknown ─► queue ─► submit ─► verdict ─► recall ─┘
//	          look?                (access goes on)    (network)
//
// Each step is a package of its own below this one: intercept sees accesses, decide says which are worth a
// question, recall remembers verdicts, queue keeps objects until a server takes them, submit speaks to the servers,
// derive makes indicators of what they report. This package leads one object through them. It does not act on
// verdicts: that is for whoever opens the link, who is told each [Case].
//
// # What is promised
//
// Nobody waits for the network. Whatever a server, or none, does costs the person at the computer nothing: an
// access is held for a look into memory only, and is then allowed or, for content known to be malicious, refused.
//
// Nothing is lost. An object that was queued stays queued, through restarts and weeks offline, until its
// verdict has been acted upon: an agent that is killed in between hears the verdict again. So [Options.Act] may be
// told twice and must bear it.
//
// Nothing is believed that was not asked. A server judges a content, by its SHA-256; the paths that are acted
// upon are those at which this computer saw that content. No answer of a server names one.
package sandboxlink

import (
	"context"
	"log/slog"
	"os"
	"time"

	"tyto/sandboxlink/decide"
	"tyto/sandboxlink/queue"
	"tyto/sandboxlink/recall"
	"tyto/verdict"
)

// Options say what the link works with.
type Options struct {
	// Recall remembers verdicts; required.
	Recall *recall.Cache
	// Decider says what is worth a question; required.
	Decider *decide.Decider
	// Queue takes what is unknown. Nil if there is none: nothing is asked then, because of NoQueue.
	Queue   *queue.Queue
	NoQueue string
	// Trusted reports that a content is never acted upon, whatever sandboxes say: a person has given it back
	// from the quarantine. Nil trusts nothing.
	Trusted func(sha256 string) bool
	// Own reports that a content belongs to this operating system: a package delivered it. A sandbox that calls
	// it malicious is wrong or lies, and believing it would stop the computer; so it counts as suspicious. Nil
	// knows nothing.
	Own func(ctx context.Context, sha256 string, size int64) (bool, error)
	// Act is told what sandboxes say of an object. For a malicious one it returns what was done about it, in
	// words. An error keeps the object in the queue, and it is told again.
	Act func(context.Context, Case) (actions []string, err error)
	// Queued is told of an object that has been queued; nil: nobody.
	Queued func(Seen, decide.Decision)
	// NoVerdict is told of an object that no sandbox could judge, and why; nil: nobody.
	NoVerdict func(seen []Seen, why string)
	// Failed is told of an object that could not be queued; nil: nobody.
	Failed func(Seen, error)
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Log receives what is no event; nil discards it.
	Log *slog.Logger
}

// Seen is an object as it was met on this computer.
type Seen struct {
	Path   string // any bytes
	SHA256 string
	Size   int64
	// By is who met it: the program that opened or started it, the product or person who asked.
	By   string
	Exec bool // it was started, or about to be
	// Refused reports that access was refused.
	Refused bool
}

// Case is what is known of a content, and where this computer has met it.
type Case struct {
	Verdict recall.Entry
	// Seen are the places, of this access alone, or all for which the object waited in the queue.
	Seen []Seen
	// Report is what the sandbox saw, of the object that was asked about; empty lists if it told nothing, nil if
	// the verdict was remembered.
	Report *verdict.Report
	// Known reports that the verdict was remembered, and is no news.
	Known bool
	// IsOwn reports that the sandbox says malicious of what belongs to this operating system.
	IsOwn bool
}

// Link leads objects to their verdicts. It is safe for concurrent use.
type Link struct {
	o   Options
	log *slog.Logger
}

// New returns a link. What it works with stays the caller's.
func New(o Options) *Link {
	if o.Trusted == nil {
		o.Trusted = func(string) bool { return false }
	}
	if o.Own == nil {
		o.Own = func(context.Context, string, int64) (bool, error) { return false, nil }
	}
	if o.Queued == nil {
		o.Queued = func(Seen, decide.Decision) {}
	}
	if o.NoVerdict == nil {
		o.NoVerdict = func([]Seen, string) {}
	}
	if o.Failed == nil {
		o.Failed = func(Seen, error) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Link{o: o, log: o.Log}
}

// Question asks about an object.
type Question struct {
	// File is the object, open for reading; [Link.Ask] closes it. Path is where it was met.
	File *os.File
	Path string
	// By is who asks, Exec whether it was started.
	By   string
	Exec bool
}

// Answer is what is known at once.
type Answer struct {
	SHA256 string
	// Verdict is a recent verdict; nil if there is none.
	Verdict *recall.Entry
	// Queued reports that the object waits for one. Reason says why, or why not.
	Queued bool
	Reason string
	// Actions are what was done about the object just now.
	Actions []string
}
