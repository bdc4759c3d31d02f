package archive

import (
	"encoding/binary"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// cpio walks the "newc" format of cpio: a header of 110 characters, mostly hexadecimal numbers
// of eight digits, the name, the data, both padded to four bytes. A member named TRAILER!!!
// ends an archive; others may follow, as in an initramfs.
func (w *walk) cpio(r io.Reader, charge bool) error {
	const headerSize = 110
	in := &countingBytes{r: r}
	ended := false
	for {
		var h [headerSize]byte
		if err := in.header(h[:]); err == io.EOF && ended {
			return nil
		} else if err != nil {
			return err
		}
		field := func(i int) int64 {
			n, err := strconv.ParseUint(string(h[6+8*i:14+8*i]), 16, 32)
			if err != nil {
				return -1
			}
			return int64(n)
		}
		mode, modified, size, nameSize := field(1), field(5), field(6), field(11)
		if magic := string(h[:6]); magic != "070701" && magic != "070702" || mode < 0 || size < 0 || nameSize < 0 {
			return damaged("cpio: the header at byte %d is broken", in.n-headerSize)
		}
		if nameSize > 64<<10 {
			return damaged("cpio: a name of %d bytes", nameSize)
		}
		name := make([]byte, nameSize)
		if _, err := io.ReadFull(in, name); err != nil {
			return noEOF(err)
		}
		if err := in.align(4); err != nil {
			return err
		}
		end := in.n + size
		plain := strings.TrimRight(string(name), "\x00")
		if ended = plain == "TRAILER!!!"; ended {
			continue
		}
		m := &Member{Name: plain, Size: size, Mode: unixMode(uint32(mode)), charge: charge}
		if modified > 0 {
			m.Modified = time.Unix(modified, 0).UTC()
		}
		m.open = func() (io.Reader, error) { return &exactly{r: in, n: size}, nil }
		if m.Mode&(fs.ModeDir|fs.ModeDevice|fs.ModeNamedPipe|fs.ModeSocket) != 0 {
			m.open = empty
		}
		if err := w.member(m); err != nil {
			return err
		}
		if err := in.skip(end - in.n); err != nil {
			return err
		}
		if err := in.align(4); err != nil {
			return err
		}
	}
}

// countingBytes is a stream that knows its position.
type countingBytes struct {
	r io.Reader
	n int64
}

func (c *countingBytes) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// header reads the next header, beyond zeros that pad an archive. io.EOF is the regular end.
func (c *countingBytes) header(h []byte) error {
	h[0] = 0
	for h[0] == 0 {
		if _, err := io.ReadFull(c, h[:1]); err != nil {
			return err
		}
	}
	_, err := io.ReadFull(c, h[1:])
	return noEOF(err)
}

func (c *countingBytes) align(to int64) error { return c.skip(-c.n & (to - 1)) }

func (c *countingBytes) skip(n int64) error {
	_, err := io.CopyN(io.Discard, c, n)
	return noEOF(err)
}

// rpm walks the payload of an RPM package: behind the lead (96 bytes) stand two headers, the
// first padded to eight bytes, then a compressed cpio archive.
func (w *walk) rpm() error {
	pos := int64(96)
	for i := range 2 {
		var h [16]byte
		if _, err := w.src.ReadAt(h[:], pos); err != nil && err != io.EOF {
			return err
		}
		if string(h[:4]) != "\x8e\xad\xe8\x01" {
			return damaged("rpm: no header at byte %d", pos)
		}
		entries, size := int64(binary.BigEndian.Uint32(h[8:])), int64(binary.BigEndian.Uint32(h[12:]))
		pos += 16 + 16*entries + size
		if i == 0 {
			pos = (pos + 7) &^ 7
		}
	}
	var head [HeadSize]byte
	n, err := w.src.ReadAt(head[:], pos)
	if err != nil && err != io.EOF {
		return err
	}
	payload := w.section(pos, w.src.size)
	switch format, _ := Detect(head[:n]); format {
	case Cpio:
		return w.cpio(payload, true)
	case Gzip, XZ, Zstd, Bzip2:
		return w.compressed(format, payload)
	}
	return unsupported("rpm: unknown compression of the payload")
}
