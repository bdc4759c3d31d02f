package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tyto/agent/control"
	"tyto/report"
	"tyto/store"
	"tyto/verdict"
)

// sandboxCheckFlags are the flags of tyto sandbox check.
type sandboxCheckFlags struct {
	socket  string
	wait    bool
	timeout time.Duration
	json    bool
}

func newSandboxCheck() *cobra.Command {
	flags := &sandboxCheckFlags{}
	cmd := &cobra.Command{
		Use:   "check FILE|SHA256…",
		Short: "Ask the agent what the sandboxes say of a file",
		Long: `Asks the agent, which answers at once: with a recent verdict and what was done about the file, or that
it is unknown. An unknown file that is worth a question is queued for a sandbox; --wait waits for the verdict.
A file that is known to be malicious is acted upon as the policy says.

  0  clean                       3  no verdict: unknown, not asked about, or not in time
  1  malicious or suspicious     4  both of them, among several files
  2  usage error, no agent`,
		Example: `  tyto sandbox check ~/Downloads/invoice.pdf
  tyto sandbox check --wait --timeout 10m setup.exe`,
		Args: argsError(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAgent(flags.socket, func(c *control.Client) error { return sandboxCheck(cmd, c, flags, args) })
		},
	}
	socketFlag(cmd, &flags.socket)
	cmd.Flags().BoolVar(&flags.wait, "wait", false, "wait for the verdict")
	cmd.Flags().DurationVar(&flags.timeout, "timeout", time.Hour, "the longest `TIME` to wait")
	cmd.Flags().BoolVar(&flags.json, "json", false, "write JSON Lines")
	return cmd
}

func sandboxCheck(cmd *cobra.Command, c *control.Client, flags *sandboxCheckFlags, args []string) error {
	var bad, unknown bool
	for _, arg := range args {
		v, err := checkOne(cmd.Context(), c, flags, arg)
		if err != nil {
			return err
		}
		switch v.Verdict {
		case string(verdict.Clean):
		case control.Unknown:
			unknown = true
		default:
			bad = true
		}
		if err := printVerdict(cmd.OutOrStdout(), flags.json, arg, &v); err != nil {
			return err
		}
	}
	switch {
	case bad && unknown:
		return end(report.FoundIncomplete)
	case bad:
		return end(report.Found)
	case unknown:
		return end(report.Incomplete)
	}
	return nil
}

// checkEvery is how often a command that waits asks again.
const checkEvery = 500 * time.Millisecond

// checkOne asks about one file or hash, until there is a verdict if that is wanted.
func checkOne(ctx context.Context, c *control.Client, flags *sandboxCheckFlags, arg string) (v control.ObjectVerdict, err error) {
	question := control.ObjectCheck{SHA256: strings.ToLower(arg)}
	if !store.IsHash(arg) || len(arg) != 64 {
		path, err := filepath.Abs(arg)
		if err != nil {
			return v, fmt.Errorf("find %q: %w", arg, err)
		}
		question = control.ObjectCheck{Path: path}
	}
	v, err = c.CheckObject(ctx, question)
	if err != nil || !flags.wait || !v.Queued {
		return v, err
	}
	late := time.NewTimer(flags.timeout)
	defer late.Stop()
	again := time.NewTicker(checkEvery)
	defer again.Stop()
	for v.Queued {
		select {
		case <-ctx.Done():
			return v, ctx.Err()
		case <-late.C:
			if v.Verdict == control.Unknown {
				v.Reason = "no verdict in time"
			}
			return v, nil
		case <-again.C:
		}
		if v, err = c.CheckObject(ctx, control.ObjectCheck{SHA256: v.SHA256}); err != nil {
			return v, err
		}
	}
	return v, nil
}

func printVerdict(out io.Writer, asJSON bool, arg string, v *control.ObjectVerdict) error {
	if asJSON {
		return json.NewEncoder(out).Encode(struct {
			Object string `json:"object"`
			*control.ObjectVerdict
		}{report.Safe(arg), v})
	}
	w := &errWriter{w: out}
	w.printf("%s\n    %s", report.Safe(arg), report.Safe(v.Verdict))
	if v.Verdict != control.Unknown {
		w.printf(", %d of 100", v.Score)
	}
	switch {
	case v.Queued && v.Verdict == control.Unknown:
		w.printf(", waits for a sandbox")
	case v.Queued:
		w.printf(", and is being acted upon")
	}
	if v.Reason != "" {
		w.printf(": %s", report.Safe(v.Reason))
	}
	w.printf("\n")
	if len(v.Threats) > 0 {
		w.printf("    %s\n", report.Safe(strings.Join(v.Threats, ", ")))
	}
	if v.SHA256 != "" {
		w.printf("    %s\n", report.Safe(v.SHA256))
	}
	if v.Sandbox != "" || v.Server != "" {
		w.printf("    judged %s by %s at %s, good until %s\n", when(v.Time), report.Safe(v.Sandbox), report.Safe(v.Server), when(v.Expires))
	}
	for _, action := range v.Actions {
		w.printf("    %s\n", report.Safe(action))
	}
	return w.err
}
