package main

import (
	"testing"

	"tyto/finding"
)

// Names of files and messages of compilers hold what somebody else wrote.
func TestProblemText(t *testing.T) {
	for _, test := range []struct {
		name    string
		problem finding.Problem
		want    string
	}{
		{"with a line", finding.Problem{File: "a.yar", Line: 12, Message: "syntax error"}, "a.yar:12: syntax error"},
		{"without a line", finding.Problem{File: "scan.jsonl", Message: "7 lines more"}, "scan.jsonl: 7 lines more"},
		{"hostile", finding.Problem{File: "a\x1b[2J.yar", Message: "what\nis this"}, `a\x1b[2J.yar: what\nis this`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := problemText(test.problem); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if got := firstProblem([]finding.Problem{test.problem}); got != test.want {
				t.Errorf("as a hint: got %q, want %q", got, test.want)
			}
		})
	}
}
