package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"tyto/agent/policy"
	"tyto/report"
	"tyto/sandboxlink/decide"
)

// explainFlags are the flags of tyto sandbox explain.
type explainFlags struct {
	policy  string
	json    bool
	started bool
}

func newSandboxExplain() *cobra.Command {
	flags := &explainFlags{}
	cmd := &cobra.Command{
		Use:   "explain FILE…",
		Short: "Say whether a sandbox would be asked about a file, and why",
		Long: `Decides about each file as the agent would if it were opened now, and shows each step with what it
adds to the risk. Nothing is sent, and no agent is needed. The settings are those of sandbox.decide in
the agent's policy, or in --policy; docs/sandbox-decide.md explains them. What the agent's inventory
knows of a file is not asked.

  0  all files were decided about    2  usage or input error    3  some could not be read`,
		Example: `  tyto sandbox explain ~/Downloads/invoice.docm
  tyto sandbox explain --started --json ./program`,
		Args: argsError(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return explain(cmd, flags, args) },
	}
	cmd.Flags().StringVar(&flags.policy, "policy", "", "the policy `FILE`; default is the agent's, or what an empty one says")
	cmd.Flags().BoolVar(&flags.json, "json", false, "write JSON Lines to standard output")
	cmd.Flags().BoolVar(&flags.started, "started", false, "decide as if the files were started, not only opened")
	return cmd
}

func explain(cmd *cobra.Command, flags *explainFlags, args []string) error {
	messages := &messages{stderr: cmd.ErrOrStderr()}
	ctx, stop := interruptible(cmd.Context(), messages)
	defer stop()
	settings, err := decidePolicy(flags.policy)
	if err != nil {
		return err
	}
	decider, err := decide.New(decide.Options{Policy: *settings})
	if err != nil {
		return usageError{err: err, hint: "docs/sandbox-decide.md lists the settings"}
	}
	defer decider.Close()
	gap := false
	for _, file := range args {
		decision, err := decideFile(ctx, decider, file, flags.started)
		if err != nil {
			gap = true
			fmt.Fprintf(messages, "tyto: %s\n", report.Safe(err.Error()))
			continue
		}
		if err := writeDecision(cmd.OutOrStdout(), &decision, flags.json); err != nil {
			return err
		}
	}
	if gap {
		return end(report.Incomplete)
	}
	return nil
}

// decidePolicy reads the settings of what is asked about.
func decidePolicy(named string) (*decide.Policy, error) {
	var args []string
	if named != "" {
		args = []string{named}
	}
	file, own := policyFile(args)
	document, err := policy.ReadDocument(file)
	if own && errors.Is(err, fs.ErrNotExist) {
		document, err = nil, nil
	}
	if err != nil {
		return nil, usageError{err: fmt.Errorf("read the policy: %w", err), hint: "name one that you may read with --policy"}
	}
	p, problems := policy.Parse(file, document)
	if policy.Broken(problems) {
		for _, problem := range problems {
			if !problem.Warning {
				return nil, usagef("tyto policy check says everything that is wrong with it", "%s", problemText(problem))
			}
		}
	}
	return &p.Sandbox.Decide, nil
}

// decideFile opens a file and decides about it. Devices and pipes are not opened: that alone may do something.
func decideFile(ctx context.Context, d *decide.Decider, file string, started bool) (decide.Decision, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return decide.Decision{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return decide.Decision{}, err
	}
	if !info.Mode().IsRegular() {
		return decide.Decision{}, fmt.Errorf("%q is %s, no file", file, kindName(info.Mode()))
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may have become a pipe
	if err != nil {
		return decide.Decision{}, err
	}
	defer f.Close()
	return d.Decide(ctx, decide.Request{File: f, Path: path, Exec: started})
}

func writeDecision(out io.Writer, d *decide.Decision, asJSON bool) error {
	if asJSON {
		line, err := json.Marshal(d)
		if err != nil {
			return fmt.Errorf("write the decision: %w", err)
		}
		_, err = fmt.Fprintf(out, "%s\n", line)
		return err
	}
	var b strings.Builder
	answer := "would not be asked about"
	if d.Ask {
		answer = fmt.Sprintf("would be asked about, risk %d", d.Risk)
	}
	fmt.Fprintf(&b, "%s: %s\n", report.Safe(d.Path), answer)
	fmt.Fprintf(&b, "  %d bytes", d.Size)
	if d.SHA256 != "" {
		fmt.Fprintf(&b, ", sha256 %s", d.SHA256)
	}
	b.WriteByte('\n')
	for _, r := range d.Reasons {
		mark := "-"
		if r.For {
			mark = "+"
		}
		if r.Points != 0 {
			mark = fmt.Sprintf("%+d", r.Points)
		}
		fmt.Fprintf(&b, "  %4s  %-16s  %s\n", mark, report.Safe(r.Code), report.Safe(r.Detail))
	}
	_, err := io.WriteString(out, b.String())
	return err
}
