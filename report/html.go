package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"tyto/finding"
)

// HTML writes one self-contained page: no network, no other file. It is written when the sink
// is closed; before, findings wait in memory, compressed.
//
// The page works without scripts: it then shows the [htmlStatic] most severe findings. With
// scripts it shows all, filtered and sorted. Its content security policy allows exactly the
// script and the style that are embedded in this program, by their hashes, and no network, so
// that nothing in a report can run or load anything.
type HTML struct {
	w       io.Writer
	data    *htmlStore
	runs    map[string]*htmlRun
	order   []*htmlRun
	current *htmlRun
}

// htmlRun is what the page tells of a run.
type htmlRun struct {
	Run     Run
	host    int // index in htmlStore.hosts
	Found   map[finding.Level]int64
	Summary *finding.Summary // nil: the scan was killed
}

// NewHTML returns a sink that writes to w when it is closed.
func NewHTML(w io.Writer) *HTML {
	return &HTML{w: w, data: newHTMLStore(), runs: map[string]*htmlRun{}}
}

// Start begins a run, or returns to one.
func (h *HTML) Start(r Run) error {
	run, ok := h.runs[r.key()]
	if !ok {
		run = &htmlRun{Run: r, host: h.data.host(&r.Host), Found: map[finding.Level]int64{}}
		if len(h.order) >= htmlRuns {
			run.Run = bareRun(&r)
		}
		h.runs[r.key()] = run
		h.order = append(h.order, run)
	}
	h.current = run
	return nil
}

// Finding keeps f for the page.
func (h *HTML) Finding(f *finding.Finding) error {
	if h.current == nil {
		return errNoRun("a finding")
	}
	h.current.Found[f.Level]++
	return h.data.add(h.current.host, f)
}

// Skip does nothing: the summary counts skips and has examples.
func (h *HTML) Skip(finding.Skip) error { return nil }

// Summary keeps s for the page.
func (h *HTML) Summary(s *finding.Summary) error {
	if h.current == nil {
		return errNoRun("a summary")
	}
	kept := *s
	if len(h.order) > htmlRuns {
		kept = bareSummary(s)
	}
	h.current.Summary = &kept
	return nil
}

// htmlRuns is the number of runs of which a page tells everything. Of further ones it leaves out
// the lists, whose length is for the reports to say: so a page of many hosts stays bounded.
const htmlRuns = 1000

func bareRun(r *Run) Run {
	bare := *r
	bare.Paths, bare.Command = nil, nil
	return bare
}

// bareSummary returns s without lists of texts. What it counts stays.
func bareSummary(s *finding.Summary) finding.Summary {
	bare := *s
	bare.Problems, bare.Paths, bare.Command, bare.Confinement = nil, nil, nil, nil
	bare.Skips = map[finding.Reason]finding.SkipCount{}
	for reason, count := range s.Skips {
		bare.Skips[reason] = finding.SkipCount{Count: count.Count}
	}
	return bare
}

var (
	//go:embed assets/report.css
	htmlStyle string
	//go:embed assets/report.js
	htmlScript string
	//go:embed assets/body.html
	htmlBody string

	htmlTemplate = template.Must(template.New("report").Funcs(htmlFuncs).Parse(htmlBody))
)

// htmlHead is the page up to its body. It holds nothing from a scan.
const htmlHead = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="%s">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>Tyto report</title>
<style>%s</style>
</head>
<body>
`

// policy forbids everything but the embedded style and script.
func policy() string {
	return strings.Join([]string{
		"default-src 'none'",
		"style-src '" + sourceHash(htmlStyle) + "'",
		"script-src '" + sourceHash(htmlScript) + "'",
		"base-uri 'none'",
		"form-action 'none'",
		"require-trusted-types-for 'script'", // the script cannot turn text into HTML
	}, "; ")
}

func sourceHash(source string) string {
	sum := sha256.Sum256([]byte(source))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// Close writes the page.
func (h *HTML) Close() error {
	if err := h.write(); err != nil {
		return fmt.Errorf("write the HTML report: %w", err)
	}
	return nil
}

func (h *HTML) write() error {
	if _, err := fmt.Fprintf(h.w, htmlHead, policy(), htmlStyle); err != nil {
		return err
	}
	if err := htmlTemplate.Execute(h.w, h.page()); err != nil {
		return err
	}
	// The data block is text to the browser; base64 has no character that could end it.
	if _, err := io.WriteString(h.w, `<script id="data" type="application/octet-stream">`); err != nil {
		return err
	}
	if err := h.data.writeTo(h.w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(h.w, "</script>\n<script>%s</script>\n</body>\n</html>\n", htmlScript)
	return err
}

// page gathers what the template shows.
func (h *HTML) page() *htmlPage {
	p := &htmlPage{
		Hosts: h.data.hosts, Rules: h.data.rules,
		Top: h.data.top.sorted(), Findings: h.data.found, LeftOut: h.data.leftOut,
	}
	found := map[finding.Level]int64{}
	for _, run := range h.order {
		v := run.view(h.data.hosts[run.host])
		for level, n := range run.Found {
			found[level] += n
		}
		p.Objects += v.Objects
		p.Bytes += v.bytes
		p.Missed += v.Missed
		p.Incomplete = p.Incomplete || v.Incomplete
		p.Runs = append(p.Runs, v)
	}
	for _, level := range severe {
		p.Levels = append(p.Levels, htmlCount{level.String(), found[level]})
	}
	p.Verdict, p.Tone = h.verdict(found, p)
	return p
}

// verdict puts all runs into one sentence or two, and says how to colour it.
func (h *HTML) verdict(found map[finding.Level]int64, p *htmlPage) (text, tone string) {
	switch {
	case found[finding.Alert] > 0:
		tone = "alert"
	case total(found) > 0 || p.Incomplete || len(p.Runs) == 0:
		tone = "warning"
	default:
		tone = "good"
	}
	switch len(p.Runs) {
	case 0:
		return "This report holds no scan.", tone
	case 1:
		return p.Runs[0].Verdict, tone
	}
	if counts := levelCounts(found); counts != "" {
		text = "Found " + counts + " on " + h.hitHosts() + " of " + plural(int64(len(p.Hosts)), "host") + "."
	} else if p.Incomplete {
		text = "Nothing was found in what was examined, but that is not everything."
	} else {
		text = "Nothing was found on " + plural(int64(len(p.Hosts)), "host") + "."
	}
	incomplete := int64(0)
	for _, r := range p.Runs {
		if r.Incomplete {
			incomplete++
		}
	}
	switch incomplete {
	case 0:
		return text + " All " + plural(int64(len(p.Runs)), "scan") + " are complete.", tone
	case int64(len(p.Runs)):
		return text + " None of the " + plural(int64(len(p.Runs)), "scan") + " is complete.", tone
	}
	return fmt.Sprintf("%s Of %s, %s incomplete.", text, plural(int64(len(p.Runs)), "scan"), isAre(incomplete)), tone
}

// hitHosts counts the hosts with findings.
func (h *HTML) hitHosts() string {
	hit := map[int]bool{}
	for _, run := range h.order {
		if total(run.Found) > 0 {
			hit[run.host] = true
		}
	}
	return Count(int64(len(hit)))
}

func isAre(n int64) string {
	if n == 1 {
		return "1 is"
	}
	return Count(n) + " are"
}

// clockText returns a time for people, in UTC; "" for the zero time.
func clockText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}
