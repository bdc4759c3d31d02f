package archive

import (
	"bufio"
	"bytes"
	"io"
	"io/fs"

	"github.com/klauspost/compress/flate"
)

// Cab is read as [MS-CAB] describes it: a table of folders (streams compressed as a whole, in
// blocks of at most 32 KiB), a table of files that name their place in the unpacked folder.
// Stored and MSZIP folders are read; Quantum and LZX are not. A file that comes from or goes on
// in another cabinet of a set is not either.

const (
	cabHeaderSize = 36
	cabFolderSize = 8
	cabFileSize   = 16
	cabBlockSize  = 8
	cabWindow     = 32 << 10

	cabHasPrevious = 1 << 0
	cabHasNext     = 1 << 1
	cabHasReserve  = 1 << 2

	cabFirstSplit = 0xfffd // folder numbers from here on: the file is split over cabinets
)

// cabinet is the header.
type cabinet struct {
	folders, files uint16
	fileTable      int64
	folderTable    int64
	folderSize     int64 // of an entry of the folder table, with its reserve
	blockReserve   int64
}

// cabFile is an entry of the file table.
type cabFile struct {
	name         string
	size, offset int64
	folder       uint16
	member       Member
}

func (w *walk) cab() error {
	c, err := w.readCabinet()
	if err != nil {
		return err
	}
	table := bufio.NewReader(w.section(c.fileTable, w.src.size))
	var open *cabFolder // the folder being read: files stand in its order
	for range c.files {
		f, err := readCabFile(table)
		if err != nil {
			return err
		}
		m := &f.member
		m.open = func() (io.Reader, error) {
			if open == nil || open.number != f.folder || open.pos > f.offset {
				if open, err = w.openCabFolder(c, f.folder); err != nil {
					open = nil
					return nil, err
				}
			}
			if err := open.skipTo(f.offset); err != nil {
				return nil, err
			}
			return &exactly{r: open, n: f.size}, nil
		}
		if f.size == 0 {
			m.open = empty
		}
		if err := w.member(m); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) readCabinet() (c cabinet, err error) {
	r := bufio.NewReader(w.section(0, w.src.size))
	var h [cabHeaderSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return c, damaged("cab: the header is cut off")
	}
	if h[25] != 1 {
		return c, unsupported("cab: version %d", h[25])
	}
	flags := le16(h[30:])
	c = cabinet{folders: le16(h[26:]), files: le16(h[28:]), fileTable: int64(le32(h[16:])), folderTable: cabHeaderSize, folderSize: cabFolderSize}
	if flags&cabHasReserve != 0 {
		var reserve [4]byte
		if _, err := io.ReadFull(r, reserve[:]); err != nil {
			return c, damaged("cab: the header is cut off")
		}
		n, err := r.Discard(int(le16(reserve[:])))
		if err != nil {
			return c, damaged("cab: the header is cut off")
		}
		c.folderTable += 4 + int64(n)
		c.folderSize += int64(reserve[2])
		c.blockReserve = int64(reserve[3])
	}
	// Names of the neighbouring cabinets and their disks.
	strings := 0
	if flags&cabHasPrevious != 0 {
		strings += 2
	}
	if flags&cabHasNext != 0 {
		strings += 2
	}
	for range strings {
		s, err := cabString(r)
		if err != nil {
			return c, err
		}
		c.folderTable += int64(len(s)) + 1
	}
	return c, nil
}

// cabString reads a string with a zero behind it; the format allows 255 bytes.
func cabString(r *bufio.Reader) (string, error) {
	s, err := r.ReadSlice(0) // at most the buffer's 4 KiB
	if err != nil {
		return "", damaged("cab: a name does not end")
	}
	return string(s[:len(s)-1]), nil
}

func readCabFile(r *bufio.Reader) (*cabFile, error) {
	var h [cabFileSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return nil, damaged("cab: the table of files is cut off")
	}
	name, err := cabString(r)
	if err != nil {
		return nil, err
	}
	f := &cabFile{name: name, size: int64(le32(h[:])), offset: int64(le32(h[4:])), folder: le16(h[8:])}
	mode := fs.FileMode(0o644)
	if le16(h[14:])&1 != 0 { // read-only
		mode = 0o444
	}
	f.member = Member{Name: name, Size: f.size, Modified: dosTime(le16(h[10:]), le16(h[12:])), Mode: mode, charge: true}
	return f, nil
}

// cabFolder is a reader of an unpacked folder.
type cabFolder struct {
	w       *walk
	number  uint16
	mszip   bool
	blocks  uint16 // left
	reserve int64
	in      *bufio.Reader
	inflate io.ReadCloser
	window  []byte // the block before, which MSZIP refers to
	left    []byte // of the current block
	pos     int64
	err     error
}

func (w *walk) openCabFolder(c cabinet, number uint16) (*cabFolder, error) {
	if number >= cabFirstSplit {
		return nil, unsupported("cab: the file is split over several cabinets")
	}
	if number >= c.folders {
		return nil, damaged("cab: there is no folder %d", number)
	}
	var h [cabFolderSize]byte
	if _, err := w.src.ReadAt(h[:], c.folderTable+int64(number)*c.folderSize); err != nil && err != io.EOF {
		return nil, err
	}
	f := &cabFolder{
		w: w, number: number, blocks: le16(h[4:]), reserve: c.blockReserve,
		in: bufio.NewReaderSize(w.section(int64(le32(h[:])), w.src.size), 64<<10),
	}
	switch method := le16(h[6:]); method & 15 {
	case 0:
	case 1:
		f.mszip = true
	case 2:
		return nil, unsupported("cab: compression method Quantum")
	case 3:
		return nil, unsupported("cab: compression method LZX")
	default:
		return nil, unsupported("cab: compression method %d", method&15)
	}
	return f, nil
}

func (f *cabFolder) Read(p []byte) (int, error) {
	for len(f.left) == 0 {
		if f.err == nil {
			f.err = f.nextBlock()
		}
		if f.err != nil {
			return 0, f.err
		}
	}
	n := copy(p, f.left)
	f.left = f.left[n:]
	f.pos += int64(n)
	return n, nil
}

// nextBlock reads and unpacks one CFDATA.
func (f *cabFolder) nextBlock() error {
	if f.blocks == 0 {
		return io.ErrUnexpectedEOF // files know their sizes and do not read beyond the end
	}
	f.blocks--
	var h [cabBlockSize]byte
	if _, err := io.ReadFull(f.in, h[:]); err != nil {
		return noEOF(err)
	}
	if _, err := f.in.Discard(int(f.reserve)); err != nil {
		return noEOF(err)
	}
	data := make([]byte, le16(h[4:]))
	if _, err := io.ReadFull(f.in, data); err != nil {
		return noEOF(err)
	}
	size := int(le16(h[6:]))
	switch {
	case size == 0:
		return unsupported("cab: a block is split over two cabinets")
	case size > cabWindow:
		return damaged("cab: a block of %d bytes", size)
	}
	if sum := le32(h[:]); sum != 0 && sum != cabChecksum(h[4:], cabChecksum(data, 0)) {
		return damaged("cab: checksum of a block differs")
	}
	// Files may name the same folder again and again, so input counts as well.
	if err := f.w.budget.charge(int64(max(0, len(data)-size))); err != nil {
		return err
	}
	if !f.mszip {
		f.left = data
		return nil
	}
	return f.unzip(data, size)
}

// unzip unpacks an MSZIP block: "CK" and a deflate stream that refers to the block before.
func (f *cabFolder) unzip(data []byte, size int) error {
	if !bytes.HasPrefix(data, []byte("CK")) {
		return damaged("cab: a block is not MSZIP")
	}
	in := bytes.NewReader(data[2:])
	if f.inflate == nil {
		f.inflate = flate.NewReaderDict(in, f.window)
	} else if err := f.inflate.(flate.Resetter).Reset(in, f.window); err != nil {
		return err
	}
	out := make([]byte, size)
	if _, err := io.ReadFull(f.inflate, out); err != nil {
		return noEOF(err)
	}
	f.left = out
	// A block shorter than the window leaves the end of the older ones in it.
	f.window = append(f.window, out...)
	f.window = f.window[max(0, len(f.window)-cabWindow):]
	return nil
}

// skipTo unpacks up to the offset in the folder.
func (f *cabFolder) skipTo(offset int64) error {
	for f.pos < offset {
		buf := f.w.scratch()
		n, err := f.Read(buf[:min(int64(len(buf)), offset-f.pos)])
		if err != nil {
			return err
		}
		if err := f.w.budget.charge(int64(n)); err != nil {
			return err
		}
	}
	return nil
}

// cabChecksum is the checksum of a block: the exclusive or of its 32-bit words. The bytes of an
// incomplete last word are taken in reverse order.
func cabChecksum(b []byte, sum uint32) uint32 {
	for ; len(b) >= 4; b = b[4:] {
		sum ^= le32(b)
	}
	rest := uint32(0)
	for _, c := range b {
		rest = rest<<8 | uint32(c)
	}
	return sum ^ rest
}

// exactly reads n bytes of r and takes an earlier end for damage.
type exactly struct {
	r io.Reader
	n int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.n <= 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.n)])
	e.n -= int64(n)
	if err == io.EOF && e.n > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
