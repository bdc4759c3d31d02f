// Package response does what a task asks for when its scan finds something: nothing beyond telling, or
// quarantine, a scan of the critical areas, and a command of the administrator's own.
//
// # Decide, then do
//
// [Decide] is a pure function from a finding, the policy and what has been done so far to a list of
// decisions, each with its reason. [Run] carries them out for one scan, through three small interfaces:
// a vault, a scheduler, a program. So all of what would happen can be tested, explained and shown in a
// dry run without anything happening.
//
//	run := response.Begin(ctx, response.Options{Policy: policy, Quarantiner: …, Result: tell})
//	// for each finding of the scan:
//	run.Finding(f)
//	// when the scan has ended:
//	totals := run.End()
//
// # Order
//
// For each finding first the quarantine, since what is contained does no more harm, and then the command.
// Files are moved one after the other, in the order in which they were found; commands run a few at a
// time. The scan of the critical areas is asked for at once. Nothing of it holds up the scan.
//
// # What keeps a mistake small
//
// A bad rule matches ten thousand files. So one run moves at most [DefaultQuarantineLimit] objects, and
// a [Budget] bounds all runs of a day together; what is found after that is told and left where it is,
// and the [Result] that says so first has First set, for one event. One run asks for one scan of the
// critical areas however much it finds, and a scan that was itself a response asks for none. What the
// system needs, what is known to be harmless and what lies inside an archive is never moved.
//
// # Who should not use it
//
// A person who has looked at one file and wants it gone uses the quarantine itself: there is nothing to
// decide.
package response

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"tyto/finding"
)

// Limits of one run.
const (
	// DefaultQuarantineLimit is how many objects one run moves. Real infections are few files on one
	// computer; more are a bad rule, or a case for a person.
	DefaultQuarantineLimit = 50
	// DefaultCommandLimit is how many commands one run starts.
	DefaultCommandLimit = 1000
	// DefaultCommandTime is how long one command may run.
	DefaultCommandTime = time.Minute
)

// Policy says what is done about the findings of one run. The zero value does nothing: findings are
// told in any case, by others.
type Policy struct {
	// Quarantine moves what was found into the quarantine.
	Quarantine bool
	// ScanCritical asks for one scan of the critical areas.
	ScanCritical bool
	// Command is a program, with its whole path, and its arguments; see [Program]. Empty: none.
	Command []string
	// CommandTime is the longest run of the program; 0 is DefaultCommandTime.
	CommandTime time.Duration
	// Level is the lowest level of a finding that is acted on; None is Alert.
	Level finding.Level
	// DryRun decides everything and does nothing.
	DryRun bool
	// QuarantineLimit is the most objects that the run moves; 0 is DefaultQuarantineLimit.
	QuarantineLimit int
	// CommandLimit is the most commands that the run starts; 0 is DefaultCommandLimit.
	CommandLimit int
	// IsResponse says that the run scans the critical areas, as a response or by itself, and so
	// needs no other such scan.
	IsResponse bool
}

func (p Policy) withDefaults() Policy {
	if p.CommandTime == 0 {
		p.CommandTime = DefaultCommandTime
	}
	if p.Level == finding.None {
		p.Level = finding.Alert
	}
	if p.QuarantineLimit == 0 {
		p.QuarantineLimit = DefaultQuarantineLimit
	}
	if p.CommandLimit == 0 {
		p.CommandLimit = DefaultCommandLimit
	}
	return p
}

// Check returns an error that says what in the policy makes no sense.
func (p Policy) Check() error {
	switch {
	case len(p.Command) > 0 && !filepath.IsAbs(p.Command[0]):
		return fmt.Errorf("response: the command %q has no whole path: no search is made for a program that runs with all privileges", p.Command[0])
	case p.CommandTime < 0:
		return fmt.Errorf("response: the command cannot run for %v", p.CommandTime)
	case p.Level < finding.None || p.Level > finding.Alert:
		return fmt.Errorf("response: %v is no level", p.Level)
	case p.QuarantineLimit < 0 || p.CommandLimit < 0:
		return errors.New("response: a limit cannot be less than 0")
	}
	return nil
}

// Quarantiner moves an object into the quarantine: exactly the one that was examined, or none.
type Quarantiner interface {
	// Quarantine returns the id of the entry.
	Quarantine(ctx context.Context, f *finding.Finding) (entry string, err error)
}

// CriticalScanner has the critical areas scanned.
type CriticalScanner interface {
	// ScanCritical asks for the scan because of f, and returns as soon as that is noted.
	ScanCritical(ctx context.Context, f *finding.Finding) error
}

// Commander runs a command.
type Commander interface {
	// Run runs it with the finding, a line of JSON, on its standard input, until it ends. The
	// error says that it could not run, or not to its end; an exit code is none.
	Run(ctx context.Context, line []byte) (Outcome, error)
}
