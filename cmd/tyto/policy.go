package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"tyto/agent/control"
	"tyto/agent/place"
	"tyto/agent/policy"
	"tyto/finding"
	"tyto/report"
)

func newPolicy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Work with the agent's policy",
	}
	groupOf(cmd, newPolicyCheck(), newPolicyShow(), newPolicyExample())
	return cmd
}

func newPolicyCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Say everything that is wrong with a policy",
		Long: `Reads a policy as the agent would and lists all that is wrong with it, with lines. Ends with 2 if
there is an error; warnings alone are none. Without FILE, the agent's own. docs/policy.md lists all settings.`,
		Example: "  tyto policy check\n  tyto policy check ./policy.yaml",
		Args:    argsError(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, own := policyFile(args)
			document, err := policy.ReadDocument(file)
			if err != nil {
				return usageError{err: fmt.Errorf("read the policy: %w", err), hint: "tyto policy example shows one"}
			}
			_, problems := policy.Parse(file, document)
			if own { // whoever can change it commands the agent
				if err := place.CheckFile(file); err != nil {
					problems = append(problems, finding.Problem{File: file, Message: err.Error()})
				}
			}
			out := cmd.OutOrStdout()
			if n := printProblems(out, problems, false); n > 0 {
				fmt.Fprintf(out, "%s found.\n", count(n, "error"))
				return end(report.Unusable)
			}
			fmt.Fprintf(out, "%s can be used.\n", report.Safe(file))
			return nil
		},
	}
}

// policyFile returns the file that the arguments name, or the agent's own.
func policyFile(args []string) (file string, own bool) {
	if len(args) > 0 {
		return args[0], false
	}
	return place.Default(os.Getenv).Policy, true
}

func newPolicyShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show [FILE]",
		Short: "Show a policy with all its settings",
		Long: `Shows what is in force in the running agent, defaults included; without an agent, what its file
says. With FILE, what that file says.`,
		Example: "  tyto policy show\n  tyto policy show ./policy.yaml",
		Args:    argsError(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			if len(args) == 0 {
				done, err := showPolicyInForce(cmd, out)
				if done || err != nil {
					return err
				}
			}
			return showPolicyFile(cmd, out, args)
		},
	}
}

// showPolicyInForce reports whether there is an agent that could be asked.
func showPolicyInForce(cmd *cobra.Command, out io.Writer) (bool, error) {
	client := connect("")
	defer client.Close()
	p, err := client.Policy(cmd.Context())
	switch {
	case errors.Is(err, control.ErrNoAgent), errors.Is(err, fs.ErrPermission):
		return false, nil
	case err != nil:
		return true, agentError(err)
	}
	source := "the defaults, as there was no " + p.File
	if !p.Loaded.IsZero() {
		source = p.File + ", read " + p.Loaded.Local().Format("2006-01-02 15:04:05")
	}
	fmt.Fprintf(out, "# in force: %s\n", report.Safe(source))
	if p.Rejected != "" {
		fmt.Fprintf(out, "# the file as it is now is not in force: %s\n", report.Safe(p.Rejected))
	}
	_, err = io.WriteString(out, safeLines(p.YAML))
	return true, err
}

func showPolicyFile(cmd *cobra.Command, out io.Writer, args []string) error {
	file, own := policyFile(args)
	document, err := policy.ReadDocument(file)
	if own && errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(out, "# the defaults: no agent runs, and there is no %s\n", report.Safe(file))
		document, err = nil, nil
	}
	if err != nil {
		return usageError{err: fmt.Errorf("read the policy: %w", err), hint: "tyto policy example shows one"}
	}
	p, problems := policy.Parse(file, document)
	if n := printProblems(cmd.ErrOrStderr(), problems, false); n > 0 {
		return end(report.Unusable)
	}
	text, err := p.YAML()
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

func newPolicyExample() *cobra.Command {
	return &cobra.Command{
		Use:     "example",
		Short:   "Print a policy with every setting, its default and what it means",
		Example: "  tyto policy example > policy.yaml",
		Args:    argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(policy.Example())
			return err
		},
	}
}
