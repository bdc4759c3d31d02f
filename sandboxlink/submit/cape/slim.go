package cape

import (
	"bufio"
	"bytes"
	"io"

	"tyto/sandboxlink/submit/wire"
)

// Limits of slim.
const (
	// maxDepth is deeper than reports nest; process trees are the deepest.
	maxDepth = 200
	// maxKey is longer than the keys that matter.
	maxKey = 64
	// roomy is how much may be kept before what is heavy is left out.
	roomy = wire.MaxReport / 2
)

// heavy are the members of a report that make up most of a large one, and that a verdict can do without: each
// call of each process, and the strings of the file.
var heavy = map[string]bool{"calls": true, "strings": true, "enhanced": true}

// slim copies a JSON document without the space between its parts. When it becomes longer than roomy, the values
// of [heavy] members are left out, and null stands in their place. More than longest bytes are an error. It follows
// strings and brackets only; whether the rest is JSON is the reader's business.
func slim(to *bytes.Buffer, from io.Reader, roomy, longest int) error {
	s := slimmer{out: to, roomy: roomy, longest: longest}
	in := bufio.NewReaderSize(from, 64<<10)
	for {
		c, err := in.ReadByte()
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
	out            *bytes.Buffer
	roomy, longest int
	depth          int

	key               []byte // the string that was read last, as far as it may be a key
	inString, escaped bool
	wasString         bool // nothing but space came since that string
	armed             bool // the value that comes is heavy

	value    int  // the depth at which the present heavy value began, plus one; 0 outside of any
	scalar   bool // it is no list and no object
	start    int  // where it begins in out
	dropping bool // it is left out
}

var (
	errDeep = wire.Bad("the report nests deeper than %d", maxDepth)
	errLong = wire.Bad("the report is too long, even without the calls")
)

// take handles one byte.
func (s *slimmer) take(c byte) error {
	if s.inString {
		s.text(c)
		return s.keep(c)
	}
	switch c {
	case ' ', '\t', '\r', '\n':
		return nil
	case ':':
		s.armed = s.value == 0 && s.wasString && heavy[string(s.key)]
		s.wasString = false
		return s.keep(c)
	}
	s.wasString = false
	if s.armed {
		s.armed = false
		s.value, s.start = s.depth+1, s.out.Len()
		s.scalar = c != '{' && c != '['
	}
	switch c {
	case '"':
		s.inString, s.key = true, s.key[:0]
	case '{', '[':
		if s.depth++; s.depth > maxDepth {
			return errDeep
		}
	case '}', ']':
		if s.scalar && s.depth+1 == s.value {
			s.end() // the bracket closes what is around the value
		}
		s.depth--
		if !s.scalar && s.depth+1 == s.value {
			err := s.keep(c) // and this one belongs to it
			s.end()
			return err
		}
	case ',':
		if s.scalar && s.depth+1 == s.value {
			s.end()
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

// end leaves the heavy value.
func (s *slimmer) end() { s.value, s.scalar, s.dropping = 0, false, false }

// keep writes a byte, unless it is left out.
func (s *slimmer) keep(c byte) error {
	switch {
	case s.dropping:
		return nil
	case s.value > 0 && s.out.Len() >= s.roomy:
		s.dropping = true
		s.out.Truncate(s.start)
		s.out.WriteString("null")
		return nil
	case s.out.Len() >= s.longest:
		return errLong
	}
	return s.out.WriteByte(c)
}
