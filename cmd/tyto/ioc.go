package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tyto/detect"
	"tyto/ioc"
	iocload "tyto/ioc/load"
	"tyto/report"
)

func newIOC() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ioc",
		Short: "Work with indicators of compromise",
	}
	var quiet, all bool
	check := &cobra.Command{
		Use:   "check FILE|DIR…",
		Short: "Say term by term what would be evaluated, and what not",
		Long: `Loads indicators as a scan would and says of each file what it holds, and of each term of an OpenIOC
indicator whether it is evaluated now, and if not why. Ends with 2 if a file cannot be used.`,
		Example: `  tyto ioc check iocs/
  tyto ioc check --all apt1.ioc`,
		Args: argsError(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return checkIOC(cmd, args, quiet, all)
		},
	}
	check.Flags().BoolVarP(&quiet, "quiet", "q", false, "leave out warnings and terms: only errors and counts")
	check.Flags().BoolVar(&all, "all", false, "list the rows of file-name lists as well")
	groupOf(cmd, check)
	return cmd
}

func checkIOC(cmd *cobra.Command, paths []string, quiet, all bool) error {
	if err := readable(paths); err != nil {
		return err
	}
	result, err := detect.Indicators(cmd.Context(), detect.Options{Indicators: paths, Now: time.Now()})
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	checks := map[string][]ioc.Check{} // by file
	for _, c := range result.Set.Check() {
		checks[c.Indicator.Source] = append(checks[c.Indicator.Source], c)
	}
	statuses := map[ioc.Status]int{}
	for _, f := range result.Files {
		printFile(out, f)
		for _, c := range checks[f.Path] {
			for _, t := range c.Terms {
				statuses[t.Status]++
			}
			if !quiet && (all || f.Format == iocload.OpenIOC) {
				printCheck(out, c)
			}
		}
	}
	errors := printProblems(out, result.Problems, quiet)
	counts := result.Set.Counts()
	fmt.Fprintf(out, "%s, of which %s can match now, %s, %s, %s, %s.\n",
		count(counts.Indicators, "indicator"), report.Count(int64(counts.Evaluated)), count(counts.Hashes, "hash"),
		count(counts.Trusted, "trusted hash"), count(counts.Networks, "network address"), count(counts.Keywords, "keyword"))
	for _, s := range slices.Sorted(maps.Keys(statuses)) {
		fmt.Fprintf(out, "%12s: %s\n", count(statuses[s], "term"), s)
	}
	fmt.Fprintf(out, "Version %s\n", result.Version)
	if errors > 0 {
		return end(report.Unusable)
	}
	return nil
}

func printFile(out io.Writer, f iocload.File) {
	fmt.Fprintf(out, "%s: %s", report.Safe(f.Path), f.Format)
	for _, c := range []struct {
		n    int
		what string
	}{
		{f.Indicators, "indicator"}, {f.Hashes, "hash"}, {f.Trusted, "trusted hash"},
		{f.Networks, "network address"}, {f.Keywords, "keyword"},
	} {
		if c.n > 0 {
			fmt.Fprintf(out, ", %s", count(c.n, c.what))
		}
	}
	fmt.Fprintln(out)
}

func printCheck(out io.Writer, c ioc.Check) {
	name := c.Indicator.Name
	if name == "" {
		name = c.Indicator.ID
	}
	fmt.Fprintf(out, "  %s (%s)\n", report.Safe(name), report.Safe(c.Indicator.ID))
	if c.Detail != "" {
		fmt.Fprintf(out, "    cannot match: %s\n", report.Safe(c.Detail))
	}
	for _, t := range c.Terms {
		negate := ""
		if t.Term.Negate {
			negate = "not "
		}
		fmt.Fprintf(out, "    line %d: %s %s%s %s: %s", t.Term.Line, report.Safe(t.Term.Path), negate,
			t.Term.Condition, `"`+report.Safe(t.Term.Value)+`"`, t.Status)
		if t.Detail != "" {
			fmt.Fprintf(out, " (%s)", report.Safe(t.Detail))
		}
		fmt.Fprintln(out)
	}
}
