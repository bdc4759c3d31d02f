package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"tyto/finding"
	"tyto/report"
)

// The exit codes of every command (docs/exit-codes.md). A command that scans ends with any of them;
// one that only reads input ends with exitOK or exitUsage.
const (
	exitOK                 = 0 // complete, nothing at or above the threshold
	exitFindings           = 1 // complete, findings
	exitUsage              = 2 // usage or input error; nothing was scanned
	exitIncomplete         = 3 // nothing found, but not everything was looked at
	exitFindingsIncomplete = 4 // findings, and not everything was looked at
)

// usageError is an error of the command line or of the input, with what to do next.
type usageError struct {
	err  error
	hint string
}

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// usagef returns a usageError with a hint and a formatted message.
func usagef(hint, format string, args ...any) error {
	return usageError{err: fmt.Errorf(format, args...), hint: hint}
}

// outcome is the result of a command that ran to its end, as an exit code.
type outcome int

func (o outcome) Error() string { return fmt.Sprintf("exit code %d", int(o)) }

// scanOutcome returns the outcome of a scan; threshold is the lowest level that counts.
func scanOutcome(s *finding.Summary, threshold finding.Level) outcome {
	found := false
	for level, n := range s.Findings {
		found = found || level >= threshold && n > 0
	}
	switch incomplete := s.Incomplete(); {
	case found && incomplete:
		return exitFindingsIncomplete
	case found:
		return exitFindings
	case incomplete:
		return exitIncomplete
	}
	return exitOK
}

// exitCode turns a command's error into the exit code and tells the user about it. It is the one
// place where errors become exit codes.
func exitCode(err error, stderr io.Writer) int {
	var o outcome
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &o):
		return int(o)
	}
	fmt.Fprintf(stderr, "tyto: %s\n", report.Safe(err.Error()))
	var usage usageError
	if errors.As(err, &usage) && usage.hint != "" {
		fmt.Fprintf(stderr, "      %s\n", strings.ReplaceAll(usage.hint, "\n", "\n      "))
	}
	return exitUsage
}
