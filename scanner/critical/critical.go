// Package critical is the source of the critical areas: it yields the files behind what runs on this
// computer right now, wherever they lie and whether or not a path still leads to them.
//
//	source := critical.New(critical.Options{})
//	err := source.Walk(ctx,
//		func(e *walk.Entry) error {
//			file, err := e.Open()
//			…
//		},
//		func(s finding.Skip) { … })
//
// # What is yielded
//
// The program of each process, the files that are mapped into it as code or privately (libraries,
// assemblies), and the files of the kernel's modules or drivers. What is mapped to be shared and not to
// be run is data, such as a database's, and is left out; so are scripts, which are opened and not mapped.
//
// Kernel memory, the memory of processes and boot sectors are critical areas too. They cannot be
// examined yet; each is reported as a skip, [finding.NotBuilt], on every walk.
//
// # Order
//
// The most volatile first: what has no name any more and would be lost with its process is visited
// while the processes are listed; files that a path leads to come after, each path once, as package walk
// yields them.
//
// # Linux
//
// Malware deletes its own program, runs from memory (memfd_create), or hides in the file system of a
// container. The kernel keeps a way to the content: /proc/PID/exe and /proc/PID/map_files lead to the
// very file, whatever became of its names. An object that is only reached so has its Via set, and its
// Path is what the process calls it.
//
// Everything about a process is read relative to one open descriptor of its directory, which stays bound
// to that process: a number that is used again does not lead to another one.
//
// # Windows
//
// The paths of modules are those that the process itself keeps, which it can forge; what it cannot forge
// is its memory, which cannot be examined yet.
//
// # What is no gap
//
// A process that ends while it is being looked at does not run any more, and leaves no skip; neither does
// a mapping that is gone. A process that may not be looked at is a skip.
package critical

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"

	"tyto/finding"
	"tyto/scanner/walk"
)

// Options say what is left out.
type Options struct {
	// Own are files that are never visited, as in [walk.Options].
	Own []walk.FileID
	// Exclude holds patterns of files to leave out, as in [walk.Options].
	Exclude []string
	// Gate, if set, is called before each look at a process, as in [walk.Options].
	Gate func(context.Context) error
	// Log receives what is worth knowing but no gap; nil discards it.
	Log *slog.Logger
}

// Source yields the critical areas. It can be walked several times, each time as things are then.
type Source struct {
	opts Options
	platform
}

// New returns the source of this computer's critical areas.
func New(opts Options) *Source {
	if opts.Gate == nil {
		opts.Gate = func(ctx context.Context) error { return ctx.Err() }
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Source{opts: opts, platform: thisComputer()}
}

// notBuilt are the critical areas that cannot be examined yet.
var notBuilt = []string{"kernel memory", "process memory", "boot sectors"}

// Walk calls visit for each file of the critical areas, and skip for whatever is left out, as
// [walk.Walk] does.
func (s *Source) Walk(ctx context.Context, visit func(*walk.Entry) error, skip func(finding.Skip)) error {
	c, err := newCollection(&s.opts, visit, skip)
	if err != nil {
		return err
	}
	if err := s.processes(ctx, c); err != nil {
		return err
	}
	if err := s.kernel(ctx, c); err != nil {
		return err
	}
	if err := c.flush(ctx); err != nil {
		return err
	}
	for _, area := range notBuilt {
		skip(finding.Skip{Path: area, Reason: finding.NotBuilt, Detail: "this version of Tyto cannot examine it"})
	}
	return nil
}

const (
	// maxPaths is how many paths are gathered before they are visited.
	maxPaths = 10_000
	// maxSeen is how many files are remembered so that each comes once. What comes after is
	// visited whenever it is met: too often rather than not at all.
	maxSeen = 500_000
)

// collection gathers the files of one walk.
type collection struct {
	opts    *Options
	exclude []walk.Pattern
	own     map[walk.FileID]bool
	visit   func(*walk.Entry) error
	skip    func(finding.Skip)

	seed  maphash.Seed
	seen  map[uint64]bool // paths and mappings, by their hash
	paths []string        // to be visited
}

func newCollection(opts *Options, visit func(*walk.Entry) error, skip func(finding.Skip)) (*collection, error) {
	c := &collection{
		opts: opts, visit: visit, skip: skip,
		own: map[walk.FileID]bool{}, seed: maphash.MakeSeed(), seen: map[uint64]bool{},
	}
	for _, id := range opts.Own {
		c.own[id] = true
	}
	for _, text := range opts.Exclude {
		p, err := walk.ParsePattern(text)
		if err != nil {
			return nil, fmt.Errorf("critical areas: %w", err)
		}
		c.exclude = append(c.exclude, p)
	}
	return c, nil
}

// first reports whether key comes for the first time.
func first[K comparable](c *collection, key K) bool {
	h := maphash.Comparable(c.seed, key)
	if c.seen[h] {
		return false
	}
	if len(c.seen) < maxSeen {
		c.seen[h] = true
	}
	return true
}

// add takes the path of a file that is to be visited.
func (c *collection) add(ctx context.Context, path string) error {
	if !first(c, path) {
		return nil
	}
	c.paths = append(c.paths, path)
	if len(c.paths) < maxPaths {
		return nil
	}
	return c.flush(ctx)
}

// flush visits the files whose paths were gathered.
func (c *collection) flush(ctx context.Context) error {
	if len(c.paths) == 0 {
		return nil
	}
	defer func() { c.paths = c.paths[:0] }()
	// What runs here is of interest here, even if another computer keeps the file.
	opts := walk.Options{Roots: c.paths, Own: c.opts.Own, Exclude: c.opts.Exclude, Network: true, Gate: c.opts.Gate}
	return walk.Walk(ctx, opts, c.visit, c.skip)
}
