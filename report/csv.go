package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"tyto/finding"
)

// csvColumns is the header. Columns are only ever added at the end.
var csvColumns = []string{
	"record", "time", "host", "level", "score",
	"path", "original_path", "object_kind", "type", "size",
	"modified", "accessed", "changed", "created", "owner", "group", "mode",
	"md5", "sha1", "sha256",
	"match_kind", "match_name", "match_id", "match_score", "description", "source", "line", "tags",
	"reference", "evidence", "evidence_cut",
	"via", "deleted",
}

const (
	csvEvidence     = 20  // pieces per row
	csvEvidenceData = 128 // bytes per piece
)

// CSV writes a table for spreadsheets (RFC 4180): a header, a row for each match (record
// "match"), and for each run a row with the verdict (record "summary"), so that a table without
// matches does not pass for a complete scan. The columns are documented in
// docs/report-format.md.
//
// Text goes through [Safe], and where a spreadsheet would take it for a formula, an apostrophe
// comes before. The exact bytes are only in JSON Lines.
type CSV struct {
	w      *csv.Writer
	run    Run
	begun  bool
	header bool
	runs   map[string]*csvRun
	order  []*csvRun // as they came
}

// csvRun is a run that was started.
type csvRun struct {
	host string
	told bool // its summary
}

// NewCSV returns a sink that writes to w.
func NewCSV(w io.Writer) *CSV {
	c := &CSV{w: csv.NewWriter(w), runs: map[string]*csvRun{}}
	c.w.UseCRLF = true // RFC 4180
	return c
}

// Start makes r the run whose host stands in the rows that follow.
func (c *CSV) Start(r Run) error {
	c.run, c.begun = r, true
	if c.runs[r.key()] == nil {
		run := &csvRun{host: r.Host.Name}
		c.runs[r.key()] = run
		c.order = append(c.order, run)
	}
	return c.flush(c.writeHeader())
}

// Finding writes a row for each match of f.
func (c *CSV) Finding(f *finding.Finding) error {
	if !c.begun {
		return errNoRun("a finding")
	}
	for i := range f.Matches {
		if err := c.w.Write(c.row(f, &f.Matches[i])); err != nil {
			return c.flush(err)
		}
	}
	return c.flush(nil)
}

// Skip does nothing: the table holds matches. The summary row counts skips.
func (c *CSV) Skip(finding.Skip) error { return nil }

// Summary writes the row with the verdict.
func (c *CSV) Summary(s *finding.Summary) error {
	if !c.begun {
		return errNoRun("a summary")
	}
	c.runs[c.run.key()].told = true
	return c.flush(c.w.Write(c.verdict(c.run.Host.Name, s.Finished, Verdict(s))))
}

// Close writes a row for each run that has no summary.
func (c *CSV) Close() error {
	if err := c.writeHeader(); err != nil {
		return c.flush(err)
	}
	for _, run := range c.order {
		if run.told {
			continue
		}
		if err := c.w.Write(c.verdict(run.host, time.Time{}, unfinished)); err != nil {
			return c.flush(err)
		}
	}
	c.order = nil
	return c.flush(nil)
}

// unfinished is the verdict of a run without a summary.
const unfinished = "The scan is incomplete: its report ends without a summary, as if it had been killed. What it did not examine is unknown."

func (c *CSV) writeHeader() error {
	if c.header {
		return nil
	}
	c.header = true
	return c.w.Write(csvColumns)
}

// flush passes on what was written, so that a killed scan leaves whole rows.
func (c *CSV) flush(err error) error {
	c.w.Flush()
	if err == nil {
		err = c.w.Error()
	}
	if err != nil {
		return fmt.Errorf("write the CSV report: %w", err)
	}
	return nil
}

// row returns the cells in the order of csvColumns.
func (c *CSV) row(f *finding.Finding, m *finding.Match) []string {
	o := &f.Object
	return []string{
		"match", timeText(f.Time), cell(c.run.Host.Name), f.Level.String(), scoreText(finite(f.Score)),
		cell(o.Path), cell(o.OriginalPath), cell(string(o.Kind)), cell(o.Type), strconv.FormatInt(o.Size, 10),
		timeText(o.Modified), timeText(o.Accessed), timeText(o.Changed), timeText(o.Created),
		cell(o.Owner), cell(o.Group), fileMode(o.Mode),
		cell(o.Hashes.MD5), cell(o.Hashes.SHA1), cell(o.Hashes.SHA256),
		cell(string(m.Kind)), cell(m.Name), cell(m.ID), strconv.Itoa(m.Score), cell(m.Description),
		cell(m.Source), lineText(m.Line), cell(strings.Join(m.Tags, " ")),
		cell(metaValue(m, "reference", "link", "url")), cell(csvEvidenceText(m)), strconv.Itoa(m.Cut + max(0, len(m.Evidence)-csvEvidence)),
		cell(o.Via), deletedText(o.Deleted),
	}
}

// deletedText is empty for nearly all objects.
func deletedText(deleted bool) string {
	if deleted {
		return "true"
	}
	return ""
}

// verdict returns the row that ends a run: the verdict stands as description.
func (c *CSV) verdict(host string, at time.Time, text string) []string {
	row := make([]string, len(csvColumns))
	for i, column := range csvColumns {
		switch column {
		case "record":
			row[i] = "summary"
		case "time":
			row[i] = timeText(at)
		case "host":
			row[i] = cell(host)
		case "description":
			row[i] = cell(text)
		}
	}
	return row
}

// csvEvidenceText returns the evidence in one cell: "$a @0x10: text | FileItem/FileName: evil.exe".
func csvEvidenceText(m *finding.Match) string {
	var b strings.Builder
	for i := range m.Evidence[:min(len(m.Evidence), csvEvidence)] {
		e := &m.Evidence[i]
		if i > 0 {
			b.WriteString(" | ")
		}
		b.WriteString(e.Term)
		if e.Offset >= 0 {
			fmt.Fprintf(&b, " @0x%x", e.Offset)
		}
		b.WriteString(": ")
		b.Write(e.Data[:min(len(e.Data), csvEvidenceData)])
		if e.Length > csvEvidenceData {
			b.WriteString("...")
		}
	}
	return b.String()
}

// cell returns text that a spreadsheet shows and does not compute. Formulas begin with one of
// "=+-@", at the start of a cell or, where semicolons separate cells, after a semicolon; quotes
// and blanks may come before.
func cell(s string) string {
	s = Safe(s)
	if !strings.ContainsAny(s, formulaStarts) {
		return s
	}
	parts := strings.Split(s, ";")
	for i, part := range parts {
		rest := strings.TrimLeft(part, ` "'`)
		if rest != "" && strings.ContainsAny(firstRune(rest), formulaStarts) {
			parts[i] = "'" + part
		}
	}
	return strings.Join(parts, ";")
}

// formulaStarts are the characters that begin a formula, and their full-width forms.
const formulaStarts = "=+-@＝＋－＠"

func firstRune(s string) string {
	for i := range s {
		if i > 0 {
			return s[:i]
		}
	}
	return s
}

// timeText returns t in UTC, to the second; "" for the zero time.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

func lineText(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
