package report

import (
	"fmt"
	"strings"

	"tyto/finding"
)

// Outcome is what a scan came to, and the exit code of every command that scans or reports.
type Outcome int

// The outcomes. The numbers are a contract with scripts and never change.
const (
	Nothing         Outcome = 0 // complete, and nothing at or above the threshold
	Found           Outcome = 1 // findings
	Unusable        Outcome = 2 // usage or input error: nothing was scanned
	Incomplete      Outcome = 3 // nothing found, but not everything was examined
	FoundIncomplete Outcome = 4 // findings, and not everything was examined
)

var outcomes = [...]string{
	Nothing:         "complete, and nothing at or above the threshold",
	Found:           "findings",
	Unusable:        "usage or input error, nothing was scanned",
	Incomplete:      "incomplete (skips that matter, limits, paused, cancelled), and nothing found",
	FoundIncomplete: "findings, and incomplete",
}

// String returns the meaning of the exit code.
func (o Outcome) String() string {
	if o < 0 || int(o) >= len(outcomes) {
		return fmt.Sprintf("exit code %d", int(o))
	}
	return outcomes[o]
}

// OutcomeOf returns what a scan came to. Findings below the summary's threshold do not count. It
// is never [Unusable], because such a scan has no summary.
func OutcomeOf(s *finding.Summary) Outcome {
	found := false
	for _, level := range severe {
		found = found || level >= s.Threshold && s.Findings[level] > 0
	}
	switch incomplete := s.Incomplete(); {
	case found && incomplete:
		return FoundIncomplete
	case found:
		return Found
	case incomplete:
		return Incomplete
	}
	return Nothing
}

// Verdict says in a sentence or two what a scan came to. It never calls a host clean: a scan
// can only say that nothing was found in what was examined.
func Verdict(s *finding.Summary) string {
	var b strings.Builder
	if found := levelCounts(s.Findings); found != "" {
		fmt.Fprintf(&b, "Found %s.", found)
	} else if s.Incomplete() {
		b.WriteString("Nothing was found in what was examined, but that is not everything.")
	} else {
		b.WriteString("Nothing was found.")
	}
	b.WriteByte(' ')
	b.WriteString(coverage(s))
	if s.BelowThreshold > 0 {
		fmt.Fprintf(&b, " %s matched with a score too low to be shown.", plural(s.BelowThreshold, "object"))
	}
	return b.String()
}

// coverage says what was examined and what was not.
func coverage(s *finding.Summary) string {
	if !s.Incomplete() {
		if s.Objects == 0 {
			return "There was nothing to examine."
		}
		return fmt.Sprintf("The scan is complete: %s.", were(s))
	}
	var why []string
	if s.Stopped != "" {
		why = append(why, "it ended early ("+Safe(s.Stopped)+")")
	}
	if missed := missed(s); missed > 0 {
		why = append(why, plural(missed, "object")+" could not be fully examined")
	}
	return fmt.Sprintf("The scan is incomplete: %s; %s.", strings.Join(why, ", and "), were(s))
}

// were returns "1 object was examined" or "2 objects were examined", and how many of the files an earlier scan
// had examined.
func were(s *finding.Summary) string {
	text := Count(s.Objects) + " objects were examined"
	if s.Objects == 1 {
		text = "1 object was examined"
	}
	if s.Recalled > 0 {
		text += fmt.Sprintf(" (%s by an earlier scan, and unchanged since)", plural(s.Recalled, "file"))
	}
	return text
}

// missed returns how many objects were skipped for a reason that matters.
func missed(s *finding.Summary) int64 {
	var n int64
	for reason, count := range s.Skips {
		if reason.Matters() {
			n += count.Count
		}
	}
	return n
}

// total returns the number of findings that are shown.
func total(n map[finding.Level]int64) int64 {
	var sum int64
	for _, level := range severe {
		sum += n[level]
	}
	return sum
}
