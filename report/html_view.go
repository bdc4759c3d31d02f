package report

import (
	"encoding/hex"
	"fmt"
	"html/template"
	"strings"

	"tyto/finding"
)

// htmlPage is what the template of the page's body shows. Texts have gone through Safe.
type htmlPage struct {
	Verdict    string
	Tone       string // alert, warning or good
	Levels     []htmlCount
	Objects    int64
	Bytes      int64
	Missed     int64
	Incomplete bool
	Runs       []*htmlRunView

	Hosts    []string
	Rules    []htmlRule
	Top      []*htmlFinding
	Findings int64 // in the page, with scripts
	LeftOut  map[finding.Level]int64
}

type htmlCount struct {
	Name string
	N    int64
}

// ManyHosts reports whether hosts must be told apart.
func (p *htmlPage) ManyHosts() bool { return len(p.Hosts) > 1 }

// LeftOutText says what the page has no room for; "" if it holds everything.
func (p *htmlPage) LeftOutText() string {
	text := levelCounts(p.LeftOut)
	if text == "" {
		return ""
	}
	return "This page has no room for a further " + text + ". They are in the JSON Lines report."
}

// HasSkips reports whether a run knows of skips.
func (p *htmlPage) HasSkips() bool {
	for _, r := range p.Runs {
		if len(r.Skips) > 0 {
			return true
		}
	}
	return false
}

// HasProblems reports whether a run could not use some of its input.
func (p *htmlPage) HasProblems() bool {
	for _, r := range p.Runs {
		if len(r.Problems) > 0 {
			return true
		}
	}
	return false
}

// htmlRunView is a run as the page shows it.
type htmlRunView struct {
	Host         string
	Verdict      string
	Incomplete   bool
	Found        string
	Objects      int64
	Missed       int64
	Facts        [][2]string
	Skips        []htmlSkip
	Problems     []htmlProblem
	MoreProblems int

	bytes int64
}

type htmlSkip struct {
	Reason, Meaning string
	Count           int64
	Matters         bool
	Examples        []string
	More            int64
}

type htmlProblem struct {
	Kind, Place, Message string
}

const (
	htmlExamples = 20  // of a reason
	htmlProblems = 200 // of a run
)

func (r *htmlRun) view(host string) *htmlRunView {
	v := &htmlRunView{Host: host, Found: levelCounts(r.Found)}
	s := r.Summary
	if s == nil {
		v.Incomplete = true
		v.Verdict = unfinished
		if v.Found != "" {
			v.Verdict = "Found " + v.Found + ". " + unfinished
		}
		s = &finding.Summary{Started: r.Run.Started, Paths: r.Run.Paths, Command: r.Run.Command,
			Rules: r.Run.Rules, Indicators: r.Run.Indicators, Version: r.Run.Version}
	} else {
		v.Incomplete = s.Incomplete()
		v.Verdict = Verdict(s)
	}
	v.Objects, v.bytes, v.Missed = s.Objects, s.Bytes, missed(s)
	v.Facts = r.facts(s)
	for _, sk := range skipsByWeight(s.Skips) {
		v.Skips = append(v.Skips, skipView(sk))
	}
	for i, p := range s.Problems {
		if i == htmlProblems {
			v.MoreProblems = len(s.Problems) - i
			break
		}
		kind := "error"
		if p.Warning {
			kind = "warning"
		}
		v.Problems = append(v.Problems, htmlProblem{kind, shortText(place(p.File, p.Line), htmlPath), shortText(p.Message, htmlText)})
	}
	return v
}

// facts returns what is worth knowing of the run, by name.
func (r *htmlRun) facts(s *finding.Summary) [][2]string {
	var facts [][2]string
	add := func(name, value string) {
		if strings.TrimSpace(value) != "" {
			facts = append(facts, [2]string{name, shortText(value, htmlPath)})
		}
	}
	h := &r.Run.Host
	add("system", strings.Join([]string{h.OS.Name, h.OS.Version, h.OS.Kernel, h.Architecture}, " "))
	add("machine id", h.ID)
	add("started", clockText(s.Started))
	if r.Summary != nil {
		add("finished", clockText(s.Finished))
		add("took", timing(s))
		add("examined", examined(s))
		add("inventory", remembered(s))
		add("trusted by hash", countOrNone(s.Trusted))
		add("below notice", countOrNone(s.BelowThreshold))
	}
	add("scanned", strings.Join(s.Paths, "  "))
	add("rules", setText(s.Rules, "rule"))
	add("indicators", setText(s.Indicators, "indicator"))
	add("workers", strings.Join(s.Confinement, ", "))
	add("Tyto", s.Version)
	add("command", strings.Join(s.Command, " "))
	if r.Summary != nil {
		o := OutcomeOf(s)
		add("exit code", fmt.Sprintf("%d: %s", int(o), o))
	}
	return facts
}

func countOrNone(n int64) string {
	if n == 0 {
		return ""
	}
	return plural(n, "object")
}

func skipView(sk skipped) htmlSkip {
	v := htmlSkip{
		Reason: shortText(string(sk.Reason), 64), Meaning: shortText(Meaning(sk.Reason), htmlText),
		Count: sk.Count, Matters: sk.Reason.Matters(), More: sk.Count,
	}
	for i, x := range sk.Examples {
		if i == htmlExamples {
			break
		}
		v.Examples = append(v.Examples, shortText(exampleText(x), htmlPath))
		v.More--
	}
	return v
}

// The template shows less of each finding than the script, because it writes it out in HTML.
const (
	staticMatches  = 10
	staticEvidence = 5
	staticBytes    = 64
)

var htmlFuncs = template.FuncMap{
	"int64":         func(n int) int64 { return int64(n) },
	"count":         Count,
	"bytes":         Bytes,
	"score":         scoreText,
	"plural":        plural,
	"level":         func(l finding.Level) string { return l.String() },
	"dump":          staticDump,
	"firstMatches":  func(list []htmlMatch) []htmlMatch { return list[:min(len(list), staticMatches)] },
	"firstEvidence": func(list []htmlPiece) []htmlPiece { return list[:min(len(list), staticEvidence)] },
	"moreMatches":   func(f *htmlFinding) int { return max(0, len(f.Matches)-staticMatches) + f.More },
	"moreEvidence":  func(m htmlMatch) int { return max(0, len(m.Evidence)-staticEvidence) + m.Cut },
}

// staticDump returns the first bytes of a piece of evidence as a dump.
func staticDump(p htmlPiece) string {
	data, err := hex.DecodeString(p.Hex)
	if err != nil {
		return ""
	}
	return dump(data[:min(len(data), staticBytes)], p.Offset, 16)
}

// dump writes bytes as lines of an address, width bytes in hexadecimal, and the same as text.
// The script does the same.
func dump(data []byte, offset int64, width int) string {
	var b strings.Builder
	for i := 0; i < len(data); i += width {
		part := data[i:min(i+width, len(data))]
		fmt.Fprintf(&b, "%08x  ", offset+int64(i))
		for j := range width {
			if j < len(part) {
				fmt.Fprintf(&b, "%02x ", part[j])
			} else {
				b.WriteString("   ")
			}
		}
		b.WriteByte(' ')
		for _, c := range part {
			if c < ' ' || c > '~' {
				c = '.'
			}
			b.WriteByte(c)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
