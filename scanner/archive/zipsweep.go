package archive

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// sweep looks for local headers between from and to, and yields the members that it finds.
func (w *walk) sweep(from, to int64) error {
	for to-from > zipLocalSize {
		at, err := w.findZipHeader(from, to)
		if err != nil || at < 0 {
			return err
		}
		e := w.readZipLocal(at, to)
		if e == nil {
			from = at + 4
			continue
		}
		if from, err = w.sweptMember(e); err != nil {
			return err
		}
	}
	return nil
}

// sweptMember yields the member and returns the offset at which to go on. A deflated member is
// decoded to its end, because its declared size may be missing, or a lie to hide what follows.
func (w *walk) sweptMember(e *zipEntry) (next int64, err error) {
	m := w.zipMember(e)
	if err := w.member(m); err != nil {
		return 0, err
	}
	switch {
	case e.mode.IsDir():
		return e.data, nil
	case e.method == 8 && e.flags&zipEncrypted == 0:
		bad := m.drain()
		if err := w.chargePacked(e, m); err != nil {
			return 0, err
		}
		if bad != nil {
			return e.data, nil
		}
		return e.consumed(), nil
	case e.streamed && e.method != 0:
		return e.data, nil
	}
	return e.end, nil
}

// readZipLocal interprets the local header at that offset. It returns nil if this cannot be one:
// the four bytes of the signature occur by chance, or in the code of an unpacker.
func (w *walk) readZipLocal(at, to int64) *zipEntry {
	var h [zipLocalSize]byte
	if _, err := w.src.ReadAt(h[:], at); err != nil {
		return nil
	}
	version, nameLength, extraLength := h[4], int64(le16(h[26:])), int64(le16(h[28:]))
	if version > 100 || nameLength == 0 || at+zipLocalSize+nameLength+extraLength > to {
		return nil
	}
	rest := make([]byte, nameLength+extraLength)
	if _, err := w.src.ReadAt(rest, at+zipLocalSize); err != nil && err != io.EOF {
		return nil
	}
	e := &zipEntry{
		name:     string(rest[:nameLength]),
		flags:    le16(h[6:]),
		method:   le16(h[8:]),
		modified: dosTime(le16(h[12:]), le16(h[10:])),
		crc:      le32(h[14:]),
		packed:   int64(le32(h[18:])),
		size:     int64(le32(h[22:])),
		header:   at,
		data:     at + zipLocalSize + nameLength + extraLength,
		end:      to,
	}
	_, named := zipMethodNames[e.method]
	if !named && !zipSupports(e.method) || bytes.IndexByte(rest[:nameLength], 0) >= 0 {
		return nil
	}
	e.extra(rest[nameLength:], false)
	e.streamed = e.flags&zipStreamed != 0 && e.packed == 0
	switch {
	case e.streamed && e.method == 0:
		e.end = w.storedEnd(e)
	case !e.streamed && e.method != 8:
		if e.packed < 0 || e.packed > to-e.data {
			e.packed = to - e.data // cut off; the checksum will tell
		}
		e.end = e.data + e.packed
	}
	content := e.packed
	if e.streamed {
		content = 1 // or none; it is to be looked at
	}
	e.mode = zipMode(0, 0, e.name, content)
	return e
}

// zipSupports reports whether the method is one that is read.
func zipSupports(method uint16) bool {
	switch method {
	case 0, 8, 12, 14, 20, 93, 95, 99:
		return true
	}
	return false
}

// storedEnd finds the end of a stored member without sizes: where a data descriptor with a
// signature has the checksum of all bytes before it. Without one, it is the limit.
func (w *walk) storedEnd(e *zipEntry) int64 {
	const overlap = 8 // signature and checksum
	buf := make([]byte, 64<<10+overlap)
	sum, have := uint32(0), 0
	for pos := e.data; pos < e.end && w.budget.alive() == nil; {
		n, err := w.src.ReadAt(buf[have:min(int64(len(buf)), int64(have)+e.end-pos)], pos)
		have += n
		pos += int64(n)
		i := 0
		for ; i+overlap <= have; i++ {
			if binary.LittleEndian.Uint32(buf[i:]) == zipDescriptor && le32(buf[i+4:]) == sum {
				return pos - int64(have-i)
			}
			sum = crc32.Update(sum, crc32.IEEETable, buf[i:i+1])
		}
		have = copy(buf, buf[i:have])
		if err != nil || n == 0 {
			break
		}
	}
	return e.end
}

// findZipHeader returns the offset of the next signature of a local header in the range, -1 if
// there is none.
func (w *walk) findZipHeader(from, to int64) (int64, error) {
	signature := binary.LittleEndian.AppendUint32(nil, zipLocal)
	buf := w.scratch()
	for from < to {
		if err := w.budget.alive(); err != nil {
			return -1, err
		}
		n, err := w.src.ReadAt(buf[:min(int64(len(buf)), to-from)], from)
		if i := bytes.Index(buf[:n], signature); i >= 0 {
			return from + int64(i), nil
		}
		if err != nil && err != io.EOF {
			return -1, err
		}
		if n < len(signature) || err == io.EOF {
			break
		}
		from += int64(n - len(signature) + 1)
	}
	return -1, nil
}
