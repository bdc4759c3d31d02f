package report

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"time"

	"tyto/finding"
)

// Merged says what [Merge] did.
type Merged struct {
	Runs       int
	Findings   map[finding.Level]int64
	Duplicates int64 // findings and skips that an earlier file told already
	// Unfinished names the hosts of runs that have no summary, because the scan was killed or
	// the file was cut: what they did not examine is unknown.
	Unfinished []string
	// Incomplete is set if a run is unfinished, left something out, or a line was unusable.
	Incomplete bool
	// Problems are lines that could not be used, the first 1,000 of each file, and cut files.
	Problems []finding.Problem
}

const (
	maxProblemsPerFile = 1000
	maxRuns            = 10_000
	maxSeen            = 10_000_000 // 16 bytes each, and the map's own
)

// Merge reads reports one after the other and tells dst all they hold: JSON Lines to CSV, to
// HTML, or several files to one. It does not close dst.
//
// Hosts are kept apart by name and machine id. What two files tell alike is passed on once: a
// run by its id; a finding by host, path, size, time of modification, hashes and the names of
// what matched; a skip by host, path and reason. So the same host scanned twice yields each
// finding once, unless the file changed in between.
//
// Lines that cannot be used are noted in Merged.Problems and cost nothing else; but since they
// may have told of findings, the summary of their run is passed on with a skip for the reason
// [finding.Lost], so that it no longer looks complete. The error is that of dst or of reading a
// file.
func Merge(dst Sink, sources ...*Reader) (Merged, error) {
	m := merger{dst: dst, seen: map[digest]struct{}{}, runs: map[string]*mergedRun{}}
	m.Findings = map[finding.Level]int64{}
	for _, src := range sources {
		if err := m.file(src); err != nil {
			return m.Merged, err
		}
	}
	m.Runs = len(m.runs)
	for _, run := range m.order {
		if !run.finished {
			m.Unfinished = append(m.Unfinished, run.host)
			m.Incomplete = true
		}
	}
	return m.Merged, nil
}

type merger struct {
	Merged
	dst     Sink
	seen    map[digest]struct{}
	runs    map[string]*mergedRun
	order   []*mergedRun
	current string            // the run that dst is in
	lost    finding.SkipCount // lines of the file that no summary has told of yet
	// held is the last summary. It waits for what follows: a line that is lost behind it may have been
	// of its run.
	held *finding.Summary
}

type mergedRun struct {
	host     string
	finished bool
}

type digest [16]byte

func (m *merger) file(src *Reader) error {
	problems := 0
	m.current, m.lost, m.held = "", finding.SkipCount{}, nil
	for {
		e, err := src.Next()
		var bad *LineError
		switch {
		case err == nil:
			if err := m.event(&e); err != nil {
				return err
			}
		case errors.As(err, &bad):
			m.lose(bad)
			if problems++; problems <= maxProblemsPerFile {
				m.Problems = append(m.Problems, finding.Problem{File: bad.File, Line: bad.Line, Message: bad.Err.Error()})
			}
		case err == io.EOF:
			if problems > maxProblemsPerFile {
				m.Problems = append(m.Problems, finding.Problem{File: src.name,
					Message: fmt.Sprintf("%s more could not be used", plural(int64(problems-maxProblemsPerFile), "line"))})
			}
			if src.Truncated() {
				m.Problems = append(m.Problems, finding.Problem{File: src.name, Line: src.line, Warning: true,
					Message: "the last line is cut, as if the scan had been killed"})
			}
			return m.summary()
		default:
			return err
		}
	}
}

func (m *merger) event(e *Event) error {
	if err := m.summary(); err != nil {
		return err
	}
	run, err := m.enter(&e.Run)
	if err != nil {
		return err
	}
	switch {
	case e.Finding != nil:
		if again, err := m.again(findingKey(&e.Run.Host, e.Finding)); again || err != nil {
			return err
		}
		m.Findings[e.Finding.Level]++
		return m.dst.Finding(e.Finding)
	case e.Skip != nil:
		if again, err := m.again(skipKey(&e.Run.Host, e.Skip)); again || err != nil {
			return err
		}
		return m.dst.Skip(*e.Skip)
	case e.Summary != nil && !run.finished:
		run.finished = true
		m.held, m.lost = m.withLost(e.Summary), finding.SkipCount{}
	}
	return nil
}

// summary passes on the summary that is held, if there is one. Lines that were lost since stay on the
// account: they may as well have been of the run that follows.
func (m *merger) summary() error {
	if m.held == nil {
		return nil
	}
	s := m.withLost(m.held)
	m.held = nil
	m.Incomplete = m.Incomplete || s.Incomplete()
	return m.dst.Summary(s)
}

// lose notes a line that could not be used.
func (m *merger) lose(bad *LineError) {
	const examples = 3
	m.Incomplete = true
	if m.lost.Count++; m.lost.Count <= examples {
		m.lost.Examples = append(m.lost.Examples,
			finding.Skip{Path: fmt.Sprintf("%s:%d", bad.File, bad.Line), Reason: finding.Lost, Detail: bad.Err.Error()})
	}
}

// withLost returns s with the lines that were lost since the last summary.
func (m *merger) withLost(s *finding.Summary) *finding.Summary {
	if m.lost.Count == 0 {
		return s
	}
	told := *s
	told.Skips = maps.Clone(s.Skips)
	if told.Skips == nil {
		told.Skips = map[finding.Reason]finding.SkipCount{}
	}
	already := told.Skips[finding.Lost]
	told.Skips[finding.Lost] = finding.SkipCount{
		Count: already.Count + m.lost.Count, Examples: slices.Concat(already.Examples, m.lost.Examples),
	}
	return &told
}

// enter makes the event's run the one that dst is in.
func (m *merger) enter(r *Run) (*mergedRun, error) {
	key := r.key()
	run, ok := m.runs[key]
	if !ok {
		if len(m.runs) == maxRuns {
			return nil, fmt.Errorf("more than %d runs: merge fewer files at a time", maxRuns)
		}
		run = &mergedRun{host: r.Host.Name}
		m.runs[key] = run
		m.order = append(m.order, run)
	}
	if m.current != key {
		m.current = key
		return run, m.dst.Start(*r)
	}
	return run, nil
}

func (m *merger) again(key digest) (bool, error) {
	if _, ok := m.seen[key]; ok {
		m.Duplicates++
		return true, nil
	}
	if len(m.seen) == maxSeen {
		return false, fmt.Errorf("more than %d findings and skips: merge fewer files at a time", maxSeen)
	}
	m.seen[key] = struct{}{}
	return false, nil
}

func findingKey(h *Host, f *finding.Finding) digest {
	o := &f.Object
	d := newDigest("finding", h.Name, h.ID, string(o.Kind), o.Path,
		fmt.Sprint(o.Size), o.Modified.UTC().Format(time.RFC3339Nano),
		o.Hashes.MD5, o.Hashes.SHA1, o.Hashes.SHA256, f.Level.String())
	for _, m := range f.Matches {
		d.add(string(m.Kind), m.Name, m.ID)
	}
	return d.sum()
}

func skipKey(h *Host, s *finding.Skip) digest {
	return newDigest("skip", h.Name, h.ID, s.Path, string(s.Reason)).sum()
}

// digester hashes a list of texts so that no two lists look alike by moving bytes from one text
// to the next.
type digester struct{ hash.Hash }

func newDigest(texts ...string) digester {
	d := digester{sha256.New()}
	d.add(texts...)
	return d
}

func (d digester) add(texts ...string) {
	for _, s := range texts {
		fmt.Fprintf(d, "%d:%s", len(s), s)
	}
}

func (d digester) sum() digest { return digest(d.Sum(nil)[:16]) }
