package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"tyto/report"
	"tyto/rules"
	"tyto/sandbox/static/facts"
	"tyto/sandboxlink/decide/inspect"
	"tyto/scanner/examine"
	"tyto/scanner/worker"
)

// compileCommand is the command by which Tyto compiles rules in a process of its own.
const compileCommand = "compile"

// newWorker returns the command that Tyto starts itself as, to examine content.
func newWorker() *cobra.Command {
	var probe, structure, inspection bool
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Examine content (started by Tyto itself)",
		Long: `Tyto starts this command itself, to examine content in a process that can do nothing else.

For people there is --probe. It starts such a process and has it try what it must not be able to do:
open files, connect, run programs, reach other processes. It shows what this computer answered and
ends with 0 if everything was refused, else with 1. Nothing is changed or sent.`,
		Example: "  tyto worker --probe",
		Hidden:  true,
		Args:    argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if probe {
				return runProbe(cmd)
			}
			if structure {
				return worker.Serve(facts.Handler{})
			}
			if inspection {
				return worker.Serve(new(inspect.Handler))
			}
			return worker.Serve(examine.New())
		},
	}
	cmd.Flags().BoolVar(&structure, "facts", false, "look at the structure of samples, for the sandbox")
	cmd.Flags().BoolVar(&inspection, "inspect", false, "look for what makes a file worth asking a sandbox about")
	cmd.Flags().BoolVar(&probe, "probe", false, "show what a worker process can and cannot do on this computer")
	return cmd
}

// runProbe shows how well this computer confines workers.
func runProbe(cmd *cobra.Command) error {
	results, err := worker.RunProbe(cmd.Context(), worker.Config{Workers: 1})
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "What a worker process tried, and what this computer answered:\n\n")
	open := 0
	for _, r := range results {
		switch {
		case r.Refused:
			fmt.Fprintf(out, "  refused      %s\n", r.Action)
		case r.Detail == "succeeded":
			open++
			fmt.Fprintf(out, "  NOT REFUSED  %s\n", r.Action)
		default:
			open++
			fmt.Fprintf(out, "  NOT REFUSED  %s (it failed for another reason: %s)\n", r.Action, report.Safe(r.Detail))
		}
	}
	if open == 0 {
		fmt.Fprintf(out, "\nAll %d attempts were refused: a hostile file that takes over a worker gets no further.\n", len(results))
		return nil
	}
	fmt.Fprintf(out, "\n%d of %d attempts were not refused: this computer confines workers in part only.\n", open, len(results))
	return end(report.Found)
}

// newCompile returns the command that compiles rules: sources on standard input, the compiled form on
// standard output.
func newCompile() *cobra.Command {
	return &cobra.Command{
		Use:    compileCommand,
		Short:  "Compile rules (started by Tyto itself)",
		Hidden: true,
		Args:   argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			sources, err := rules.DecodeSources(os.Stdin)
			if err != nil {
				return err
			}
			return rules.Compile(sources, os.Stdout)
		},
	}
}
