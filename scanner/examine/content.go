package examine

import (
	"errors"
	"fmt"
	"io"
	"os"

	"tyto/finding"
)

// fill reads r from its current position into b, up to limit bytes, hashing what passes. hint is
// how much is expected; it only saves growing. more says that content was left behind the limit.
// What was read before an error stays in b.
func (x *Examiner) fill(b *buffer, r io.Reader, hint, limit int64) (more bool, err error) {
	b.reset()
	x.digests.reset()
	// One byte above the hint lets the read that finds the end find it without growing.
	if err := b.grow(min(hint, limit) + 1); err != nil {
		return false, err
	}
	for {
		n := int64(len(b.data))
		if n == limit {
			var one [1]byte
			extra, err := io.ReadFull(r, one[:])
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return extra > 0, err
		}
		if n == int64(len(b.memory)) {
			if err := b.grow(min(2*n, limit)); err != nil {
				return false, err
			}
		}
		block := b.memory[n:min(n+readBlock, int64(len(b.memory)), limit)]
		got, err := r.Read(block)
		b.data = b.memory[:n+int64(got)]
		x.digests.Write(block[:got])
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// reader reads a ReaderAt from the start to its end.
type reader struct {
	r   io.ReaderAt
	off int64
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.r.ReadAt(p, r.off)
	r.off += int64(n)
	if n > 0 {
		// The end, or the error, comes with the next call.
		return n, nil
	}
	if err == nil && len(p) > 0 {
		err = io.EOF
	}
	return n, err
}

// A tee passes reads through and hashes each byte the first time that it is read. It serves the
// chunked scan, which reads in order, with overlaps.
type tee struct {
	r      io.ReaderAt
	sink   io.Writer
	hashed int64 // everything before this offset went into sink
}

func (t *tee) ReadAt(p []byte, off int64) (int, error) {
	n, err := t.r.ReadAt(p, off)
	if end := off + int64(n); off <= t.hashed && end > t.hashed {
		t.sink.Write(p[t.hashed-off : n])
		t.hashed = end
	}
	return n, err
}

// finish reads and hashes what the scan did not ask for.
func (t *tee) finish(size int64, scratch []byte) error {
	for t.hashed < size {
		n, err := t.ReadAt(scratch[:min(int64(len(scratch)), size-t.hashed)], t.hashed)
		if n == 0 {
			if err == nil || errors.Is(err, io.EOF) {
				return fmt.Errorf("it ends at byte %d of %d: %w", t.hashed, size, io.ErrUnexpectedEOF)
			}
			return err
		}
	}
	return nil
}

// changed compares what an open file says of itself before and after read bytes of it were read. A
// file that only grew, such as a log, was examined as it was; one that was cut or rewritten may have
// shown a mixture of old and new. The time of change counts too, where there is one: unlike that of
// modification, it cannot be set by whoever rewrites a file while it is looked at.
func changed(before, after os.FileInfo, read int64) (finding.Reason, string) {
	switch {
	case after.Size() < before.Size() || after.Size() < read:
		return finding.Changed, fmt.Sprintf("it shrank from %d to %d bytes while it was read", before.Size(), after.Size())
	case read < before.Size():
		return finding.Changed, fmt.Sprintf("it ended at byte %d of %d", read, before.Size())
	case after.Size() > before.Size():
		return "", ""
	case !after.ModTime().Equal(before.ModTime()), !changeTime(after).Equal(changeTime(before)):
		return finding.Changed, "it was written to while it was read"
	}
	return "", ""
}
