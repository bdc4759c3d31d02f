package archive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/bodgit/sevenzip"

	"tyto/finding"
)

// 7z is unpacked by bodgit/sevenzip, which believes its header: a hundred bytes make it allocate
// gigabytes, or compute 2^63 rounds of a key derivation. So the header is read here first,
// unpacked if it is packed, and checked (sevenzipheader.go). The library then gets to see an
// archive made of the original data and of exactly the bytes that were checked.

const (
	sevenZipStart   = 32      // the signature header; all offsets count from its end
	sevenZipMaxHead = 8 << 20 // of a header, unpacked; 7-Zip needs about 100 bytes a file
)

func (w *walk) sevenZip() error {
	header, err := w.sevenZipHeader()
	if err != nil || len(header) == 0 {
		return err
	}
	streams, err := checkSevenZipHeader(header, w.budget.limits)
	if err != nil {
		return err
	}
	var zr *sevenzip.Reader
	err = guard(func() (err error) {
		r, size := w.sevenZipWith(header)
		zr, err = sevenzip.NewReader(r, size)
		return err
	})
	if err != nil {
		return err
	}
	last := make(map[int]int) // the last member with content in each folder
	for i, f := range zr.File {
		if f.UncompressedSize > 0 {
			last[f.Stream] = i
		}
	}
	for i, f := range zr.File {
		m := &sevenZipMember{w: w, f: f}
		m.Member = Member{Name: f.Name, Size: int64(f.UncompressedSize), Modified: f.Modified, Mode: f.Mode(), open: empty, charge: true}
		if f.UncompressedSize > 0 {
			if f.Stream >= len(streams.folders) {
				return damaged("7z: a member is in a folder that does not exist")
			}
			m.folder = &streams.folders[f.Stream]
			m.open = m.start
		}
		if err := w.member(&m.Member); err != nil {
			return err
		}
		if m.folder != nil {
			m.end(i < last[f.Stream])
		}
	}
	return nil
}

// sevenZipMember reads one member. The members of a folder are one compressed stream; a folder
// is read once and in order.
type sevenZipMember struct {
	Member
	w      *walk
	f      *sevenzip.File
	folder *sevenZipFolder
	rc     io.ReadCloser
	n      uint64
	sum    uint32
}

// start is the member's open.
func (m *sevenZipMember) start() (io.Reader, error) {
	if m.folder.err != nil {
		return nil, m.folder.err
	}
	if !m.folder.reserved {
		if err := m.w.budget.reserve(m.folder.memory); err != nil {
			return nil, err
		}
		m.folder.reserved = true
	}
	rc, err := m.f.Open()
	m.rc = rc
	return sevenZipContent{m}, noEOF(err)
}

// end is called after the member's turn. The library continues a folder where the last member
// was read to its end and closed; otherwise it would decode it from its beginning again, asking
// no budget.
func (m *sevenZipMember) end(more bool) {
	if more && m.broken == nil {
		_ = m.drain() // an error shows in whether the end was reached
	}
	switch {
	case m.rc != nil && m.n == m.f.UncompressedSize:
		if err := guard(m.rc.Close); err != nil && m.folder.err == nil {
			m.folder.err = m.w.classify(err, "")
		}
	case more && m.folder.err == nil:
		m.folder.err = damaged("7z: a member before it in the same stream cannot be read")
		if m.broken != nil {
			known := *m.w.classify(m.broken, "")
			known.Detail = "a member before it in the same stream cannot be read: " + known.Detail
			m.folder.err = &known
		}
	}
}

// sevenZipContent compares length and checksum at the end; the library does neither.
type sevenZipContent struct{ m *sevenZipMember }

func (c sevenZipContent) Read(p []byte) (int, error) {
	m := c.m
	n, err := m.rc.Read(p)
	m.n += uint64(n)
	m.sum = crc32.Update(m.sum, crc32.IEEETable, p[:n])
	if err == io.EOF {
		switch {
		case m.n < m.f.UncompressedSize:
			return n, io.ErrUnexpectedEOF
		case m.f.CRC32 != 0 && m.sum != m.f.CRC32:
			return n, damaged("7z: checksum of the content differs")
		}
	}
	return n, err
}

// sevenZipHeader returns the archive's header, unpacked; nothing if the archive is empty.
func (w *walk) sevenZipHeader() ([]byte, error) {
	var h [sevenZipStart]byte
	if _, err := w.src.ReadAt(h[:], 0); err != nil {
		return nil, noEOF(err)
	}
	if le32(h[8:]) != crc32.ChecksumIEEE(h[12:]) {
		return nil, damaged("7z: checksum of the start header differs")
	}
	at, size := int64(binary.LittleEndian.Uint64(h[12:])), int64(binary.LittleEndian.Uint64(h[20:]))
	if size == 0 {
		return nil, nil
	}
	header, err := w.sevenZipBytes(at, size, size)
	if err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(header) != le32(h[28:]) {
		return nil, damaged("7z: checksum of the header differs")
	}
	for range 4 { // 7-Zip packs a header once
		if header[0] != szEncodedHeader {
			return header, nil
		}
		if header, err = w.unpackSevenZipHeader(header); err != nil {
			return nil, err
		}
	}
	return nil, damaged("7z: the header is packed again and again")
}

// sevenZipBytes reads a part of a header that unpacks to that size.
func (w *walk) sevenZipBytes(at, packed, unpacked int64) ([]byte, error) {
	if max(packed, unpacked) > sevenZipMaxHead {
		return nil, overLimit("7z: a header of %s, allowed are %s", bytesText(max(packed, unpacked)), bytesText(sevenZipMaxHead))
	}
	if at < 0 || packed < 0 || at > w.src.size-sevenZipStart-packed {
		return nil, damaged("7z: the header is beyond the end of the file")
	}
	b := make([]byte, packed)
	if _, err := w.src.ReadAt(b, sevenZipStart+at); err != nil && err != io.EOF {
		return nil, err
	}
	return b, nil
}

// unpackSevenZipHeader unpacks a header that is packed. 7-Zip and its relatives use LZMA.
func (w *walk) unpackSevenZipHeader(header []byte) ([]byte, error) {
	p := &sevenZipParser{b: header[1:], limits: w.budget.limits}
	s := p.streams()
	if p.err != nil {
		return nil, p.err
	}
	if len(s.folders) != 1 || len(s.packSizes) == 0 {
		return nil, damaged("7z: the packed header is not one stream")
	}
	f := s.folders[0]
	if f.err != nil && f.err.Reason == finding.Encrypted {
		return nil, f.err
	}
	if len(f.coders) != 1 {
		return nil, unsupported("7z: the header is packed by several methods")
	}
	c := f.coders[0]
	packed, err := w.sevenZipBytes(s.packPos, s.packSizes[0], f.size)
	if err != nil {
		return nil, err
	}
	if f.size == 0 {
		return nil, damaged("7z: the packed header is empty")
	}
	switch c.id {
	case szCopy:
		return packed[:min(f.size, int64(len(packed)))], nil
	case szLZMA:
		return w.unpackLZMA(c.properties, packed, f.size)
	}
	return nil, unsupported("7z: the header is packed by method %#x", c.id)
}

func (w *walk) unpackLZMA(properties, packed []byte, size int64) ([]byte, error) {
	if len(properties) != 5 {
		return nil, damaged("7z: LZMA properties of %d bytes", len(properties))
	}
	header := binary.LittleEndian.AppendUint64(bytes.Clone(properties), uint64(size))
	out := make([]byte, size)
	err := guard(func() error {
		r, err := newLZMAReader(header, bufio.NewReader(bytes.NewReader(packed)), w.budget)
		if err == nil {
			_, err = io.ReadFull(r, out)
		}
		return noEOF(err)
	})
	return out, err
}

// sevenZipWith returns an archive with the data of this one and the given header.
func (w *walk) sevenZipWith(header []byte) (io.ReaderAt, int64) {
	data := w.src.size - sevenZipStart
	start := make([]byte, sevenZipStart)
	copy(start, "7z\xbc\xaf\x27\x1c\x00\x04")
	binary.LittleEndian.PutUint64(start[12:], uint64(data))
	binary.LittleEndian.PutUint64(start[20:], uint64(len(header)))
	binary.LittleEndian.PutUint32(start[28:], crc32.ChecksumIEEE(header))
	binary.LittleEndian.PutUint32(start[8:], crc32.ChecksumIEEE(start[12:]))
	return &enclosed{start, w.src, w.src.size, header}, w.src.size + int64(len(header))
}

// enclosed is the content of src with other bytes at its beginning and behind its end.
type enclosed struct {
	start []byte
	src   io.ReaderAt
	size  int64
	tail  []byte
}

func (e *enclosed) ReadAt(p []byte, off int64) (int, error) {
	for n := 0; ; {
		var m int
		at := off + int64(n)
		switch {
		case at < 0 || at >= e.size+int64(len(e.tail)):
			return n, io.EOF
		case at < int64(len(e.start)):
			m = copy(p[n:], e.start[at:])
		case at >= e.size:
			m = copy(p[n:], e.tail[at-e.size:])
		default:
			var err error
			m, err = e.src.ReadAt(p[n:min(int64(len(p)), int64(n)+e.size-at)], at)
			if m == 0 && err != nil {
				return n, err
			}
		}
		if n += m; n == len(p) {
			return n, nil
		}
	}
}
