// Package report tells people and machines what a scan found: on a terminal while it runs, and
// as JSON Lines, CSV and HTML.
//
// # One stream, many sinks
//
// A scan is told as a stream of events to a [Sink]: it starts, objects are found, objects are
// skipped, and a summary ends it. Every output is a Sink, and [Multi] feeds several at once.
// JSON Lines ([NewJSONL]) is the format that keeps everything; [Reader] turns it back into the
// same events, so that CSV and HTML can be made later, and [Merge] joins the files of several
// hosts. The format is documented field by field in docs/report-format.md.
//
// # Hostile text
//
// Paths, owners, evidence, and the names in rules come from a machine that may belong to an
// attacker, or from strangers. No sink writes them as they are: a terminal and an HTML page get
// them through [Safe], CSV cells are kept from becoming formulas, and JSON Lines escapes what a
// terminal would obey. Names that are not UTF-8 survive byte for byte in JSON Lines.
//
// # What a report must not do
//
// It never makes an incomplete scan look complete. [Verdict] is the one place that puts the
// result into words, [Outcome] the one that turns it into an exit code.
//
// The package opens no files and reads no clock: writers, times and the terminal's width are
// passed in. It may be used without any other part of Tyto but package finding.
package report

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"tyto/finding"
)

// Sink receives the events of a scan, in this order:
//
//	Start, then any number of Finding and Skip, then Summary, and Close at the very end.
//
// A scan that dies leaves out Summary. When reports are merged, several runs follow each other
// before Close; Start with a run that was begun before returns to it.
//
// A sink must not keep what the pointers lead to after it returned. Sinks are not safe for
// concurrent use, except those that say so.
type Sink interface {
	// Start begins a run, or returns to one: what follows belongs to it.
	Start(Run) error
	// Finding reports one object that matched.
	Finding(*finding.Finding) error
	// Skip reports one object that was not, or not fully, examined.
	Skip(finding.Skip) error
	// Summary ends a run.
	Summary(*finding.Summary) error
	// Close writes what is still held back. It does not close the writer, which belongs to
	// whoever made the sink.
	Close() error
}

// Run identifies one scan of one host. Everything in a report belongs to a run.
type Run struct {
	// ID tells runs apart, also those of one host. If it is empty, the host's name and the
	// start time serve.
	ID      string
	Host    Host
	Started time.Time
	// Version is that of the Tyto which scanned.
	Version string
	Paths   []string // what is scanned
	Command []string // the command line
	// Rules and Indicators say what is looked for.
	Rules      finding.SetSummary
	Indicators finding.SetSummary
}

// Host describes the scanned computer in the words of ECS. All but Name may be empty.
type Host struct {
	Name         string // host.name
	ID           string // host.id: the machine id, which survives renaming
	Architecture string // host.architecture, such as "x86_64"
	OS           OS
}

// OS describes an operating system in the words of ECS (host.os.*).
type OS struct {
	Type    string // "linux", "windows", "macos" or "unix"
	Name    string // "Debian GNU/Linux"
	Version string // "12 (bookworm)"
	Kernel  string // "6.1.0-18-amd64"
}

// key returns the identity of a run: ID, or what stands in for it.
func (r *Run) key() string {
	if r.ID != "" {
		return r.ID
	}
	return r.Host.Name + "@" + r.Started.UTC().Format("20060102T150405.000000000Z")
}

// Multi returns a sink that passes each event to all of sinks. It may be used concurrently: one
// event is passed on at a time.
//
// A sink that fails gets nothing further, and the others go on: a full disk under one report
// must not cost the others. The call in which it failed returns its error, and Close returns
// all errors once more.
func Multi(sinks ...Sink) Sink {
	m := &multi{}
	for _, s := range sinks {
		m.branches = append(m.branches, &branch{Sink: s})
	}
	return m
}

type multi struct {
	mu       sync.Mutex
	branches []*branch
}

type branch struct {
	Sink
	err error // the first failure; the sink is not called again
}

func (m *multi) each(call func(Sink) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, b := range m.branches {
		if b.err != nil {
			continue
		}
		if b.err = call(b.Sink); b.err != nil {
			errs = append(errs, b.err)
		}
	}
	return errors.Join(errs...)
}

func (m *multi) Start(r Run) error {
	return m.each(func(s Sink) error { return s.Start(r) })
}

func (m *multi) Finding(f *finding.Finding) error {
	return m.each(func(s Sink) error { return s.Finding(f) })
}

func (m *multi) Skip(sk finding.Skip) error {
	return m.each(func(s Sink) error { return s.Skip(sk) })
}

func (m *multi) Summary(sum *finding.Summary) error {
	return m.each(func(s Sink) error { return s.Summary(sum) })
}

func (m *multi) Close() error {
	_ = m.each(Sink.Close) // each branch keeps its error for the lines below
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, b := range m.branches {
		if b.err != nil {
			errs = append(errs, b.err)
		}
	}
	return errors.Join(errs...)
}

// errNoRun is returned when an event comes before Start.
func errNoRun(what string) error {
	return fmt.Errorf("report: %s before the start of a run", what)
}
