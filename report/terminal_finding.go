package report

import (
	"fmt"
	"strings"

	"tyto/finding"
)

const (
	shownMatches  = 5  // of a finding, unless verbose
	shownEvidence = 3  // of a match, unless verbose
	shownData     = 64 // bytes of a piece of evidence
)

func (b *styled) start(r *Run) {
	what := "this computer"
	if len(r.Paths) > 0 {
		what = Safe(strings.Join(r.Paths, " "))
	}
	b.linef("Tyto %s scans %s on %s with %s and %s.", Safe(r.Version), what, Safe(r.Host.Name),
		plural(int64(r.Rules.Entries), "rule"), plural(int64(r.Indicators.Entries), "indicator"))
}

// finding writes the object and below it what matched:
//
//	ALERT    90  /tmp/evil.exe
//	             rule EvilRule (evil.yar:12) score 90: Finds evil
//	               $a at 0x10: "evil"
func (b *styled) finding(f *finding.Finding, verbose bool) {
	word := fmt.Sprintf("%-7s %4s", strings.ToUpper(f.Level.String()), scoreText(finite(f.Score)))
	b.linef("%s  %s", b.in(levelStyles[f.Level], word), b.in(bold, shownPath(f.Object.Path)))
	if f.Object.OriginalPath != "" {
		b.linef("%14soriginally %s", "", Safe(f.Object.OriginalPath))
	}
	if f.Object.Via != "" {
		b.linef("%14s%s", "", viaText(&f.Object))
	}
	n := len(f.Matches)
	if !verbose {
		n = min(n, shownMatches)
	}
	for i := range f.Matches[:n] {
		b.match(&f.Matches[i], verbose)
	}
	if more := len(f.Matches) - n; more > 0 {
		b.linef("%14sand %s, see the report or --verbose", "", matchCount(more, "further "))
	}
}

// viaText says where an object was found to which its path does not lead.
func viaText(o *finding.Object) string {
	if o.Deleted {
		return "deleted; its content is " + Safe(o.Via)
	}
	return "not under this path here, but as " + Safe(o.Via)
}

func (b *styled) match(m *finding.Match, verbose bool) {
	fmt.Fprintf(b, "%14s%s %s", "", Safe(string(m.Kind)), b.in(bold, Safe(m.Name)))
	if m.Source != "" {
		fmt.Fprintf(b, " (%s)", place(m.Source, m.Line))
	}
	fmt.Fprintf(b, " score %d", m.Score)
	if m.Description != "" {
		fmt.Fprintf(b, ": %s", Safe(m.Description))
	}
	b.WriteByte('\n')
	n := len(m.Evidence)
	if !verbose {
		n = min(n, shownEvidence)
	}
	for i := range m.Evidence[:n] {
		b.evidence(&m.Evidence[i])
	}
	if more := len(m.Evidence) - n + m.Cut; more > 0 {
		b.linef("%16s%s", "", b.in(dim, fmt.Sprintf("and %s more", Count(int64(more)))))
	}
}

func (b *styled) evidence(e *finding.Evidence) {
	data := e.Data[:min(len(e.Data), shownData)]
	fmt.Fprintf(b, "%16s%s", "", Safe(e.Term))
	if e.Offset >= 0 {
		fmt.Fprintf(b, " at 0x%x", e.Offset)
	}
	if e.Expected != "" {
		fmt.Fprintf(b, " %s", Safe(e.Expected))
	}
	if len(data) > 0 {
		fmt.Fprintf(b, ": %s", Safe(string(data)))
	}
	if max(e.Length, len(e.Data)) > len(data) {
		fmt.Fprintf(b, "... (%s)", plural(int64(max(e.Length, len(e.Data))), "byte"))
	}
	b.WriteByte('\n')
}

func (b *styled) skip(s finding.Skip) {
	fmt.Fprintf(b, "%s  %s: %s", b.in(dim, "skipped"), Safe(s.Path), Safe(string(s.Reason)))
	if s.Detail != "" {
		fmt.Fprintf(b, " (%s)", Safe(s.Detail))
	}
	b.WriteByte('\n')
}

// place returns a file and, where it is known, the line.
func place(file string, line int) string {
	if line == 0 {
		return Safe(file)
	}
	return fmt.Sprintf("%s:%d", Safe(file), line)
}

// matchCount returns "1 match" or "2 matches"; the adjective comes between.
func matchCount(n int, adjective string) string {
	if n == 1 {
		return "1 " + adjective + "match"
	}
	return Count(int64(n)) + " " + adjective + "matches"
}
