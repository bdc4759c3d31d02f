package archive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"time"
)

// zipDirectory says where the central directory is.
type zipDirectory struct {
	start, end int64
	base       int64 // to be added to all offsets: the length of what was put before the archive
	records    uint64
	exact      bool // records is not only the lower 16 bits
}

// findZipDirectory looks for the last end-of-central-directory record, which may be followed by
// a comment of up to 64 KiB.
func (w *walk) findZipDirectory() (zipDirectory, error) {
	tail := make([]byte, min(w.src.size, zipEndSize+zipMax16))
	from := w.src.size - int64(len(tail))
	if _, err := w.src.ReadAt(tail, from); err != nil && err != io.EOF {
		return zipDirectory{}, err
	}
	signature := binary.LittleEndian.AppendUint32(nil, zipEnd)
	for i := len(tail); ; {
		i = bytes.LastIndex(tail[:i], signature)
		if i < 0 {
			return zipDirectory{}, damaged("zip: there is no central directory")
		}
		if len(tail)-i < zipEndSize {
			continue
		}
		if dir, ok := w.readZipEnd(tail[i:], from+int64(i)); ok {
			return dir, nil
		}
	}
}

// readZipEnd interprets the end record rec that stands at off. It is not ok if no directory is
// where the record says.
func (w *walk) readZipEnd(rec []byte, off int64) (zipDirectory, bool) {
	dir := zipDirectory{end: off, records: uint64(le16(rec[10:]))}
	size, start := int64(le32(rec[12:])), int64(le32(rec[16:]))
	if dir.records == zipMax16 || size == zipMax32 || start == zipMax32 {
		if s, o, n, at, ok := w.readZip64End(off); ok {
			size, start, dir.records, dir.end, dir.exact = s, o, n, at, true
		}
	}
	// The directory normally ends where the end record begins. If it does not begin where the
	// record says, something was put before the archive.
	for _, base := range []int64{dir.end - size - start, 0} {
		dir.base, dir.start = base, base+start
		if base < 0 || dir.start > dir.end || start < 0 {
			continue
		}
		if dir.start == dir.end && dir.records == 0 {
			return dir, true
		}
		var sig [4]byte
		if _, err := w.src.ReadAt(sig[:], dir.start); err == nil && le32(sig[:]) == zipCentral {
			return dir, true
		}
	}
	return dir, false
}

// readZip64End reads the zip64 end record to which the locator before the end record points. A
// wrong pointer is repaired, as with the directory, by looking directly before the locator.
func (w *walk) readZip64End(off int64) (size, start int64, records uint64, at int64, ok bool) {
	const locatorSize, recordSize = 20, 56
	var loc [locatorSize]byte
	if _, err := w.src.ReadAt(loc[:], off-locatorSize); err != nil || le32(loc[:]) != zip64Locator {
		return
	}
	for _, at := range []int64{int64(binary.LittleEndian.Uint64(loc[8:])), off - locatorSize - recordSize} {
		var rec [recordSize]byte
		if _, err := w.src.ReadAt(rec[:], at); err != nil || le32(rec[:]) != zip64End || at > off {
			continue
		}
		records = binary.LittleEndian.Uint64(rec[32:])
		size = int64(binary.LittleEndian.Uint64(rec[40:]))
		start = int64(binary.LittleEndian.Uint64(rec[48:]))
		if size >= 0 && start >= 0 && size <= w.src.size && start <= w.src.size {
			return size, start, records, at, true
		}
	}
	return
}

// zipDirectoryReader reads the entries of a central directory one by one.
type zipDirectoryReader struct {
	dir zipDirectory
	r   *bufio.Reader
	n   uint64
}

// next returns the next entry, io.EOF behind the last one. Its data offset is not known yet.
func (z *zipDirectoryReader) next() (*zipEntry, error) {
	sig, err := z.r.Peek(4)
	if len(sig) < 4 && err != io.EOF && err != nil {
		return nil, err
	}
	if len(sig) < 4 || le32(sig) != zipCentral {
		return nil, z.complete()
	}
	var h [zipCentralSize]byte
	if _, err := io.ReadFull(z.r, h[:]); err != nil {
		return nil, damaged("zip: the central directory is cut off")
	}
	name, extra, comment := int(le16(h[28:])), int(le16(h[30:])), int(le16(h[32:]))
	rest := make([]byte, name+extra)
	if _, err := io.ReadFull(z.r, rest); err != nil {
		return nil, damaged("zip: the central directory is cut off")
	}
	if _, err := z.r.Discard(comment); err != nil {
		return nil, damaged("zip: the central directory is cut off")
	}
	z.n++
	e := &zipEntry{
		name:     string(rest[:name]),
		flags:    le16(h[8:]),
		method:   le16(h[10:]),
		modified: dosTime(le16(h[14:]), le16(h[12:])),
		crc:      le32(h[16:]),
		packed:   int64(le32(h[20:])),
		size:     int64(le32(h[24:])),
		header:   int64(le32(h[42:])),
	}
	e.extra(rest[name:], true)
	e.header += z.dir.base
	e.mode = zipMode(h[5], le32(h[38:]), e.name, e.packed)
	if e.packed < 0 || e.header < 0 || e.packed > unlimited || e.header > unlimited {
		return nil, damaged("zip: an entry of the central directory has an impossible size or place")
	}
	return e, nil
}

// complete compares the number of entries with the declared one at the end of the directory.
func (z *zipDirectoryReader) complete() error {
	n := z.n
	if !z.dir.exact {
		n &= zipMax16
	}
	if n < z.dir.records {
		return damaged("zip: the central directory has %d entries of %d", z.n, z.dir.records)
	}
	return io.EOF
}

// extra reads the extra fields: zip64 sizes, and a modification time with a time zone.
func (e *zipEntry) extra(b []byte, central bool) {
	for len(b) >= 4 {
		id, size := le16(b), int(le16(b[2:]))
		b = b[4:]
		if size > len(b) {
			return
		}
		field := b[:size]
		b = b[size:]
		switch id {
		case 1: // zip64: only the fields that are too large for their place, in this order
			wide := []*int64{&e.size, &e.packed}
			if central {
				wide = append(wide, &e.header)
			}
			for _, v := range wide {
				if *v == zipMax32 && len(field) >= 8 {
					*v = int64(binary.LittleEndian.Uint64(field))
					field = field[8:]
				}
			}
		case 0x5455: // Info-ZIP's extended timestamp
			if len(field) >= 5 && field[0]&1 != 0 {
				e.modified = time.Unix(int64(int32(le32(field[1:]))), 0).UTC()
			}
		}
	}
}
