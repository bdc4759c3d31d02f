package main

import (
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"tyto/finding"
	"tyto/scanner"
	"tyto/scanner/walk"
)

// scanFlags are the flags of `tyto scan`. Their help texts are the reference; docs/scan.md explains
// them at length.
type scanFlags struct {
	rules, ioc, exclude, mapRoot, reports []string

	oneFileSystem, network bool

	maxSize       byteSize
	maxSeconds    float64
	maxTime       time.Duration
	maxMatches    int
	maxMatchBytes byteSize

	noArchives     bool
	archiveDepth   int
	archiveEntries int
	archiveRatio   int64
	archiveBytes   byteSize
	archiveMember  byteSize

	workers      int
	workerMemory byteSize
	fast         bool
	cpuLimit     float64
	inProcess    bool
	cacheDir     string
	noCache      bool

	threshold              string
	alert, warning, notice float64
	quiet, verbose, json   bool
	colour                 string
}

// defaultMaxSize is the largest file whose content is examined. Malware is small; what is larger is
// media, databases and disk images, and costs a lot. THOR's limit is 30 MB, ClamAV's 100 MB.
const defaultMaxSize = 100 << 20

func (f *scanFlags) register(flags *pflag.FlagSet) {
	d := scanner.DefaultLimits()
	flags.SortFlags = false

	flags.StringArrayVar(&f.rules, "rules", nil, "YARA rules: a `FILE|DIR`, or \"builtin\"; repeatable. Default: the built-in rules, unless --ioc is given")
	flags.StringArrayVar(&f.ioc, "ioc", nil, "indicators, OpenIOC or Loki/THOR lists: a `FILE|DIR`; repeatable")

	flags.StringArrayVar(&f.exclude, "exclude", nil, "leave out what matches `GLOB`: a name (*.iso) or a path (/srv/**); repeatable")
	flags.BoolVar(&f.oneFileSystem, "one-file-system", false, "stay on the file systems of the given paths")
	flags.BoolVar(&f.network, "network", false, "scan network file systems too")
	flags.StringArrayVar(&f.mapRoot, "map-root", nil, "a mounted disk and what it was: `DIR=ROOT`, such as /mnt/evidence=C:; repeatable")

	f.maxSize = defaultMaxSize
	flags.Var(&f.maxSize, "max-size", "largest file whose content is examined; names and metadata always are; 0 is unlimited")
	flags.Float64Var(&f.maxSeconds, "max-seconds", 60, "longest examination of one object, in seconds; 0 is unlimited")
	flags.DurationVar(&f.maxTime, "max-time", 0, "longest scan, such as 2h30m; 0 is unlimited")
	flags.IntVar(&f.maxMatches, "max-matches", d.Matches, "matched strings kept per object")
	f.maxMatchBytes = byteSize(d.MatchBytes)
	flags.Var(&f.maxMatchBytes, "max-match-bytes", "bytes kept of each matched string")

	flags.BoolVar(&f.noArchives, "no-archives", false, "do not look inside archives")
	flags.IntVar(&f.archiveDepth, "archive-depth", d.Archive.Depth, "deepest nesting of archives")
	flags.IntVar(&f.archiveEntries, "archive-entries", d.Archive.Entries, "most members of one archive, nested ones included")
	flags.Int64Var(&f.archiveRatio, "archive-ratio", d.Archive.Ratio, "largest expansion of an archive")
	f.archiveBytes = byteSize(d.Archive.Bytes)
	flags.Var(&f.archiveBytes, "archive-bytes", "most bytes unpacked from one archive")
	f.archiveMember = byteSize(d.Archive.MemberBytes)
	flags.Var(&f.archiveMember, "archive-member", "largest member of an archive that is examined")

	flags.IntVar(&f.workers, "workers", 0, "worker processes; 0 is one less than there are cores")
	f.workerMemory = 768 << 20
	flags.Var(&f.workerMemory, "worker-memory", "memory that one worker may use")
	flags.BoolVar(&f.fast, "fast", false, "normal priority instead of the lowest, and let the page cache fill")
	flags.Float64Var(&f.cpuLimit, "cpu-limit", 0, "processor time to use, in `PERCENT` of one core: 100 is one full core; 0 is unlimited")
	flags.BoolVar(&f.inProcess, "in-process", false, "examine in this process, unconfined (for debugging)")
	flags.StringVar(&f.cacheDir, "cache-dir", "", "folder for compiled rules; default: the user's cache folder")
	flags.BoolVar(&f.noCache, "no-cache", false, "write nothing but the reports: compile the rules anew")

	flags.StringArrayVar(&f.reports, "report", nil, "write a report to `FILE`: .jsonl, .csv or .html; repeatable")
	flags.StringVar(&f.threshold, "threshold", "notice", "lowest level that counts for the exit code: notice, warning or alert")
	t := finding.DefaultThresholds
	flags.Float64Var(&f.alert, "alert-score", t.Alert, "lowest score of an alert")
	flags.Float64Var(&f.warning, "warning-score", t.Warning, "lowest score of a warning")
	flags.Float64Var(&f.notice, "notice-score", t.Notice, "lowest score of a notice")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "show only the summary")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show all evidence, all skips, and the log")
	flags.BoolVar(&f.json, "json", false, "write JSON Lines to standard output instead of text")
	flags.StringVar(&f.colour, "color", "auto", "colours: auto, always or never")
}

// options turns the flags into a scan's options; rules and indicators are still to be loaded.
func (f *scanFlags) options(paths []string) (scanner.Options, error) {
	o := scanner.Options{
		Walk: walk.Options{
			Roots:         paths,
			Exclude:       f.exclude,
			OneFileSystem: f.oneFileSystem,
			Network:       f.network,
		},
		MaxSize:      int64(f.maxSize),
		ObjectTime:   time.Duration(f.maxSeconds * float64(time.Second)),
		Examine:      scanner.DefaultLimits(),
		WorkerMemory: int64(f.workerMemory),
		Workers:      f.workers,
		InProcess:    f.inProcess,
		Fast:         f.fast,
		CPULimit:     f.cpuLimit / 100,
		Thresholds:   finding.Thresholds{Alert: f.alert, Warning: f.warning, Notice: f.notice},
	}
	for _, m := range f.mapRoot {
		mapping, err := walk.ParseMapping(m)
		if err != nil {
			return o, usageError{err: fmt.Errorf("--map-root: %w", err)}
		}
		o.Walk.MapRoot = append(o.Walk.MapRoot, mapping)
	}
	for _, pattern := range f.exclude {
		if _, err := walk.ParsePattern(pattern); err != nil {
			return o, usageError{err: fmt.Errorf("--exclude: %w", err)}
		}
	}
	o.Examine.Matches = f.maxMatches
	o.Examine.MatchBytes = int(f.maxMatchBytes)
	o.Examine.Archives = !f.noArchives
	o.Examine.Archive.Depth = f.archiveDepth
	o.Examine.Archive.Entries = f.archiveEntries
	o.Examine.Archive.Ratio = f.archiveRatio
	o.Examine.Archive.Bytes = int64(f.archiveBytes)
	o.Examine.Archive.MemberBytes = int64(f.archiveMember)
	return o, f.check()
}

// check refuses values that make no sense together or alone.
func (f *scanFlags) check() error {
	positive := func(name string, n float64) error {
		if n >= 0 {
			return nil
		}
		return usagef("use 0 for unlimited or default", "--%s cannot be negative: %s", name, strconv.FormatFloat(n, 'g', -1, 64))
	}
	for _, v := range []struct {
		name string
		n    float64
	}{
		{"max-seconds", f.maxSeconds}, {"max-time", float64(f.maxTime)}, {"max-matches", float64(f.maxMatches)},
		{"archive-depth", float64(f.archiveDepth)}, {"archive-entries", float64(f.archiveEntries)},
		{"archive-ratio", float64(f.archiveRatio)}, {"workers", float64(f.workers)}, {"cpu-limit", f.cpuLimit},
	} {
		if err := positive(v.name, v.n); err != nil {
			return err
		}
	}
	switch {
	case f.quiet && f.verbose:
		return usagef("choose one", "--quiet and --verbose contradict each other")
	case f.cpuLimit > 0 && f.cpuLimit < 1:
		return usagef("it is in percent: --cpu-limit 20", "--cpu-limit %g is less than 1 percent", f.cpuLimit)
	case f.cpuLimit > float64(100*runtime.NumCPU()):
		return usagef(fmt.Sprintf("100 is one core; this computer has %d", runtime.NumCPU()), "--cpu-limit %g is more than there is", f.cpuLimit)
	case f.workerMemory < 64<<20:
		return usagef("the rules alone need that much", "--worker-memory %s is less than 64MiB", f.workerMemory.String())
	case f.colour != "auto" && f.colour != "always" && f.colour != "never":
		return usagef("use auto, always or never", "--color %q is unknown", f.colour)
	}
	return nil
}
