package archive

import (
	"archive/tar"
	"errors"
	"io"
	"strings"
)

// tar walks a tar archive in r. Behind a broken header, and behind the end mark, it looks for
// the next block that is a header, as tar does with --ignore-zeros: whatever another tool may
// extract should be seen. Charge says whether unpacked bytes are to be charged; in a compressed
// tar they are already.
func (w *walk) tar(r io.Reader, charge bool) error {
	blocks := &tarBlocks{r: r}
	var in io.Reader = blocks
	if s, ok := r.(io.Seeker); ok {
		in = &seekableTarBlocks{blocks, s} // members that nobody reads cost nothing
	}
	tr := tar.NewReader(in)
	for {
		var h *tar.Header
		err := guard(func() (err error) {
			h, err = tr.Next()
			return err
		})
		switch {
		case err == nil || errors.Is(err, tar.ErrInsecurePath) && h != nil:
			if err := w.member(tarMember(h, tr, charge)); err != nil {
				return err
			}
		case err == io.EOF || errors.Is(err, tar.ErrHeader):
			if err != io.EOF {
				if err := w.problem(damaged("tar: a header is broken at about byte %d", blocks.n-512)); err != nil {
					return err
				}
			}
			next := w.resync(blocks, in)
			if next == nil {
				return blocks.failed()
			}
			tr = tar.NewReader(next)
		default:
			if blocks.failed() != nil {
				err = blocks.failed()
			}
			return err
		}
	}
}

func tarMember(h *tar.Header, tr *tar.Reader, charge bool) *Member {
	m := &Member{
		Name:     h.Name,
		Size:     h.Size,
		Modified: h.ModTime,
		Mode:     h.FileInfo().Mode(),
		// The holes of a sparse file unpack to zeros that are in no stream below.
		charge: charge || isSparse(h),
		open:   func() (io.Reader, error) { return tr, nil },
	}
	if !m.Mode.IsRegular() || h.Typeflag == tar.TypeLink {
		m.open = empty
	}
	return m
}

func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// resync returns a reader that begins with the next header block, nil if there is none. The
// block that was read last is the first candidate, because a header behind a single block of
// zeros is an error to archive/tar; but it is tried only once.
func (w *walk) resync(blocks *tarBlocks, in io.Reader) io.Reader {
	if blocks.n > blocks.tried && isTarHeader(blocks.last[:]) {
		blocks.tried = blocks.n
		return io.MultiReader(strings.NewReader(string(blocks.last[:])), in)
	}
	// A header may have been given up in the middle of its last block.
	_, err := io.CopyN(io.Discard, blocks, -blocks.n&511)
	for err == nil && w.budget.alive() == nil {
		var block [512]byte
		if _, err = io.ReadFull(blocks, block[:]); err != nil {
			break
		}
		if isTarHeader(block[:]) {
			blocks.tried = blocks.n
			return io.MultiReader(strings.NewReader(string(block[:])), in)
		}
	}
	return nil
}

// tarBlocks remembers the block that was read last and how the reading ended.
type tarBlocks struct {
	r     io.Reader
	last  [512]byte
	n     int64 // bytes read or skipped
	tried int64 // value of n at the last header that resync found
	err   error
}

func (t *tarBlocks) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if tail := p[:n]; len(tail) > 0 {
		if len(tail) > 512 {
			tail = tail[len(tail)-512:]
		}
		copy(t.last[:], t.last[len(tail):])
		copy(t.last[512-len(tail):], tail)
	}
	t.n += int64(n)
	if err != nil && t.err == nil {
		t.err = err
	}
	return n, err
}

// failed returns the error of the stream below, if it did not end regularly.
func (t *tarBlocks) failed() error {
	if t.err == io.EOF {
		return nil
	}
	return t.err
}

type seekableTarBlocks struct {
	*tarBlocks
	s io.Seeker
}

func (t *seekableTarBlocks) Seek(offset int64, whence int) (int64, error) {
	pos, err := t.s.Seek(offset, whence)
	if err == nil {
		t.n = pos
	}
	return pos, err
}
