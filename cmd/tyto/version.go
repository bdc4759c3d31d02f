package main

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"tyto/rules"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the versions of Tyto and libyara",
		Args:  argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintf(cmd.OutOrStdout(), "tyto %s\nlibyara %s\nmodules %s\n%s %s/%s\n",
				buildVersion(), rules.LibyaraVersion, strings.Join(rules.Modules(), " "),
				runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}
