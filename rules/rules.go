// Package rules holds content against YARA rules: it loads rule files, compiles them with libyara,
// keeps the result in a cache, and scans with it.
//
// # Two sides
//
// The broker, which is privileged and never parses content, loads the rules with [Load] and gets
// a [Set]: a table of all rules, and an open file with everything that a scanner needs. It passes
// the file to its workers, which open it with [Open] and scan content with the [Scanner]. A worker
// names the rules that match by their index in the broker's table; [Set.Match] turns that into a
// finding.
//
// # The same matches as yara, sooner
//
// Which rules match, and where their strings stand, is exactly what the yara command of the same
// libyara says. It takes less time because a rule like
//
//	uint16(0) == 0x5A4D and filesize < 200KB and all of them
//
// need not be looked for in content that is no small program. From the compiled rules several
// variants are made, one for each [Class] of content (by first bytes and size), that leave out
// what cannot match there; package source does the reasoning. The scanner picks the variant by
// looking at the content. docs/rules.md has the figures.
//
// A faster search in front of libyara fits in here too: in [Scanner], between choosing the variant
// and handing the content to the engine.
package rules

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"tyto/finding"
)

// DefaultScore is the score of rules without a "score" in their meta section, as in THOR.
const DefaultScore = 75

// Rule is what the broker knows of a rule.
type Rule struct {
	Name string
	// Source is the file that the rule was loaded with, as it was named to Tyto. It is also
	// the rule's namespace.
	Source string
	// Line is where the rule stands in Source, from 1; 0 if it is unknown, as for rules from an
	// included file.
	Line int
	Tags []string
	// Meta is the meta section in its own order. Keys may repeat.
	Meta []finding.Meta
	// Score is the meta section's "score", else [DefaultScore]. It is kept between -100 and
	// 100; negative scores mark what is known to be harmless.
	Score int
	// Private rules never match by themselves. Global rules must hold for every other rule of
	// their file.
	Private, Global bool
}

// Text returns the first string value of that key in the meta section. Keys are compared without
// case, since "Description" is as common as "description".
func (r *Rule) Text(key string) string {
	for _, m := range r.Meta {
		if text, ok := m.Value.(string); ok && strings.EqualFold(m.Key, key) {
			return text
		}
	}
	return ""
}

// score finds a rule's score in its meta section, as a number or as text.
func score(meta []finding.Meta) int {
	for _, m := range meta {
		if !strings.EqualFold(m.Key, "score") {
			continue
		}
		switch v := m.Value.(type) {
		case int64:
			return int(max(-100, min(v, 100)))
		case string:
			if n, err := strconv.Atoi(strings.TrimSpace(v)); err == nil {
				return max(-100, min(n, 100))
			}
		}
	}
	return DefaultScore
}

// Set is a set of compiled rules in the hands of the broker.
type Set struct {
	Rules []Rule
	// Files counts the rule files in use.
	Files int
	// Problems are files, or parts of them, that could not be used, and what else the user
	// should know. The rest of the set is in use.
	Problems []finding.Problem
	// Warnings are libyara's remarks on rules that work, such as "rule may be slow".
	Warnings []finding.Problem
	// Version identifies what the set looks for: it is the same whenever the same rules are
	// loaded, from wherever, and another when anything in them changes.
	Version string
	// Uses names the external variables that occur in the rules, so that the others need not
	// be found out. See [Externals].
	Uses []string
	// Cached is true if nothing had to be compiled.
	Cached bool

	file *os.File
}

// File returns the compiled rules, to be passed to workers, who read it with [Open]. It belongs to
// the set.
func (s *Set) File() *os.File { return s.file }

// Close closes the file of compiled rules. Workers that have it open keep it.
func (s *Set) Close() error { return s.file.Close() }

// Summary describes the set in a report.
func (s *Set) Summary() finding.SetSummary {
	broken := make(map[string]bool)
	for _, p := range s.Problems {
		if !p.Warning {
			broken[p.File] = true
		}
	}
	return finding.SetSummary{
		Files:   s.Files,
		Entries: len(s.Rules),
		Broken:  len(broken),
		Version: s.Version,
	}
}

// Match turns a match that a worker reported into one for a finding. A worker is not trusted: an
// index beyond the table is an error.
func (s *Set) Match(m Match) (finding.Match, error) {
	if m.Rule < 0 || m.Rule >= len(s.Rules) {
		return finding.Match{}, fmt.Errorf("match of rule %d, but there are %d rules", m.Rule, len(s.Rules))
	}
	r := &s.Rules[m.Rule]
	out := finding.Match{
		Kind:        finding.Rule,
		Name:        r.Name,
		ID:          r.Text("id"),
		Source:      r.Source,
		Line:        r.Line,
		Description: r.Text("description"),
		Score:       r.Score,
		Tags:        r.Tags,
		Meta:        r.Meta,
		Cut:         m.Cut,
	}
	for _, o := range m.Strings {
		out.Evidence = append(out.Evidence, finding.Evidence{
			Term:   o.ID,
			Offset: o.Offset,
			Length: o.Length,
			Data:   o.Data,
		})
	}
	return out, nil
}
