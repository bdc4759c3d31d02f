package main

import "github.com/spf13/cobra"

// newSandbox returns the commands about sandboxes: asking one, and being one.
func newSandbox() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Ask sandboxes about programs and documents, or be one",
	}
	groupOf(cmd,
		newSandboxServe(),
		newSandboxTracer(),
		newSandboxCert(),
		newSandboxDerive(),
		newSandboxExplain(),
		newSandboxCheck(),
		newSandboxStatus(),
		newSandboxQueue(),
	)
	return cmd
}
