package archive

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/nwaples/rardecode/v2"
)

// rar walks an archive of RAR 1.5 to 7 by nwaples/rardecode. A member whose dictionary is larger
// than allowed ends the walk, because the library cannot go on behind it. NTFS streams that are
// stored with a member are not seen.
func (w *walk) rar() error {
	var r *rardecode.Reader
	err := guard(func() (err error) {
		r, err = rardecode.NewReader(w.section(0, w.src.size), rardecode.MaxDictionarySize(w.budget.limits.Memory))
		return err
	})
	if err != nil {
		return noEOF(err)
	}
	solid := w.rarIsSolid()
	for {
		var h *rardecode.FileHeader
		err := guard(func() (err error) {
			h, err = r.Next()
			return err
		})
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, rardecode.ErrInvalidFileBlock):
			// The rest of a member that began in the volume before; the next call goes on.
			if err := w.problem(unsupported("rar: a member begins in another volume")); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		m := rarMember(h, r)
		if err := w.member(m); err != nil {
			return err
		}
		if errors.Is(m.broken, rardecode.ErrMultiVolume) {
			return nil // said of the member; there is nothing behind it
		}
		if solid && !h.IsDir && !h.Encrypted {
			// The next member refers to this one. Next would decode what is left of it without
			// asking the budget.
			if err := m.drain(); err != nil {
				return err
			}
		}
	}
}

func rarMember(h *rardecode.FileHeader, r io.Reader) *Member {
	m := &Member{
		Name:     h.Name,
		Size:     h.UnPackedSize,
		Modified: h.ModificationTime.UTC(),
		Mode:     h.Mode(),
		charge:   true,
		open:     func() (io.Reader, error) { return r, nil },
	}
	if h.UnKnownSize {
		m.Size = -1
	}
	if h.ModificationTime.IsZero() {
		m.Modified = h.ModificationTime
	}
	if h.IsDir || h.LinkType != rardecode.LinkTypeNone {
		m.open = empty
	}
	return m
}

// rarIsSolid reads the main header's flag, which the library keeps to itself. An archive that
// looks unusual counts as solid, which costs time and nothing else.
func (w *walk) rarIsSolid() bool {
	var h [64]byte
	n, _ := w.src.ReadAt(h[:], 0)
	b := h[:n]
	if n < 20 {
		return true
	}
	if b[6] == 0 { // RAR 1.5 to 4: signature (7 bytes), checksum (2), type, flags
		const mainHeader, solid = 0x73, 0x0008
		return b[9] != mainHeader || le16(b[10:])&solid != 0
	}
	// RAR 5: signature (8), checksum (4), then numbers of variable length: size, type, flags,
	// the size of the extra area if flags say that there is one, archive flags.
	const mainHeader, hasExtra, solid = 1, 1, 4
	b = b[12:]
	number := func() uint64 {
		v, n := binary.Uvarint(b)
		b = b[max(n, 0):]
		return v
	}
	number()
	if number() != mainHeader {
		return true
	}
	if number()&hasExtra != 0 {
		number()
	}
	return len(b) == 0 || number()&solid != 0
}
