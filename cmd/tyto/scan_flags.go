package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tyto/finding"
	"tyto/scanner"
	"tyto/scanner/walk"
)

// scanFlags are the flags of `tyto scan`. Their help texts are the reference; docs/scan.md explains
// them at length.
type scanFlags struct {
	rules, ioc, exclude, mapRoot, reports []string

	critical, oneFileSystem, network bool

	inventory    string
	resume, full bool

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

	contain containFlags

	threshold              string
	alert, warning, notice float64
	quiet, verbose, json   bool
	colour                 string
}

// defaultMaxSize is the largest file whose content is examined. Malware is small; what is larger is
// media, databases and disk images, and costs a lot. THOR's limit is 30 MB, ClamAV's 100 MB.
const defaultMaxSize = 100 << 20

// defaultWorkerMemory is enough for what the limits on archives allow, and for all rules of
// signature-base at once.
const defaultWorkerMemory = 768 << 20

// flagGroup is a part of the flags under a heading of its own: forty in one list help nobody.
type flagGroup struct {
	title string
	flags *pflag.FlagSet
}

// groups returns the flags, in the order in which the help shows them.
func (f *scanFlags) groups() []flagGroup {
	f.maxSize, f.workerMemory = defaultMaxSize, defaultWorkerMemory
	group := func(title string, define func(flags *pflag.FlagSet)) flagGroup {
		flags := pflag.NewFlagSet(title, pflag.ContinueOnError)
		flags.SortFlags = false
		define(flags)
		return flagGroup{title, flags}
	}
	return []flagGroup{
		group("What to look for", f.searchFlags),
		group("Where", f.whereFlags),
		group("What is known already", f.inventoryFlags),
		group("What becomes of it", f.contain.register),
		group("Output", f.outputFlags),
		group("Limits", f.limitFlags),
		group("Archives", f.archiveFlags),
		group("Load on the computer", f.loadFlags),
	}
}

func (f *scanFlags) searchFlags(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.rules, "rules", nil, "YARA rules: a `FILE|DIR`, or \"builtin\"; repeatable. Without --rules and --ioc, the built-in rules")
	flags.StringArrayVar(&f.ioc, "ioc", nil, "indicators, OpenIOC or Loki/THOR lists: a `FILE|DIR`; repeatable")
	flags.StringVar(&f.cacheDir, "cache-dir", "", "keep compiled rules in `DIR` instead of the user's cache folder")
	flags.BoolVar(&f.noCache, "no-cache", false, "keep no compiled rules: nothing is written but the reports")
}

func (f *scanFlags) whereFlags(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.exclude, "exclude", nil, "leave out what matches `GLOB`: a name (*.iso) or a path (/srv/**); repeatable")
	flags.BoolVar(&f.critical, "critical", false, "scan the critical areas: the files behind running processes and loaded modules; with paths, before them")
	flags.BoolVar(&f.oneFileSystem, "one-file-system", false, "stay on the file systems of the given paths")
	flags.BoolVar(&f.network, "network", false, "scan network file systems too")
	flags.StringArrayVar(&f.mapRoot, "map-root", nil, "a mounted disk and what it was: `DIR=ROOT`, such as /mnt/evidence=C:; repeatable")
}

func (f *scanFlags) inventoryFlags(flags *pflag.FlagSet) {
	flags.StringVar(&f.inventory, "inventory", "", "remember the files and what was found in `FILE`, and do not open what has not changed since it was examined for the same things")
	flags.BoolVar(&f.resume, "resume", false, "go on with the scan of the same paths that was interrupted; needs --inventory")
	flags.BoolVar(&f.full, "full", false, "examine every file again, changed or not; needs --inventory")
}

func (f *scanFlags) outputFlags(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.reports, "report", nil, "write a report to `FILE`: .jsonl, .csv or .html; repeatable")
	flags.StringVar(&f.threshold, "threshold", finding.Notice.String(), "lowest `LEVEL` that counts for the exit code: notice, warning or alert")
	t := finding.DefaultThresholds
	flags.Float64Var(&f.alert, "alert-score", t.Alert, "lowest `SCORE` of an alert")
	flags.Float64Var(&f.warning, "warning-score", t.Warning, "lowest `SCORE` of a warning")
	flags.Float64Var(&f.notice, "notice-score", t.Notice, "lowest `SCORE` of a notice; what has less is counted, not shown")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "show only the summary")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show all evidence, all that was not looked at, and the log")
	flags.BoolVar(&f.json, "json", false, "write JSON Lines to standard output instead of text")
	flags.StringVar(&f.colour, "color", "auto", "`WHEN` to use colours: auto, always or never")
}

func (f *scanFlags) limitFlags(flags *pflag.FlagSet) {
	d := scanner.DefaultLimits()
	flags.Var(&f.maxSize, "max-size", "largest file whose content is examined; names and metadata always are; 0 is unlimited")
	flags.Float64Var(&f.maxSeconds, "max-seconds", 60, "longest examination of one file, in `SECONDS`; 0 is unlimited")
	flags.DurationVar(&f.maxTime, "max-time", 0, "longest scan: a `DURATION` such as 90s or 2h30m; 0 is unlimited")
	flags.IntVar(&f.maxMatches, "max-matches", d.Matches, "keep the places of at most `N` matched strings of a file")
	f.maxMatchBytes = byteSize(d.MatchBytes)
	flags.Var(&f.maxMatchBytes, "max-match-bytes", "bytes kept of each matched string")
}

func (f *scanFlags) archiveFlags(flags *pflag.FlagSet) {
	d := scanner.DefaultLimits().Archive
	flags.BoolVar(&f.noArchives, "no-archives", false, "do not look inside archives")
	flags.IntVar(&f.archiveDepth, "archive-depth", d.Depth, "deepest nesting: `N` archives inside each other")
	flags.IntVar(&f.archiveEntries, "archive-entries", d.Entries, "most members of an archive: `N`, those of archives inside it included")
	flags.Int64Var(&f.archiveRatio, "archive-ratio", d.Ratio, "largest expansion: `N` times the size of the archive")
	f.archiveBytes = byteSize(d.Bytes)
	flags.Var(&f.archiveBytes, "archive-bytes", "most bytes unpacked from one archive")
	f.archiveMember = byteSize(d.MemberBytes)
	flags.Var(&f.archiveMember, "archive-member", "largest member that is examined whole")
}

func (f *scanFlags) loadFlags(flags *pflag.FlagSet) {
	flags.Float64Var(&f.cpuLimit, "cpu-limit", 0, "processor time to use, in `PERCENT` of one core: 100 is one full core; 0 is unlimited")
	flags.BoolVar(&f.fast, "fast", false, "normal priority instead of the lowest, and let the page cache fill")
	flags.IntVar(&f.workers, "workers", 0, "`N` worker processes; 0 is one less than there are cores")
	flags.Var(&f.workerMemory, "worker-memory", "memory that one worker process may use")
	flags.BoolVar(&f.inProcess, "in-process", false, "examine in this process, unconfined (for debugging)")
}

// register adds the flags to cmd, and their groups to its help.
func (f *scanFlags) register(cmd *cobra.Command) {
	const columns = 100 // that the help fills
	var help strings.Builder
	for _, g := range f.groups() {
		fmt.Fprintf(&help, "\n%s:\n%s", g.title, g.flags.FlagUsagesWrapped(columns))
		cmd.Flags().AddFlagSet(g.flags)
	}
	cmd.SetUsageFunc(func(cmd *cobra.Command) error {
		_, err := fmt.Fprintf(cmd.OutOrStderr(), "Usage:\n  %s\n\nExamples:\n%s\n%s", cmd.UseLine(), cmd.Example, &help)
		return err
	})
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
		if err := readable([]string{mapping.From}); err != nil {
			return o, fmt.Errorf("--map-root: %w", err)
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
	for _, v := range []struct {
		name   string
		n      float64
		lowest float64
		hint   string
	}{
		{"max-seconds", f.maxSeconds, 0, "0 is unlimited"},
		{"max-time", f.maxTime.Seconds(), 0, "0 is unlimited"},
		{"max-matches", float64(f.maxMatches), 1, "one is the least to say why a rule matched"},
		{"max-match-bytes", float64(f.maxMatchBytes), 1, "one is the least to say why a rule matched"},
		{"archive-depth", float64(f.archiveDepth), 1, "--no-archives does not look inside archives"},
		{"archive-entries", float64(f.archiveEntries), 1, "--no-archives does not look inside archives"},
		{"archive-ratio", float64(f.archiveRatio), 1, "--no-archives does not look inside archives"},
		{"archive-bytes", float64(f.archiveBytes), 1, "--no-archives does not look inside archives"},
		{"archive-member", float64(f.archiveMember), 1, "--no-archives does not look inside archives"},
		{"workers", float64(f.workers), 0, "0 is one less than there are cores"},
		{"cpu-limit", f.cpuLimit, 0, "0 is unlimited"},
		{"notice-score", f.notice, 1, "scores are between 1 and 100"},
	} {
		if !(v.n >= v.lowest) { // not "<", because of NaN
			return usagef(v.hint, "--%s cannot be less than %g", v.name, v.lowest)
		}
	}
	if err := f.contain.check(len(f.mapRoot) > 0); err != nil {
		return err
	}
	mostWorkers := max(16, 4*runtime.NumCPU())
	switch {
	case !slices.Contains([]string{"notice", "warning", "alert"}, f.threshold):
		return usagef("use notice, warning or alert", "--threshold %q is no level", f.threshold)
	case f.inventory == "" && (f.resume || f.full):
		return usagef("name the file of the earlier scan: --inventory FILE", "--resume and --full need an inventory")
	case f.quiet && f.verbose:
		return usagef("choose one", "--quiet and --verbose contradict each other")
	case f.noCache && f.cacheDir != "":
		return usagef("choose one", "--no-cache and --cache-dir contradict each other")
	case f.maxMatchBytes > mostMatchBytes:
		return usagef("the rest of a long match is in the file itself", "--max-match-bytes cannot be more than %d", mostMatchBytes)
	case f.maxMatches > mostMatches:
		return usagef("the places of more are in the file itself", "--max-matches cannot be more than %d", mostMatches)
	case f.workers > mostWorkers:
		return usagef("more workers than cores only cost memory", "--workers cannot be more than %d on this computer", mostWorkers)
	case f.cpuLimit > 0 && f.cpuLimit < 1:
		return usagef("it is in percent: --cpu-limit 20", "--cpu-limit %g is less than 1 percent", f.cpuLimit)
	case f.cpuLimit > float64(100*runtime.NumCPU()):
		return usagef(fmt.Sprintf("100 is one core; this computer has %d", runtime.NumCPU()), "--cpu-limit %g is more than there is", f.cpuLimit)
	case f.workerMemory < leastWorkerMemory:
		return usagef("the rules alone need that much", "--worker-memory cannot be less than 64MiB")
	case !(f.notice <= f.warning && f.warning <= f.alert && f.alert <= 100):
		return usagef("scores grow from notice over warning to alert, to at most 100",
			"--notice-score %g, --warning-score %g and --alert-score %g are not in order", f.notice, f.warning, f.alert)
	case f.colour != "auto" && f.colour != "always" && f.colour != "never":
		return usagef("use auto, always or never", "--color %q is unknown", f.colour)
	}
	return nil
}

const (
	leastWorkerMemory = 64 << 20
	mostMatchBytes    = 512 // that package rules keeps
	// mostMatches of mostMatchBytes each fit into one answer of a worker; one that does not fit is lost.
	mostMatches = 10_000
)
