// Package sandbox is a sandbox server: it takes programs and documents from agents, has engines look at
// them, and says what they are.
//
//	agent ── POST sample ──► upload ──► tasks ──► engines ──► verdict.Report ──► results
//	      ◄─ GET task, report ──────────────────────────────────────────────────────┘
//
// It speaks the REST API that Kaspersky published for its own sandbox, so that whoever can ask that one
// can ask this one, with a few calls more: the report of a task, the state of a content by its hash, the
// version of what is judged by. openapi.yaml describes it, and is served.
//
// # What is promised
//
// A content is looked at once: it is known by its SHA-256, two uploads at one moment share a task, and a
// verdict stands until the engines or their rules change ([Engine.Version]). A task that
// was taken is finished, also when the server is killed meanwhile; what is forgotten is answered with 404,
// upon which agents send it again.
//
// # Everything that comes in is hostile
//
// Clients: connections, uploads, time, memory and disk are bounded for each and for all; no name
// that a client sends becomes a path. Samples: they lie in a folder that only the server's user can read,
// without execute permission and without their names, until there is a verdict. The server itself never
// parses them: engines do, in processes that can do nothing else.
//
// # How an engine is added
//
// Implement [Engine] in a package below this one and enter it where the command tyto sandbox serve builds
// the list (cmd/tyto/sandbox_serve.go). An engine says what it saw as behaviours with scores; the server
// combines the scores of all engines as those of findings are combined, and nothing else knows which engines
// there are.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Options say what a [Sandbox] works with.
type Options struct {
	// Dir is the folder for samples, tasks and results. It is made if it is missing; it must be one that nobody
	// else can look into, and only one sandbox may use it at a time: both are for the caller to see to.
	Dir string
	// Engines look at each sample, one after the other in this order. At least one.
	Engines []Engine
	// Product is what the server calls itself in verdicts: "Tyto 0.4". It is part of the database version.
	Product string
	// Identify tells the type of a file's content ([Sample.Type]). It must not parse it in this process. Nil
	// leaves types empty.
	Identify func(ctx context.Context, path string) (string, error)
	// Limits bound everything; the zero value has the defaults.
	Limits Limits
	// Notes are lines for the status page: the certificate's pin, what confines the engines.
	Notes func() []string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log takes what an operator should know; nil discards it.
	Log *slog.Logger
}

// Sandbox is the server. Make it with [Open].
type Sandbox struct {
	options  Options
	limits   Limits
	folder   folder
	results  *results
	database string
	log      *slog.Logger
	now      func() time.Time
	disk     disk
	uploads  *counter
	begun    time.Time

	mu      sync.Mutex
	active  map[string]*task // by SHA-256: those that wait and those that are looked at
	byID    map[string]*task
	waiting []*task // the oldest first
	closed  bool
	wake    chan struct{} // has room for one; whoever takes a task wakes the next if there is more
}

// Open opens the sandbox's folder and finds out what a server that is gone has left to do.
func Open(o Options) (*Sandbox, error) {
	if len(o.Engines) == 0 {
		return nil, errors.New("open the sandbox: no engine is given")
	}
	s := &Sandbox{
		options: o, limits: o.Limits.withDefaults(), folder: folder(o.Dir), log: o.Log, now: o.Now,
		database: databaseVersion(o.Product, o.Engines),
		active:   map[string]*task{}, byID: map[string]*task{}, wake: make(chan struct{}, 1),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.begun = s.now()
	s.disk.limit = s.limits.Disk
	s.uploads = newCounter(s.limits.Uploads, s.limits.ClientUploads)
	if err := s.folder.prepare(); err != nil {
		return nil, fmt.Errorf("open the sandbox: %w", err)
	}
	var err error
	if s.results, err = openResults(s.folder, s.limits, s.database, s.now, s.log); err != nil {
		return nil, fmt.Errorf("open the sandbox: %w", err)
	}
	if err := s.recover(); err != nil {
		return nil, fmt.Errorf("open the sandbox: %w", err)
	}
	return s, nil
}

// Database returns the version of what the sandbox judges by.
func (s *Sandbox) Database() string { return s.database }
