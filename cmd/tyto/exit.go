package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"tyto/report"
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

// ended is the error of a command that ran to its end with an outcome other than [report.Nothing].
type ended report.Outcome

func (e ended) Error() string { return report.Outcome(e).String() }

// end returns a command's error for an outcome.
func end(o report.Outcome) error {
	if o == report.Nothing {
		return nil
	}
	return ended(o)
}

// exitCode turns a command's error into the exit code and tells the user about it. It is the one
// place where errors become exit codes; what the codes mean stands at [report.Outcome] and, for users,
// in docs/exit-codes.md.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return int(report.Nothing)
	}
	var e ended
	if errors.As(err, &e) {
		return int(e)
	}
	fmt.Fprintf(stderr, "tyto: %s\n", report.Safe(err.Error()))
	var usage usageError
	if errors.As(err, &usage) && usage.hint != "" {
		fmt.Fprintf(stderr, "      %s\n", strings.ReplaceAll(usage.hint, "\n", "\n      "))
	}
	return int(report.Unusable)
}
