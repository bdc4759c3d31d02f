package response

import (
	"fmt"

	"tyto/finding"
)

// Action is one thing that is done about a finding.
type Action string

// The actions.
const (
	Quarantine   Action = "quarantine"
	ScanCritical Action = "scan-critical"
	Command      Action = "command"
)

// Why says why an action is not taken; empty for one that is.
type Why string

// The reasons. They are stable: events and results carry them.
const (
	DryRun     Why = "dry-run"     // all else says yes
	BelowLevel Why = "below-level" // the finding is not severe enough
	Trusted    Why = "trusted"     // the content is known to be harmless
	Unproven   Why = "unproven"    // a sandbox's report alone speaks against it, and no verdict on its content
	Inside     Why = "in-archive"  // a member of an archive cannot be moved without the rest
	NoPath     Why = "no-path"     // the object has no path on this computer: deleted, or in a container
	Protected  Why = "protected"   // the system or Tyto needs the file
	OverLimit  Why = "over-limit"  // this run, or this day, has done so much already
	Once       Why = "once"        // the scan of the critical areas was asked for, or is under way
	Stopped    Why = "stopped"     // the run ended before its turn
	Unable     Why = "unable"      // nobody here can do it
)

// Decision is what is to be done about a finding by one action, and why.
type Decision struct {
	Action Action
	// Why is empty if the action is to be taken.
	Why Why
	// Detail says more in words; it may be empty.
	Detail string
}

// Do reports whether the action is to be taken.
func (d Decision) Do() bool { return d.Why == "" }

// Known answers what is known of an object beyond the finding. A nil function knows nothing.
type Known struct {
	// Protected reports that the system or Tyto needs the object.
	Protected func(*finding.Object) bool
	// Trusted reports that the content is known to be harmless: on an allow-list, or given back from
	// the quarantine by a person.
	Trusted func(finding.Hashes) bool
	// Unproven reports that nothing but indicators made of a sandbox's report speaks against the object, and that
	// no sandbox has judged its own content: what a report tells of other files is no verdict on them.
	Unproven func(*finding.Finding) bool
}

// Done is what a run has done so far.
type Done struct {
	Quarantined int  // objects moved, and about to be
	Commands    int  // commands started, and about to be
	Critical    bool // a scan of the critical areas was asked for
	// DayIsFull says that the [Budget] is used up.
	DayIsFull bool
}

// Decide returns a decision for each action that the policy asks for, in their order. In a dry run it
// decides as if it were none, and then says [DryRun] for what would be done.
func Decide(f *finding.Finding, p Policy, known Known, done Done) []Decision {
	p = p.withDefaults()
	var list []Decision
	decide := func(action Action, asked bool, why func(*finding.Object, Policy, Known, Done) (Why, string)) {
		if !asked {
			return
		}
		d := Decision{Action: action}
		if d.Why, d.Detail = common(f, p, known); d.Why == "" {
			d.Why, d.Detail = why(&f.Object, p, known, done)
		}
		if d.Why == "" && p.DryRun {
			d.Why = DryRun
		}
		list = append(list, d)
	}
	decide(Quarantine, p.Quarantine, func(o *finding.Object, p Policy, known Known, done Done) (Why, string) {
		if known.Unproven != nil && known.Unproven(f) {
			return Unproven, "only a sandbox's report on another object speaks against it"
		}
		return whyNotQuarantine(o, p, known, done)
	})
	decide(ScanCritical, p.ScanCritical, whyNotScan)
	decide(Command, len(p.Command) > 0, whyNotCommand)
	return list
}

// common holds the reasons that speak against every action.
func common(f *finding.Finding, p Policy, known Known) (Why, string) {
	switch {
	case f.Level < p.Level:
		return BelowLevel, fmt.Sprintf("%v, and actions are taken from %v on", f.Level, p.Level)
	case known.Trusted != nil && known.Trusted(f.Object.Hashes):
		return Trusted, ""
	}
	return "", ""
}

func whyNotQuarantine(o *finding.Object, p Policy, known Known, done Done) (Why, string) {
	switch {
	case o.Kind == finding.Member:
		return Inside, "deal with the archive as a whole"
	case o.Kind != finding.File:
		return NoPath, fmt.Sprintf("only files can be moved, and this is a %s", o.Kind)
	case o.Via != "":
		return NoPath, fmt.Sprintf("the content is %s; end the process", o.Via)
	case known.Protected != nil && known.Protected(o):
		return Protected, ""
	case done.Quarantined >= p.QuarantineLimit:
		return OverLimit, fmt.Sprintf("one run moves at most %d objects", p.QuarantineLimit)
	case done.DayIsFull:
		return OverLimit, "all runs of a day together have moved as many objects as they may"
	}
	return "", ""
}

func whyNotScan(_ *finding.Object, p Policy, _ Known, done Done) (Why, string) {
	switch {
	case p.IsResponse:
		return Once, "this run scans them"
	case done.Critical:
		return Once, "asked for by this run already"
	}
	return "", ""
}

func whyNotCommand(_ *finding.Object, p Policy, _ Known, done Done) (Why, string) {
	if done.Commands >= p.CommandLimit {
		return OverLimit, fmt.Sprintf("one run starts at most %d commands", p.CommandLimit)
	}
	return "", ""
}
