package inspect

import (
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// Limits of compound files.
const (
	maxEntries  = 8192    // of the directory
	maxWorkbook = 4 << 20 // bytes of a workbook that are searched for macro sheets
	endOfChain  = 0xFFFFFFFA
)

// ole reads the directory of a compound file (MS-CFB): names of storages and streams say what a document has.
func (s *inspection) ole(data []byte) {
	c, ok := openCompound(data)
	if !ok {
		s.facts.add(Damaged, "it is no whole compound file")
		return
	}
	for i, e := range c.directory() {
		if i == 0 {
			s.oleRoot(e.class)
		}
		s.oleEntry(c, e)
	}
}

// installers are the classes of the root of Windows Installer files: packages, patches, transforms.
var installers = map[string]bool{
	"\x84\x10\x0c\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46": true,
	"\x86\x10\x0c\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46": true,
	"\x82\x10\x0c\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46": true,
}

func (s *inspection) oleRoot(class string) {
	if installers[class] {
		s.facts.Type, s.facts.Kind = "MSI", Installer
	}
}

func (s *inspection) oleEntry(c *compound, e compoundEntry) {
	switch lower := strings.ToLower(e.name); {
	case lower == "vba" || lower == "_vba_project" || lower == "_vba_project_cur" || lower == "macros":
		s.facts.add(Macros, "storage %q holds VBA", e.name)
	case lower == "\x01ole10native", lower == "package", lower == "objectpool", strings.HasPrefix(lower, "mbd") && e.storage:
		s.facts.add(Embedded, "%q holds an embedded object", strings.TrimLeft(e.name, "\x01"))
	case lower == "encryptedpackage":
		s.facts.add(Encrypted, "the document is encrypted")
	case lower == "equation native", lower == "\x03equation native":
		s.facts.add(Embedded, "it holds an equation of the old editor, which was attacked often")
	case lower == "workbook" || lower == "book":
		if macroSheet(c.stream(e, maxWorkbook)) {
			s.facts.add(Macros, "a sheet holds Excel 4 macros")
		}
	case strings.HasPrefix(lower, "__attach_version1.0"):
		s.facts.add(Embedded, "the message has attachments")
	}
}

// macroSheet looks for a BOUNDSHEET record (MS-XLS 2.4.28) of a sheet of Excel 4 macros.
func macroSheet(workbook []byte) bool {
	const boundSheet = 0x85
	for len(workbook) >= 4 {
		kind, length := binary.LittleEndian.Uint16(workbook), int(binary.LittleEndian.Uint16(workbook[2:]))
		workbook = workbook[4:]
		if length > len(workbook) {
			return false
		}
		if kind == boundSheet && length >= 6 && workbook[5] == 1 {
			return true
		}
		workbook = workbook[length:]
	}
	return false
}

// compound is a compound file in memory.
type compound struct {
	data  []byte
	shift uint
	fat   []byte // the sectors of the allocation table, one after the other
	first uint32 // sector of the directory
}

// compoundEntry is an entry of the directory.
type compoundEntry struct {
	name    string
	storage bool
	class   string
	start   uint32
	size    int64
}

func openCompound(data []byte) (*compound, bool) {
	if len(data) < 512 {
		return nil, false
	}
	c := &compound{data: data, shift: uint(binary.LittleEndian.Uint16(data[30:])), first: binary.LittleEndian.Uint32(data[48:])}
	if c.shift != 9 && c.shift != 12 {
		return nil, false
	}
	// The first 109 sectors of the table are named in the header, others in a chain of sectors.
	names := data[76:512]
	next := binary.LittleEndian.Uint32(data[68:])
	for range len(data)>>c.shift + 1 {
		for ; len(names) >= 4; names = names[4:] {
			if n := binary.LittleEndian.Uint32(names); n < endOfChain && len(c.fat) <= len(data) {
				c.fat = append(c.fat, c.sector(n)...)
			}
		}
		if next >= endOfChain {
			break
		}
		sector := c.sector(next)
		if len(sector) < 8 {
			break
		}
		names, next = sector[:len(sector)-4], binary.LittleEndian.Uint32(sector[len(sector)-4:])
	}
	return c, len(c.sector(c.first)) > 0
}

// sector returns a sector, or what of it is in the file.
func (c *compound) sector(n uint32) []byte {
	at := (int64(n) + 1) << c.shift
	if at >= int64(len(c.data)) {
		return nil
	}
	return c.data[at:min(at+1<<c.shift, int64(len(c.data)))]
}

// chain returns the content of a chain of sectors, up to limit bytes.
func (c *compound) chain(n uint32, limit int) (content []byte) {
	for range len(c.data)>>c.shift + 1 {
		sector := c.sector(n)
		if n >= endOfChain || len(sector) == 0 || len(content) >= limit {
			break
		}
		content = append(content, sector...)
		if at := 4 * int64(n); at+4 <= int64(len(c.fat)) {
			n = binary.LittleEndian.Uint32(c.fat[at:])
		} else {
			break
		}
	}
	return content[:min(len(content), limit)]
}

// stream returns the beginning of a stream. Small ones, below 4 KiB, lie elsewhere; nothing that is looked for is
// that small.
func (c *compound) stream(e compoundEntry, limit int) []byte {
	return c.chain(e.start, int(min(e.size, int64(limit))))
}

func (c *compound) directory() (entries []compoundEntry) {
	const entrySize, storage, root = 128, 1, 5
	for raw := c.chain(c.first, maxEntries*entrySize); len(raw) >= entrySize; raw = raw[entrySize:] {
		length := min(int(binary.LittleEndian.Uint16(raw[64:])), 64)
		units := make([]uint16, 0, 32)
		for i := 0; i+4 <= length; i += 2 { // without the zero at the end
			units = append(units, binary.LittleEndian.Uint16(raw[i:]))
		}
		entries = append(entries, compoundEntry{
			name:    string(utf16.Decode(units)),
			storage: raw[66] == storage || raw[66] == root,
			class:   string(raw[80:96]),
			start:   binary.LittleEndian.Uint32(raw[116:]),
			size:    int64(binary.LittleEndian.Uint32(raw[120:])),
		})
	}
	return entries
}
