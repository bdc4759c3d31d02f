// Package decide says whether an object that was accessed is worth a sandbox's look, and why.
package decide

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"tyto/sandboxlink/decide/inspect"
)

// Kind is a class of content that can carry code: see [inspect.Kinds].
type Kind = inspect.Kind

// Options say how a [Decider] works.
type Options struct {
	// Policy is used as it is: call [Policy.Check] before.
	Policy Policy
	// WorkerCommand starts a process that serves [inspect.Handler]; default is this executable with the
	// arguments "worker" and "--inspect".
	WorkerCommand []string
	// Trust are asked after what the policy says, in this order.
	Trust []Truster
	// Inventory returns when this computer was first seen to have the content; nil if nobody knows. ok is
	// false if it has never been seen.
	Inventory func(ctx context.Context, sha256 string) (firstSeen time.Time, ok bool)
	// Root is the folder that is taken for "/" when package databases are read; tests set it.
	Root string
	// Idle is how long the worker waits for another object before it is ended; default is a minute.
	Idle time.Duration
	// Now is the clock; default is time.Now.
	Now func() time.Time
	// Log receives what happens to workers and package databases; default is to discard it.
	Log *slog.Logger
}

// Truster knows objects that need not be asked about. It may be called concurrently.
type Truster interface {
	// Trusts returns why an object is trusted, or "" if it has no opinion. An error is logged and
	// trusts nothing.
	Trusts(ctx context.Context, o Object) (why string, err error)
}

// Object is what a [Truster] is asked about.
type Object struct {
	File   *os.File // open for reading; use ReadAt
	Path   string   // as the system calls it, links resolved where that is possible
	SHA256 string
	Size   int64
}

// Request is one access.
type Request struct {
	File *os.File // open for reading; it stays the caller's
	Path string   // as it was accessed
	Exec bool     // it was started, not only opened
}

// Decision is the answer, with all that led to it.
type Decision struct {
	Ask    bool   `json:"ask"`
	Path   string `json:"path"`
	SHA256 string `json:"sha256,omitempty"` // "" if it was decided without reading the content
	Size   int64  `json:"size"`
	Type   string `json:"type,omitempty"` // in the words of package filetype
	Kind   Kind   `json:"kind,omitempty"`
	// Risk is 0 to 100; it decides the order in the queue. It is 0 for what is not looked at or trusted.
	Risk int `json:"risk"`
	// Reasons are the steps that were taken, in order.
	Reasons []Reason `json:"reasons"`
}

// Reason is one step.
type Reason struct {
	Code   string `json:"code"`   // stable: "kind", "package", "macros", …
	Detail string `json:"detail"` // a sentence; parts of it may come from the object
	For    bool   `json:"for"`    // whether it speaks for asking
	// Points is what it adds to the risk; 0 for steps that decide otherwise.
	Points int `json:"points,omitempty"`
}

// Decider decides. All its methods may be called concurrently.
type Decider struct {
	options Options
}

// New returns a decider. Nothing is started and no package database is read before it is needed. Close
// must be called.
func New(o Options) (*Decider, error) { return &Decider{options: o}, nil }

// Close ends the worker. Decisions that are under way fail.
func (d *Decider) Close() error { return nil }

// Decide decides about one object. The error says that the object could not be read, or that ctx has ended.
func (d *Decider) Decide(ctx context.Context, r Request) (Decision, error) {
	return Decision{}, errors.New("not yet")
}
