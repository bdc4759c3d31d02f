package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tyto/finding"
	"tyto/report"
	"tyto/scanner"
)

func newScan() *cobra.Command {
	flags := &scanFlags{}
	cmd := &cobra.Command{
		Use:   "scan [PATH…]",
		Short: "Scan files, and files inside archives",
		Long: `Holds every file below the given paths against YARA rules and indicators. Without a path, the
whole computer is scanned: "/" on Linux, all fixed drives on Windows.

Nothing is installed and no network is used. Content is examined by confined worker processes. What
could not be examined is listed by reason, and the exit code says so:

  0  complete, nothing found              3  nothing found, but not everything was examined
  1  complete, findings                   4  findings, and not everything was examined
  2  usage or input error, nothing was scanned`,
		Example: `  tyto scan
  tyto scan --rules rules/ --ioc iocs/ --report scan.html /home /srv
  tyto scan --map-root /mnt/evidence=C: /mnt/evidence
  tyto scan --cpu-limit 30 --max-time 2h --exclude '*.iso' /`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return scan(cmd, flags, args)
		},
	}
	flags.register(cmd.Flags())
	return cmd
}

// scan runs one scan from the command line.
func scan(cmd *cobra.Command, flags *scanFlags, paths []string) error {
	begun := time.Now()
	threshold, err := finding.ParseLevel(flags.threshold)
	if err != nil {
		return usageError{err: err, hint: "use --threshold notice, warning or alert"}
	}
	if len(paths) == 0 {
		if paths, err = wholeComputer(); err != nil {
			return err
		}
	}
	opts, err := flags.options(paths)
	if err != nil {
		return err
	}
	opts.Begun = begun
	opts.Log = logger(cmd.ErrOrStderr(), flags.verbose)
	if err := readable(paths); err != nil {
		return err
	}

	ctx, stop := interruptible(cmd.Context(), cmd.ErrOrStderr())
	defer stop()
	if flags.maxTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, begun.Add(flags.maxTime), scanner.ErrTimeUp)
		defer cancel()
	}

	loaded, err := load(ctx, flags, opts.Log)
	if err != nil {
		return err
	}
	defer loaded.Close()
	opts.Rules, opts.Indicators = loaded.rules, loaded.indicators

	out, err := openOutputs(cmd, flags)
	if err != nil {
		return err
	}
	if out.terminal != nil {
		opts.Progress = out.progress
	}
	opts.Walk.Own = append(loaded.own(), out.own()...)
	if err := out.start(loaded, paths, begun); err != nil {
		return errors.Join(err, out.Close())
	}
	summary, err := scanner.New(opts, out).Run(ctx)
	if err != nil {
		return errors.Join(err, out.Close())
	}
	describe(summary, loaded, paths)
	summary.Threshold = threshold
	if err := out.finish(summary); err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "tyto: %s\n", report.Safe(err.Error()))
		// A report that was asked for and is not there is a gap as well.
		summary.Stopped = "a report could not be written"
	}
	return end(report.OutcomeOf(summary))
}

// readable refuses paths that do not exist: a typing error must not look like a clean scan.
func readable(paths []string) error {
	for _, path := range paths {
		if _, err := os.Lstat(path); err != nil {
			return usageError{err: fmt.Errorf("scan: %w", err), hint: "check the path; nothing was scanned"}
		}
	}
	return nil
}

// errInterrupted is the cause that ends a scan by Ctrl-C or a termination signal.
var errInterrupted = errors.New("interrupted by the user")

// interruptible returns a context that ends at the first interrupt or termination signal, so that the
// scan can still write its report. The second one ends the process at once.
func interruptible(ctx context.Context, stderr io.Writer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case _, interrupted := <-signals:
			if !interrupted {
				return
			}
			fmt.Fprintln(stderr, "\ntyto: finishing the report; press Ctrl-C again to end at once")
			cancel(errInterrupted)
		case <-ctx.Done():
		}
		if _, again := <-signals; again {
			os.Exit(int(report.Incomplete))
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel(nil)
	}
}

func logger(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// describe fills in what only the command knows of a scan.
func describe(s *finding.Summary, l *loaded, paths []string) {
	s.Host = host().Name
	s.Version = buildVersion()
	s.Paths = paths
	s.Command = os.Args
	s.Problems = l.problems
	s.Rules, s.Indicators = l.ruleSummary, l.indicatorSummary
}
