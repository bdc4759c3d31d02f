package archive

import (
	"bufio"
	"compress/bzip2"
	"encoding/binary"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/ulikunitz/xz/lzma"
)

// Zip is read as APPNOTE 6.3.10 describes it, by the central directory at the end. Malware hides
// members from readers: it cuts or breaks the directory, appends a second archive whose
// directory names other members, leaves local headers that no directory names, sets the
// encryption bit of plain members. So behind the walk of the directory ([walk.zip]) comes a
// sweep ([walk.sweep]) through all bytes that no member of the directory covers, for local
// headers; with a broken directory these are all bytes.

const (
	zipLocal      = 0x04034b50
	zipCentral    = 0x02014b50
	zipEnd        = 0x06054b50
	zip64End      = 0x06064b50
	zip64Locator  = 0x07064b50
	zipDescriptor = 0x08074b50

	zipLocalSize   = 30
	zipCentralSize = 46
	zipEndSize     = 22

	zipEncrypted  = 1 << 0
	zipLZMAEnd    = 1 << 1 // for method 14: the stream has an end mark
	zipStreamed   = 1 << 3 // sizes and checksum stand behind the data
	zipMax16      = 1<<16 - 1
	zipMax32      = 1<<32 - 1
	zipUnixSystem = 3
)

// zipEntry is one member, from the central directory or from its local header.
type zipEntry struct {
	name         string
	flags        uint16
	method       uint16
	crc          uint32
	packed, size int64 // declared
	modified     time.Time
	mode         fs.FileMode // a directory only if it has no content
	header       int64       // offset of the local header
	data, end    int64       // offsets of the data, and where it ends at the latest
	streamed     bool        // found by its local header, which has no sizes and checksum

	section *io.SectionReader // the packed data being read
	br      *bufio.Reader
}

// consumed is the offset behind the packed data that was read so far.
func (e *zipEntry) consumed() int64 {
	if e.br == nil {
		return e.data
	}
	pos, _ := e.section.Seek(0, io.SeekCurrent)
	return e.data + pos - int64(e.br.Buffered())
}

// extent is a range of bytes of the file.
type extent struct{ from, to int64 }

// zip walks the members of the central directory, then what it does not cover.
func (w *walk) zip() error {
	var covered []extent
	dir, err := w.findZipDirectory()
	if err == nil {
		covered, err = w.zipDirectory(dir)
	}
	if err == errStop || w.budget.err != nil || w.src.err != nil {
		return err
	}
	if err != nil {
		err := w.classify(err, "")
		err.Detail += "; its local headers are read instead"
		if err := w.problem(err); err != nil {
			return err
		}
	}
	slices.SortFunc(covered, func(a, b extent) int { return int(min(max(a.from-b.from, -1), 1)) })
	pos := int64(0)
	for _, c := range covered {
		if err := w.sweep(pos, c.from); err != nil {
			return err
		}
		pos = max(pos, c.to)
	}
	return w.sweep(pos, w.src.size)
}

// zipDirectory yields the members of the central directory. It returns the bytes that the
// directory and its members cover.
func (w *walk) zipDirectory(dir zipDirectory) (covered []extent, err error) {
	covered = append(covered, extent{dir.start, dir.end})
	r := &zipDirectoryReader{dir: dir, r: bufio.NewReader(w.section(dir.start, dir.end))}
	for {
		e, err := r.next()
		if err == io.EOF {
			return covered, nil
		}
		if err != nil {
			return covered, err
		}
		lost := w.locate(e)
		m := w.zipMember(e)
		if lost != nil {
			m.open = unreadable(lost)
		}
		if err := w.member(m); err != nil {
			return covered, err
		}
		if err := w.chargePacked(e, m); err != nil {
			return covered, err
		}
		if m.broken == io.EOF && e.method == 8 {
			e.end = e.consumed() // a declared size that is too large hides nothing
		}
		if lost == nil {
			covered = append(covered, extent{e.header, e.end})
		}
	}
}

// chargePacked charges packed bytes that unpacked to less than themselves. Many entries may name
// the same data, and a deflate stream can be made of empty blocks.
func (w *walk) chargePacked(e *zipEntry, m *Member) error {
	return w.budget.charge(max(0, e.consumed()-e.data-m.n))
}

// locate finds the data of an entry of the central directory behind its local header.
func (w *walk) locate(e *zipEntry) error {
	var h [zipLocalSize]byte
	if _, err := w.src.ReadAt(h[:], e.header); err != nil && err != io.EOF {
		return err
	}
	if le32(h[:]) != zipLocal {
		return damaged("zip: no local header at byte %d", e.header)
	}
	e.data = e.header + zipLocalSize + int64(le16(h[26:])) + int64(le16(h[28:]))
	e.end = e.data + e.packed
	if e.method == 0 && e.end > w.src.size {
		return damaged("zip: the data reaches beyond the end of the file")
	}
	return nil
}

// zipMember is the member for e.
func (w *walk) zipMember(e *zipEntry) *Member {
	m := &Member{Name: e.name, Size: e.size, Modified: e.modified, Mode: e.mode, charge: true}
	if e.streamed {
		m.Size = -1
	}
	m.open = func() (io.Reader, error) {
		if e.flags&zipEncrypted != 0 && !w.onlySaysEncrypted(e) {
			return nil, errEncrypted
		}
		r, err := w.zipDecoder(e)
		return &zipContent{r: r, e: e}, err
	}
	if e.mode.IsDir() {
		m.open = empty
	}
	return m
}

// zipDecoder returns a reader of the unpacked data.
func (w *walk) zipDecoder(e *zipEntry) (io.Reader, error) {
	e.section = w.section(e.data, e.end)
	if e.method == 0 {
		return e.section, nil
	}
	e.br = bufio.NewReader(e.section)
	return w.zipMethod(e, e.br)
}

func (w *walk) zipMethod(e *zipEntry, br *bufio.Reader) (io.Reader, error) {
	switch e.method {
	case 8:
		return w.inflate(br)
	case 12:
		return bzip2.NewReader(br), nil
	case 14:
		return w.zipLZMA(e, br)
	case 20, 93:
		return w.zstdReader(br)
	case 95:
		return newXZReader(br, w.budget), nil
	case 99:
		return nil, errEncrypted
	}
	name, ok := zipMethodNames[e.method]
	if !ok {
		name = "unknown"
	}
	return nil, unsupported("zip: compression method %d (%s)", e.method, name)
}

// inflate resets the walk's one inflater to r: it has 40 KiB of window and tables.
func (w *walk) inflate(r *bufio.Reader) (io.Reader, error) {
	if w.inflater == nil {
		w.inflater = flate.NewReader(r)
		return w.inflater, nil
	}
	return w.inflater, w.inflater.(flate.Resetter).Reset(r, nil)
}

var zipMethodNames = map[uint16]string{
	1: "shrink", 2: "reduce", 3: "reduce", 4: "reduce", 5: "reduce", 6: "implode",
	9: "deflate64", 94: "mp3", 96: "jpeg", 97: "wavpack", 98: "ppmd",
}

// zipLZMA reads method 14: version (2 bytes), length of the properties (2), the properties, the
// stream (APPNOTE 5.8.8). The decoder wants the header of a .lzma file instead: the properties
// and the size.
func (w *walk) zipLZMA(e *zipEntry, br *bufio.Reader) (io.Reader, error) {
	var h [4 + 5 + 8]byte
	if _, err := io.ReadFull(br, h[:9]); err != nil {
		return nil, noEOF(err)
	}
	if le16(h[2:]) != 5 {
		return nil, damaged("zip: LZMA properties of %d bytes", le16(h[2:]))
	}
	size := e.size
	if e.flags&zipLZMAEnd != 0 || e.streamed {
		size = -1
	}
	binary.LittleEndian.PutUint64(h[9:], uint64(size))
	return newLZMAReader(h[4:], br, w.budget)
}

// newLZMAReader returns a reader of a raw LZMA stream with the 13 bytes of a .lzma header.
func newLZMAReader(header []byte, r *bufio.Reader, b *Budget) (io.Reader, error) {
	dictionary := int64(binary.LittleEndian.Uint32(header[1:]))
	if size := int64(binary.LittleEndian.Uint64(header[5:])); size >= 0 {
		dictionary = min(dictionary, size) // as the decoder does
	}
	dictionary = max(dictionary, lzma.MinDictCap)
	if err := b.reserve(dictionary); err != nil {
		return nil, err
	}
	return lzma.NewReader(&prefixed{prefix: header, r: r})
}

// prefixed reads a prefix and then r, byte by byte where wanted, so that the LZMA decoder needs
// no buffer of its own.
type prefixed struct {
	prefix []byte
	r      *bufio.Reader
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.prefix) == 0 {
		return p.r.Read(b)
	}
	n := copy(b, p.prefix)
	p.prefix = p.prefix[n:]
	return n, nil
}

func (p *prefixed) ReadByte() (byte, error) {
	if len(p.prefix) == 0 {
		return p.r.ReadByte()
	}
	c := p.prefix[0]
	p.prefix = p.prefix[1:]
	return c, nil
}

// onlySaysEncrypted reports whether the data unpacks to the right checksum although the entry
// is marked as encrypted. Android ignores the mark, and malware for it sets the mark to keep
// other readers out. What really is encrypted fails within the first bytes.
func (w *walk) onlySaysEncrypted(e *zipEntry) bool {
	if e.streamed || e.crc == 0 || e.method != 8 && (e.method != 0 || e.packed != e.size) {
		return false
	}
	r, err := w.zipDecoder(e)
	if err != nil {
		return false
	}
	m := Member{w: w, charge: true, open: func() (io.Reader, error) { return &zipContent{r: r, e: e}, nil }}
	return m.drain() == nil
}

// zipContent compares the checksum at the end.
type zipContent struct {
	r   io.Reader
	e   *zipEntry
	sum uint32
}

func (c *zipContent) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.sum = crc32.Update(c.sum, crc32.IEEETable, p[:n])
	if err == io.EOF && !c.e.hasChecksum(c.sum) {
		return n, damaged("zip: checksum of the content differs")
	}
	return n, err
}

// hasChecksum reports whether sum is the declared checksum. Behind a streamed member it stands in
// the data descriptor, with or without a signature before it.
func (e *zipEntry) hasChecksum(sum uint32) bool {
	if !e.streamed {
		return sum == e.crc
	}
	if e.br == nil {
		return true // stored: the descriptor was found by its checksum
	}
	d, _ := e.br.Peek(8)
	if len(d) == 8 && le32(d) == zipDescriptor {
		d = d[4:]
	}
	return len(d) < 4 || le32(d) == sum
}

// zipMode is the type and permissions from the external attributes, the name and the size.
func zipMode(system uint8, attributes uint32, name string, packed int64) fs.FileMode {
	mode := fs.FileMode(0o644)
	if unix := attributes >> 16; system == zipUnixSystem && unix != 0 {
		mode = unixMode(unix)
	} else if system != zipUnixSystem && attributes&0x10 != 0 {
		mode = fs.ModeDir | 0o755
	}
	if strings.HasSuffix(name, "/") {
		mode = mode&fs.ModePerm | fs.ModeDir
	}
	if packed > 0 {
		mode &^= fs.ModeDir // whatever its name says, there is content
	}
	return mode
}

// unixMode translates the st_mode of Unix.
func unixMode(m uint32) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	switch m & 0o170000 {
	case 0o040000:
		mode |= fs.ModeDir
	case 0o120000:
		mode |= fs.ModeSymlink
	case 0o010000:
		mode |= fs.ModeNamedPipe
	case 0o140000:
		mode |= fs.ModeSocket
	case 0o060000:
		mode |= fs.ModeDevice
	case 0o020000:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	}
	if m&0o4000 != 0 {
		mode |= fs.ModeSetuid
	}
	if m&0o2000 != 0 {
		mode |= fs.ModeSetgid
	}
	if m&0o1000 != 0 {
		mode |= fs.ModeSticky
	}
	return mode
}

// dosTime translates a date and time of DOS, which have no time zone, as UTC.
func dosTime(date, clock uint16) time.Time {
	if date == 0 {
		return time.Time{}
	}
	return time.Date(int(date>>9)+1980, time.Month(date>>5&15), int(date&31),
		int(clock>>11), int(clock>>5&63), int(clock&31)*2, 0, time.UTC)
}

func le16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
