package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
	"tyto/report"
)

func readAll(t *testing.T, data string) []report.Event {
	t.Helper()
	r := report.NewReader("test.jsonl", strings.NewReader(data))
	var events []report.Event
	for {
		e, err := r.Next()
		if err == io.EOF {
			return events
		}
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
}

// writeJSONL returns what a JSONL sink writes while tell runs.
func writeJSONL(t testing.TB, tell func(*report.JSONL) error) string {
	t.Helper()
	var buf bytes.Buffer
	if err := tell(report.NewJSONL(&buf, fixedClock)); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestJSONLGolden(t *testing.T) {
	var buf bytes.Buffer
	tell(t, report.NewJSONL(&buf, fixedClock))
	golden(t, "sample.jsonl", buf.Bytes())
}

func TestJSONLRoundTrip(t *testing.T) {
	var buf bytes.Buffer
	tell(t, report.NewJSONL(&buf, fixedClock))
	events := readAll(t, buf.String())

	if diff := cmp.Diff(sampleRun(), events[0].Run, sameData); diff != "" {
		t.Errorf("run (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(webShell(), events[1].Finding, sameData); diff != "" {
		t.Errorf("finding (-want +got):\n%s", diff)
	}
	rest := events[2:]
	for i, name := range hostileNames {
		got := rest[i].Finding
		if got.Object.Path != name || got.Object.OriginalPath != name {
			t.Errorf("path %q came back as %q and %q", name, got.Object.Path, got.Object.OriginalPath)
		}
		if evidence := string(got.Matches[0].Evidence[0].Data); evidence != name {
			t.Errorf("evidence %q came back as %q", name, evidence)
		}
		if utf8.ValidString(name) {
			if diff := cmp.Diff(hostile(name), got, sameData); diff != "" {
				t.Errorf("finding with name %q (-want +got):\n%s", name, diff)
			}
		}
	}
	rest = rest[len(hostileNames):]
	for i, want := range sampleSkips()[:2] { // the third does not matter, and is only counted
		if diff := cmp.Diff(&want, rest[i].Skip); diff != "" {
			t.Errorf("skip (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff(sampleSummary(), rest[2].Summary, sameData); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

// A terminal that shows the file must not obey it, and every consumer must be able to parse it.
func TestJSONLIsPlainText(t *testing.T) {
	var buf bytes.Buffer
	tell(t, report.NewJSONL(&buf, fixedClock))
	for i, line := range strings.Split(strings.TrimSuffix(buf.String(), "\n"), "\n") {
		if safe := report.Safe(line); safe != line {
			t.Errorf("line %d holds characters that are not safe to show: %q", i+1, line)
		}
		if !json.Valid([]byte(line)) {
			t.Errorf("line %d is not JSON: %q", i+1, line)
		}
	}
}

// A file that was written up to any byte can be read up to its last whole line.
func TestKilledScan(t *testing.T) {
	var buf bytes.Buffer
	tell(t, report.NewJSONL(&buf, fixedClock))
	whole := buf.String()
	cut := len(whole) - 100 // in the summary
	r := report.NewReader("cut.jsonl", strings.NewReader(whole[:cut]))
	var last report.Event
	n := 0
	for {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		last, n = e, n+1
	}
	if want := 1 + 1 + len(hostileNames) + 2; n != want || last.Skip == nil {
		t.Errorf("read %d events, the last %+v; want %d, the last a skip", n, last, want)
	}
	if !r.Truncated() {
		t.Error("the cut line was not noticed")
	}
}

func TestOneWritePerLine(t *testing.T) {
	var w countingWriter
	tell(t, report.NewJSONL(&w, fixedClock))
	if want := 1 + 1 + len(hostileNames) + 2 + 1; w.writes != want || w.partial > 0 {
		t.Errorf("%d writes, %d without a whole line; want %d and 0", w.writes, w.partial, want)
	}
}

type countingWriter struct{ writes, partial int }

func (w *countingWriter) Write(b []byte) (int, error) {
	w.writes++
	if bytes.Count(b, []byte("\n")) != 1 || b[len(b)-1] != '\n' {
		w.partial++
	}
	return len(b), nil
}

func TestLineBound(t *testing.T) {
	long := strings.Repeat("\xff\x1b\"", 100_000)
	big := &finding.Finding{Level: finding.Alert, Score: 100, Object: finding.Object{Path: "/big", Size: 9}}
	for range 100 {
		m := finding.Match{Kind: finding.Rule, Name: "Big", Score: 100}
		for range 100 {
			m.Evidence = append(m.Evidence, finding.Evidence{Term: "$a", Offset: 1, Length: 300, Data: bytes.Repeat([]byte{0x1b}, 300)})
		}
		big.Matches = append(big.Matches, m)
	}
	huge := &finding.Finding{Level: finding.Alert, Score: 100, Object: finding.Object{
		Path: long, OriginalPath: long, Owner: long, Group: long, Type: long, Attributes: []string{long, long},
		Hashes: finding.Hashes{MD5: long, SHA1: long, SHA256: long},
	}}
	for range 300 {
		huge.Matches = append(huge.Matches, finding.Match{
			Kind: finding.Indicator, Name: long[:999], ID: long[:999], Source: long[:999], Description: long[:999], Tags: []string{long[:999]},
			Meta: []finding.Meta{{Key: long[:999], Value: long[:999]}}, Evidence: []finding.Evidence{{Term: "FileItem/Md5sum", Expected: long[:99], Data: []byte(long[:99])}},
		})
	}
	summary := &finding.Summary{Stopped: long, Skips: map[finding.Reason]finding.SkipCount{}}
	for range 600 {
		summary.Problems = append(summary.Problems, finding.Problem{File: long[:500], Message: long[:500]})
		summary.Paths = append(summary.Paths, long[:500])
		summary.Confinement = append(summary.Confinement, long[:500])
	}
	count := finding.SkipCount{Count: 1}
	for range 20 {
		count.Examples = append(count.Examples, finding.Skip{Path: long[:3000], Detail: long[:3000]})
	}
	for i := range 55 {
		summary.Skips[finding.Reason(string(finding.Unreadable)+strings.Repeat("x", i))] = count
	}
	run := sampleRun()
	run.Host.Name, run.ID, run.Paths = long, long, []string{long, long}

	tests := []struct {
		name string
		tell func(*report.JSONL) error
	}{
		{"much evidence", func(j *report.JSONL) error { return j.Finding(big) }},
		{"long texts", func(j *report.JSONL) error { return j.Finding(huge) }},
		{"long skip", func(j *report.JSONL) error {
			return j.Skip(finding.Skip{Path: long, Reason: finding.Unreadable, Detail: long})
		}},
		{"long summary", func(j *report.JSONL) error { return j.Summary(summary) }},
		{"long run", func(j *report.JSONL) error { return j.Start(run) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := writeJSONL(t, func(j *report.JSONL) error {
				if err := j.Start(report.Run{ID: "short"}); err != nil {
					return err
				}
				return tt.tell(j)
			})
			lines := strings.SplitAfter(out, "\n")
			if len(lines[1]) > report.MaxLine {
				t.Errorf("line of %d bytes; at most %d are allowed", len(lines[1]), report.MaxLine)
			}
			if !strings.Contains(lines[1], `"cut":{`) {
				t.Error("the line does not say that it was cut")
			}
			readAll(t, out)
		})
	}
	t.Run("keeps what it can", func(t *testing.T) {
		out := writeJSONL(t, func(j *report.JSONL) error { return errors.Join(j.Start(report.Run{}), j.Finding(big)) })
		f := readAll(t, out)[1].Finding
		m := f.Matches[0]
		if f.Object.Path != "/big" || len(m.Evidence) == 0 || len(m.Evidence)+m.Cut != 100 || m.Evidence[0].Length != 300 {
			t.Errorf("path %q, %d pieces of evidence, %d cut, length %d", f.Object.Path, len(m.Evidence), m.Cut, m.Evidence[0].Length)
		}
	})
}

func TestSkipLinesAreLimited(t *testing.T) {
	var w countingWriter
	j := report.NewJSONL(&w, nil)
	if err := j.Start(sampleRun()); err != nil {
		t.Fatal(err)
	}
	for _, reason := range []finding.Reason{finding.Unreadable, finding.Crashed} {
		for range report.MaxSkipLines + 10 {
			if err := j.Skip(finding.Skip{Path: "/x", Reason: reason}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if want := 1 + 2*report.MaxSkipLines; w.writes != want {
		t.Errorf("%d lines; want %d", w.writes, want)
	}
}

// Times and numbers that JSON cannot hold must not cost the finding.
func TestOddValues(t *testing.T) {
	f := webShell()
	f.Score = math.NaN()
	f.Object.Modified = time.Unix(1<<40, 0).UTC() // year 36812
	f.Object.Created = time.Unix(-1<<40, 0).UTC() // before year 1
	out := writeJSONL(t, func(j *report.JSONL) error { return errors.Join(j.Start(sampleRun()), j.Finding(f)) })
	got := readAll(t, out)[1].Finding
	f.Score = 0
	if diff := cmp.Diff(f, got, sameData); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestECSFields(t *testing.T) {
	out := writeJSONL(t, func(j *report.JSONL) error { return errors.Join(j.Start(sampleRun()), j.Finding(webShell())) })
	var line map[string]any
	if err := json.Unmarshal([]byte(strings.Split(out, "\n")[1]), &line); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"@timestamp": "2026-11-21T08:30:01.123456789Z", "ecs.version": "8.17.0",
		"event.kind": "alert", "event.action": "finding", "event.severity": 3.0, "event.risk_score": 94.75,
		"host.name": "web-01", "host.os.type": "linux",
		"file.path": "/mnt/evidence/inetpub/up/shell.aspx", "file.name": "shell.aspx", "file.directory": "/mnt/evidence/inetpub/up", "file.extension": "aspx",
		"file.size": 1423.0, "file.mode": "2640", "file.inode": "131074", "file.hash.md5": "9e107d9d372bb6826bd81d3542a419d6",
		"rule.name": "Generic_WebShell", "rule.author": "A. Nalyst", "rule.ruleset": "shells", "rule.reference": "https://example.com/shells",
		"threat.indicator.name": "SHELL (FAMILY)", "threat.indicator.file.hash.md5": "9e107d9d372bb6826bd81d3542a419d6", "threat.feed.name": "shells",
		"tyto.format": 1.0, "tyto.level": "alert", "tyto.original_path": `C:\inetpub\up\shell.aspx`,
	}
	got := map[string]any{}
	for name := range want {
		got[name] = lookup(line, strings.Split(name, "."))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func lookup(v any, path []string) any {
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}
