package cape

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"tyto/sandboxlink/submit/wire"
)

// Limits of slim.
const (
	// maxDepth is deeper than reports nest; process trees are the deepest.
	maxDepth = 200
	// maxKey is longer than the keys that matter.
	maxKey = 64
)

// heavy are the members of a report that make up most of it and that no verdict is made of: each call of
// each process, and the strings of the file.
var heavy = map[string]bool{"calls": true, "strings": true, "enhanced": true, "static_strings": true}

// slim copies a JSON document and leaves out the values of [heavy] members: null stands in their place. At most
// [wire.MaxReport] bytes are kept. It follows strings and brackets only; whether the rest is JSON is the
// reader's business.
func slim(to *bytes.Buffer, from io.Reader) error {
	s := slimmer{in: bufio.NewReaderSize(from, 64<<10), out: to}
	for {
		c, err := s.in.ReadByte()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.take(c); err != nil {
			return err
		}
	}
}

// slimmer is the state between two bytes.
type slimmer struct {
	in  *bufio.Reader
	out *bytes.Buffer

	depth    int
	dropping int  // the depth at which a dropped value began, plus one; 0 if none is dropped
	scalar   bool // the dropped value is no list and no object

	inString, escaped bool
	key               []byte // the string that was read last, as far as it may be a key
	wasString         bool   // nothing but space came since that string
	armed             bool   // the next value is dropped
}

var errDeep = wire.Bad("the report nests deeper than %d", maxDepth)

var errLong = errors.New("the report is too long, even without the calls")

// take handles one byte.
func (s *slimmer) take(c byte) error {
	if s.inString {
		s.text(c)
		return s.keep(c)
	}
	switch c {
	case ' ', '\t', '\r', '\n':
		return nil // nobody needs it
	case ':':
		s.armed = s.dropping == 0 && s.wasString && heavy[string(s.key)]
		s.wasString = false
		return s.keep(c)
	}
	if s.armed && c != ',' && c != '}' && c != ']' {
		s.armed = false
		if _, err := s.out.WriteString("null"); err != nil {
			return err
		}
		s.dropping = s.depth + 1
		s.scalar = c != '{' && c != '['
	}
	switch c {
	case '"':
		s.inString, s.key = true, s.key[:0]
	case '{', '[':
		s.wasString = false
		if s.depth++; s.depth > maxDepth {
			return errDeep
		}
	case '}', ']':
		s.wasString = false
		if s.dropping > 0 && s.scalar && s.depth+1 == s.dropping {
			s.dropping = 0 // the bracket ends what is around the dropped value
		}
		s.depth--
		if s.dropping > 0 && !s.scalar && s.depth+1 == s.dropping {
			s.dropping = 0 // and this one belongs to it
			return nil
		}
	case ',':
		s.wasString = false
		if s.dropping > 0 && s.scalar && s.depth+1 == s.dropping {
			s.dropping = 0
		}
	}
	return s.keep(c)
}

// text follows a string.
func (s *slimmer) text(c byte) {
	switch {
	case s.escaped:
		s.escaped = false
	case c == '\\':
		s.escaped = true
	case c == '"':
		s.inString, s.wasString = false, true
		return
	}
	if len(s.key) <= maxKey {
		s.key = append(s.key, c)
	}
}

// keep writes a byte that is not dropped.
func (s *slimmer) keep(c byte) error {
	if s.dropping > 0 {
		return nil
	}
	if s.out.Len() >= wire.MaxReport {
		return errLong
	}
	return s.out.WriteByte(c)
}
