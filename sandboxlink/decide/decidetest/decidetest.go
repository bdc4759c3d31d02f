// Package decidetest makes samples of each kind for tests: small files that have the structures by which a kind is
// known, and do nothing.
package decidetest

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// Part is a member of an archive: its name and its content.
type Part [2]string

// Zip makes an archive of its parts, in order.
func Zip(parts ...Part) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, p := range parts {
		f, err := w.Create(p[0])
		if err == nil {
			_, err = f.Write([]byte(p[1]))
		}
		if err != nil {
			panic(err) // memory does not fail
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// Docx makes a Word document with these parts beside the least that it has.
func Docx(parts ...Part) []byte {
	return Zip(append([]Part{
		{"[Content_Types].xml", `<?xml version="1.0"?><Types/>`},
		{"_rels/.rels", `<?xml version="1.0"?><Relationships/>`},
		{"word/document.xml", `<?xml version="1.0"?><w:document/>`},
	}, parts...)...)
}

// PE makes a program of one section. Its code is what is given, or a single return.
func PE(code []byte) []byte {
	const headers, optionalSize = 512, 240
	if len(code) == 0 {
		code = []byte{0xC3}
	}
	raw := (len(code) + 511) / 512 * 512
	p := make([]byte, headers+raw)
	le := binary.LittleEndian
	copy(p, "MZ")
	le.PutUint32(p[60:], 64)
	copy(p[64:], "PE\x00\x00")
	coff := p[68:]
	le.PutUint16(coff, 0x8664)
	le.PutUint16(coff[2:], 1) // sections
	le.PutUint16(coff[16:], optionalSize)
	le.PutUint16(coff[18:], 0x22) // executable, large addresses
	optional := p[88:]
	le.PutUint16(optional, 0x20b)
	le.PutUint32(optional[16:], 0x1000) // entry point
	le.PutUint64(optional[24:], 0x140000000)
	le.PutUint32(optional[32:], 0x1000)
	le.PutUint32(optional[36:], 512)
	le.PutUint16(optional[40:], 6)
	le.PutUint16(optional[48:], 6)
	le.PutUint32(optional[56:], uint32(0x1000+(raw+4095)/4096*4096))
	le.PutUint32(optional[60:], headers)
	le.PutUint16(optional[68:], 3) // console
	le.PutUint32(optional[108:], 16)
	section := p[88+optionalSize:]
	copy(section, ".text")
	le.PutUint32(section[8:], uint32(len(code)))
	le.PutUint32(section[12:], 0x1000)
	le.PutUint32(section[16:], uint32(raw))
	le.PutUint32(section[20:], headers)
	le.PutUint32(section[36:], 0x60000020) // code, executable, readable
	copy(p[headers:], code)
	return p
}

// The types of an ELF file.
const (
	ELFObject  = 1
	ELFProgram = 2
	ELFShared  = 3
)

// ELF makes a 64-bit file of a type, with one segment of code and these sections' names.
func ELF(typ uint16, code []byte, sections ...string) []byte {
	const header, program, sectionHeader = 64, 56, 64
	names := "\x00"
	for _, s := range sections {
		names += s + "\x00"
	}
	at := header + program
	p := make([]byte, at, at+len(code)+len(names)+2*sectionHeader)
	le := binary.LittleEndian
	copy(p, "\x7fELF\x02\x01\x01")
	le.PutUint16(p[16:], typ)
	le.PutUint16(p[18:], 0x3e)
	le.PutUint32(p[20:], 1)
	le.PutUint64(p[32:], header)
	le.PutUint16(p[52:], header)
	le.PutUint16(p[54:], program)
	le.PutUint16(p[56:], 1)
	le.PutUint16(p[58:], sectionHeader)
	load := p[header:]
	le.PutUint32(load, 1)
	le.PutUint32(load[4:], 5) // readable, executable
	le.PutUint64(load[8:], uint64(at))
	le.PutUint64(load[32:], uint64(len(code)))
	p = append(p, code...)
	stringsAt := len(p)
	p = append(p, names...)
	le.PutUint64(p[40:], uint64(len(p)))
	le.PutUint16(p[60:], 2) // the empty one, and that of the names
	le.PutUint16(p[62:], 1)
	p = append(p, make([]byte, 2*sectionHeader)...)
	h := p[len(p)-sectionHeader:]
	le.PutUint64(h[24:], uint64(stringsAt))
	le.PutUint64(h[32:], uint64(len(names)))
	return p
}

// Entry is a storage or a stream of a compound file. A stream's content is filled up to 4,096 bytes, from where it is
// stored in sectors of its own.
type Entry struct {
	Name    string
	Storage bool
	Content []byte
}

// OLE makes a compound file with a class of its root, and these entries.
func OLE(class string, entries ...Entry) []byte {
	const sector, perSector = 512, 4
	le := binary.LittleEndian
	directory := (len(entries) + 1 + perSector - 1) / perSector
	// Sector 0 is the allocation table, then comes the directory, then streams.
	fat := make([]byte, sector)
	for i := range sector / 4 {
		le.PutUint32(fat[4*i:], 0xFFFFFFFF)
	}
	chain := func(first, n int) {
		for i := range n {
			next := uint32(first + i + 1)
			if i == n-1 {
				next = 0xFFFFFFFE
			}
			le.PutUint32(fat[4*(first+i):], next)
		}
	}
	le.PutUint32(fat, 0xFFFFFFFD)
	chain(1, directory)
	dir := make([]byte, directory*sector)
	put := func(i int, name string, kind byte, start uint32, size int) {
		e := dir[i*128:]
		for j, u := range utf16.Encode([]rune(name)) {
			le.PutUint16(e[2*j:], u)
		}
		le.PutUint16(e[64:], uint16(2*len(utf16.Encode([]rune(name)))+2))
		e[66] = kind
		le.PutUint32(e[116:], start)
		le.PutUint32(e[120:], uint32(size))
	}
	put(0, "Root Entry", 5, 0xFFFFFFFE, 0)
	copy(dir[80:], class)
	var streams []byte
	next := 1 + directory
	for i, e := range entries {
		if e.Storage {
			put(i+1, e.Name, 1, 0, 0)
			continue
		}
		size := max(len(e.Content), 4096)
		sectors := (size + sector - 1) / sector
		content := make([]byte, sectors*sector)
		copy(content, e.Content)
		put(i+1, e.Name, 2, uint32(next), size)
		chain(next, sectors)
		next += sectors
		streams = append(streams, content...)
	}
	header := make([]byte, sector)
	copy(header, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
	le.PutUint16(header[24:], 0x3e)
	le.PutUint16(header[26:], 3)
	le.PutUint16(header[28:], 0xFFFE)
	le.PutUint16(header[30:], 9)
	le.PutUint16(header[32:], 6)
	le.PutUint32(header[44:], 1)
	le.PutUint32(header[48:], 1)
	le.PutUint32(header[56:], 4096)
	le.PutUint32(header[60:], 0xFFFFFFFE)
	le.PutUint32(header[68:], 0xFFFFFFFE)
	for i := range 109 {
		le.PutUint32(header[76+4*i:], 0xFFFFFFFF)
	}
	le.PutUint32(header[76:], 0)
	return bytes.Join([][]byte{header, fat, dir, streams}, nil)
}

// MSI is the class of the root of an installer's package.
const MSI = "\x84\x10\x0c\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46"

// Workbook makes the stream of a workbook with one sheet; of Excel 4 macros if kind is 1.
func Workbook(kind byte) []byte {
	return append([]byte("\x09\x08\x10\x00"+strings.Repeat("\x00", 16)), "\x85\x00\x09\x00\x00\x00\x00\x00\x00"+string(kind)+"\x01\x00A"...)
}

// PDF makes a document whose catalog holds these words.
func PDF(words string) []byte {
	return []byte("%PDF-1.7\n1 0 obj\n<< /Type /Catalog " + words + " >>\nendobj\ntrailer << /Root 1 0 R >>\n%%EOF\n")
}

// PDFObjects makes a document that holds these words in a compressed object stream.
func PDFObjects(words string) []byte {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	if _, err := w.Write([]byte(words)); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return []byte("%PDF-1.7\n2 0 obj\n<< /Type /ObjStm /Filter /FlateDecode >>\nstream\r\n" + z.String() + "\nendstream\nendobj\n%%EOF\n")
}

// Link makes a shell link with a relative path and arguments.
func Link(target, arguments string) []byte {
	p := make([]byte, 76)
	le := binary.LittleEndian
	le.PutUint32(p, 76)
	copy(p[4:], "\x01\x14\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46")
	le.PutUint32(p[20:], 0x80|8|0x20) // Unicode, a relative path, arguments
	for _, text := range []string{target, arguments} {
		units := utf16.Encode([]rune(text))
		p = le.AppendUint16(p, uint16(len(units)))
		for _, u := range units {
			p = le.AppendUint16(p, u)
		}
	}
	return append(p, 0, 0, 0, 0)
}

// ISO makes an ISO 9660 image with files in its root folder.
func ISO(files ...Part) []byte {
	const sector = 2048
	le := binary.LittleEndian
	record := func(name string, at, size uint32, flags byte) []byte {
		r := make([]byte, (33+len(name)+1)/2*2)
		r[0] = byte(len(r))
		le.PutUint32(r[2:], at)
		binary.BigEndian.PutUint32(r[6:], at)
		le.PutUint32(r[10:], size)
		binary.BigEndian.PutUint32(r[14:], size)
		r[25] = flags
		r[32] = byte(len(name))
		copy(r[33:], name)
		return r
	}
	const root, first = 18, 19
	var folder, contents []byte
	folder = append(append(folder, record("\x00", root, sector, 2)...), record("\x01", root, sector, 2)...)
	for _, f := range files {
		folder = append(folder, record(f[0], uint32(first+len(contents)/sector), uint32(len(f[1])), 0)...)
		content := make([]byte, (len(f[1])+sector-1)/sector*sector)
		copy(content, f[1])
		contents = append(contents, content...)
	}
	p := make([]byte, first*sector)
	copy(p[16*sector:], "\x01CD001\x01")
	copy(p[16*sector+156:], record("\x00", root, sector, 2))
	copy(p[17*sector:], "\xffCD001\x01")
	copy(p[root*sector:], folder)
	return append(p, contents...)
}

// OneNote makes a notebook to which a file is attached.
func OneNote(attached []byte) []byte {
	p := append([]byte("\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3"), make([]byte, 1008)...)
	p = append(p, "\xe7\x16\xe3\xbd\x65\x26\x11\x45\xa4\xc4\x8d\x4d\x0b\x7a\x9e\xac"...)
	p = binary.LittleEndian.AppendUint64(p, uint64(len(attached)))
	return append(append(p, make([]byte, 12)...), attached...)
}
