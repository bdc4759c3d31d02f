package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"tyto/rules"
	"tyto/scanner/examine"
	"tyto/scanner/worker"
)

// compileCommand is the command by which Tyto compiles rules in a process of its own.
const compileCommand = "compile"

// newWorker returns the command that Tyto starts itself as, to examine content.
func newWorker() *cobra.Command {
	var probe bool
	cmd := &cobra.Command{
		Use:    "worker",
		Short:  "Examine content (started by Tyto itself)",
		Long:   "Tyto starts this command itself. For people there is --probe: it tries from inside a worker what\na worker must not be able to do, and says what happened.",
		Hidden: true,
		Args:   argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if probe {
				return runProbe(cmd)
			}
			return worker.Serve(examine.New())
		},
	}
	cmd.Flags().BoolVar(&probe, "probe", false, "show what a worker can and cannot do on this computer")
	return cmd
}

// runProbe shows how well this computer confines workers.
func runProbe(cmd *cobra.Command) error {
	results, err := worker.RunProbe(cmd.Context(), worker.Config{Workers: 1})
	if err != nil {
		return err
	}
	for _, r := range results {
		fmt.Fprintln(cmd.OutOrStdout(), r)
	}
	return nil
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
