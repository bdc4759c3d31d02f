package report

import (
	"bytes"
	"time"

	"tyto/finding"
)

// This file has the lines of a JSON Lines report one by one, for what keeps them somewhere else than in
// a file. They are the very bytes that [JSONL] writes, without the line end, and what [ParseLine] returns
// is written as the same bytes again, as far as the names in it are text.

// StartLine returns the line that begins r.
func StartLine(r Run) ([]byte, error) {
	e := newEncoder(r)
	return single(e.start())
}

// FindingLine returns the line of a finding of run r.
func FindingLine(r Run, f *finding.Finding) ([]byte, error) {
	e := newEncoder(r)
	return single(e.finding(f))
}

// SkipLine returns the line of a skip of run r, which was told at the given time.
func SkipLine(r Run, s finding.Skip, at time.Time) ([]byte, error) {
	e := newEncoder(r)
	return single(e.skip(s, at))
}

// SummaryLine returns the line that ends r. skipLines is how many skips have lines of their own.
func SummaryLine(r Run, s *finding.Summary, skipLines int64) ([]byte, error) {
	e := newEncoder(r)
	return single(e.summary(s, skipLines))
}

// ParseLine returns the event that a line tells. Its run holds what this line tells of it.
func ParseLine(line []byte) (Event, error) { return parseLine(line) }

func single(l *line) ([]byte, error) {
	b, err := marshal(l)
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b, []byte("\n")), nil
}
