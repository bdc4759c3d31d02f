package report

import (
	"fmt"
	"strings"

	"tyto/finding"
)

const (
	shownExamples = 3 // of a reason, unless verbose
	shownProblems = 5 // unless verbose
)

// summary writes the block that ends a scan. The verdict comes last, where the eye is.
func (b *styled) summary(s *finding.Summary, opts *TerminalOptions) {
	b.WriteByte('\n')
	b.problems(s.Problems, opts.Verbose)
	b.skips(s, opts.Verbose)
	b.field("Host", Safe(s.Host))
	b.field("Scanned", Safe(strings.Join(s.Paths, " ")))
	b.field("Examined", examined(s))
	b.field("Inventory", remembered(s))
	b.field("Time", timing(s))
	b.field("Rules", setText(s.Rules, "rule"))
	b.field("Indicators", setText(s.Indicators, "indicator"))
	b.field("Workers", wrapped(s.Confinement, ",", fieldIndent, 96))
	b.field("Version", Safe(s.Version))
	b.field("Findings", b.levels(s))
	b.field("Reports", Safe(strings.Join(opts.Reports, "  ")))
	b.WriteByte('\n')
	verdict := Verdict(s)
	if opts.Width != nil {
		verdict = wrapped(strings.Split(verdict, " "), "", "", opts.Width())
	}
	b.line(b.in(verdictStyle(s), verdict))
}

// field writes a named line, unless there is nothing to say.
func (b *styled) field(name, value string) {
	if value != "" {
		b.linef("%-11s %s", name, value)
	}
}

// fieldIndent aligns further lines of a field with its first.
const fieldIndent = "            "

// wrapped lists things, with a separator behind each but the last, on as many lines as they need to
// stay within width. A width that makes no sense is 80.
func wrapped(things []string, separator, indent string, width int) string {
	if width < 20 {
		width = 80
	}
	var b strings.Builder
	used := len(indent)
	for i, thing := range things {
		thing = Safe(thing)
		if i < len(things)-1 {
			thing += separator
		}
		n := columns(thing)
		switch {
		case i == 0:
		case used+1+n > width:
			b.WriteString("\n" + indent)
			used = len(indent)
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(thing)
		used += n
	}
	return b.String()
}

func (b *styled) problems(problems []finding.Problem, verbose bool) {
	if len(problems) == 0 {
		return
	}
	b.line(b.in(bold, "Could not be used"))
	n := len(problems)
	if !verbose {
		n = min(n, shownProblems)
	}
	for _, p := range problems[:n] {
		kind := "error"
		if p.Warning {
			kind = "warning"
		}
		b.linef("  %s: %s: %s", kind, place(p.File, p.Line), Safe(p.Message))
	}
	if more := len(problems) - n; more > 0 {
		b.linef("  and %s more, see the report or --verbose", Count(int64(more)))
	}
	b.WriteByte('\n')
}

// skips says what was not looked at. What nobody needs to care about takes one line.
func (b *styled) skips(s *finding.Summary, verbose bool) {
	list := skipsByWeight(s.Skips)
	if len(list) == 0 {
		return
	}
	b.line(b.in(bold, "What was not looked at"))
	var quiet []string
	for _, sk := range list {
		if !sk.Reason.Matters() && !verbose {
			quiet = append(quiet, fmt.Sprintf("%s %s", Count(sk.Count), Safe(string(sk.Reason))))
			continue
		}
		b.linef("  %8s  %s: %s", Count(sk.Count), Safe(string(sk.Reason)), Meaning(sk.Reason))
		examples := sk.Examples
		if !verbose {
			examples = examples[:min(len(examples), shownExamples)]
		}
		for _, x := range examples {
			b.line(b.in(dim, "            "+exampleText(x)))
		}
		if more := sk.Count - int64(len(examples)); more > 0 && len(examples) > 0 {
			b.line(b.in(dim, "            and "+Count(more)+" more"))
		}
	}
	if len(quiet) > 0 {
		b.linef("  As expected: %s", strings.Join(quiet, ", "))
	}
	b.WriteByte('\n')
}

func exampleText(x finding.Skip) string {
	if x.Detail == "" {
		return Safe(x.Path)
	}
	return Safe(x.Path) + " (" + Safe(x.Detail) + ")"
}

func (b *styled) levels(s *finding.Summary) string {
	var parts []string
	for _, level := range severe {
		if n := s.Findings[level]; n > 0 {
			parts = append(parts, b.in(levelStyles[level], plural(n, level.String())))
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "none")
	}
	if s.BelowThreshold > 0 {
		parts = append(parts, fmt.Sprintf("%s below notice", Count(s.BelowThreshold)))
	}
	if s.Trusted > 0 {
		parts = append(parts, fmt.Sprintf("%s trusted by hash", Count(s.Trusted)))
	}
	return strings.Join(parts, ", ")
}

func examined(s *finding.Summary) string {
	return fmt.Sprintf("%s (%s), %s", plural(s.Objects, "object"), plural(s.Files, "file"), Bytes(s.Bytes))
}

// remembered says what the inventory knew of the files; empty if it knew nothing.
func remembered(s *finding.Summary) string {
	var parts []string
	if s.Recalled > 0 {
		parts = append(parts, fmt.Sprintf("%s unchanged since an earlier scan, not opened", plural(s.Recalled, "file")))
	}
	if s.Gone > 0 {
		parts = append(parts, fmt.Sprintf("%s gone since", plural(s.Gone, "file")))
	}
	return strings.Join(parts, "; ")
}

// timing says how long the scan took and how fast it was while it ran.
func timing(s *finding.Summary) string {
	took := s.Finished.Sub(s.Started)
	text := Duration(took)
	active := s.Active
	if active <= 0 || active > took {
		active = took
	}
	if Duration(active) != text {
		text += " (" + Duration(active) + " at work)"
	}
	if r := rate(s.Bytes, active); r != "" {
		text += ", " + r
	}
	return text
}

// setText describes a set of rules or indicators: "5,883 rules from 741 files, 2 broken,
// version 0f1e2d3c4b5a".
func setText(s finding.SetSummary, thing string) string {
	text := fmt.Sprintf("%s from %s", plural(int64(s.Entries), thing), plural(int64(s.Files), "file"))
	if s.Broken > 0 {
		text += fmt.Sprintf(", %s could not be used", plural(int64(s.Broken), "file"))
	}
	if s.Version != "" {
		const enough = 12 // digits, to tell versions apart by eye
		text += ", version " + Safe(s.Version[:min(len(s.Version), enough)])
	}
	return text
}

func verdictStyle(s *finding.Summary) string {
	switch {
	case s.Findings[finding.Alert] > 0:
		return red
	case total(s.Findings) > 0 || s.Incomplete():
		return yellow
	}
	return green
}
