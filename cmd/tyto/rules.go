package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tyto/detect"
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
	groupOf(cmd, check)
	return cmd
}

func checkRules(cmd *cobra.Command, paths []string, quiet bool) error {
	if err := readable(slices.DeleteFunc(slices.Clone(paths), detect.IsBuiltin)); err != nil {
		return err
	}
	set, err := detect.Rules(cmd.Context(), detect.Options{Rules: paths, Compile: compileCommandLine()})
	if err != nil {
		return err
	}
	defer set.Close()
	if set.Files == 0 && len(set.Problems) == 0 {
		return usagef("rule files end in .yar or .yara", "there is no rule file in %s", quoted(paths))
	}
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
	fmt.Fprintf(out, "%s from %s can be used, %s with a score of their own.\n",
		count(len(set.Rules), "rule"), count(set.Files, "file"), report.Count(int64(scored)))
	fmt.Fprintf(out, "Version %s\n", set.Version)
	if errors > 0 {
		fmt.Fprintf(out, "%s found.\n", count(errors, "error"))
		return end(report.Unusable)
	}
	return nil
}

// count returns "1 rule" or "1,234 rules".
func count(n int, thing string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(thing, "s"), strings.HasSuffix(thing, "sh"):
		thing += "es"
	default:
		thing += "s"
	}
	return report.Count(int64(n)) + " " + thing
}
