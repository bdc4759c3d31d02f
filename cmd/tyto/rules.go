package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"tyto/finding"
	"tyto/report"
)

func newRules() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "Work with YARA rules",
	}
	var quiet bool
	check := &cobra.Command{
		Use:   "check FILE|DIR…",
		Short: "Say which rules can be used, and what is wrong with the others",
		Long: `Compiles all rules as a scan would and lists every file that cannot be used with file, line and
cause. Ends with 2 if there is one; warnings alone are no error. "builtin" stands for the rules that
Tyto ships.`,
		Example: `  tyto rules check rules/
  tyto rules check builtin`,
		Args: argsError(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return checkRules(cmd, args, quiet)
		},
	}
	check.Flags().BoolVarP(&quiet, "quiet", "q", false, "leave out warnings")
	cmd.AddCommand(check)
	return cmd
}

func checkRules(cmd *cobra.Command, paths []string, quiet bool) error {
	if err := readable(slices.DeleteFunc(slices.Clone(paths), isBuiltin)); err != nil {
		return err
	}
	set, _, err := loadRules(cmd.Context(), paths, "")
	if err != nil {
		return err
	}
	defer set.Close()
	out := cmd.OutOrStdout()
	errors := printProblems(out, set.Problems, quiet)
	printProblems(out, set.Warnings, quiet)
	scored := 0
	for _, r := range set.Rules {
		for _, m := range r.Meta {
			if m.Key == "score" {
				scored++
				break
			}
		}
	}
	fmt.Fprintf(out, "%d rules from %d files can be used; %d have a score of their own.\n", len(set.Rules), set.Files, scored)
	fmt.Fprintf(out, "Version %s\n", set.Version)
	if errors > 0 {
		fmt.Fprintf(out, "%d files or parts of them cannot be used.\n", errors)
		return end(report.Unusable)
	}
	return nil
}

// printProblems lists problems and returns how many are errors.
func printProblems(out io.Writer, problems []finding.Problem, quiet bool) (errors int) {
	for _, p := range problems {
		kind := "error"
		if p.Warning {
			kind = "warning"
			if quiet {
				continue
			}
		} else {
			errors++
		}
		place := report.Safe(p.File)
		if p.Line > 0 {
			place += fmt.Sprintf(":%d", p.Line)
		}
		fmt.Fprintf(out, "%s: %s: %s\n", place, kind, report.Safe(p.Message))
	}
	return errors
}
