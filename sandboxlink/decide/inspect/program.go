package inspect

import (
	"encoding/binary"
	"io"
	"math"
	"strings"
)

// Limits of programs.
const (
	maxSections   = 96       // the loader of Windows takes no more
	maxSegments   = 64       // program headers of an ELF file
	entropySample = 1 << 20  // bytes of code whose entropy is measured
	leastSample   = 4 << 10  // below which it says nothing
	packedFrom    = 7.2      // bits for each byte: machine code has about 6, compressed data nearly 8
	maxNames      = 64 << 10 // bytes of section names
)

// pe reads headers and sections, and has the signature verified.
func (s *inspection) pe(r io.ReaderAt, size int64) {
	var dos [64]byte
	if !read(r, dos[:], 0) {
		s.facts.Kind = None // "MZ" and no more
		return
	}
	start := int64(binary.LittleEndian.Uint32(dos[60:]))
	var coff [24]byte
	if start > size-24 || !read(r, coff[:], start) || string(coff[:4]) != "PE\x00\x00" {
		s.facts.add(OddProgram, "it is a program for DOS, or pretends to be one")
		return
	}
	sections := int(binary.LittleEndian.Uint16(coff[6:]))
	optionalSize := int64(binary.LittleEndian.Uint16(coff[20:]))
	if binary.LittleEndian.Uint16(coff[22:])&0x2000 != 0 {
		s.facts.add(Library, "it is a library (DLL)")
	}
	optional := make([]byte, min(optionalSize, 256))
	if !read(r, optional, start+24) || len(optional) < 96 {
		s.facts.add(Damaged, "its headers are cut")
		return
	}
	s.peOptional(optional)
	if sections > maxSections {
		s.facts.add(Damaged, "it states %d sections", sections)
		sections = maxSections
	}
	s.peSections(r, size, start+24+optionalSize, sections, binary.LittleEndian.Uint32(optional[16:]))
	s.signature(r, size)
}

func (s *inspection) peOptional(optional []byte) {
	const native = 1
	if binary.LittleEndian.Uint16(optional[68:]) == native {
		s.facts.add(KernelCode, "it is a driver, or starts before Windows does")
	}
	directories := 96
	if binary.LittleEndian.Uint16(optional) == 0x20b {
		directories = 112
	}
	if clr := directories + 14*8; len(optional) >= clr+8 && binary.LittleEndian.Uint32(optional[clr:]) != 0 {
		s.facts.add(Dotnet, "it is managed code (.NET)")
	}
}

// peSections looks for sections as packers make them, and for what lies behind the last one.
func (s *inspection) peSections(r io.ReaderAt, size, table int64, count int, entry uint32) {
	const code, executable, writable = 0x20, 0x20000000, 0x80000000
	var end int64
	inside := entry == 0 // a library may have no entry point
	for i := range count {
		var h [40]byte
		if !read(r, h[:], table+int64(i)*40) {
			s.facts.add(Damaged, "its sections are cut")
			return
		}
		name := strings.TrimRight(string(h[:8]), "\x00")
		virtual, address := binary.LittleEndian.Uint32(h[8:]), binary.LittleEndian.Uint32(h[12:])
		rawSize, raw := int64(binary.LittleEndian.Uint32(h[16:])), int64(binary.LittleEndian.Uint32(h[20:]))
		flags := binary.LittleEndian.Uint32(h[36:])
		end = max(end, raw+rawSize)
		if entry >= address && uint64(entry) < uint64(address)+uint64(max(virtual, uint32(rawSize))) {
			inside = true
			if flags&(executable|code) == 0 {
				s.facts.add(OddProgram, "it begins in section %q, which holds no code", name)
			}
		}
		switch {
		case strings.HasPrefix(name, "UPX"), name == ".MPRESS1", name == ".aspack", name == ".petite", name == ".themida", name == ".vmp0":
			s.facts.add(Packed, "section %q is a packer's", name)
		case flags&executable != 0 && flags&writable != 0:
			s.facts.add(OddProgram, "section %q can be written and run", name)
		}
		if flags&executable != 0 {
			s.entropy(r, raw, min(rawSize, size-raw), name)
		}
	}
	if !inside {
		s.facts.add(OddProgram, "it begins outside of its sections")
	}
	if end > 0 && size-end > 64<<10 {
		s.facts.add(Overlay, "%d bytes follow behind the program", size-end)
	}
}

// signature has an Authenticode signature verified.
func (s *inspection) signature(r io.ReaderAt, size int64) {
	if s.verifier == nil {
		return
	}
	signature, err := s.verifier.Verify(r, size)
	if err != nil {
		s.facts.add(Damaged, "its signature cannot be read: %v", err)
		return
	}
	s.facts.Signature = signature
}

// elf reads headers, segments and, of an object file, the names of sections: an object that is linked into no
// program is none, but a kernel module is one.
func (s *inspection) elf(r io.ReaderAt, size int64, head []byte) {
	const object, program, shared = 1, 2, 3
	if len(head) < 52 || head[4] != 1 && head[4] != 2 || head[5] != 1 && head[5] != 2 || head[4] == 2 && len(head) < 64 {
		s.facts.add(Damaged, "its header is cut")
		return
	}
	e := elfFile{r: r, size: size, wide: head[4] == 2, order: binary.ByteOrder(binary.LittleEndian)}
	if head[5] == 2 {
		e.order = binary.BigEndian
	}
	switch e.order.Uint16(head[16:]) {
	case object:
		if !e.isModule(head) {
			s.facts.Kind = None
			return
		}
		s.facts.add(KernelCode, "it is a kernel module")
	case program, shared:
		s.segments(&e, head)
	default:
		s.facts.Kind = None // a core file, or nothing that runs
	}
}

// elfFile reads numbers of either width and order.
type elfFile struct {
	r     io.ReaderAt
	size  int64
	wide  bool
	order binary.ByteOrder
}

// number reads a field whose offset depends on the width.
func (e *elfFile) number(p []byte, narrow, wide int) int64 {
	if e.wide {
		return int64(e.order.Uint64(p[wide:]) & math.MaxInt64)
	}
	return int64(e.order.Uint32(p[narrow:]))
}

// short reads a 16-bit field.
func (e *elfFile) short(p []byte, narrow, wide int) int {
	if e.wide {
		return int(e.order.Uint16(p[wide:]))
	}
	return int(e.order.Uint16(p[narrow:]))
}

// isModule looks for the section that each kernel module has.
func (e *elfFile) isModule(head []byte) bool {
	table, entry, count, names := e.number(head, 32, 40), e.short(head, 46, 58), e.short(head, 48, 60), e.short(head, 50, 62)
	header := 40
	if e.wide {
		header = 64
	}
	if entry < header || entry > 256 || names >= count {
		return false
	}
	h := make([]byte, entry)
	if !read(e.r, h, table+int64(names)*int64(entry)) {
		return false
	}
	at, length := e.number(h, 16, 24), e.number(h, 20, 32)
	text := make([]byte, min(length, maxNames, max(e.size-at, 0)))
	return read(e.r, text, at) && strings.Contains(string(text), "\x00.gnu.linkonce.this_module\x00")
}

// segments looks at what is loaded.
func (s *inspection) segments(e *elfFile, head []byte) {
	const load, interpreter, runnable, writable = 1, 3, 1, 2
	table, entry, count := e.number(head, 28, 32), e.short(head, 42, 54), e.short(head, 44, 56)
	header := 32
	if e.wide {
		header = 56
	}
	if entry < header || entry > 256 || count > maxSegments || count == 0 {
		s.facts.add(Damaged, "its program headers cannot be read")
		return
	}
	dynamic := true
	for i := range count {
		h := make([]byte, entry)
		if !read(e.r, h, table+int64(i)*int64(entry)) {
			s.facts.add(Damaged, "its program headers are cut")
			return
		}
		flags := e.order.Uint32(h[24:])
		if e.wide {
			flags = e.order.Uint32(h[4:])
		}
		switch e.order.Uint32(h) {
		case interpreter:
			dynamic = false
		case load:
			if flags&runnable == 0 {
				continue
			}
			if flags&writable != 0 {
				s.facts.add(OddProgram, "a segment can be written and run")
			}
			at := e.number(h, 4, 8)
			s.entropy(e.r, at, min(e.number(h, 16, 32), e.size-at), "code")
		}
	}
	if dynamic && e.order.Uint16(head[16:]) == 3 {
		s.facts.add(Library, "it is a shared library, or a program without one")
	}
	if e.short(head, 48, 60) == 0 {
		s.facts.add(OddProgram, "its section headers were removed")
	}
	if strings.Contains(string(head), "UPX!") {
		s.facts.add(Packed, "it bears the mark of UPX")
	}
}

// entropy measures how random code looks.
func (s *inspection) entropy(r io.ReaderAt, at, length int64, name string) {
	length = min(length, entropySample)
	if length < leastSample || at < 0 {
		return
	}
	sample := make([]byte, length)
	n, _ := r.ReadAt(sample, at)
	if n < leastSample {
		return
	}
	if bits := entropyOf(sample[:n]); bits >= packedFrom {
		s.facts.add(Packed, "the code in %q looks compressed or encrypted: %.2f bits for each byte", name, bits)
	}
}

// entropyOf is Shannon's, in bits for each byte.
func entropyOf(p []byte) (bits float64) {
	var counts [256]int
	for _, c := range p {
		counts[c]++
	}
	for _, n := range counts {
		if n > 0 {
			f := float64(n) / float64(len(p))
			bits -= f * math.Log2(f)
		}
	}
	return bits
}

// read fills p from an offset, and reports whether it could.
func read(r io.ReaderAt, p []byte, at int64) bool {
	if at < 0 {
		return false
	}
	n, _ := r.ReadAt(p, at)
	return n == len(p)
}
