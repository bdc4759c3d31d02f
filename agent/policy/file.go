package policy

import (
	"fmt"
	"io"
	"os"
	"strings"

	"tyto/agent/place"
	"tyto/agent/policy/strict"
	"tyto/finding"
)

// A Rejected error says why a policy file is not used.
type Rejected struct {
	File string
	// Problems are what is wrong with the text; empty if it could not be read.
	Problems []finding.Problem
	// Cause is why it could not be read; nil if it could.
	Cause error
}

func (e *Rejected) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("the policy %q cannot be used: %v", e.File, e.Cause)
	}
	var first finding.Problem
	errors := 0
	for _, p := range e.Problems {
		if p.Warning {
			continue
		}
		if errors == 0 {
			first = p
		}
		errors++
	}
	more := ""
	if errors > 1 {
		more = fmt.Sprintf(" (and %d more: see tyto policy check)", errors-1)
	}
	return fmt.Sprintf("the policy %q cannot be used: line %d: %s%s", e.File, first.Line, first.Message, more)
}

func (e *Rejected) Unwrap() error { return e.Cause }

// Read reads the policy in a file that nobody else can change. The problems beside a policy are
// warnings; all errors are *[Rejected], which wraps fs.ErrNotExist if there is no such file.
func Read(file string) (*Policy, []finding.Problem, error) {
	if err := place.CheckFile(file); err != nil {
		return nil, nil, &Rejected{File: file, Cause: err}
	}
	document, err := ReadDocument(file)
	if err != nil {
		return nil, nil, &Rejected{File: file, Cause: err}
	}
	p, problems := Parse(file, document)
	if Broken(problems) {
		return nil, problems, &Rejected{File: file, Problems: problems}
	}
	return p, problems, nil
}

// ReadDocument returns the content of a file of settings, whoever may change it, with at most one byte more than
// is read of such files.
func ReadDocument(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%q is a folder: name the file", file)
	}
	return io.ReadAll(io.LimitReader(f, strict.MaxSize+1))
}

// Plain returns a problem's text without its place, for messages in which the file is known.
func Plain(problems []finding.Problem) string {
	var lines []string
	for _, p := range problems {
		lines = append(lines, fmt.Sprintf("%d: %s", p.Line, p.Message))
	}
	return strings.Join(lines, "\n")
}
