// Package openioc reads OpenIOC files, versions 1.0 (root element ioc, namespace
// http://schemas.mandiant.com/2010/ioc, pattern in definition) and 1.1 (root element OpenIOC,
// namespace http://openioc.org/schemas/OpenIOC_1.1, pattern in criteria). The version is told by
// the elements, not by the namespace, which files get wrong.
//
// # Leniency
//
// Element, attribute and condition names are taken in either case. Items and nested indicators
// may interleave. The conditions isnot and containsnot of 1.0 and the attribute negate of 1.1 are
// accepted in both versions; both together cancel out. Several indicators directly below
// definition or criteria are alternatives.
//
// An item that cannot be understood is kept as a term that is unknown for every file, with a
// problem that names its line: dropping it would make the AND that it stands in wider. A file
// that is not well-formed XML to its end is refused as a whole for the same reason.
//
// # Scores
//
// Parameters named "score" say how much a match of the element that they refer to counts. A file whose alternatives
// have several scores becomes as many indicators, with its name, and its id with the score: "ID/55".
//
// # Safety
//
// Entities other than the five of XML are errors; nothing outside the file is read. Size, depth
// and number of items are bounded by [Limits].
package openioc

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"tyto/finding"
	"tyto/ioc"
)

// Limits bound what one file may hold. Zero values stand for the defaults.
type Limits struct {
	Bytes int64 // size of the file; default 16 MiB
	Depth int   // nesting of elements; default 64
	Items int   // IndicatorItem elements; default 1,000,000
	// Text bounds the bytes of one description or value; default 64 KiB.
	Text int
}

func (l Limits) withDefaults() Limits {
	set := func(n *int, value int) {
		if *n <= 0 {
			*n = value
		}
	}
	if l.Bytes <= 0 {
		l.Bytes = 16 << 20
	}
	set(&l.Depth, 64)
	set(&l.Items, 1_000_000)
	set(&l.Text, 64<<10)
	return l
}

// maxProblems bounds the problems reported for one file.
const maxProblems = 100

// ErrNotOpenIOC is returned by [Parse] for XML that holds no OpenIOC element.
var ErrNotOpenIOC = errors.New("no ioc or OpenIOC element")

// Parse reads a file. Source is the file's name as the indicators and problems shall state it.
// An error means that the file cannot be used; problems name the parts of it that cannot.
func Parse(r io.Reader, source string, limits Limits) ([]*ioc.Indicator, []finding.Problem, error) {
	limits = limits.withDefaults()
	bounded := &boundedReader{r: r, left: limits.Bytes, limit: limits.Bytes}
	decoded, err := decode(bounded)
	if err != nil {
		return nil, nil, err
	}
	d := xml.NewDecoder(decoded)
	d.CharsetReader = charsetReader
	p := &parser{d: d, source: source, limits: limits}
	if err := p.file(); err != nil {
		line, _ := d.InputPos()
		return nil, p.problems, &Error{Line: line, Err: err}
	}
	if len(p.indicators) == 0 {
		return nil, p.problems, ErrNotOpenIOC
	}
	return p.indicators, p.problems, nil
}

// Error is returned by [Parse] for a file that cannot be read to its end.
type Error struct {
	Line int // where reading stopped, from 1
	Err  error
}

// Error states the cause. The line is for whoever shows it.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// boundedReader fails, unlike [io.LimitReader], when there is more than it may read.
type boundedReader struct {
	r           io.Reader
	left, limit int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		var one [1]byte
		if n, err := b.r.Read(one[:]); n == 0 {
			return 0, err
		}
		return 0, fmt.Errorf("file is larger than %d bytes; split it", b.limit)
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}

// Sniff reports whether a file that begins with head looks like OpenIOC.
func Sniff(head []byte) bool {
	root := Root(head)
	return strings.EqualFold(root, "ioc") || strings.EqualFold(root, "OpenIOC")
}

// Root returns the name of the first element of an XML file that begins with head, or "".
func Root(head []byte) string {
	decoded, err := decode(strings.NewReader(string(head)))
	if err != nil {
		return ""
	}
	d := xml.NewDecoder(decoded)
	d.CharsetReader = charsetReader
	for {
		token, err := d.RawToken()
		if err != nil {
			return ""
		}
		if start, ok := token.(xml.StartElement); ok {
			return start.Name.Local
		}
	}
}
