// Package submit brings objects from the queue to a sandbox and verdicts back.
//
//	Queue ─► ask by hash ─► upload ─► State is stored ─► poll the same server ─► Deliver ─► out of the queue
//	              │            │                           │
//	              └── the server is down, busy, set up wrongly, or answers nonsense: the next one ──┘
//
// # What is promised
//
// Nothing is lost: an object leaves the queue only when its outcome was delivered, and an outcome is
// delivered at least once. The outcome is a verdict of the object's own SHA-256, or an error verdict when each
// server has said that it cannot judge the object. Everything else, for however long, only means that the object stays
// in the queue.
//
// Nothing is sent but to the servers in [Options], in their order: the second is asked when the first is not
// there. What is sent is the hash, the content, its size and its base name.
//
// # How one server's trouble stays its own
//
// A server that fails is rested with a growing back-off ([ServerStatus] shows it) and one event is sent for
// the outage. An object on which a server breaks waits on its own, too, so that it does not stand before
// the others for ever. The memory for an answer, the time for it and the number of tasks that are followed at once are
// bounded; see package wire.
package submit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"tyto/sandboxlink/submit/cape"
	"tyto/sandboxlink/submit/wire"
	"tyto/verdict/cuckoo"
)

// Defaults of [Options].
const (
	DefaultPollEvery     = 3 * time.Second
	DefaultTaskDeadline  = time.Hour
	DefaultMoveAfter     = 10 * time.Minute
	DefaultDatabaseEvery = time.Hour
	DefaultParallel      = 2
	DefaultTasks         = 256
)

// maxServers bounds the list; Kaspersky's clusters have at most 32 members.
const maxServers = 64

// ErrNoServer is returned by [New] if no server is configured. Test with errors.Is.
var ErrNoServer = errors.New("no sandbox server is configured: nothing is sent")

// Options of a [Submitter]. The zero value of a field means its default.
type Options struct {
	// Servers are asked in this order.
	Servers []Server
	// Limits bound the waits for a server. Its Bandwidth is set from the one below.
	Limits Limits
	// PollEvery is the time between two questions for the outcome of one task, at first; it grows with the
	// age of the task, up to half a minute. Default 3 s.
	PollEvery time.Duration
	// TaskDeadline is how long a server may take for a verdict; then another is asked. Default 1 h.
	TaskDeadline time.Duration
	// MoveAfter is how long a server that has an object may be out of reach until another is asked. Default 10 min.
	MoveAfter time.Duration
	// DatabaseEvery is the time between two questions for a server's database version. Default 1 h.
	DatabaseEvery time.Duration
	// Parallel is how many objects are handed in at once, and how many tasks asked for. Default 2.
	Parallel int
	// Tasks is how many tasks are followed at once. Default 256.
	Tasks int
	// Bandwidth of all uploads together in bytes per second; 0 is no limit.
	Bandwidth int64
	// CAPE says how CAPE's reports are judged.
	CAPE cape.Settings
	// Deliver takes an outcome. If it returns an error the outcome is delivered again later. It may be called
	// from several goroutines.
	Deliver func(context.Context, Delivery) error
	// Database is told the version of a server's database when it is first seen, and when it changes; may be nil.
	Database func(ctx context.Context, server, version string)
	// Event is told what a person may want to know; may be nil. It must not block.
	Event func(Event)
	// Now is the clock; default is time.Now.
	Now func() time.Time
	// Log is for what happens in detail; default is none.
	Log *slog.Logger
}

// withDefaults checks the options and completes them.
func (o Options) withDefaults() (Options, error) {
	switch {
	case len(o.Servers) == 0:
		return o, ErrNoServer
	case len(o.Servers) > maxServers:
		return o, fmt.Errorf("%d servers are configured, at most %d can be", len(o.Servers), maxServers)
	case o.Deliver == nil:
		return o, errors.New("submit.Options.Deliver is missing")
	case o.Bandwidth < 0:
		return o, fmt.Errorf("a bandwidth of %d bytes per second makes no sense: leave it out for no limit", o.Bandwidth)
	}
	for _, d := range []struct {
		value   *time.Duration
		meaning time.Duration
	}{
		{&o.PollEvery, DefaultPollEvery},
		{&o.TaskDeadline, DefaultTaskDeadline},
		{&o.MoveAfter, DefaultMoveAfter},
		{&o.DatabaseEvery, DefaultDatabaseEvery},
	} {
		if *d.value <= 0 {
			*d.value = d.meaning
		}
	}
	if o.Parallel <= 0 {
		o.Parallel = DefaultParallel
	}
	if o.Tasks <= 0 {
		o.Tasks = DefaultTasks
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.CAPE.Now == nil {
		o.CAPE.Now = o.Now
	}
	if o.CAPE.Translate == nil {
		o.CAPE.Translate = cuckoo.Parse
	}
	o.Limits = o.Limits.WithDefaults()
	o.Limits.Bandwidth = o.Bandwidth / int64(o.Parallel)
	return o, nil
}

// Submitter asks sandbox servers.
type Submitter struct {
	o       Options
	servers []*server
	events  *quieter
	pace    *pace
	random  func() float64
	// changed is told when a server may have become ready.
	changed signal

	uploads, polls semaphore
}

// New returns a submitter. It reads the certificates that the servers name and touches no network.
func New(o Options) (*Submitter, error) {
	return newSubmitter(o, open)
}

// opener makes the back end for a server.
type opener func(Server, Limits, cape.Settings) (Backend, error)

func newSubmitter(o Options, open opener) (*Submitter, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Submitter{
		o:       o,
		events:  &quieter{tell: o.Event, now: o.Now},
		pace:    &pace{rate: o.Bandwidth},
		random:  rand.Float64,
		changed: make(signal, 1),
		uploads: make(semaphore, o.Parallel),
		polls:   make(semaphore, o.Parallel),
	}
	for _, settings := range o.Servers {
		address, err := wire.ParseAddress(settings.Address)
		if err != nil {
			return nil, err
		}
		if s.find(address.URL()) != nil {
			return nil, fmt.Errorf("server %q is configured twice", address.URL())
		}
		backend, err := open(settings, o.Limits, o.CAPE)
		if err != nil {
			return nil, err
		}
		s.servers = append(s.servers, &server{name: address.URL(), settings: settings, plain: address.Plain(), backend: backend})
	}
	return s, nil
}

// find returns the server of a name, or nil.
func (s *Submitter) find(name string) *server {
	for _, sv := range s.servers {
		if sv.name == name {
			return sv
		}
	}
	return nil
}

// Run takes objects from the queue until the context ends, whose error it returns, or the queue fails. It
// returns when nothing of it is under way any more. It is called once at a time.
func (s *Submitter) Run(ctx context.Context, q Queue) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer func() {
		cancel()
		running.Wait()
		for _, sv := range s.servers {
			sv.backend.Close()
		}
	}()
	for _, sv := range s.servers {
		if sv.plain {
			s.events.event(Event{Kind: ServerUnprotected, Server: sv.name}, "")
		}
	}
	running.Go(func() { s.watchDatabases(ctx) })

	// An object is taken when it can be handed in, not before: until then a more urgent one may come.
	tasks, fresh := make(semaphore, s.o.Tasks), make(semaphore, s.o.Parallel)
	for {
		if err := s.awaitReady(ctx); err != nil {
			return err
		}
		if err := tasks.acquire(ctx); err != nil {
			return err
		}
		if err := fresh.acquire(ctx); err != nil {
			return err
		}
		item, err := q.Next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("taking an object from the queue: %w", err)
		}
		handedIn := sync.OnceFunc(fresh.release)
		running.Go(func() {
			defer tasks.release()
			defer handedIn()
			defer item.Release()
			newErrand(s, item).run(ctx, handedIn)
		})
	}
}

// watchDatabases asks the servers for the versions of their databases: a verdict is only as good as the
// database that it was made by, and a server may not be asked anything else for days.
func (s *Submitter) watchDatabases(ctx context.Context) {
	for {
		for _, sv := range s.servers {
			v, _ := s.visit(sv, false)
			if v == nil {
				continue
			}
			version, err := sv.backend.Database(ctx)
			v.end()
			if err != nil {
				s.o.Log.Debug("asking for the database version", "server", sv.name, "error", err)
				continue
			}
			s.database(ctx, sv, version)
		}
		if sleep(ctx, s.o.DatabaseEvery) != nil {
			return
		}
	}
}

// database notes the version that a server's verdicts are made by.
func (s *Submitter) database(ctx context.Context, sv *server, version string) {
	sv.mu.Lock()
	known := sv.database
	if version != "" {
		sv.database = version
	}
	sv.mu.Unlock()
	if version != "" && version != known && s.o.Database != nil {
		s.o.Database(ctx, sv.name, version)
	}
}

// semaphore lets as many through as it has room.
type semaphore chan struct{}

func (s semaphore) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s semaphore) release() { <-s }
