package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tyto/idle"
	"tyto/report"
)

// idleWait is how long "tyto idle --once" waits for sources that have not answered.
const idleWait = 5 * time.Second

// idleFlags are the flags of "tyto idle".
type idleFlags struct {
	once, json      bool
	input, terminal time.Duration
	source          string
}

// newIdle returns the command that shows who is using the computer.
func newIdle() *cobra.Command {
	var flags idleFlags
	cmd := &cobra.Command{
		Use:   "idle",
		Short: "Show whether somebody is using this computer, and how Tyto knows",
		Long: `Shows what each source says of each session (logind, screensavers, X11, terminals; on Windows the
session manager), and what follows from it, now and whenever it changes. Nothing is changed.

The computer is idle when every session is locked, has its screensaver on or, with --input, has had no input
for so long. Sources that fail or contradict each other count as active. As root it sees all sessions,
else those of others only as far as logind tells.

What each source can see is told in docs/idle.md.`,
		Example: `  tyto idle                    go on until Ctrl-C
  tyto idle --once             show it once
  tyto idle --once --json      one JSON object`,
		Args: argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return runIdle(cmd, flags) },
	}
	cmd.Flags().BoolVar(&flags.once, "once", false, "show it once and end")
	cmd.Flags().BoolVar(&flags.json, "json", false, "one JSON object for each change")
	cmd.Flags().DurationVar(&flags.input, "input", 0, "take sessions without input for so long as idle, such as 15m (0: only locked ones and screensavers)")
	cmd.Flags().DurationVar(&flags.terminal, "terminal", 10*time.Minute, "how long after the last input a text or ssh session counts as used")
	cmd.Flags().StringVar(&flags.source, "source", "", "ask only this source: file:PATH, which holds \"active\" or \"idle\" (for tests)")
	return cmd
}

func runIdle(cmd *cobra.Command, flags idleFlags) error {
	if flags.input < 0 || flags.terminal <= 0 {
		return usagef("give a duration such as 15m", "--input and --terminal cannot be negative, nor --terminal 0")
	}
	options := idle.Options{
		Input:    flags.input,
		Terminal: flags.terminal,
		Settle:   -1, // show what is, not what has lasted
	}
	if flags.source != "" {
		path, ok := strings.CutPrefix(flags.source, "file:")
		if !ok || path == "" {
			return usagef("file:PATH is the only one", "unknown source of presence %q", flags.source)
		}
		options.Providers = []idle.Provider{idle.File(path)}
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	defer stop()
	if flags.once {
		return showIdleOnce(ctx, options, flags, cmd.OutOrStdout())
	}
	var failed error
	options.Observe = func(s idle.State) {
		if failed = showIdle(cmd.OutOrStdout(), s, flags.json); failed != nil {
			stop()
		}
	}
	if err := idle.New(options).Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return failed
}

// showIdleOnce waits until each source has answered, or has had time enough.
func showIdleOnce(ctx context.Context, options idle.Options, flags idleFlags, out io.Writer) error {
	ctx, answered := context.WithTimeout(ctx, idleWait)
	defer answered()
	options.Observe = func(s idle.State) {
		if !slices.ContainsFunc(s.Sources, func(s idle.Source) bool { return s.Pending }) {
			answered()
		}
	}
	monitor := idle.New(options)
	if err := monitor.Run(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return showIdle(out, monitor.State(), flags.json)
}

// showIdle prints a state: what follows, then a line for each source.
func showIdle(out io.Writer, s idle.State, asJSON bool) error {
	if asJSON {
		line, err := json.Marshal(s)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s\n", line)
		return err
	}
	fmt.Fprintf(out, "%s since %s: %s%s\n", strings.ToUpper(string(s.Presence)), s.Since.Format(time.TimeOnly), report.Safe(s.Reason), idleNotes(s))
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, source := range s.Sources {
		session := "computer"
		if source.Session != "" {
			session = "session " + source.Session
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\tsince %s\n", source.Presence, report.Safe(session), report.Safe(source.Name),
			report.Safe(strings.TrimSpace(source.Detail+" "+source.Error)), source.Since.Format(time.TimeOnly))
	}
	return table.Flush()
}

func idleNotes(s idle.State) string {
	notes := ""
	if s.OnBattery {
		notes += ", on battery"
	}
	if s.Sleeping {
		notes += ", about to sleep"
	}
	return notes
}
