package report

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"

	"tyto/finding"
)

// TerminalOptions say what a terminal can and what the user wants to see. The zero value suits a
// file or a pipe.
type TerminalOptions struct {
	// Colour allows ANSI colours. Nothing is told by colour alone.
	Colour bool
	// Progress allows a line that is redrawn in place.
	Progress bool
	// Width returns the terminal's width in columns. It is asked for each redraw, because
	// windows change. Nil, or a result below 20, means 80.
	Width func() int

	Quiet   bool // only the summary
	Verbose bool // all evidence, and skips as they come

	// Reports are the files that the summary names as the scan's reports.
	Reports []string
}

// DetectTerminal returns what the terminal behind f can do, as the environment allows: NO_COLOR
// (https://no-color.org) turns colours off, TERM=dumb everything. On Windows it also switches
// the console to interpret escape sequences; where that fails, there are none.
func DetectTerminal(f *os.File, getenv func(string) string) TerminalOptions {
	fd := int(f.Fd())
	if !term.IsTerminal(fd) || getenv("TERM") == "dumb" || enableEscapes(f) != nil {
		return TerminalOptions{}
	}
	return TerminalOptions{
		Colour:   getenv("NO_COLOR") == "",
		Progress: true,
		Width: func() int {
			width, _, err := term.GetSize(fd)
			if err != nil {
				return 0
			}
			return width
		},
	}
}

// Terminal shows a scan to a person: findings as they come, below them one line with the
// progress, and a summary at the end. Without a terminal it writes plain lines.
//
// It may be used concurrently, so that progress can come from another goroutine than findings.
type Terminal struct {
	mu    sync.Mutex
	w     io.Writer
	opts  TerminalOptions
	drawn bool   // a progress line stands on the screen
	last  string // what it says
	err   error
}

// NewTerminal returns a sink that writes to w.
func NewTerminal(w io.Writer, opts TerminalOptions) *Terminal {
	return &Terminal{w: w, opts: opts}
}

// Start says what is scanned.
func (t *Terminal) Start(r Run) error {
	if t.opts.Quiet {
		return nil
	}
	return t.print(func(b *styled) { b.start(&r) })
}

// Finding shows f above the progress line.
func (t *Terminal) Finding(f *finding.Finding) error {
	if t.opts.Quiet {
		return nil
	}
	return t.print(func(b *styled) { b.finding(f, t.opts.Verbose) })
}

// Skip shows s if the user asked for skips.
func (t *Terminal) Skip(s finding.Skip) error {
	if t.opts.Quiet || !t.opts.Verbose {
		return nil
	}
	return t.print(func(b *styled) { b.skip(s) })
}

// Note shows a line of the program's own above the progress line: a warning, a hint. Its text
// may hold hostile names.
func (t *Terminal) Note(text string) error {
	if t.opts.Quiet {
		return nil
	}
	return t.print(func(b *styled) { b.line(Safe(text)) })
}

// ShowsProgress reports whether there is a progress line that other output must not run into.
func (t *Terminal) ShowsProgress() bool { return t.opts.Progress && !t.opts.Quiet }

// Progress redraws the progress line.
func (t *Terminal) Progress(p Progress) error {
	if !t.ShowsProgress() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	line := p.line(t.width() - 1) // the last column would wrap
	if t.drawn && line == t.last {
		return t.err
	}
	t.drawn, t.last = true, line
	t.write(eraseLine + line)
	return t.err
}

// Summary removes the progress line and says what the scan came to.
func (t *Terminal) Summary(s *finding.Summary) error {
	t.mu.Lock()
	t.erase()
	t.mu.Unlock()
	return t.print(func(b *styled) { b.summary(s, &t.opts) })
}

// Close removes the progress line.
func (t *Terminal) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.erase()
	return t.err
}

// eraseLine moves to the start of the line and clears it.
const eraseLine = "\r\x1b[K"

// print writes whole lines in one piece, above the progress line if there is one.
func (t *Terminal) print(write func(*styled)) error {
	b := &styled{colour: t.opts.Colour}
	write(b)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.drawn {
		t.write(eraseLine + b.String() + t.last)
	} else {
		t.write(b.String())
	}
	return t.err
}

func (t *Terminal) erase() {
	if t.drawn {
		t.drawn = false
		t.write(eraseLine)
	}
}

func (t *Terminal) write(s string) {
	if t.err != nil {
		return
	}
	if _, err := io.WriteString(t.w, s); err != nil {
		t.err = fmt.Errorf("write to the terminal: %w", err)
	}
}

func (t *Terminal) width() int {
	if t.opts.Width != nil {
		if w := t.opts.Width(); w >= 20 {
			return w
		}
	}
	return 80
}

// styled builds lines of text, with colours where they are allowed.
type styled struct {
	strings.Builder
	colour bool
}

// The styles, as parameters of the escape sequence SGR.
const (
	bold   = "1"
	dim    = "2"
	red    = "1;31"
	yellow = "33"
	cyan   = "36"
	green  = "32"
)

var levelStyles = map[finding.Level]string{finding.Alert: red, finding.Warning: yellow, finding.Notice: cyan}

// in returns text in a style. The text is safe already.
func (b *styled) in(style, text string) string {
	if !b.colour || style == "" || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

func (b *styled) line(text string) {
	b.WriteString(text)
	b.WriteByte('\n')
}

func (b *styled) linef(format string, args ...any) {
	fmt.Fprintf(b, format, args...)
	b.WriteByte('\n')
}
