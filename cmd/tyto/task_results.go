package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tyto/agent/control"
	"tyto/finding"
	"tyto/report"
	"tyto/scheduler"
)

func (t *taskCommand) results() *cobra.Command {
	var reports []string
	var asJSON, verbose bool
	var run int64
	cmd := &cobra.Command{
		Use:   "results ID | --run N",
		Short: "Show what a task's last run found, and write it as a report",
		Long: `Shows the findings of a run: of a task's last one, or of any with --run. The exit code is that of a
scan (docs/exit-codes.md); a run that has not ended counts as incomplete.`,
		Example: `  tyto task results weekly
  tyto task results weekly --report weekly.html
  tyto task results --run 17 --json`,
		Args: argsError(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) == (run == 0) {
				return usagef("tyto task results weekly, or tyto task results --run 17", "which run: of a task, or by its number?")
			}
			return t.with(func(c *control.Client) error {
				id := run
				if id == 0 {
					newest, err := lastRunOf(cmd.Context(), c, args[0])
					if err != nil {
						return err
					}
					id = newest
				}
				return showResults(cmd, c, id, reports, asJSON, verbose)
			})
		},
	}
	cmd.Flags().Int64Var(&run, "run", 0, "the run of this `NUMBER`")
	cmd.Flags().StringArrayVar(&reports, "report", nil, "write a report to `FILE`: .jsonl, .csv or .html; repeatable")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON Lines to standard output instead of text")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show all evidence, and all that was not looked at")
	return cmd
}

// lastRunOf returns the newest run of a task that has begun.
func lastRunOf(ctx context.Context, c *control.Client, task string) (int64, error) {
	runs, err := c.Runs(ctx, control.RunFilter{Task: task})
	if err != nil {
		return 0, err
	}
	for _, r := range runs {
		if !r.Started.IsZero() {
			return r.ID, nil
		}
	}
	if _, err := c.Task(ctx, task); err != nil { // a deleted task's results may still be there
		return 0, err
	}
	return 0, usagef("tyto task run "+task, "task %q has not run yet", task)
}

// verdictSink notes what a report comes to.
type verdictSink struct {
	report.Sink
	found   bool
	summary *finding.Summary
}

func (v *verdictSink) Finding(f *finding.Finding) error {
	v.found = true
	return v.Sink.Finding(f)
}

func (v *verdictSink) Summary(s *finding.Summary) error {
	kept := *s
	v.summary = &kept
	return v.Sink.Summary(s)
}

// outcome is the exit code. A run without a summary has not ended, so it is incomplete.
func (v *verdictSink) outcome(incomplete bool) report.Outcome {
	switch {
	case v.summary != nil && !incomplete:
		return report.OutcomeOf(v.summary)
	case v.found:
		return report.FoundIncomplete
	}
	return report.Incomplete
}

// showResults writes a run's report to standard output and into files.
func showResults(cmd *cobra.Command, c *control.Client, run int64, reports []string, asJSON, verbose bool) error {
	if _, err := c.Run(cmd.Context(), run); err != nil {
		return err
	}
	files, err := createReports(reports)
	if err != nil {
		return err
	}
	options := detectTerminal(cmd)
	options.Progress, options.Verbose, options.Reports = false, verbose, reports
	var first report.Sink = report.NewTerminal(cmd.OutOrStdout(), options)
	if asJSON {
		first = report.NewJSONL(cmd.OutOrStdout(), time.Now)
	}
	sinks := []report.Sink{first}
	for _, f := range files {
		sinks = append(sinks, f)
	}
	sink := &verdictSink{Sink: report.Multi(sinks...)}

	merged, err := mergeRecords(cmd.Context(), c, run, sink)
	if err = errors.Join(err, sink.Close()); err != nil {
		return err
	}
	for _, p := range merged.Problems {
		fmt.Fprintf(cmd.ErrOrStderr(), "tyto: %s\n", problemText(p))
	}
	if len(merged.Unfinished) > 0 || merged.Runs == 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "tyto: run %d has not ended: this is what it has found so far\n", run)
	}
	return end(sink.outcome(merged.Incomplete && len(merged.Unfinished) > 0))
}

// mergeRecords gives a run's report, as the agent sends it, to a sink.
func mergeRecords(ctx context.Context, c *control.Client, run int64, sink report.Sink) (report.Merged, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	reader, writer := io.Pipe()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for line, err := range c.Records(ctx, run) {
			if err == nil {
				_, err = writer.Write(append(line[:len(line):len(line)], '\n'))
			}
			if err != nil {
				writer.CloseWithError(err)
				return
			}
		}
		writer.Close()
	}()
	merged, err := report.Merge(sink, report.NewReader("run "+strconv.FormatInt(run, 10), reader))
	reader.Close() // so that the other side ends, whatever happened here
	<-sent
	return merged, err
}

// followRun shows a run live until it has ended, or until Ctrl-C, which does not end the run.
func followRun(cmd *cobra.Command, c *control.Client, id int64) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	defer stop()
	terminal := report.NewTerminal(cmd.OutOrStdout(), detectTerminal(cmd))
	told := ""
	var last scheduler.RunView
	for r, err := range c.Follow(ctx, id) {
		if err != nil {
			if ctx.Err() != nil {
				_ = terminal.Close()
				fmt.Fprintf(cmd.OutOrStdout(), "The run goes on: tyto task show %s --follow\n", report.Safe(last.Task))
				return end(report.Incomplete)
			}
			return errors.Join(err, terminal.Close())
		}
		last = r
		if state := stateOf(&r); state != told {
			told = state
			if err := terminal.Note(fmt.Sprintf("run %d: %s", r.ID, state)); err != nil {
				return err
			}
		}
		if p, ok := progressOf(&r); ok {
			if err := terminal.Progress(p); err != nil {
				return err
			}
		}
	}
	if err := terminal.Close(); err != nil {
		return err
	}
	return showResults(cmd, c, id, nil, false, false)
}

// progressOf returns a run's progress as the terminal shows it.
func progressOf(r *scheduler.RunView) (report.Progress, bool) {
	var p control.Progress
	if len(r.Progress) == 0 || json.Unmarshal(r.Progress, &p) != nil {
		return report.Progress{}, false
	}
	found := map[finding.Level]int64{}
	for name, n := range p.Findings {
		if level, err := finding.ParseLevel(name); err == nil {
			found[level] = n
		}
	}
	paused := p.Paused
	if r.State == scheduler.Paused {
		paused = r.Why
	}
	return report.Progress{
		Objects: p.Objects, Files: p.Files, Bytes: p.Bytes, TotalFiles: p.TotalFiles, TotalBytes: p.TotalBytes,
		Findings: found, Current: p.Current, Paused: paused,
		Elapsed: time.Duration(p.Elapsed * float64(time.Second)), Active: time.Duration(p.Active * float64(time.Second)),
	}, true
}
