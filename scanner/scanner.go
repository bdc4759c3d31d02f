// Package scanner runs one scan: it takes objects from a source, passes each through the gate to a
// worker process that examines it, holds the facts against the indicators and rules, and gives
// findings and skips to a [Sink].
//
//	walk ─► gate ─► worker (examine) ─► match ─► finding
//
// The scan itself runs in the privileged process, the broker. It opens objects but never parses
// what is in them: that is done by package examine inside the confined processes of package
// worker.
//
// # What is promised
//
// Every object that the source yields ends in exactly one of three ways: it was examined (and
// counted), it was examined in part, or it was not examined; the last two are skips with a reason.
// Nothing that one object holds or does stops the scan.
package scanner

import (
	"errors"
	"log/slog"
	"time"

	"tyto/finding"
	"tyto/ioc"
	"tyto/rules"
	"tyto/scanner/archive"
	"tyto/scanner/examine"
	"tyto/scanner/walk"
)

// Options say what a scan looks at, what for, and how hard. Examine and Thresholds have no default of
// their own: begin with [DefaultLimits] and [finding.DefaultThresholds].
type Options struct {
	// Sources are asked for objects first, one after the other.
	Sources []Source
	// Walk selects the files. It may have no roots if there are Sources.
	Walk walk.Options
	// Rules are the compiled YARA rules; nil for none.
	Rules *rules.Set
	// Indicators may be nil.
	Indicators *ioc.Set

	// MaxSize is the largest file in bytes whose content is examined; 0 is unlimited. Names
	// and metadata are always held against the indicators.
	MaxSize int64
	// ObjectTime bounds the examination of one object; 0 is unlimited. Time in which the scan is
	// paused does not count.
	ObjectTime time.Duration
	// Examine are the limits that workers keep.
	Examine examine.Limits
	// WorkerMemory is what one worker process may use, in bytes; 0 is the default of package worker.
	WorkerMemory int64

	// Workers is the number of worker processes; 0 means one less than there are cores,
	// at least one.
	Workers int
	// WorkerCommand starts a worker: the program and its arguments. Empty means this very program with
	// the argument "worker".
	WorkerCommand []string
	// InProcess examines in this very process, unconfined: for debugging.
	InProcess bool
	// Fast runs at normal priority and leaves what was read in the page cache.
	Fast bool
	// CPULimit is the processor time that the scan may use, as a share of one core: 0.2 is 20 %
	// of one core, 1.5 one and a half cores; 0 is unlimited.
	CPULimit float64

	// Thresholds are the lowest scores of each level.
	Thresholds finding.Thresholds

	// Inventory knows files from earlier scans and remembers those of this one; nil: none. With it the
	// hashes of all files are taken. It stays the caller's, who opens it for the scan's [Profile] and
	// closes it after Run.
	Inventory Inventory
	// Gate lets the scan be paused from its very beginning; nil: a gate of its own, see [Scan.Gate]. A
	// scan whose gate is closed does nothing, starts no process and opens no file. Loading rules and
	// indicators comes before the scan and is the caller's to pause.
	Gate *Gate

	// Begun is when the work for this scan began, which is the scan's start in the summary. CPULimit
	// counts from there, so that loading the rules is part of it. Zero is when Run is called.
	Begun time.Time
	// CPUBegun is what [CPUTime] was then. Zero suits a process that lives for one scan.
	CPUBegun time.Duration

	// Examined, if set, is called for each file whose content was examined by this scan, with what was
	// learned of it; members of archives and files that the inventory knows do not come. It may be
	// called concurrently.
	Examined func(*finding.Object)
	// Progress, if set, is called a few times per second from one goroutine.
	Progress func(Progress)
	// Log receives what is worth knowing about the scan itself; nil discards it.
	Log *slog.Logger
}

// Progress is a snapshot of a running scan.
type Progress struct {
	Objects, Files, Bytes int64
	// Recalled is how many of Files the inventory knew, RecalledBytes their size, which was not read.
	Recalled, RecalledBytes int64
	// TotalFiles and TotalBytes are what there is to examine; 0 until it has been counted.
	TotalFiles, TotalBytes int64
	Findings               map[finding.Level]int64
	Skips                  int64 // that matter
	Current                string
	Paused                 string        // why the scan stands still; empty if it does not
	Active                 time.Duration // without pauses
}

// A Sink receives what a scan finds, as it finds it. Its methods are never called concurrently.
type Sink interface {
	Finding(*finding.Finding)
	Skip(finding.Skip)
}

// ErrTimeUp is the cause that ends a scan whose time is up.
var ErrTimeUp = errors.New("the time for the scan is up")

// progressEvery is how often progress is reported.
const progressEvery = 200 * time.Millisecond

// DefaultLimits returns the limits on the examination of one object that suit most scans.
func DefaultLimits() examine.Limits {
	return examine.Limits{
		Whole:      100 << 20,
		Chunk:      16 << 20,
		Matches:    1000,
		MatchBytes: 128,
		Archives:   true,
		Archive:    archive.DefaultLimits(),
	}
}
