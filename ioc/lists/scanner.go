package lists

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// maxLine bounds the length of a line, in bytes.
const maxLine = 64 << 10

// scanner reads lines of mixed ends and encodings. Unlike [bufio.Scanner] it goes on after a
// line that is too long.
type scanner struct {
	r    *bufio.Reader
	line int    // number of the line in text, from 1
	text string // without line end, UTF-8
	long bool   // the line exceeded maxLine and text is empty
	err  error  // other than io.EOF

	buf     []byte
	queue   [][]byte // lines that were read and not yet handed out
	started bool
}

func newScanner(r io.Reader) *scanner { return &scanner{r: bufio.NewReaderSize(r, 64<<10)} }

// start finds out the encoding of the file.
func (s *scanner) start() {
	s.started = true
	head, _ := s.r.Peek(64)
	endian, wide := unicode.LittleEndian, true
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		endian = unicode.BigEndian
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		s.r.Discard(3)
		wide = false
	case zeros(head, 1):
	case zeros(head, 0):
		endian = unicode.BigEndian
	default:
		wide = false
	}
	if wide {
		s.r = bufio.NewReaderSize(unicode.UTF16(endian, unicode.UseBOM).NewDecoder().Reader(s.r), 64<<10)
	}
}

// zeros reports whether every second byte, from first on, is zero.
func zeros(head []byte, first int) bool {
	for i := first; i < len(head); i += 2 {
		if head[i] != 0 {
			return false
		}
	}
	return len(head) >= 4
}

// scan reads the next line.
func (s *scanner) scan() bool {
	if !s.started {
		s.start()
	}
	if len(s.queue) == 0 && !s.fill() {
		return false
	}
	line := s.queue[0]
	s.queue = s.queue[1:]
	s.line++
	switch {
	case s.long:
		s.text = ""
	case utf8.Valid(line):
		s.text = string(line)
	default:
		text, _ := charmap.Windows1252.NewDecoder().Bytes(line) // never fails
		s.text = string(text)
	}
	return true
}

// fill reads up to the next line feed. Carriage returns without one end lines as well.
func (s *scanner) fill() bool {
	s.buf, s.long = s.buf[:0], false
	for some := false; ; some = true {
		piece, err := s.r.ReadSlice('\n')
		if len(s.buf)+len(piece) > maxLine {
			s.long = true
		} else {
			s.buf = append(s.buf, piece...)
		}
		switch {
		case err == nil:
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case !errors.Is(err, io.EOF):
			s.err = err
			return false
		case !some && len(piece) == 0:
			return false
		}
		break
	}
	line := bytes.TrimSuffix(bytes.TrimSuffix(s.buf, []byte("\n")), []byte("\r"))
	s.queue = append(s.queue[:0], line)
	if !s.long && bytes.IndexByte(line, '\r') >= 0 {
		s.queue = bytes.Split(line, []byte("\r"))
	}
	return true
}
