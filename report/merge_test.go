package report_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
	"tyto/report"
)

// hostReport returns the report of one host with the given findings and a complete summary.
func hostReport(t *testing.T, id, host string, findings ...*finding.Finding) string {
	t.Helper()
	run := sampleRun()
	run.ID, run.Host.Name, run.Host.ID = id, host, "machine of "+host
	summary := cleanSummary()
	summary.Host = host
	return writeJSONL(t, func(j *report.JSONL) error {
		errs := []error{j.Start(run)}
		for _, f := range findings {
			errs = append(errs, j.Finding(f))
		}
		return errors.Join(append(errs, j.Summary(summary))...)
	})
}

func merge(t *testing.T, sources ...string) (string, report.Merged) {
	t.Helper()
	var readers []*report.Reader
	for _, s := range sources {
		readers = append(readers, report.NewReader("in.jsonl", strings.NewReader(s)))
	}
	var merged report.Merged
	out := writeJSONL(t, func(j *report.JSONL) (err error) {
		merged, err = report.Merge(j, readers...)
		return err
	})
	return out, merged
}

// A merge of one report is that report.
func TestMergeOfOne(t *testing.T) {
	var buf bytes.Buffer
	tell(t, report.NewJSONL(&buf, fixedClock))
	out, _ := merge(t, buf.String())
	if diff := cmp.Diff(readAll(t, buf.String()), readAll(t, out)); diff != "" {
		t.Errorf("(-read +written):\n%s", diff)
	}
}

func TestMergeHosts(t *testing.T) {
	touched := webShell() // the same, examined later
	touched.Time = touched.Time.Add(time.Hour)
	touched.Object.Accessed = touched.Time
	changed := webShell()
	changed.Object.Modified = began

	tests := []struct {
		name       string
		in         []string
		findings   int64
		duplicates int64
		runs       int
	}{
		{"two hosts", []string{hostReport(t, "1", "a", webShell()), hostReport(t, "2", "b", webShell())}, 2, 0, 2},
		{"same host twice", []string{hostReport(t, "1", "a", webShell()), hostReport(t, "2", "a", touched)}, 1, 1, 2},
		{"same file twice", []string{hostReport(t, "1", "a", webShell()), hostReport(t, "1", "a", webShell())}, 1, 1, 1},
		{"object changed", []string{hostReport(t, "1", "a", webShell()), hostReport(t, "2", "a", changed)}, 2, 0, 2},
		{"several runs in one file", []string{hostReport(t, "1", "a", webShell()) + hostReport(t, "2", "b", webShell())}, 2, 0, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, merged := merge(t, tt.in...)
			if n := merged.Findings[finding.Alert]; n != tt.findings || merged.Duplicates != tt.duplicates || merged.Runs != tt.runs {
				t.Errorf("%d findings, %d duplicates, %d runs; want %d, %d, %d", n, merged.Duplicates, merged.Runs, tt.findings, tt.duplicates, tt.runs)
			}
			if merged.Incomplete {
				t.Error("incomplete, although all runs are complete")
			}
			summaries := 0
			for _, e := range readAll(t, out) {
				if e.Summary != nil {
					summaries++
				}
			}
			if summaries != tt.runs {
				t.Errorf("%d summaries; want %d", summaries, tt.runs)
			}
		})
	}
}

func TestMergeKeepsHostsApart(t *testing.T) {
	out, _ := merge(t, hostReport(t, "1", "a", webShell()), hostReport(t, "2", "b", webShell()))
	var hosts []string
	for _, e := range readAll(t, out) {
		if e.Finding != nil {
			hosts = append(hosts, e.Run.Host.Name)
		}
	}
	if diff := cmp.Diff([]string{"a", "b"}, hosts); diff != "" {
		t.Errorf("hosts of the findings (-want +got):\n%s", diff)
	}
}

func TestMergeOfBrokenFiles(t *testing.T) {
	whole := hostReport(t, "1", "a")
	lines := strings.SplitAfter(whole, "\n") // start, summary
	t.Run("killed scan", func(t *testing.T) {
		_, merged := merge(t, lines[0]+lines[1][:50])
		if len(merged.Problems) != 1 || !merged.Problems[0].Warning || merged.Problems[0].Line != 2 {
			t.Errorf("problems %+v; want one warning for line 2", merged.Problems)
		}
		if diff := cmp.Diff([]string{"a"}, merged.Unfinished); diff != "" || !merged.Incomplete {
			t.Errorf("unfinished %q, incomplete %v", merged.Unfinished, merged.Incomplete)
		}
	})
	t.Run("line lost", func(t *testing.T) {
		out, merged := merge(t, lines[0]+"garbage\n"+lines[1])
		if len(merged.Problems) != 1 || merged.Problems[0].Line != 2 || !merged.Incomplete {
			t.Errorf("problems %+v, incomplete %v", merged.Problems, merged.Incomplete)
		}
		s := readAll(t, out)[1].Summary
		if lost := s.Skips[finding.Lost]; lost.Count != 1 || lost.Examples[0].Path != "in.jsonl:2" || !s.Incomplete() {
			t.Errorf("the summary hides the lost line: %+v", s.Skips)
		}
	})
	t.Run("line lost behind the summary", func(t *testing.T) {
		out, _ := merge(t, whole+"garbage\n"+hostReport(t, "2", "b"))
		summaries := 0
		for _, e := range readAll(t, out) {
			if s := e.Summary; s != nil {
				summaries++
				if s.Skips[finding.Lost].Count != 1 || !s.Incomplete() {
					t.Errorf("the summary of %s hides a line that may have been its own: %+v", e.Run.Host.Name, s.Skips)
				}
			}
		}
		if summaries != 2 {
			t.Errorf("%d summaries, want 2", summaries)
		}
	})
	t.Run("many lines lost", func(t *testing.T) {
		_, merged := merge(t, strings.Repeat("garbage\n", 5000)+whole)
		if n := len(merged.Problems); n != 1001 || !strings.Contains(merged.Problems[1000].Message, "4,000 lines more") {
			t.Errorf("%d problems, the last %+v", n, merged.Problems[n-1])
		}
	})
}
