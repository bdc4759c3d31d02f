package finding

import (
	"fmt"
	"time"
)

// Summary says what one scan did. It is the last line of every report.
type Summary struct {
	Host     string
	Started  time.Time
	Finished time.Time
	// Active is the time that the scan was not paused or throttled.
	Active time.Duration

	Objects int64 // examined, members of archives included
	Files   int64 // examined files, without members
	Bytes   int64 // content read, members of archives not counted
	// Recalled is how many of Files were not opened, as they are unchanged since an earlier scan
	// examined them for the same things; what that scan found is told again.
	Recalled int64
	// Gone counts files that an earlier scan knew and that are not there any more.
	Gone     int64
	Findings map[Level]int64
	// BelowThreshold counts objects that matched with a score below notice.
	BelowThreshold int64
	// Trusted counts objects that matched and are known to be harmless by their hash.
	Trusted int64
	Skips   map[Reason]SkipCount
	// Threshold is the lowest level that counts for the exit code. None, the zero value, lets
	// every finding count, as Notice does.
	Threshold Level

	// Stopped says why the scan ended early, in words; empty if it ran to its end.
	Stopped string
	// Problems are rules, indicators and paths that could not be used.
	Problems []Problem

	Rules      SetSummary
	Indicators SetSummary
	// Confinement says how the worker processes were confined, measure by measure.
	Confinement []string
	// Version is Tyto's own version.
	Version string
	Paths   []string // what was scanned
	Command []string // the command line
}

// SkipCount counts skips of one reason.
type SkipCount struct {
	Count    int64
	Examples []Skip // the first few
}

// SetSummary identifies a set of rules or indicators.
type SetSummary struct {
	Files   int
	Entries int // rules or indicators in use
	Broken  int // files that could not be used
	// Version is the SHA-256 of the set's content, in lower-case hexadecimal: two scans with
	// the same version looked for the same things.
	Version string
}

// Problem is something in the input that Tyto could not use and went on without.
type Problem struct {
	File    string
	Line    int // from 1; 0 is unknown
	Message string
	// Warning is true if the file is still used, all but the named part.
	Warning bool
}

// Place says where the problem stands: "file:12", or only the file where the line is not known.
func (p Problem) Place() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Incomplete reports whether something was left out that the user did not ask to leave out.
func (s *Summary) Incomplete() bool {
	if s.Stopped != "" {
		return true
	}
	for reason, n := range s.Skips {
		if n.Count > 0 && reason.Matters() {
			return true
		}
	}
	return false
}
