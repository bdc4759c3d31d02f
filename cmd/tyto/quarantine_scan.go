package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tyto/finding"
	"tyto/quarantine"
	"tyto/report"
	"tyto/scanner"
)

// containFlags are the flags of "tyto scan" about what becomes of what is found.
type containFlags struct {
	vault    string
	level    string
	archives bool
	dryRun   bool
}

func (f *containFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.vault, "quarantine", "", "after the scan, move what was found into the quarantine in `DIR`; without =DIR, into the agent's")
	flags.Lookup("quarantine").NoOptDefVal = defaultVault()
	flags.StringVar(&f.level, "quarantine-level", finding.Alert.String(), "lowest `LEVEL` that is quarantined: notice, warning or alert")
	flags.BoolVar(&f.archives, "quarantine-archives", false, "also move archives for what is inside them; they may be mailboxes and backups")
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what would be quarantined, and do nothing; needs --quarantine")
}

// check refuses what makes no sense together.
func (f *containFlags) check(mapped bool) error {
	_, err := finding.ParseLevel(f.level)
	switch {
	case f.vault == "" && f.dryRun:
		return usagef("add --quarantine, or leave it out: a scan alone changes nothing", "--dry-run needs --quarantine")
	case err != nil || f.level == finding.None.String():
		return usagef("use notice, warning or alert", "--quarantine-level %q is no level", f.level)
	case f.vault != "" && mapped:
		return usagef("evidence should not be changed: scan it without --quarantine", "--quarantine and --map-root do not go together")
	}
	return nil
}

// mostContained bounds what is remembered for the end of the scan.
const mostContained = 10_000

// container passes findings on, and remembers which files are to be quarantined when the scan has ended: a
// file that was moved in the middle of a scan would be missing from the archive, folder or link that is examined
// next. It is a scanner.Sink; nil does nothing.
type container struct {
	scanner.Sink
	flags *containFlags
	run   report.Run
	level finding.Level
	found []quarantine.Request
	more  int // that were not remembered
}

// newContainer returns what a scan tells its findings: sink, or a container in front of it.
func newContainer(flags *containFlags, run report.Run, sink scanner.Sink) (scanner.Sink, *container) {
	if flags.vault == "" {
		return sink, nil
	}
	c := &container{Sink: sink, flags: flags, run: run}
	c.level, _ = finding.ParseLevel(flags.level) // check has refused what is none
	return c, c
}

// Finding implements the scanner's sink.
func (c *container) Finding(f *finding.Finding) {
	c.Sink.Finding(f)
	switch {
	case f.Level < c.level:
		return
	case len(c.found) == mostContained:
		c.more++
		return
	}
	line, _ := report.FindingLine(c.run, f) // a finding that cannot be written is quarantined without its line
	c.found = append(c.found, quarantine.Request{
		Object: f.Object, Finding: f, Line: line, Reason: "found by tyto scan", Outer: c.flags.archives, DryRun: c.flags.dryRun,
	})
}

// contain quarantines what was found, and reports whether all of it could be.
func (c *container) contain(ctx context.Context, cmd *cobra.Command, out io.Writer) (complete bool) {
	if c == nil || len(c.found) == 0 {
		return true
	}
	v, err := (&vaultFlags{dir: c.flags.vault}).open(cmd)
	if err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "tyto: %s\n      nothing was quarantined\n", report.Safe(err.Error()))
		return false
	}
	defer v.Close()
	// Files before members, which go with their archives.
	slices.SortStableFunc(c.found, func(a, b quarantine.Request) int { return rank(&a) - rank(&b) })
	type file struct{ device, inode uint64 }
	gone := map[file]bool{} // with all that was in them
	t := &tally{stderr: cmd.ErrOrStderr()}
	for i, r := range c.found {
		if ctx.Err() != nil {
			t.failure(fmt.Errorf("%s not quarantined: %w", count(len(c.found)-i, "object"), context.Cause(ctx)))
			break
		}
		id := file{r.Object.Device, r.Object.Inode}
		if r.Object.Kind == finding.Member && gone[id] && id.inode != 0 {
			continue // another name of a file that is gone is not
		}
		done, err := v.Add(ctx, r)
		if err != nil {
			t.failure(err)
			continue
		}
		gone[id] = true
		tellOutcome(out, done)
	}
	if c.more > 0 {
		t.failure(fmt.Errorf("%s more not quarantined: scan again", count(c.more, "object")))
	}
	return t.failed == 0
}

// rank orders files before members.
func rank(r *quarantine.Request) int {
	if r.Object.Kind == finding.Member {
		return 1
	}
	return 0
}

// contained is where a scan tells what it has quarantined: with --json standard output is for JSON only.
func contained(cmd *cobra.Command, flags *scanFlags) io.Writer {
	if flags.json {
		return cmd.ErrOrStderr()
	}
	return cmd.OutOrStdout()
}
