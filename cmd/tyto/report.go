package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"tyto/report"
)

func newReport() *cobra.Command {
	var outputs []string
	cmd := &cobra.Command{
		Use:   "report FILE.jsonl…",
		Short: "Convert reports, and merge those of several computers",
		Long: `Reads the JSON Lines that "tyto scan --report FILE.jsonl" wrote and writes them as
JSON Lines, CSV or a web page. Several files become one report; hosts are kept apart, and what two
files tell alike is written once.`,
		Example: `  tyto report scan.jsonl --report scan.html
  tyto report host1.jsonl host2.jsonl --report all.html --report all.csv`,
		Args: argsError(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return convert(cmd, args, outputs)
		},
	}
	cmd.Flags().StringArrayVar(&outputs, "report", nil, "write to `FILE`: .jsonl, .csv or .html; repeatable")
	return cmd
}

func convert(cmd *cobra.Command, inputs, outputs []string) (err error) {
	if len(outputs) == 0 {
		return usagef("add --report FILE.html", "where should the report go?")
	}
	var sources []*report.Reader
	for _, path := range inputs {
		f, err := os.Open(path)
		if err != nil {
			return usageError{err: err, hint: "name files that \"tyto scan --report FILE.jsonl\" wrote"}
		}
		defer f.Close()
		sources = append(sources, report.NewReader(path, f))
	}
	if err := notAmong(inputs, outputs); err != nil {
		return err
	}
	files, err := createReports(outputs)
	if err != nil {
		return err
	}
	var sinks []report.Sink
	for _, f := range files {
		sinks = append(sinks, f)
	}
	sink := report.Multi(sinks...)
	merged, err := report.Merge(sink, sources...)
	if err = errors.Join(err, sink.Close()); err != nil {
		return err
	}
	for _, p := range merged.Problems {
		fmt.Fprintf(cmd.ErrOrStderr(), "tyto: %s\n", problemText(p))
	}
	for _, host := range merged.Unfinished {
		fmt.Fprintf(cmd.ErrOrStderr(), "tyto: the scan of %s has no end: what it did not examine is unknown\n", report.Safe(host))
	}
	if merged.Runs == 0 {
		return usagef("name files that \"tyto scan --report FILE.jsonl\" wrote", "there is no scan in these files")
	}
	for _, f := range files {
		fmt.Fprintf(cmd.OutOrStdout(), "%s\n", report.Safe(f.path))
	}
	return nil
}

// notAmong refuses to write over a file that is read.
func notAmong(inputs, outputs []string) error {
	for _, out := range outputs {
		o, err := os.Stat(out)
		if err != nil {
			continue // it does not exist yet
		}
		for _, in := range inputs {
			if i, err := os.Stat(in); err == nil && os.SameFile(i, o) {
				return usagef("choose another name for the output", "%q is both read and written", out)
			}
		}
	}
	return nil
}
