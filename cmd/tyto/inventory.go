package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"tyto/detect"
	"tyto/finding"
	"tyto/report"
	"tyto/scanner"
	"tyto/scanner/walk"
	"tyto/store"
)

// inventory is a scan's use of the file that --inventory names. Without that flag it is nil, and its methods
// do nothing.
type inventory struct {
	file    string
	full    bool
	state   *store.Store
	run     store.Run
	session *store.Session
}

// openInventory opens the inventory that the flags name.
func openInventory(ctx context.Context, flags *scanFlags) (*inventory, error) {
	if flags.inventory == "" {
		return nil, nil
	}
	if err := refuseForeign(flags.inventory); err != nil {
		return nil, err
	}
	state, err := store.Open(ctx, flags.inventory, store.Options{})
	if err != nil {
		return nil, usageError{err: fmt.Errorf("--inventory: %w", err), hint: "nothing was scanned"}
	}
	return &inventory{file: flags.inventory, full: flags.full, state: state}, nil
}

// refuseForeign refuses a file that never was an inventory: the name may be a slip of the fingers, and the
// store would set a file that it cannot read aside, as a damaged one.
func refuseForeign(path string) error {
	const begins = "SQLite format 3\x00" // each SQLite database
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return usageError{err: fmt.Errorf("--inventory: %w", err), hint: "nothing was scanned"}
	}
	defer f.Close()
	head := make([]byte, len(begins))
	if n, err := io.ReadFull(f, head); n == 0 && err == io.EOF || string(head) == begins {
		return nil
	}
	return usagef("name another file; nothing was scanned", "--inventory: %q is no inventory", path)
}

// The states of a scan in its inventory. One that was killed is still "running" there.
const (
	runRunning     = "running"
	runInterrupted = "interrupted"
	runFinished    = "finished"
)

// begin begins a scan, or goes on with one that was interrupted, and has the scan use the inventory. told
// receives what there is to say about that.
func (v *inventory) begin(ctx context.Context, opts *scanner.Options, set *detect.Set, r report.Run, resume bool, told io.Writer) error {
	if v == nil {
		return nil
	}
	v.run = store.Run{
		Task: scanName(opts, v.full), State: runRunning, Trigger: "command line",
		Queued: r.Started, Started: r.Started,
		Profile: scanner.Profile(set.RuleSummary.Version, set.IndicatorSummary.Version, opts),
	}
	err := v.register(ctx, resume, told)
	if err != nil {
		return usageError{err: fmt.Errorf("--inventory: %w", err), hint: "nothing was scanned"}
	}
	o := store.SessionOptions{Report: r, Profile: v.run.Profile}
	if v.full {
		o.Since = v.run.Started
	}
	v.session = v.state.Session(o)
	opts.Inventory = v.session
	opts.Walk.USN = true
	return nil
}

// scanName tells scans of one inventory apart, for people and for --resume.
func scanName(opts *scanner.Options, full bool) string {
	name := "tyto scan"
	if full {
		name += " --full"
	}
	if len(opts.Sources) > 0 {
		name += " --critical"
	}
	for _, path := range walk.Resolve(opts.Walk.Roots) {
		name += " " + strconv.Quote(path)
	}
	return name
}

// register enters the scan. Of one name the inventory keeps the last only.
func (v *inventory) register(ctx context.Context, resume bool, told io.Writer) error {
	before, err := v.state.Runs(ctx, store.RunFilter{Task: v.run.Task})
	if err != nil {
		return err
	}
	if resume {
		last := store.Run{}
		if len(before) > 0 {
			last = before[0]
		}
		fmt.Fprintf(told, "tyto: %s\n", v.resumable(last))
		if last.State == runRunning || last.State == runInterrupted {
			if last.Profile == v.run.Profile {
				v.run.ID, v.run.Started = last.ID, last.Started
				return v.state.UpdateRun(ctx, v.run)
			}
		}
	}
	for _, old := range before {
		if err := v.state.DeleteRun(ctx, old.ID); err != nil {
			return err
		}
	}
	v.run.ID, err = v.state.AddRun(ctx, v.run)
	return err
}

// resumable says whether the last scan of this name can be gone on with.
func (v *inventory) resumable(last store.Run) string {
	began := last.Started.Local().Format(time.DateTime)
	switch {
	case last.ID == 0:
		return "nothing to resume, as the inventory knows no such scan: this is a new one"
	case last.State == runFinished:
		return fmt.Sprintf("nothing to resume, as the scan that began %s has finished: this is a new one", began)
	case last.Profile != v.run.Profile:
		return fmt.Sprintf("nothing to resume, as the scan that began %s looked for other things or within other limits: this is a new one", began)
	}
	return fmt.Sprintf("going on with the scan that began %s", began)
}

// own returns the identities of the inventory's files, which must not be examined.
func (v *inventory) own() (ids []walk.FileID) {
	if v == nil {
		return nil
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if id, err := walk.Identify(v.state.Path() + suffix); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// end enters how the scan ended; summary is nil if it could not begin. What went wrong with the inventory is
// a problem of the summary. Further calls do nothing.
func (v *inventory) end(ctx context.Context, summary *finding.Summary) {
	if v == nil || v.state == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	var err error
	if v.session != nil {
		err = v.session.Close()
		v.run.State, v.run.Finished = runInterrupted, time.Now()
		switch {
		case summary == nil:
			v.run.Reason = "it could not begin"
		case summary.Stopped != "":
			v.run.Reason, v.run.Active = summary.Stopped, summary.Active
		default:
			v.run.State, v.run.Active = runFinished, summary.Active
		}
		err = errors.Join(err, v.state.UpdateRun(ctx, v.run))
	}
	problem := v.state.Problem()
	err = errors.Join(err, v.state.Close())
	v.state = nil
	if summary == nil {
		return
	}
	for _, message := range []string{problem, text(err)} {
		if message != "" && !told(summary, message) {
			summary.Problems = append(summary.Problems, finding.Problem{File: v.file, Message: message, Warning: true})
		}
	}
}

// told reports whether a problem of the summary says so already.
func told(s *finding.Summary, message string) bool {
	for _, p := range s.Problems {
		if strings.Contains(p.Message, message) {
			return true
		}
	}
	return false
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
