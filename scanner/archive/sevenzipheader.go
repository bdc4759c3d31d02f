package archive

import (
	"encoding/binary"
	"math/bits"
)

// Property ids of a 7z header (7zFormat.txt of the LZMA SDK).
const (
	szEnd           = 0x00
	szHeader        = 0x01
	szMainStreams   = 0x04
	szFiles         = 0x05
	szPackInfo      = 0x06
	szUnpackInfo    = 0x07
	szSubStreams    = 0x08
	szSize          = 0x09
	szCRC           = 0x0a
	szFolder        = 0x0b
	szUnpackSizes   = 0x0c
	szUnpackStreams = 0x0d
	szEncodedHeader = 0x17
)

// Methods, as numbers made of the bytes of their ids.
const (
	szCopy  = 0x00
	szLZMA2 = 0x21
	szLZMA  = 0x030101
	szPPMd  = 0x030401
	szAES   = 0x06f10701
)

// szMethods are the methods that are left to the library. It knows more (zstd, brotli and lz4 of
// 7-Zip-zstd), without a bound on their memory.
var szMethods = map[uint64]bool{
	szCopy: true, szLZMA2: true, szLZMA: true, szPPMd: true,
	0x03:       true, // delta
	0x0a:       true, // ARM64
	0x03030103: true, // BCJ (x86)
	0x0303011b: true, // BCJ2
	0x03030205: true, // PowerPC
	0x03030501: true, // ARM
	0x03030805: true, // SPARC
	0x040108:   true, // deflate
	0x040202:   true, // bzip2
}

// sevenZipStreams says where the data of the archive is and how it is packed.
type sevenZipStreams struct {
	packPos   int64
	packSizes []int64
	folders   []sevenZipFolder
}

// sevenZipFolder is a stream packed as a whole: 7z's word; it has nothing to do with directories.
type sevenZipFolder struct {
	coders   []sevenZipCoder
	bound    []bool // whether an output is the input of another coder
	size     int64  // unpacked
	memory   int64  // needed to unpack it
	err      *Error // why it cannot be read
	reserved bool   // the memory was asked for
	streams  int64  // members in it
}

type sevenZipCoder struct {
	id         uint64
	properties []byte // inside the header: shrinkDictionary changes them
	size       int64  // unpacked
}

// checkSevenZipHeader reads a header as far as is needed to know that the library will allocate
// and compute in proportion to its length, and what each folder needs. Dictionaries that are
// larger than what is unpacked with them are made smaller in the header.
func checkSevenZipHeader(header []byte, limits Limits) (*sevenZipStreams, error) {
	p := &sevenZipParser{b: header, limits: limits}
	p.expect(szHeader)
	s := &sevenZipStreams{}
	if p.peek() == szMainStreams {
		p.byte()
		s = p.streams()
	}
	if p.peek() == szFiles {
		p.byte()
		// Each member has a name, of which at least the end stands in the header; and the
		// library keeps about 500 bytes of it.
		files := p.count(len(p.b), "members")
		if int64(files)*512 > limits.Memory {
			return nil, overLimit("7z: a directory of %d members", files)
		}
		// For each member the library counts its way through the folders.
		if int64(files)*int64(len(s.folders)) > 1<<30 {
			return nil, overLimit("7z: a directory of %d members in %d streams", files, len(s.folders))
		}
	}
	return s, p.errOrNil()
}

// sevenZipParser reads a header. Behind an error it returns zeros.
type sevenZipParser struct {
	b      []byte
	limits Limits
	err    *Error
}

// errOrNil avoids an error interface that holds a nil *Error.
func (p *sevenZipParser) errOrNil() error {
	if p.err == nil {
		return nil
	}
	return p.err
}

func (p *sevenZipParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = damaged("7z: "+format, args...)
	}
	p.b = nil
}

func (p *sevenZipParser) bytes(n int) []byte {
	if n < 0 || n > len(p.b) {
		p.fail("the header is cut off")
		return nil
	}
	b := p.b[:n:n]
	p.b = p.b[n:]
	return b
}

func (p *sevenZipParser) byte() byte {
	if b := p.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// peek returns the next byte without reading it; szEnd at the end.
func (p *sevenZipParser) peek() byte {
	if len(p.b) == 0 {
		return szEnd
	}
	return p.b[0]
}

func (p *sevenZipParser) expect(id byte) {
	if got := p.byte(); got != id && p.err == nil {
		p.fail("property %#x where %#x was expected", got, id)
	}
}

// number reads 7z's number of variable length: as many leading ones in the first byte as bytes
// follow, little-endian; the rest of the first byte are the highest bits.
func (p *sevenZipParser) number() uint64 {
	first := p.byte()
	n := bits.LeadingZeros8(^first)
	v := uint64(0)
	for i, b := range p.bytes(n) {
		v |= uint64(b) << (8 * i)
	}
	if n < 7 {
		v |= uint64(first&(1<<(7-n)-1)) << (8 * n)
	}
	return v
}

// count reads a number of things that is at most n.
func (p *sevenZipParser) count(n int, things string) int {
	v := p.number()
	if v > uint64(n) {
		p.fail("%d %s in it", v, things)
		return 0
	}
	return int(v)
}

// length reads a size or an offset.
func (p *sevenZipParser) length() int64 {
	v := p.number()
	if v > unlimited {
		p.fail("an impossible size")
		return 0
	}
	return int64(v)
}

// digests passes over the checksums of n things.
func (p *sevenZipParser) digests(n int) {
	defined := n
	if p.byte() == 0 {
		defined = 0
		for _, b := range p.bytes((n + 7) / 8) {
			defined += bits.OnesCount8(b)
		}
	}
	p.bytes(4 * defined)
}

// streams reads pack info, unpack info and substreams info, each of which may be missing.
func (p *sevenZipParser) streams() *sevenZipStreams {
	s := &sevenZipStreams{}
	if p.peek() == szPackInfo {
		p.byte()
		p.packInfo(s)
	}
	if p.peek() == szUnpackInfo {
		p.byte()
		p.unpackInfo(s)
	}
	if p.peek() == szSubStreams {
		p.byte()
		p.subStreams(s)
	}
	p.expect(szEnd)
	return s
}

func (p *sevenZipParser) packInfo(s *sevenZipStreams) {
	s.packPos = p.length()
	n := p.count(len(p.b), "packed streams")
	if p.peek() == szSize {
		p.byte()
		for range n {
			s.packSizes = append(s.packSizes, p.length())
		}
	}
	if p.peek() == szCRC {
		p.byte()
		p.digests(n)
	}
	p.expect(szEnd)
}

func (p *sevenZipParser) unpackInfo(s *sevenZipStreams) {
	p.expect(szFolder)
	n := p.count(len(p.b), "folders")
	if p.byte() != 0 {
		p.fail("folders outside of the header")
	}
	for range n {
		s.folders = append(s.folders, p.folder())
		if p.err != nil {
			return
		}
	}
	p.expect(szUnpackSizes)
	for i := range s.folders {
		p.sizes(&s.folders[i])
	}
	if p.peek() == szCRC {
		p.byte()
		p.digests(n)
	}
	p.expect(szEnd)
}

// folder reads the coders of a folder and how they are connected.
func (p *sevenZipParser) folder() sevenZipFolder {
	const maxCoders, maxInputs = 8, 16 // 7-Zip: 32; its longest chain in use has 5 (BCJ2 and AES)
	f := sevenZipFolder{streams: 1}
	inputs := 0
	for range p.count(maxCoders, "coders of a folder") {
		flags := p.byte()
		c := sevenZipCoder{}
		for _, b := range p.bytes(int(flags & 15)) {
			c.id = c.id<<8 | uint64(b)
		}
		in := 1
		if flags&0x10 != 0 {
			in = p.count(maxInputs, "inputs of a coder")
			if out := p.count(maxInputs, "outputs of a coder"); out != 1 {
				p.fail("a coder with %d outputs", out)
			}
		}
		if flags&0x20 != 0 {
			c.properties = p.bytes(p.count(len(p.b), "bytes of properties"))
		}
		inputs += in
		f.coders = append(f.coders, c)
	}
	if p.err == nil && (len(f.coders) == 0 || inputs < len(f.coders)) {
		p.fail("a folder without coders or inputs")
	}
	f.bound = make([]bool, len(f.coders))
	for range len(f.coders) - 1 {
		p.count(inputs-1, "inputs")
		if out := p.count(len(f.coders)-1, "outputs"); p.err == nil {
			f.bound[out] = true
		}
	}
	if packed := inputs - (len(f.coders) - 1); packed > 1 {
		for range packed {
			p.count(inputs-1, "inputs")
		}
	}
	return f
}

// sizes reads the unpacked sizes of the coders, which completes the folder.
func (p *sevenZipParser) sizes(f *sevenZipFolder) {
	for i := range f.coders {
		c := &f.coders[i]
		c.size = p.length()
		if !f.bound[i] {
			f.size = c.size
		}
		memory, err := c.check()
		f.memory += memory
		if err != nil && f.err == nil {
			f.err = err
		}
	}
	if f.err == nil && f.memory > p.limits.Memory {
		f.err = overLimit("7z: unpacking needs %s of memory, allowed are %s", bytesText(f.memory), bytesText(p.limits.Memory))
	}
}

// check returns how much memory the coder needs, or why it cannot be used.
func (c *sevenZipCoder) check() (int64, *Error) {
	switch {
	case c.id == szAES:
		return 0, errEncrypted
	case !szMethods[c.id]:
		return 0, unsupported("7z: method %#x", c.id)
	case c.id == szLZMA && len(c.properties) == 5:
		return min(int64(le32(c.properties[1:])), c.size), nil // as the decoder does
	case c.id == szLZMA2 && len(c.properties) == 1 && c.properties[0] <= 40:
		return c.shrinkDictionary(), nil
	case c.id == szPPMd && len(c.properties) == 5:
		return int64(binary.LittleEndian.Uint32(c.properties[1:])), nil
	case c.id == szLZMA || c.id == szLZMA2 || c.id == szPPMd:
		return 0, damaged("7z: impossible properties of a method")
	}
	return 1 << 20, nil // bzip2 is the largest of the others
}

// shrinkDictionary lowers the size of an LZMA2 dictionary to the least that holds all that is
// unpacked, and returns it. 7-Zip asks for up to 1.5 GiB by default.
func (c *sevenZipCoder) shrinkDictionary() int64 {
	dictionary := func(property byte) int64 { return (2 | int64(property&1)) << (property/2 + 11) }
	property := c.properties[0]
	for property > 0 && dictionary(property-1) >= c.size {
		property--
	}
	c.properties[0] = property
	return dictionary(property)
}

// subStreams reads how the folders are divided into members.
func (p *sevenZipParser) subStreams(s *sevenZipStreams) {
	total := int64(0)
	if p.peek() == szUnpackStreams {
		p.byte()
		for i := range s.folders {
			s.folders[i].streams = p.length()
		}
	}
	for _, f := range s.folders {
		// Each member but a folder's only one has a size of at least a byte in the header.
		if total += f.streams; total > int64(len(s.folders)+len(p.b)) {
			p.fail("%d members", total)
			return
		}
	}
	if p.peek() == szSize {
		p.byte()
		for _, f := range s.folders {
			rest := f.size
			for range f.streams - 1 {
				if rest -= p.length(); rest < 0 {
					p.fail("members that are larger than their folder")
				}
				if p.err != nil {
					return
				}
			}
		}
	}
	if p.peek() == szCRC {
		p.byte()
		p.digests(int(total))
	}
	p.expect(szEnd)
}
