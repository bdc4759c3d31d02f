package examine

import (
	"io"
	"os"
)

// readBlock is the unit in which content is read and hashed: large enough that system calls do
// not count, small enough to stay in the processor's cache between reading and hashing.
const readBlock = 256 << 10

// A source reads an open file once, in order, without disturbing the page cache of others where
// the system offers a way (see politeRead).
type source struct {
	file   *os.File
	polite *politeness // nil: plain reads
}

// ReadAt implements [io.ReaderAt].
func (s *source) ReadAt(p []byte, off int64) (int, error) {
	if s.polite == nil {
		return s.file.ReadAt(p, off)
	}
	total := 0
	for total < len(p) {
		n, err := s.polite.readAt(s.file, p[total:], off+int64(total))
		total += n
		if err != nil {
			return total, err
		}
		if n == 0 {
			return total, io.EOF
		}
	}
	return total, nil
}
