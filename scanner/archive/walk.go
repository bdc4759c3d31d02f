package archive

import (
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

// walk is one call of [Walk]. The methods named after formats return nil at the end of the
// archive, errStop when there is nobody to yield to any more, or the error that ended it.
type walk struct {
	src     *source
	name    string
	budget  *Budget
	yield   func(*Member, error) bool
	stopped bool
	buf     []byte
	broken  int // problems yielded

	// Decoders that are used again for the next member, because they keep windows and tables.
	zstd     *zstd.Decoder
	inflater io.ReadCloser
}

var errStop = errors.New("archive: walk stopped by its caller")

// source is the archive's content. It remembers a failure of the file itself, so that it is not
// taken for damage of the archive.
type source struct {
	r    io.ReaderAt
	size int64
	err  error
}

func (s *source) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= s.size {
		return 0, io.EOF
	}
	cut := false
	if rest := s.size - off; int64(len(p)) > rest {
		p, cut = p[:rest], true
	}
	n, err := s.r.ReadAt(p, off)
	if err != nil && err != io.EOF && s.err == nil {
		s.err = err
	}
	if err == nil && cut {
		err = io.EOF
	}
	return n, err
}

// section returns the bytes from off to end of the content.
func (w *walk) section(off, end int64) *io.SectionReader {
	off = min(max(off, 0), w.src.size)
	end = min(max(end, off), w.src.size)
	return io.NewSectionReader(w.src, off, end-off)
}

// run detects the format and walks it.
func (w *walk) run() error {
	head := make([]byte, HeadSize)
	n, err := w.src.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return err
	}
	format, ok := Detect(head[:n])
	if !ok {
		return unsupported("no archive format that is known")
	}
	return w.format(format)
}

func (w *walk) format(f Format) error {
	switch f {
	case Zip:
		return w.zip()
	case Tar:
		return w.tar(w.section(0, w.src.size), true)
	case SevenZip:
		return w.sevenZip()
	case Rar:
		return w.rar()
	case Cab:
		return w.cab()
	case Ar:
		return w.ar()
	case Cpio:
		return w.cpio(w.section(0, w.src.size), true)
	case RPM:
		return w.rpm()
	case Executable:
		return w.executable()
	}
	return w.compressed(f, w.section(0, w.src.size))
}

// member yields m and ends its turn.
func (w *walk) member(m *Member) error {
	if err := w.budget.entry(); err != nil {
		return err
	}
	if limit := w.budget.limits.NameLength; len(m.Name) > limit {
		err := overLimit("its name of %d bytes was cut to %d", len(m.Name), limit)
		m.Name = m.Name[:limit]
		err.Member = m.Name
		if err := w.problem(err); err != nil {
			return err
		}
	}
	m.w = w
	if !w.yield(m, nil) {
		w.stopped = true
		return errStop
	}
	m.err = errOver
	return w.budget.alive()
}

// maxProblems bounds the reports on one archive; a megabyte of broken headers is one story.
const maxProblems = 100

// problem yields an error that the walk survives.
func (w *walk) problem(err error) error {
	if w.broken++; w.broken > maxProblems {
		return damaged("more than %d things are broken in it; the rest was not examined", maxProblems)
	}
	if !w.yield(nil, w.classify(err, "")) {
		w.stopped = true
		return errStop
	}
	return nil
}

// scratch is a buffer for bytes that nobody wants.
func (w *walk) scratch() []byte {
	if w.buf == nil {
		w.buf = make([]byte, 64<<10)
	}
	return w.buf
}

func (w *walk) close() {
	if w.zstd != nil {
		w.zstd.Close()
	}
}
