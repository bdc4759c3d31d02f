package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"tyto/finding"
)

// MaxSkipLines is how many skips of each reason that matters get a line of their own. Further
// ones, and those for reasons that do not matter, are only counted, in the summary.
const MaxSkipLines = 10_000

// JSONL writes JSON Lines: one event a line, in the names of the Elastic Common Schema. See
// docs/report-format.md.
//
// Each line is handed to the writer in one call as soon as it is known, and nothing is held
// back, so that a scan that is killed leaves a file that can be read up to its last line. Do not
// put a buffer between that outlives a line.
type JSONL struct {
	w    io.Writer
	now  func() time.Time
	enc  encoder
	runs map[string]*skipTally
	cur  *skipTally
	err  error // the first failure to write; a line may be half written, so nothing follows it
}

// skipTally counts the skip lines of one run.
type skipTally struct {
	lines  int64
	reason map[finding.Reason]int
}

// NewJSONL returns a sink that writes to w. now gives the time of skips, which carry none of
// their own; nil leaves it out.
func NewJSONL(w io.Writer, now func() time.Time) *JSONL {
	if now == nil {
		now = func() time.Time { return time.Time{} }
	}
	return &JSONL{w: w, now: now, runs: map[string]*skipTally{}}
}

// Start writes the start line of r, unless r was begun before.
func (j *JSONL) Start(r Run) error {
	j.enc = newEncoder(r)
	if known, ok := j.runs[r.key()]; ok {
		j.cur = known
		return j.err
	}
	j.cur = &skipTally{reason: map[finding.Reason]int{}}
	j.runs[r.key()] = j.cur
	return j.write(j.enc.start())
}

// Finding writes the line of f.
func (j *JSONL) Finding(f *finding.Finding) error {
	if j.cur == nil {
		return errNoRun("a finding")
	}
	return j.write(j.enc.finding(f))
}

// Skip writes the line of s, if its reason matters and fewer than [MaxSkipLines] went before.
func (j *JSONL) Skip(s finding.Skip) error {
	if j.cur == nil {
		return errNoRun("a skip")
	}
	if !s.Reason.Matters() || j.cur.reason[s.Reason] >= MaxSkipLines {
		return j.err
	}
	j.cur.reason[s.Reason]++
	j.cur.lines++
	return j.write(j.enc.skip(s, j.now()))
}

// Summary writes the line that ends the run.
func (j *JSONL) Summary(s *finding.Summary) error {
	if j.cur == nil {
		return errNoRun("a summary")
	}
	return j.write(j.enc.summary(s, j.cur.lines))
}

// Close returns the first error, if there was one; all lines are written already.
func (j *JSONL) Close() error { return j.err }

func (j *JSONL) write(l *line) error {
	if j.err != nil {
		return j.err
	}
	b, err := marshal(l)
	if err != nil {
		return err
	}
	if _, err := j.w.Write(b); err != nil {
		j.err = fmt.Errorf("write the JSON Lines report: %w", err)
	}
	return j.err
}

// marshal returns l as a line of at most MaxLine bytes, cutting what it must.
func marshal(l *line) ([]byte, error) {
	b, err := marshalWhole(l)
	for _, step := range shrinking {
		if err != nil || len(b) <= MaxLine {
			break
		}
		step.shrink(l)
		b, err = marshalWhole(l)
	}
	if err != nil {
		return nil, fmt.Errorf("write a report line: %w", err)
	}
	return b, nil
}

func marshalWhole(l *line) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // evidence stays readable and can be searched with grep
	if err := enc.Encode(l); err != nil {
		return nil, err
	}
	return visible(buf.Bytes()), nil
}

// visible rewrites a line of JSON so that it means the same and may be shown on a terminal:
// what Safe would not let through becomes \u and four digits. Beyond ASCII, JSON has characters
// only within strings, so replacing them anywhere is right.
func visible(line []byte) []byte {
	var out []byte
	done := 0 // bytes of line that out holds
	for i := 0; i < len(line); {
		if c := line[i]; c < 0x7f { // the encoder left no controls but the last newline
			i++
			continue
		}
		r, n := utf8.DecodeRune(line[i:])
		if showable(r, n) {
			i += n
			continue
		}
		out = append(out, line[done:i]...)
		if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		} else {
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += n
		done = i
	}
	if done == 0 {
		return line
	}
	return append(out, line[done:]...)
}
