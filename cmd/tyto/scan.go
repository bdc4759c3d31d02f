package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tyto/detect"
	"tyto/finding"
	"tyto/report"
	"tyto/scanner"
	"tyto/scanner/walk"
)

func newScan() *cobra.Command {
	flags := &scanFlags{}
	cmd := &cobra.Command{
		Use:   "scan [PATH…]",
		Short: "Scan files, and files inside archives",
		Long: `Holds every file below the given paths against YARA rules and indicators. Without a path, the
whole computer is scanned: "/" on Linux, all fixed drives on Windows. With --critical, and without a
path, only what runs is scanned.

Nothing is installed and no network is used. Content is examined by confined worker processes. What
could not be examined is listed by reason, and the exit code says so:

  0  complete, nothing found              3  nothing found, but not everything was examined
  1  complete, findings                   4  findings, and not everything was examined
  2  usage or input error, nothing was scanned`,
		Example: `  tyto scan
  tyto scan --rules rules/ --ioc iocs/ --report scan.html /home /srv
  tyto scan --map-root /mnt/evidence=C: /mnt/evidence
  tyto scan --cpu-limit 30 --max-time 2h --exclude '*.iso' /
  tyto scan --inventory known.db --resume /srv`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return scan(cmd, flags, args)
		},
	}
	flags.register(cmd)
	return cmd
}

// scan runs one scan from the command line.
func scan(cmd *cobra.Command, flags *scanFlags, paths []string) error {
	begun := time.Now()
	if len(paths) == 0 && !flags.critical {
		var err error
		if paths, err = walk.Computer(); err != nil {
			return err
		}
	}
	opts, err := flags.options(paths)
	if err != nil {
		return err
	}
	opts.Begun = begun
	messages := &messages{stderr: cmd.ErrOrStderr()}
	opts.Log = logger(messages, flags.verbose)
	if err := readable(paths); err != nil {
		return err
	}

	ctx, stop := interruptible(cmd.Context(), messages)
	defer stop()
	if flags.maxTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, begun.Add(flags.maxTime), scanner.ErrTimeUp)
		defer cancel()
	}

	known, err := openInventory(ctx, flags)
	if err != nil {
		return err
	}
	defer known.end(ctx, nil)
	loaded, err := loadShown(ctx, cmd.OutOrStdout(), flags, opts.Log)
	if ctx.Err() != nil {
		fmt.Fprintf(messages, "tyto: nothing was scanned: %v while rules and indicators were loaded\n", context.Cause(ctx))
		return errors.Join(end(report.Incomplete), loaded.Close())
	}
	if err != nil {
		return err
	}
	defer loaded.Close()
	opts.Rules, opts.Indicators = loaded.Rules, loaded.Indicators

	out, err := openOutputs(cmd, flags)
	if err != nil {
		return err
	}
	ctx, out.unread = context.WithCancelCause(ctx)
	defer out.unread(nil)
	if out.terminal != nil && out.terminal.ShowsProgress() {
		opts.Progress = out.progress // for which all files are counted in a walk of its own
		messages.above(out.terminal)
		defer messages.above(nil)
	}
	opts.Walk.Own = slices.Concat(loaded.Own(), out.own(), known.own())
	if flags.critical {
		paths = addCritical(&opts, paths)
	}
	run := reportRun(loaded, paths, begun)
	if err := known.begin(ctx, &opts, loaded, run, flags.resume, messages); err != nil {
		return errors.Join(err, out.Close())
	}
	if err := out.start(run); err != nil {
		_ = out.Close() // says the same
		return usageError{err: err, hint: "nothing was scanned; choose another place for the report"}
	}
	sink, container := newContainer(&flags.contain, run, out)
	summary, err := scanner.New(opts, sink).Run(ctx)
	if err != nil {
		return errors.Join(err, out.Close())
	}
	known.end(ctx, summary)
	describe(summary, flags, loaded, paths)
	if err := out.finish(summary); err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "tyto: %s\n", report.Safe(err.Error()))
		// A report that was asked for and is not there is a gap as well.
		summary.Stopped = "a report could not be written"
	}
	if !container.contain(ctx, cmd, contained(cmd, flags)) {
		summary.Stopped = "not all could be quarantined"
	}
	return end(report.OutcomeOf(summary))
}

// loadShown is load, with a word on the terminal about what takes a while.
func loadShown(ctx context.Context, stdout io.Writer, flags *scanFlags, log *slog.Logger) (*detect.Set, error) {
	if terminalOptions(stdout, flags).Progress && !flags.quiet && !flags.json {
		fmt.Fprint(stdout, "Loading rules and indicators...")
		defer fmt.Fprint(stdout, "\r\x1b[K")
	}
	return load(ctx, flags, log)
}

// readable refuses paths that do not exist: a typing error must not look like a clean scan.
func readable(paths []string) error {
	for _, path := range paths {
		_, err := os.Lstat(path)
		if cause := (*fs.PathError)(nil); errors.As(err, &cause) {
			err = cause.Err // without the name of the system call, which says nothing to the user
		}
		if err != nil {
			return usageError{err: fmt.Errorf("%q: %w", path, err), hint: "check the path; nothing was done"}
		}
	}
	return nil
}

// quoted lists paths for an error message.
func quoted(paths []string) string {
	var list []string
	for _, path := range paths {
		list = append(list, strconv.Quote(path))
	}
	return strings.Join(list, ", ")
}

// errInterrupted is the cause that ends a scan by Ctrl-C or a termination signal.
var errInterrupted = errors.New("interrupted by the user")

// interruptible returns a context that ends at the first interrupt, hang-up or termination signal, so that
// the scan can still write its report. The second one ends the process at once. A signal that whoever
// started Tyto has it ignore, as nohup does, stays ignored.
//
// Meanwhile a pipe that nobody reads any more is an error to whoever writes to it, and does not end the
// process: there may be reports to write as well.
func interruptible(ctx context.Context, stderr io.Writer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals, pipes := make(chan os.Signal, 2), make(chan os.Signal, 1)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	signal.Notify(pipes, syscall.SIGPIPE)
	go func() {
		select {
		case _, interrupted := <-signals:
			if !interrupted {
				return
			}
			cancel(errInterrupted) // first, as nobody may be there to take the message
			fmt.Fprintln(stderr, "tyto: finishing the report; press Ctrl-C again to end at once")
		case <-ctx.Done():
		}
		if _, again := <-signals; again {
			os.Exit(int(report.Incomplete))
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		signal.Stop(pipes)
		close(signals)
		cancel(nil)
	}
}

// messages is where Tyto says what belongs to no result: the log, and what it does about Ctrl-C. While
// there is a progress line they stand above it, else they go to standard error.
type messages struct {
	stderr   io.Writer
	terminal atomic.Pointer[report.Terminal]
}

// above lets messages stand above the progress line of t; nil ends that.
func (m *messages) above(t *report.Terminal) { m.terminal.Store(t) }

// Write takes one whole message.
func (m *messages) Write(p []byte) (int, error) {
	t := m.terminal.Load()
	if t == nil || !t.ShowsProgress() {
		return m.stderr.Write(p)
	}
	return len(p), t.Note(strings.TrimSuffix(string(p), "\n"))
}

// logger returns the log. Without --verbose only errors of Tyto itself are told: what a scan lost, and
// why, stands in its summary.
func logger(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelError
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// describe fills in what only the command knows of a scan.
func describe(s *finding.Summary, flags *scanFlags, l *detect.Set, paths []string) {
	s.Threshold, _ = finding.ParseLevel(flags.threshold) // flags.check has refused what is none
	s.Host = host().Name
	s.Version = buildVersion()
	s.Paths = paths
	s.Command = os.Args
	s.Problems = append(l.Problems, s.Problems...)
	s.Rules, s.Indicators = l.RuleSummary, l.IndicatorSummary
}
