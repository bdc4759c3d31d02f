package main

import (
	"fmt"
	"io"

	"tyto/finding"
	"tyto/report"
)

// problemText returns a problem in one line that may be shown: "file:12: what is wrong".
func problemText(p finding.Problem) string { return placeOf(p) + ": " + report.Safe(p.Message) }

// placeOf returns where a problem stands: the file and, where it is known, the line.
func placeOf(p finding.Problem) string { return report.Safe(p.Place()) }

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
		fmt.Fprintf(out, "%s: %s: %s\n", placeOf(p), kind, report.Safe(p.Message))
	}
	return errors
}

// firstProblem tells why nothing could be loaded.
func firstProblem(problems []finding.Problem) string {
	if len(problems) == 0 {
		return "rule files end in .yar or .yara; for indicators see docs/indicators.md"
	}
	return problemText(problems[0])
}
