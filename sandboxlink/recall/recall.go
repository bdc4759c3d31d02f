// Package recall remembers what sandboxes said, so that no content is asked about twice in a short time, and
// so that a program that is known to be malicious is refused before it runs.
//
//	cache, err := recall.Open(ctx, store, recall.Options{})
//	if entry, ok := cache.Get(sha256); ok { … } // said recently: act on it, ask nobody
//	err = cache.Put(ctx, recall.Entry{Verdict: v, Server: "sandbox.example:443", Size: size})
//
// Looking up never touches the network. [Cache.Get] reads one row of the state file;
// [Cache.MaliciousSize] and [Cache.Malicious], which are asked while a process waits for access to a file,
// look into memory only.
//
// # How long a verdict holds
//
// From when it was learned, by this computer's clock, for the lifetime of its level; when the sandbox judged does
// not count, for its clock is another's, and what it says today it stands by today. A verdict also ends
// when its server is seen to judge by another version of its database ([Cache.Database]). Verdicts that say
// nothing of the content, errors and time-outs, are refused by [Cache.Put].
//
// # When the clock is changed
//
// Set back, verdicts seem to come from the future. As soon as that is noticed, which is at the latest when
// one of them is asked for, they are dated to that moment: none holds longer than for one lifetime after
// it. Set forward, verdicts end early and the content is asked about again; when the clock is put right they hold
// again, because what has ended is deleted only for want of room.
//
// # How much is kept
//
// [MaxRows] verdicts, some 20 MB of the state file. Beyond that, those that have ended go first, then
// the oldest clean ones, then suspicious ones, malicious ones last. In memory are the hashes of the fresh
// malicious ones, some 10 MB if all were malicious.
package recall

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tyto/store"
	"tyto/verdict"
)

// MaxRows is how many verdicts are kept.
const MaxRows = 100_000

// Texts of a verdict come from a server and are cut to these lengths, in bytes.
const (
	maxText    = 256
	maxThreats = 32
)

// DefaultLifetimes say how long a verdict holds by its level.
func DefaultLifetimes() map[verdict.Level]time.Duration {
	const day = 24 * time.Hour
	return map[verdict.Level]time.Duration{verdict.Clean: 7 * day, verdict.Suspicious: 7 * day, verdict.Malicious: 30 * day}
}

// Options say how verdicts are remembered. The zero value is the default.
type Options struct {
	// Lifetimes say how long a verdict of a level holds; those not named are as in [DefaultLifetimes].
	Lifetimes map[verdict.Level]time.Duration
	// MaxRows is how many verdicts are kept; default is the constant of that name.
	MaxRows int
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Log is told what goes wrong when looking up; default nothing is logged.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	lifetimes := DefaultLifetimes()
	maps.Copy(lifetimes, o.Lifetimes)
	o.Lifetimes = lifetimes
	if o.MaxRows <= 0 {
		o.MaxRows = MaxRows
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Entry is one verdict.
type Entry struct {
	verdict.Verdict
	// Server is the address of the server that said it.
	Server string
	// Size is that of the content in bytes. The interception finds malicious contents by it.
	Size int64
	// Learned is when it was put here, and Expires when it ends. Put sets both.
	Learned, Expires time.Time
}

// ErrNotKnown is returned by [Cache.Put] for a verdict that says nothing of the content; test with errors.Is.
var ErrNotKnown = errors.New("errors and time-outs are not remembered")

// Cache holds verdicts. All methods may be used concurrently. There is nothing to close but the store.
type Cache struct {
	store *store.Store
	opts  Options

	changing sync.Mutex // held by whoever changes rows, so that memory and file follow in one order
	rows     int        // at least as many as there are
	database map[string]string

	// newest is when the latest verdict was learned, in nanoseconds since 1970: a clock that shows less was
	// set back.
	newest    atomic.Int64
	unsettled atomic.Bool // what the clock's setting back means has still to be written to the file

	mu        sync.RWMutex // the hot path's
	malicious map[[32]byte]known
	sizes     map[int64]int64 // size → when the latest malicious content of it was learned
}

// known is what the hot path knows of a malicious content.
type known struct{ size, learned int64 }

// Open reads what is known from the store, which must stay open as long as the cache is used.
func Open(ctx context.Context, s *store.Store, o Options) (*Cache, error) {
	c := &Cache{store: s, opts: o.withDefaults()}
	if err := c.open(ctx); err != nil {
		return nil, fmt.Errorf("open the memory of verdicts: %w", err)
	}
	return c, nil
}

func (c *Cache) open(ctx context.Context) (err error) {
	if c.database, err = c.store.Sandboxes(ctx); err != nil {
		return err
	}
	if err := c.store.RewindVerdicts(ctx, c.opts.Now()); err != nil {
		return err
	}
	if c.rows, err = c.store.CountVerdicts(ctx); err != nil {
		return err
	}
	for v, err := range c.store.Verdicts(ctx, "") { // the latest first
		if err != nil {
			return err
		}
		c.newest.Store(v.Learned.UnixNano())
		break
	}
	return c.reload(ctx)
}

// reload reads what the hot path has to know.
func (c *Cache) reload(ctx context.Context) error {
	malicious, sizes := map[[32]byte]known{}, map[int64]int64{}
	for v, err := range c.store.Verdicts(ctx, verdict.Malicious) {
		if err != nil {
			return err
		}
		if sum, ok := parse(v.SHA256); ok && c.fresh(v) {
			k := known{v.Size, v.Learned.UnixNano()}
			malicious[sum] = k
			sizes[k.size] = max(sizes[k.size], k.learned)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.malicious, c.sizes = malicious, sizes
	c.dateBack(c.newest.Load()) // the clock may have been set back while the file was read
	return nil
}

// dateBack lets what is in memory be learned at a time at the latest. The caller holds c.mu.
func (c *Cache) dateBack(latest int64) {
	for sum, k := range c.malicious {
		if k.learned > latest {
			k.learned = latest
			c.malicious[sum] = k
		}
	}
	for size, learned := range c.sizes {
		c.sizes[size] = min(learned, latest)
	}
}

// Get returns the verdict on a content if it is fresh. It reads memory and the state file, never the
// network; a state file that cannot be read is logged and knows nothing.
func (c *Cache) Get(sha256 string) (Entry, bool) {
	c.settle(context.Background())
	v, err := c.store.Verdict(context.Background(), sha256) // takes microseconds
	if err != nil {
		if !errors.Is(err, store.ErrNotFound) {
			c.opts.Log.Error("look up a verdict", "sha256", sha256, "error", err)
		}
		return Entry{}, false
	}
	if !c.fresh(v) {
		return Entry{}, false
	}
	return c.entry(v), true
}

func (c *Cache) entry(v store.Verdict) Entry {
	return Entry{Verdict: v.Verdict, Server: v.Server, Size: v.Size, Learned: v.Learned, Expires: v.Learned.Add(c.opts.Lifetimes[v.Level])}
}

// fresh reports whether a verdict has not ended.
func (c *Cache) fresh(v store.Verdict) bool {
	return v.Level.Known() && c.opts.Now().Sub(v.Learned) < c.opts.Lifetimes[v.Level]
}

// Put remembers a verdict from now on, in place of what was known of the content. One that is not Known is
// refused with [ErrNotKnown]. Its database is taken for the server's present one, see [Cache.Database]; a
// verdict without one counts as given under the last that is known.
func (c *Cache) Put(ctx context.Context, e Entry) error {
	sum, ok := parse(e.SHA256)
	switch {
	case !ok:
		return fmt.Errorf("remember a verdict: %q is no SHA-256", e.SHA256)
	case !e.Level.Known():
		return fmt.Errorf("remember the verdict %q on %s: %w", e.Level, e.SHA256, ErrNotKnown)
	}
	c.settle(ctx)
	c.changing.Lock()
	defer c.changing.Unlock()
	now := c.opts.Now()
	v := store.Verdict{Verdict: e.Verdict, Server: cut(e.Server), Size: e.Size, Learned: now}
	v.SHA256 = hex.EncodeToString(sum[:])
	v.Sandbox, v.Database = cut(v.Sandbox), cut(v.Database)
	v.Threats = nil
	for _, t := range e.Threats[:min(len(e.Threats), maxThreats)] {
		v.Threats = append(v.Threats, cut(t))
	}
	if v.Database == "" {
		v.Database = c.database[v.Server]
	} else if err := c.changed(ctx, v.Server, v.Database); err != nil {
		return err
	}
	if err := c.store.PutVerdict(ctx, v); err != nil {
		return err
	}
	c.newest.Store(max(c.newest.Load(), now.UnixNano()))
	c.rows++
	if err := c.learn(ctx, sum, v); err != nil {
		return err
	}
	return c.bound(ctx)
}

// learn tells the hot path.
func (c *Cache) learn(ctx context.Context, sum [32]byte, v store.Verdict) error {
	c.mu.Lock()
	_, was := c.malicious[sum]
	is := v.Level == verdict.Malicious
	if is {
		k := known{v.Size, v.Learned.UnixNano()}
		c.malicious[sum] = k
		c.sizes[k.size] = max(c.sizes[k.size], k.learned)
	}
	c.mu.Unlock()
	if was && !is {
		return c.reload(ctx)
	}
	return nil
}

// bound makes room when there are too many rows, for some thousand at once.
func (c *Cache) bound(ctx context.Context) error {
	if c.rows <= c.opts.MaxRows {
		return nil
	}
	var err error
	if c.rows, err = c.store.CountVerdicts(ctx); err != nil || c.rows <= c.opts.MaxRows {
		return err
	}
	stale := map[verdict.Level]time.Time{}
	for level, lifetime := range c.opts.Lifetimes {
		stale[level] = c.opts.Now().Add(-lifetime)
	}
	keep := c.opts.MaxRows - c.opts.MaxRows/50
	if err := c.store.PruneVerdicts(ctx, keep, stale); err != nil {
		return err
	}
	c.rows = keep
	return c.reload(ctx)
}

// Database notes the version of the database by which a server judges now. If it is another than before,
// what the server said under another has ended.
func (c *Cache) Database(ctx context.Context, server, version string) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	return c.changed(ctx, cut(server), cut(version))
}

func (c *Cache) changed(ctx context.Context, server, version string) error {
	if last, known := c.database[server]; known && last == version {
		return nil
	}
	ended, err := c.store.SetSandbox(ctx, server, version, c.opts.Now())
	if err != nil {
		return err
	}
	c.database[server] = version
	if ended == 0 {
		return nil
	}
	c.opts.Log.Info("a sandbox has another database, what it said before has ended", "server", server, "database", version, "verdicts", ended)
	return c.reload(ctx)
}

// Forget deletes what is known of a content; that nothing was is no error.
func (c *Cache) Forget(ctx context.Context, sha256 string) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	err := c.store.DeleteVerdict(ctx, sha256)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.reload(ctx)
}

// List yields the verdicts that are fresh, the latest first.
func (c *Cache) List(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		c.settle(ctx)
		for v, err := range c.store.Verdicts(ctx, "") {
			if err == nil && !c.fresh(v) {
				continue
			}
			if !yield(c.entry(v), err) {
				return
			}
		}
	}
}

// MaliciousSize reports whether a fresh malicious content has this size. Only then is a file worth hashing
// while somebody waits for it. It looks into memory only and allocates nothing.
func (c *Cache) MaliciousSize(size int64) bool {
	now := c.opts.Now()
	c.notice(now)
	c.mu.RLock()
	learned, ok := c.sizes[size]
	c.mu.RUnlock()
	return ok && c.freshMalicious(now, learned)
}

// Malicious reports whether there is a fresh malicious verdict on a content. It looks into memory only and
// allocates nothing.
func (c *Cache) Malicious(sum [32]byte) bool {
	now := c.opts.Now()
	c.notice(now)
	c.mu.RLock()
	k, ok := c.malicious[sum]
	c.mu.RUnlock()
	return ok && c.freshMalicious(now, k.learned)
}

func (c *Cache) freshMalicious(now time.Time, learned int64) bool {
	return now.UnixNano()-learned < int64(c.opts.Lifetimes[verdict.Malicious])
}

// slack is how far the clock may go back without being taken for one that was set.
const slack = time.Minute

// notice lets verdicts of the future count as learned now, if the clock was set back. In memory only, for the
// hot path comes by: the file follows with settle.
func (c *Cache) notice(now time.Time) {
	newest := c.newest.Load()
	if now.UnixNano() >= newest-int64(slack) || !c.newest.CompareAndSwap(newest, now.UnixNano()) {
		return // the rule, or another goroutine does it
	}
	c.unsettled.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dateBack(now.UnixNano())
}

// settle does in the file what notice did in memory. Whoever reads or writes rows comes by here first.
func (c *Cache) settle(ctx context.Context) {
	now := c.opts.Now()
	c.notice(now)
	if !c.unsettled.Swap(false) {
		return
	}
	c.opts.Log.Warn("the clock was set back: verdicts of the future count as learned now", "now", now)
	if err := c.store.RewindVerdicts(ctx, now); err != nil {
		c.unsettled.Store(true)
		c.opts.Log.Error("date back the verdicts", "error", err)
	}
}

// parse reads a SHA-256 in hexadecimal.
func parse(sha256 string) (sum [32]byte, ok bool) {
	if len(sha256) != 2*len(sum) {
		return sum, false
	}
	_, err := hex.Decode(sum[:], []byte(sha256))
	return sum, err == nil
}

// cut bounds a text of a server.
func cut(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxText)], "\uFFFD") }
