package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tyto/detect"
	"tyto/finding"
	"tyto/report"
	"tyto/scanner"
	"tyto/scanner/walk"
)

// reportFormats maps the ending of a report's file name to what writes it.
var reportFormats = map[string]func(io.Writer) report.Sink{
	".jsonl": func(w io.Writer) report.Sink { return report.NewJSONL(w, time.Now) },
	".csv":   func(w io.Writer) report.Sink { return report.NewCSV(w) },
	".html":  func(w io.Writer) report.Sink { return report.NewHTML(w) },
	".htm":   func(w io.Writer) report.Sink { return report.NewHTML(w) },
}

// A reportFile is a report that is written to a file.
type reportFile struct {
	report.Sink
	path string
	file *os.File
	buf  *bufio.Writer
}

// createReports opens the report files. Nothing is created if one of the names is unusable.
func createReports(paths []string) ([]*reportFile, error) {
	for i, path := range paths {
		if reportFormats[strings.ToLower(filepath.Ext(path))] == nil {
			return nil, usagef("end it in .jsonl, .csv or .html", "report %q: unknown format", path)
		}
		if slices.ContainsFunc(paths[:i], func(other string) bool { return filepath.Clean(other) == filepath.Clean(path) }) {
			return nil, usagef("give each report a name of its own", "report %q is named twice", path)
		}
	}
	var files []*reportFile
	for _, path := range paths {
		// Reports name what was found where: they are for their owner.
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			for _, open := range files {
				err = errors.Join(err, open.file.Close())
			}
			return nil, usageError{err: fmt.Errorf("create the report: %w", err), hint: "choose a folder that exists and that you may write to"}
		}
		r := &reportFile{path: path, file: f}
		var w io.Writer = f
		if ext := strings.ToLower(filepath.Ext(path)); ext != ".jsonl" {
			// JSON Lines are streamed: a scan that is killed leaves what it had found.
			r.buf = bufio.NewWriterSize(f, 1<<20)
			w = r.buf
		}
		r.Sink = reportFormats[strings.ToLower(filepath.Ext(path))](w)
		files = append(files, r)
	}
	return files, nil
}

// Close ends the report and its file.
func (r *reportFile) Close() error {
	err := r.Sink.Close()
	if r.buf != nil {
		err = errors.Join(err, r.buf.Flush())
	}
	if err = errors.Join(err, r.file.Close()); err != nil {
		return fmt.Errorf("write the report %q: %w", r.path, err)
	}
	return nil
}

// outputs is where a scan's results go: the terminal or standard output, and the report files. It
// implements the scanner's sink. An output that fails is dropped, the others go on, and Close
// tells.
type outputs struct {
	sink     report.Sink
	terminal *report.Terminal // nil with --json
	files    []*reportFile
	begun    time.Time
	// unread ends the scan, if there is nobody left to tell what it finds.
	unread context.CancelCauseFunc
}

func openOutputs(cmd *cobra.Command, flags *scanFlags) (*outputs, error) {
	files, err := createReports(flags.reports)
	if err != nil {
		return nil, err
	}
	o := &outputs{files: files}
	var sinks []report.Sink
	if flags.json {
		sinks = append(sinks, report.NewJSONL(cmd.OutOrStdout(), time.Now))
	} else {
		o.terminal = report.NewTerminal(cmd.OutOrStdout(), terminalOptions(cmd.OutOrStdout(), flags))
		sinks = append(sinks, o.terminal)
	}
	for _, f := range files {
		sinks = append(sinks, f)
	}
	o.sink = report.Multi(sinks...)
	return o, nil
}

func terminalOptions(w io.Writer, flags *scanFlags) report.TerminalOptions {
	var opts report.TerminalOptions
	if f, ok := w.(*os.File); ok {
		opts = report.DetectTerminal(f, os.Getenv)
	}
	switch flags.colour {
	case "always":
		opts.Colour = true
	case "never":
		opts.Colour = false
	}
	opts.Quiet, opts.Verbose = flags.quiet, flags.verbose
	for _, path := range flags.reports {
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		opts.Reports = append(opts.Reports, path)
	}
	return opts
}

// own returns the identities of the report files, which the scan must not examine.
func (o *outputs) own() []walk.FileID {
	var ids []walk.FileID
	for _, f := range o.files {
		if id, err := walk.Identify(f.path); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// Finding implements the scanner's sink. An output that fails tells at the end.
func (o *outputs) Finding(f *finding.Finding) { o.told(o.sink.Finding(f)) }

// Skip implements the scanner's sink.
func (o *outputs) Skip(s finding.Skip) { o.told(o.sink.Skip(s)) }

// told ends the scan if standard output has failed and is all there is.
func (o *outputs) told(err error) {
	if err != nil && len(o.files) == 0 {
		o.unread(fmt.Errorf("nobody reads the results: %w", err))
	}
}

func (o *outputs) progress(p scanner.Progress) {
	_ = o.terminal.Progress(report.Progress{
		Objects: p.Objects, Files: p.Files, Bytes: p.Bytes, RecalledBytes: p.RecalledBytes,
		TotalFiles: p.TotalFiles, TotalBytes: p.TotalBytes,
		Findings: p.Findings, Current: p.Current, Paused: p.Paused,
		Elapsed: time.Since(o.begun), Active: p.Active,
	})
}

// finish ends all outputs with the summary.
func (o *outputs) finish(s *finding.Summary) error {
	err := o.sink.Summary(s)
	if closed := o.sink.Close(); closed != nil {
		err = closed // it repeats what failed before
	}
	return err
}

// Close ends all outputs of a scan that did not come to its end.
func (o *outputs) Close() error { return o.sink.Close() }

// start tells all outputs what is about to be scanned.
func (o *outputs) start(r report.Run) error {
	o.begun = r.Started
	return o.sink.Start(r)
}

// reportRun describes a scan for its reports.
func reportRun(l *detect.Set, paths []string, begun time.Time) report.Run {
	return report.Run{
		ID:         rand.Text(), // so that no report can be taken for that of another scan
		Host:       host(),
		Started:    begun,
		Version:    buildVersion(),
		Paths:      paths,
		Command:    os.Args,
		Rules:      l.RuleSummary,
		Indicators: l.IndicatorSummary,
	}
}
