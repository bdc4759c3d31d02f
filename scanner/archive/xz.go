package archive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// xzReader reads the xz container (specification 1.2.1, tukaani.org/xz/xz-file-format.txt) over
// the LZMA2 decoder of ulikunitz/xz. That library's own container reader allocates whatever
// dictionary a block header asks for, up to 4 GiB, and any number of them.
type xzReader struct {
	in     countingReader
	budget *Budget
	check  byte // the stream's check id
	block  *xzBlock
	err    error
}

// xzBlock is the block being read.
type xzBlock struct {
	data         io.Reader
	start        int64 // of the packed data, in bytes of input
	size, packed int64 // declared, -1 if not
	n            int64 // unpacked so far
	sum          hash.Hash
}

var xzMagic = []byte("\xfd7zXZ\x00")

// xzCheckSize is the length of the check by its id (section 2.1.1.2).
var xzCheckSize = [16]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}

func newXZReader(r *bufio.Reader, b *Budget) *xzReader {
	x := &xzReader{in: countingReader{r: r}, budget: b}
	x.err = x.streamHeader()
	return x
}

func (x *xzReader) Read(p []byte) (n int, err error) {
	for x.err == nil && n == 0 {
		if x.block == nil {
			x.err = x.nextBlock()
			continue
		}
		n, err = x.block.data.Read(p)
		x.block.n += int64(n)
		x.block.sum.Write(p[:n])
		switch {
		case err == io.EOF:
			x.err = x.endBlock()
		case err != nil:
			x.err = err
		}
	}
	if n > 0 {
		return n, nil
	}
	return 0, x.err
}

func (x *xzReader) streamHeader() error {
	var h [12]byte
	if err := x.full(h[:]); err != nil {
		return err
	}
	if !bytes.Equal(h[:6], xzMagic) {
		return damaged("xz: no stream header")
	}
	if crc32.ChecksumIEEE(h[6:8]) != binary.LittleEndian.Uint32(h[8:]) {
		return damaged("xz: checksum of the stream header differs")
	}
	if h[6] != 0 || h[7] > 15 {
		return unsupported("xz: unknown stream flags")
	}
	x.check = h[7]
	return nil
}

// nextBlock reads the next block header. Behind the last block stands the index, and behind
// that perhaps another stream; io.EOF is the regular end.
func (x *xzReader) nextBlock() error {
	size, err := x.in.ReadByte()
	if err != nil {
		return noEOF(err)
	}
	if size == 0 {
		if err := x.endStream(); err != nil {
			return err
		}
		return x.streamHeader()
	}
	header := make([]byte, (int(size)+1)*4)
	header[0] = size
	if err := x.full(header[1:]); err != nil {
		return err
	}
	body, sum := header[:len(header)-4], header[len(header)-4:]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(sum) {
		return damaged("xz: checksum of a block header differs")
	}
	return x.openBlock(body)
}

func (x *xzReader) openBlock(header []byte) error {
	flags, rest := header[1], header[2:]
	block := &xzBlock{start: x.in.n, size: -1, packed: -1, sum: x.newCheck()}
	number := func() int64 {
		v, n := binary.Uvarint(rest)
		if n <= 0 || v >= 1<<62 {
			rest = nil
			return -1
		}
		rest = rest[n:]
		return int64(v)
	}
	if flags&0x40 != 0 {
		block.packed = number()
	}
	if flags&0x80 != 0 {
		block.size = number()
	}
	if flags&0x3c != 0 {
		return unsupported("xz: unknown block flags")
	}
	id, length := number(), number()
	if flags&3 != 0 {
		return unsupported("xz: a filter %#x before LZMA2", id)
	}
	if id != 0x21 || length != 1 || len(rest) < 1 {
		return unsupported("xz: filter %#x", id)
	}
	dictionary, err := lzma.DecodeDictCap(rest[0])
	if err != nil {
		return damaged("xz: impossible size of a dictionary")
	}
	if block.size >= 0 {
		dictionary = min(dictionary, block.size) // enforced in endBlock
	}
	dictionary = max(dictionary, lzma.MinDictCap)
	if err := x.budget.reserve(dictionary); err != nil {
		return err
	}
	block.data, err = lzma.Reader2Config{DictCap: int(dictionary)}.NewReader2(&x.in)
	x.block = block
	return err
}

// endBlock reads the padding and the check behind the block and compares.
func (x *xzReader) endBlock() error {
	b := x.block
	x.block = nil
	packed := x.in.n - b.start
	if b.packed >= 0 && b.packed != packed || b.size >= 0 && b.size != b.n {
		return damaged("xz: a block has not the size in its header")
	}
	var buf [3 + 64]byte
	padding := int(-packed & 3)
	tail := buf[:padding+xzCheckSize[x.check]]
	if err := x.full(tail); err != nil {
		return err
	}
	if want := b.sum.Sum(nil); len(want) > 0 && !bytes.Equal(want, tail[padding:]) {
		return damaged("xz: checksum of the content differs")
	}
	return nil
}

// endStream reads the index (its first byte is consumed), the footer and the padding. The index
// repeats sizes that are known by now, so it is only skipped. It returns io.EOF at the end of
// the file, nil if another stream begins.
func (x *xzReader) endStream() error {
	start := x.in.n - 1
	records, err := binary.ReadUvarint(&x.in)
	for i := uint64(0); err == nil && i < records; i++ {
		if _, err = binary.ReadUvarint(&x.in); err == nil {
			_, err = binary.ReadUvarint(&x.in)
		}
	}
	if err != nil {
		return damaged("xz: the index is broken: %v", noEOF(err))
	}
	var buf [3 + 4 + 12]byte
	tail := buf[:int(-(x.in.n-start)&3)+4+12] // padding, checksum, footer
	if err := x.full(tail); err != nil {
		return err
	}
	if string(tail[len(tail)-2:]) != "YZ" {
		return damaged("xz: no stream footer")
	}
	for {
		head, err := x.in.r.Peek(4)
		switch {
		case len(head) == 0 && err == io.EOF:
			return io.EOF
		case len(head) < 4:
			return damaged("xz: unknown data behind the end of the stream")
		case binary.LittleEndian.Uint32(head) != 0:
			return nil
		}
		if _, err := x.in.r.Discard(4); err != nil {
			return err
		}
	}
}

// newCheck returns the hash for the stream's check, in the byte order in which it is stored; a
// hash of nothing for the reserved ones.
func (x *xzReader) newCheck() hash.Hash {
	switch x.check {
	case 1:
		return littleEndian{crc32.NewIEEE()}
	case 4:
		return littleEndian{crc64.New(crc64Table)}
	case 10:
		return sha256.New()
	}
	return noHash{}
}

var crc64Table = crc64.MakeTable(crc64.ECMA)

// littleEndian is a CRC whose sum is stored little-endian.
type littleEndian struct{ hash.Hash }

func (l littleEndian) Sum(b []byte) []byte {
	n := len(b)
	b = l.Hash.Sum(b)
	for i, j := n, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return b
}

// noHash accepts any check.
type noHash struct{ hash.Hash }

func (noHash) Write(p []byte) (int, error) { return len(p), nil }
func (noHash) Sum([]byte) []byte           { return nil }

func (x *xzReader) full(p []byte) error {
	_, err := io.ReadFull(&x.in, p)
	return noEOF(err)
}

// countingReader counts what is read, byte-exact.
type countingReader struct {
	r *bufio.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *countingReader) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}
