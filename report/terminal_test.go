package report_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"tyto/finding"
	"tyto/report"
)

func TestTerminalGolden(t *testing.T) {
	tests := []struct {
		name string
		opts report.TerminalOptions
	}{
		{"terminal_plain.txt", report.TerminalOptions{Reports: []string{"scan.html"}}},
		{"terminal_colour.txt", report.TerminalOptions{Colour: true}},
		{"terminal_quiet.txt", report.TerminalOptions{Quiet: true}},
		{"terminal_verbose.txt", report.TerminalOptions{Verbose: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var buf bytes.Buffer
			tell(t, report.NewTerminal(&buf, tt.opts))
			golden(t, tt.name, buf.Bytes())
		})
	}
}

func TestTerminalCleanScan(t *testing.T) {
	var buf bytes.Buffer
	term := report.NewTerminal(&buf, report.TerminalOptions{})
	if err := errors.Join(term.Start(sampleRun()), term.Summary(cleanSummary()), term.Close()); err != nil {
		t.Fatal(err)
	}
	golden(t, "terminal_clean.txt", buf.Bytes())
}

// Without colours and progress, only what is meant to be a line break is one, and nothing else
// is a control character.
func TestTerminalObeysNoName(t *testing.T) {
	var buf bytes.Buffer
	term := report.NewTerminal(&buf, report.TerminalOptions{Verbose: true})
	if err := term.Progress(report.Progress{Current: "/tmp/x"}); err != nil {
		t.Fatal(err)
	}
	tell(t, term)
	if err := term.Note("note\x1b[2J"); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(buf.String(), "\n") {
		if safe := report.Safe(line); safe != line {
			t.Errorf("a line holds what a terminal would obey: %q", line)
		}
	}
}

func TestProgressLine(t *testing.T) {
	p := report.Progress{
		Objects: 12345, Files: 12000, Bytes: 1300 << 20, TotalFiles: 24000,
		Findings: map[finding.Level]int64{finding.Alert: 2},
		Current:  "/usr/share/some/long/path/\x1b[2Jto/a/file/named/日本語.txt", Elapsed: 75 * time.Second,
	}
	paused := p
	paused.Paused = "the computer is in use"
	tests := []struct {
		name  string
		p     report.Progress
		width int
		want  string
	}{
		{"wide", p, 180, `12,345 objects  1.27 GiB  17.3 MiB/s  2 alerts  1:15  50%, about 1 min left  /usr/share/some/long/path/\x1b[2Jto/a/file/named/日本語.txt`},
		{"path is shortened", p, 110, `12,345 objects  1.27 GiB  17.3 MiB/s  2 alerts  1:15  50%, about 1 min left  /usr/shar...ile/named/日本語.txt`},
		{"no room for a path", p, 80, `12,345 objects  1.27 GiB  17.3 MiB/s  2 alerts  1:15  50%, about 1 min left`},
		{"no room for the rate", p, 70, `12,345 objects  1.27 GiB  2 alerts  1:15  50%, about 1 min left`},
		{"narrow", p, 40, `2 alerts  50%, about 1 min left`},
		{"paused", paused, 90, `12,345 objects  1.27 GiB  17.3 MiB/s  2 alerts  1:15  paused: the computer is in use`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var buf bytes.Buffer
			term := report.NewTerminal(&buf, report.TerminalOptions{Progress: true, Width: func() int { return tt.width }})
			if err := term.Progress(tt.p); err != nil {
				t.Fatal(err)
			}
			if got, want := buf.String(), "\r\x1b[K"+tt.want; got != want {
				t.Errorf("\n got %q\nwant %q", got, want)
			}
		})
	}
}

// Findings appear above the progress line, which stays the last, and is gone at the end.
func TestProgressStaysBelow(t *testing.T) {
	var buf bytes.Buffer
	term := report.NewTerminal(&buf, report.TerminalOptions{Progress: true})
	progress := report.Progress{Objects: 7, Elapsed: time.Second}
	steps := []error{
		term.Progress(progress), term.Progress(progress), // the second changes nothing
		term.Note("hello"), term.Summary(&finding.Summary{}), term.Close(),
	}
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	const erase, line = "\r\x1b[K", "7 objects  0 B  0 B/s  0:01  counting..."
	if want := erase + line + erase + "hello\n" + line + erase + "\n"; !strings.HasPrefix(buf.String(), want) {
		t.Errorf("\n got %q\nwant %q first", buf.String(), want)
	}
	if strings.Count(buf.String(), line) != 2 {
		t.Errorf("the progress is shown after the summary: %q", buf.String())
	}
}

func TestDetectTerminal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	opts := report.DetectTerminal(f, os.Getenv)
	if opts.Colour || opts.Progress {
		t.Errorf("a file was taken for a terminal: %+v", opts)
	}
}
