package report

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"tyto/finding"
)

// Event is one line of a report. Exactly one of Finding, Skip and Summary is set, or none: then
// the line starts a run.
type Event struct {
	// Run is the run that the event belongs to. If its start line was read just before, Run is
	// complete; otherwise it holds what each line tells: id, host and version.
	Run     Run
	Line    int // from 1
	Finding *finding.Finding
	Skip    *finding.Skip
	Summary *finding.Summary
}

// LineError says that one line could not be used. Reading goes on behind it.
type LineError struct {
	File string // as it was named to NewReader
	Line int    // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Err }

// Reader reads a JSON Lines report. The file may come from a hostile host: memory is bounded by
// [MaxLine], whatever it holds.
//
// A file may hold several runs. A last line that was cut, as a killed scan leaves it, ends the
// file without an error; see [Reader.Truncated].
type Reader struct {
	name      string
	in        *bufio.Reader
	line      int
	buf       []byte
	run       Run // of the last start line
	truncated bool
}

// NewReader returns a reader of r. name is what errors call the file.
func NewReader(name string, r io.Reader) *Reader {
	return &Reader{name: name, in: bufio.NewReaderSize(r, 64<<10)}
}

// Name returns the name that was given to NewReader.
func (r *Reader) Name() string { return r.name }

// Truncated reports whether the file's last line was cut. It is known after Next returned
// io.EOF.
func (r *Reader) Truncated() bool { return r.truncated }

// Next returns the next event, io.EOF at the end of the file, a *[LineError] for a line that
// cannot be used, after which Next may be called again, or the error of the underlying reader.
func (r *Reader) Next() (Event, error) {
	for {
		line, whole, err := r.readLine()
		if err != nil {
			var bad *LineError
			if errors.As(err, &bad) || err == io.EOF {
				return Event{}, err
			}
			return Event{}, fmt.Errorf("read %q: %w", r.name, err)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		e, err := parseLine(line)
		if err != nil {
			if !whole {
				r.truncated = true
				return Event{}, io.EOF
			}
			return Event{}, r.bad(err)
		}
		e.Line = r.line
		r.fillRun(&e)
		return e, nil
	}
}

// fillRun completes the event's run from the start line that was read last.
func (r *Reader) fillRun(e *Event) {
	start := e.Finding == nil && e.Skip == nil && e.Summary == nil
	switch {
	case start:
		r.run = e.Run
	case e.Run.ID == r.run.ID:
		e.Run = r.run
	}
}

// readLine returns the next line without its newline. whole is false for a last line that has
// none. The line is valid until the next call.
func (r *Reader) readLine() (line []byte, whole bool, err error) {
	r.line++
	r.buf = r.buf[:0]
	for {
		part, err := r.in.ReadSlice('\n')
		if len(r.buf)+len(part) > MaxLine {
			return nil, false, r.discardLine(err)
		}
		r.buf = append(r.buf, part...)
		switch {
		case err == nil:
			return r.buf[:len(r.buf)-1], true, nil
		case err == io.EOF && len(r.buf) > 0:
			return r.buf, false, nil
		case err != bufio.ErrBufferFull:
			return nil, false, err
		}
	}
}

// discardLine reads to the end of a line that is too long; err is what the last read returned.
func (r *Reader) discardLine(err error) error {
	for err == bufio.ErrBufferFull {
		_, err = r.in.ReadSlice('\n')
	}
	if err != nil && err != io.EOF {
		return err
	}
	return r.bad(fmt.Errorf("longer than %d bytes: not a line of a Tyto report", MaxLine))
}

func (r *Reader) bad(err error) error {
	return &LineError{File: r.name, Line: r.line, Err: err}
}
