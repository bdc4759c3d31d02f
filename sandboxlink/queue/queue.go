// Package queue keeps objects that a sandbox should look at in a folder until a server has taken and judged
// them: for minutes, or for weeks without a network.
//
//	q, err := queue.Open("/var/lib/tyto/sandbox", queue.Options{})
//	outcome, err := q.Add(ctx, queue.Object{SHA256: sum, Size: size, Risk: 70}, file)
//
//	item, err := q.Next(ctx)       // waits for one; nobody else gets it until Release
//	defer item.Release()
//	content, err := item.Open()    // the original bytes
//	err = item.Update(state)       // what is to be remembered, also over a restart
//	err = item.Remove()            // the verdict is there
//
// # On disk
//
// One file per content, named by its SHA-256 and nothing else. It holds a head twice, and the content
// compressed and encoded, so that nothing in it runs or is taken for malware. docs/sandbox-queue.md is the
// format's specification, header.go its implementation.
//
//	SHA256            an object
//	SHA256.new        one in the making; what a killed process left of it is removed
//	SHA256.damaged    one that could not be read, kept for a look; a few, and they make room for objects
//	lock              held by the process that has the queue open
//
// # What survives
//
// When [Queue.Add] returns without an error, the object is on the disk: it was written under another name,
// synced and renamed, and the folder was synced. When [Item.Update] returns, the state is: it is written to
// the older one of the two heads and synced, so that a kill or a power cut in the midst leaves the other one,
// and it needs neither room on the disk nor a new file. An object that was removed stays so.
//
// # Clocks
//
// Waiting and expiry go by the monotonic clock while the process runs; the computer's clock counts only over
// restarts, and is not believed when it says that something has to wait for longer than [Options.MaxWait], was
// added in the future, or has expired before an hour has passed since the start (the clock of a computer that has
// just started may be wrong). So a clock that is set leaves nothing waiting for ever, and loses nothing.
//
// The folder belongs to the agent alone: whoever can write in it could have it ask about anything. Package
// agent/place sees to the folders above, [Open] to this one.
package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Defaults of [Options].
const (
	DefaultLimit       = 100_000_000 // bytes, as "100 MB" is understood
	DefaultObjectLimit = 60 << 20    // what Kaspersky Sandbox takes at most
	DefaultEntries     = 100_000
	DefaultExpire      = 30 * 24 * time.Hour
	DefaultMaxWait     = time.Hour
)

// Options say how a queue is used. The zero value of a field means its default.
type Options struct {
	// Limit is how many bytes the folder may take: the sizes of its files, heads included, each rounded up to whole
	// blocks of 4 KiB, also those in the making and damaged ones. Default is [DefaultLimit].
	Limit int64
	// ObjectLimit is the largest object in bytes, as it is before it is compressed. Default is [DefaultObjectLimit].
	ObjectLimit int64
	// Entries is how many objects there may be; each takes some 200 bytes of memory. Default is [DefaultEntries].
	Entries int
	// Expire is after how long an object is given up. Default is [DefaultExpire].
	Expire time.Duration
	// MaxWait is the longest time for which [State.NotBefore] holds an object back: a later one counts as this far
	// from now. Default is [DefaultMaxWait].
	MaxWait time.Duration
	// Now is the computer's clock; default time.Now.
	Now func() time.Time
	// Log receives what is no event; default is to discard it.
	Log *slog.Logger
	// Event is told what happened, from the goroutine in which it did; it may call the queue. Default is to tell
	// nobody.
	Event func(Event)

	fault func(step string) // tests: called at each step of what changes files
}

func (o Options) withDefaults() Options {
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	if o.ObjectLimit <= 0 {
		o.ObjectLimit = DefaultObjectLimit
	}
	if o.Entries <= 0 {
		o.Entries = DefaultEntries
	}
	if o.Expire <= 0 {
		o.Expire = DefaultExpire
	}
	if o.MaxWait <= 0 {
		o.MaxWait = DefaultMaxWait
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Event == nil {
		o.Event = func(Event) {}
	}
	if o.fault == nil {
		o.fault = func(string) {}
	}
	return o
}

// Queue is an open queue. All methods may be used concurrently. Only one process at a time can have it open.
type Queue struct {
	opts   Options
	root   *os.Root
	unlock func()
	codec  codec

	mu      sync.Mutex // of what follows; not held while the disk is waited for, but for damaged files
	closed  bool
	entries map[sum]*entry
	ready   waiting // due, by risk and age
	delayed waiting // not due yet, by when they are
	adding  map[sum]chan struct{}
	used    int64 // bytes that count, see Options.Limit
	damaged []damagedFile
	refused int64
	full    bool // it was told that the queue is full
	noSpace bool // it was told that the disk is full
	changed chan struct{}
	sweepAt time.Time // when to look for expired ones next
}

// Open opens the queue in dir, and makes the folder if there is none, for its owner only.
//
// What a killed process left is put in order. What cannot be read is set aside with an event, and never
// keeps the queue from being used. A folder that others may look into or write is refused with [ErrUnsafe], one
// that another process has open with [ErrInUse].
func Open(dir string, o Options) (*Queue, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open the sandbox queue: %w", err)
	}
	q := &Queue{
		opts: o.withDefaults(), codec: newCodec(),
		entries: map[sum]*entry{}, adding: map[sum]chan struct{}{}, changed: make(chan struct{}),
		ready: waiting{less: before}, delayed: waiting{less: earlier},
	}
	if err := q.open(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("open the sandbox queue %q: %w", dir, err), q.Close())
	}
	return q, nil
}

func (q *Queue) open(dir string) (err error) {
	if err := makeFolder(dir); err != nil {
		return err
	}
	if q.root, err = os.OpenRoot(dir); err != nil {
		return err
	}
	if err := private(q.root); err != nil {
		return err
	}
	if q.unlock, err = q.lock(); err != nil {
		return err
	}
	return q.load()
}

// Close ends the use of the queue: whoever waits in Next gets [ErrClosed]. Contents that are open stay
// readable.
func (q *Queue) Close() error {
	q.mu.Lock()
	was := q.closed
	q.closed = true
	q.wake()
	q.mu.Unlock()
	if was {
		return nil
	}
	var err error
	if q.root != nil {
		err = q.root.Close()
	}
	if q.unlock != nil {
		q.unlock()
	}
	return err
}

// Usage says how full a queue is.
type Usage struct {
	Bytes, Limit int64 // see [Options.Limit]
	Entries      int
	// Damaged is how many files were set aside and are still there.
	Damaged int
	// Refused is how many objects were not added since the queue was opened, because it or the disk was full.
	Refused int64
}

// Usage returns how full the queue is.
func (q *Queue) Usage() Usage {
	q.mu.Lock()
	defer q.mu.Unlock()
	return Usage{Bytes: q.used, Limit: q.opts.Limit, Entries: len(q.entries), Damaged: len(q.damaged), Refused: q.refused}
}

// Flush lets everything be due now, as when a server is back.
func (q *Queue) Flush() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.entries {
		e.due, e.notBefore = time.Time{}, time.Time{}
	}
	for q.delayed.Len() > 0 {
		q.ready.put(q.delayed.take(q.delayed.list[0]))
	}
	q.wake()
}

// List returns the objects in the order in which they would be sent now. It reads the head of each.
func (q *Queue) List(ctx context.Context) ([]Entry, error) {
	var list []Entry
	for _, e := range q.inOrder() {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		entry, err := q.show(e)
		if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDamaged) {
			continue // removed meanwhile, or set aside with an event
		}
		if err != nil {
			return nil, fmt.Errorf("list the sandbox queue: %w", err)
		}
		list = append(list, entry)
	}
	return list, nil
}

// Show returns the object with a SHA-256 or the only one whose SHA-256 begins so. The error is
// [ErrNotFound] or [ErrAmbiguous].
func (q *Queue) Show(prefix string) (Entry, error) {
	e, err := q.find(prefix)
	if err != nil {
		return Entry{}, fmt.Errorf("show %q in the sandbox queue: %w", prefix, err)
	}
	entry, err := q.show(e)
	if err != nil {
		return Entry{}, fmt.Errorf("show %q in the sandbox queue: %w", prefix, err)
	}
	return entry, nil
}

// Drop removes an object, named as for [Queue.Show], also one that is being sent.
func (q *Queue) Drop(prefix string) (Entry, error) {
	e, err := q.find(prefix)
	if err != nil {
		return Entry{}, fmt.Errorf("drop %q from the sandbox queue: %w", prefix, err)
	}
	entry, err := q.show(e)
	if errors.Is(err, ErrDamaged) {
		return entry, nil // it was set aside
	}
	if err == nil {
		err = q.remove(e)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("drop %q from the sandbox queue: %w", prefix, err)
	}
	return entry, nil
}
