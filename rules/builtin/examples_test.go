package builtin

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf16"
)

// example shows one rule at work.
type example struct {
	rule   string
	fires  []object // on each of these, this rule matches and no other
	silent []object // look-alikes: no rule at all matches
}

// object is a file as the rules see it.
type object struct {
	path    string
	content string
}

// examples are the examples of all themes.
func examples() []example {
	return slices.Concat(
		testFileExamples(), pictureExamples(), disguiseExamples(), powershellExamples(), lolbinExamples(),
		webshellExamples(), reverseShellExamples(), linuxExamples(), minerExamples(), ransomExamples(),
		credentialExamples(), frameworkExamples(), officeExamples(), pdfExamples(), dropperExamples(),
		windowsExamples(), peExamples(), dotnetExamples(), packageExamples(),
	)
}

// text makes a text file of lines. Like all examples it leaves out every "·": these dots break the
// tell-tale words, so that neither this source nor the compiled test looks like what it is about.
func text(path string, lines ...string) object {
	return object{path, inert(strings.Join(lines, "\n") + "\n")}
}

// raw makes a file of parts, one right behind the other.
func raw(path string, parts ...string) object {
	return object{path, inert(strings.Join(parts, ""))}
}

func inert(s string) string { return strings.ReplaceAll(s, "·", "") }

// wide encodes as UTF-16LE.
func wide(s string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(inert(s))) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return string(b)
}

// b64 encodes as base64.
func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(inert(s))) }

// The beginnings of pictures.
const (
	png  = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
	jpeg = "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
	gif  = "GIF89a\x01\x00\x01\x00\x80\x00\x00"
)

// link is the header of a Windows shortcut.
var link = "L\x00\x00\x00\x01\x14\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00F" + zeros(56)

// ole is the beginning of a compound file.
var ole = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + zeros(504)

func zeros(n int) string { return strings.Repeat("\x00", n) }

// noise returns n bytes that look random and are the same in each run.
func noise(n int) string {
	b := make([]byte, n)
	state := uint32(1)
	for i := range b {
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		b[i] = byte(state >> 11)
	}
	return string(b)
}

// elf describes the header of an ELF file of 64 bits, little-endian.
type elf struct {
	kind     uint16 // 1 object, 2 executable, 3 shared object, 4 core
	sections uint16
	rwx      bool // one segment that is readable, writable and executable
	body     string
}

func (e elf) String() string {
	h := make([]byte, 64+56)
	copy(h, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(h[0x10:], e.kind)
	le.PutUint16(h[0x12:], 62) // x86-64
	le.PutUint32(h[0x14:], 1)
	le.PutUint64(h[0x20:], 64)                        // program headers
	le.PutUint64(h[0x28:], 0x1000*uint64(e.sections)) // section headers
	le.PutUint16(h[0x34:], 64)
	le.PutUint16(h[0x36:], 56)
	le.PutUint16(h[0x38:], 1)
	le.PutUint16(h[0x3C:], e.sections)
	le.PutUint32(h[0x40:], 1) // PT_LOAD
	le.PutUint32(h[0x44:], 5)
	if e.rwx {
		le.PutUint32(h[0x44:], 7)
	}
	return string(h) + inert(e.body)
}

// pe describes a Windows program of 32 bits.
type pe struct {
	sections []section
	entry    uint32 // section in which the program starts
	overlay  string // bytes behind the last section
}

type section struct {
	name     string
	flags    uint32
	data     string // padded to 512 bytes
	reserved uint32 // more bytes in memory
}

// Flags of sections.
const (
	code     = 0x60000020 // code, execute, read
	codeRWX  = 0xE0000020
	readOnly = 0x40000040
)

// plainPE is a program of two sections that nobody would look at.
func plainPE(data string) string {
	return pe{sections: []section{
		{name: ".text", flags: code, data: "\x55\x8b\xec\x33\xc0\xc9\xc3"},
		{name: ".rdata", flags: readOnly, data: inert(data)},
	}}.String()
}

func (p pe) String() string {
	const headers, fileAlign, memAlign = 0x400, 0x200, 0x1000
	le := binary.LittleEndian
	h := make([]byte, headers)
	copy(h, "MZ")
	le.PutUint32(h[0x3C:], 0x80)
	copy(h[0x80:], "PE\x00\x00")
	le.PutUint16(h[0x84:], 0x14c)
	le.PutUint16(h[0x86:], uint16(len(p.sections)))
	le.PutUint16(h[0x94:], 0xE0)
	le.PutUint16(h[0x96:], 0x102)
	opt := h[0x98:]
	le.PutUint16(opt, 0x10b)
	le.PutUint32(opt[28:], 0x400000)
	le.PutUint32(opt[32:], memAlign)
	le.PutUint32(opt[36:], fileAlign)
	le.PutUint16(opt[40:], 4)
	le.PutUint16(opt[48:], 4)
	le.PutUint32(opt[60:], headers)
	le.PutUint16(opt[68:], 3)
	le.PutUint32(opt[92:], 16)
	var body strings.Builder
	address := uint32(memAlign)
	for i, s := range p.sections {
		data := s.data + zeros((fileAlign-len(s.data)%fileAlign)%fileAlign)
		row := h[0x98+0xE0+40*i:]
		copy(row[:8], s.name)
		size := uint32(len(data)) + s.reserved
		le.PutUint32(row[8:], size)
		le.PutUint32(row[12:], address)
		le.PutUint32(row[16:], uint32(len(data)))
		le.PutUint32(row[20:], uint32(headers+body.Len()))
		le.PutUint32(row[36:], s.flags)
		if uint32(i) == p.entry {
			le.PutUint32(opt[16:], address)
		}
		address += (size + memAlign) / memAlign * memAlign
		body.WriteString(data)
	}
	le.PutUint32(opt[56:], address)
	return string(h) + body.String() + inert(p.overlay)
}
