package report_test

import (
	"math"
	"testing"
	"time"

	"tyto/finding"
	"tyto/report"
)

func TestBytes(t *testing.T) {
	tests := map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.00 KiB", 1536: "1.50 KiB", 10240: "10.0 KiB", 102400: "100 KiB",
		1 << 20: "1.00 MiB", 1<<20 - 1: "1.00 MiB", 1300000000: "1.21 GiB", math.MaxInt64: "8.00 EiB",
	}
	for n, want := range tests {
		if got := report.Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q; want %q", n, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	tests := map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -999: "-999"}
	for n, want := range tests {
		if got := report.Count(n); got != want {
			t.Errorf("Count(%d) = %q; want %q", n, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	tests := map[time.Duration]string{
		-1: "0 s", 0: "0.0 s", 1400 * time.Millisecond: "1.4 s", 9960 * time.Millisecond: "10 s", 59600 * time.Millisecond: "1 min",
		200 * time.Second: "3 min 20 s", 125 * time.Minute: "2 h 5 min", 76 * time.Hour: "3 d 4 h",
	}
	for d, want := range tests {
		if got := report.Duration(d); got != want {
			t.Errorf("Duration(%v) = %q; want %q", d, got, want)
		}
	}
}

func TestVerdict(t *testing.T) {
	found := map[finding.Level]int64{finding.Alert: 2, finding.Notice: 1}
	unreadable := map[finding.Reason]finding.SkipCount{finding.Unreadable: {Count: 3}}
	tests := []struct {
		name    string
		summary finding.Summary
		want    string
		outcome report.Outcome
	}{
		{"nothing", finding.Summary{Objects: 1200}, "Nothing was found. The scan is complete: 1,200 objects were examined.", 0},
		{"nothing to examine", finding.Summary{}, "Nothing was found. There was nothing to examine.", 0},
		{"recalled", finding.Summary{Objects: 1200, Recalled: 1000}, "Nothing was found. The scan is complete: 1,200 objects were examined (1,000 files by an earlier scan, and unchanged since).", 0},
		{"found", finding.Summary{Objects: 1, Findings: found}, "Found 2 alerts, 1 notice. The scan is complete: 1 object was examined.", 1},
		{"nothing but incomplete", finding.Summary{Objects: 5, Skips: unreadable},
			"Nothing was found in what was examined, but that is not everything. The scan is incomplete: 3 objects could not be fully examined; 5 objects were examined.", 3},
		{"found and stopped", finding.Summary{Objects: 5, Findings: found, Stopped: "cancelled", Skips: unreadable},
			"Found 2 alerts, 1 notice. The scan is incomplete: it ended early (cancelled), and 3 objects could not be fully examined; 5 objects were examined.", 4},
		{"found below the threshold", finding.Summary{Objects: 1, Findings: map[finding.Level]int64{finding.Notice: 1}, Threshold: finding.Alert},
			"Found 1 notice. The scan is complete: 1 object was examined.", 0},
		{"found at the threshold", finding.Summary{Objects: 1, Findings: found, Threshold: finding.Alert},
			"Found 2 alerts, 1 notice. The scan is complete: 1 object was examined.", 1},
		{"skips that do not matter", finding.Summary{Objects: 5, Skips: map[finding.Reason]finding.SkipCount{finding.Symlink: {Count: 9}}},
			"Nothing was found. The scan is complete: 5 objects were examined.", 0},
		{"below the threshold", finding.Summary{Objects: 5, BelowThreshold: 1},
			"Nothing was found. The scan is complete: 5 objects were examined. 1 object matched with a score too low to be shown.", 0},
		{"level none is no finding", finding.Summary{Objects: 5, Findings: map[finding.Level]int64{finding.None: 4}},
			"Nothing was found. The scan is complete: 5 objects were examined.", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := report.Verdict(&tt.summary); got != tt.want {
				t.Errorf("verdict:\n%s\nwant:\n%s", got, tt.want)
			}
			if got := report.OutcomeOf(&tt.summary); got != tt.outcome {
				t.Errorf("outcome %d; want %d", got, tt.outcome)
			}
		})
	}
}

func TestProgressLeft(t *testing.T) {
	const minute = time.Minute
	tests := []struct {
		name string
		p    report.Progress
		want string
	}{
		{"unknown total", report.Progress{Files: 10, Elapsed: minute}, "counting..."},
		{"too early", report.Progress{Files: 1, TotalFiles: 1000, Elapsed: minute}, "0%"},
		{"too short", report.Progress{Files: 500, TotalFiles: 1000, Elapsed: time.Second}, "50%"},
		{"files", report.Progress{Files: 250, TotalFiles: 1000, Elapsed: 10 * minute}, "25%, about 30 min left"},
		{"what is recalled counts", report.Progress{Files: 500, TotalFiles: 1000, Bytes: 10, RecalledBytes: 40, TotalBytes: 100, Elapsed: 10 * minute}, "50%, about 10 min left"},
		{"the slower of files and bytes", report.Progress{Files: 900, TotalFiles: 1000, Bytes: 20, TotalBytes: 100, Elapsed: 10 * minute}, "20%, about 40 min left"},
		{"pauses do not count", report.Progress{Files: 500, TotalFiles: 1000, Elapsed: 100 * minute, Active: 10 * minute}, "50%, about 10 min left"},
		{"soon", report.Progress{Files: 99, TotalFiles: 100, Elapsed: minute}, "99%, less than 1 min left"},
		{"days", report.Progress{Files: 2, TotalFiles: 100, Elapsed: 2 * time.Hour}, "2%, about 4 days left"},
		{"more than was counted", report.Progress{Files: 120, TotalFiles: 100, Elapsed: minute}, "100%, less than 1 min left"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.p.Left(); got != tt.want {
				t.Errorf("got %q; want %q", got, tt.want)
			}
		})
	}
}
