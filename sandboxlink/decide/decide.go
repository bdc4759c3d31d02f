// Package decide says whether an object that was accessed is worth a sandbox's look, and why.
//
// # The steps
//
// Cheap ones come before expensive ones, and each leaves a [Reason]:
//
//	size ► remembered? ► type by the first bytes ► allowed path ► digest ► allowed digest ► package ► trusters ►
//	known for long ► inspection in a worker ► signature ► risk
//
// The steps up to the inspection can end it: the object is too large, cannot carry code, or is trusted. Whatever is
// left has a risk from 0 to 100, made of what it is, what it can do, where it lies, where it came from, what it is
// called and whether it was started; from [Policy.AskFrom] it is asked about.
//
// # Trust
//
// Trust is always in content. A path is trusted only in places where nobody but the administrator can put
// anything, and it is looked up from the file that is open, not taken from who asks. A package is trusted for the digest that it
// delivered, a signer for a signature that verifies over the whole program.
//
// # Who reads what
//
// This package hashes content and compares its first bytes with tables. All that follows what a file says of
// itself is done by package inspect in a confined worker process, which is started when it is needed and ended when
// nothing has come for a while.
//
// # Remembering
//
// A decision is remembered for ten minutes by the file's identity, path and way of access, where the file system
// keeps a time of change that cannot be set, and if that time is a minute ago: a program that has a file mapped for
// writing can change it for a moment without a trace. What was seen in content is remembered by its digest.
package decide

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"time"

	"tyto/sandboxlink/decide/authenticode"
	"tyto/sandboxlink/decide/inspect"
	"tyto/sandboxlink/decide/packages"
	"tyto/sandboxlink/generations"
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
	options  Options
	policy   rules
	packages packages.Database
	workers  *workers

	remembered *generations.Map[key, remembered]
	facts      *generations.Map[[sha256.Size]byte, *inspect.Facts]
	signatures *generations.Map[[sha256.Size]byte, *authenticode.Signature] // as the system sees them
	asking     chan struct{}                                                // holds one while the system is asked
}

// New returns a decider. The files that the policy names are read now; nothing is started and no package database is
// read before it is needed. Close must be called.
func New(o Options) (*Decider, error) {
	if err := o.Policy.Check(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Idle = cmp.Or(o.Idle, time.Minute)
	d := &Decider{options: o, asking: make(chan struct{}, 1)}
	var err error
	if d.policy, err = newRules(&o.Policy); err != nil {
		return nil, err
	}
	if o.Policy.TrustPackages {
		d.packages = packages.System(packages.Options{Root: o.Root, Now: o.Now, Log: o.Log})
	}
	if d.workers, err = newWorkers(o, d.policy.roots); err != nil {
		return nil, err
	}
	d.remembered = generations.New[key, remembered](maxRemembered)
	d.facts = generations.New[[sha256.Size]byte, *inspect.Facts](maxRemembered)
	d.signatures = generations.New[[sha256.Size]byte, *authenticode.Signature](maxRemembered)
	return d, nil
}

// Close ends the worker and waits for it. Decisions must not be under way.
func (d *Decider) Close() error { return d.workers.close() }

// Decide decides about one object. The error says that the object could not be read, or that ctx has ended. What keeps it
// from being looked into is no error but a reason to ask.
func (d *Decider) Decide(ctx context.Context, r Request) (Decision, error) {
	l := &look{Decider: d, ctx: ctx, request: r, decision: Decision{Path: r.Path}}
	if err := l.run(); err != nil {
		return Decision{}, fmt.Errorf("decide about %q: %w", r.Path, err)
	}
	return l.decision, nil
}
