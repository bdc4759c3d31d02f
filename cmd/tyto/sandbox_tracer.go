package main

import (
	"os"

	"github.com/spf13/cobra"

	"tyto/sandbox/jail"
)

// tracerCommand is the command by which the jail starts its tracer, below `tyto sandbox`.
const tracerCommand = "tracer"

// newSandboxTracer returns the command that the sandbox server starts itself as, to run one sample in the jail.
func newSandboxTracer() *cobra.Command {
	return &cobra.Command{
		Use:    tracerCommand,
		Short:  "Run one sample in the jail (started by the sandbox server itself)",
		Hidden: true,
		Args:   argsError(cobra.NoArgs),
		RunE:   func(*cobra.Command, []string) error { return jail.Serve(os.Stdin, os.Stdout) },
	}
}
