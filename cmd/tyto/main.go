// Command tyto scans a computer for indicators of compromise.
//
// This package holds the commands: their flags, how the packages below are wired together, what
// is printed, and the exit codes. Nothing below it prints or ends the process.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is stamped by the build: git describe, or "dev".
var version = "dev"

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes one command line and returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot(stdin, stdout, stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(context.Background())
	return exitCode(err, stderr)
}

// newRoot returns the command tree.
func newRoot(stdin io.Reader, stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "tyto",
		Short: "Find indicators of compromise on this computer",
		Long: `Tyto holds files, inside archives too, against YARA rules and indicators of
compromise, says what it found, and what it did not look at.

It needs no network and installs nothing.`,
		Example: `  tyto scan                                    scan this computer with the built-in rules
  tyto scan --rules rules/ --ioc iocs/ /home   scan /home with rules and indicators of yours
  tyto report scan.jsonl --report scan.html    make a page of a report`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       buildVersion(),
	}
	groupOf(root)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{err: err, hint: fmt.Sprintf("see %q", cmd.CommandPath()+" --help")}
	})
	root.AddCommand(
		newScan(),
		newReport(),
		newRules(),
		newIOC(),
		newIdle(),
		newQuarantine(),
		newHunt(),
		newAgent(),
		newTask(),
		newPolicy(),
		newSandbox(),
		newVersion(),
		newWorker(),
		newCompile(),
	)
	root.AddCommand(systemCommands()...)
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			groupOf(cmd)
		}
	}
	return root
}

// groupOf makes cmd a command that only holds others: alone it shows its help, and a word that is none of
// its commands is a usage error.
func groupOf(cmd *cobra.Command, commands ...*cobra.Command) {
	cmd.AddCommand(commands...)
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		hint := fmt.Sprintf("see %q", cmd.CommandPath()+" --help")
		if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
			hint = fmt.Sprintf("did you mean %q?", cmd.CommandPath()+" "+similar[0])
		}
		return usagef(hint, "unknown command %q", args[0])
	}
	cmd.SuggestionsMinimumDistance = 2
}

// buildVersion returns the stamped version, or the commit that the Go tool recorded.
func buildVersion() string {
	if version != "dev" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return version + "-" + s.Value[:12]
		}
	}
	return version
}

// argsError makes what cobra says of the arguments a usage error.
func argsError(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{err: err, hint: fmt.Sprintf("see %q", cmd.CommandPath()+" --help")}
		}
		return nil
	}
}
