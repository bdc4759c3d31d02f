package inspect

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"unicode/utf16"
)

// Limits of shortcuts, scripts and discs.
const (
	maxShortcut  = 256 << 10 // bytes of a shortcut; what is appended to it is not needed
	longCommand  = 200       // characters of a command line that nobody types
	longWord     = 1500      // characters without white space that nobody writes
	maxDirectory = 1 << 20   // bytes of a folder of a disc
	maxFolders   = 200
	discSector   = 2048
)

// interpreters are programs by which a shortcut can do anything.
var interpreters = []string{"powershell", "pwsh", "cmd.exe", "wscript", "cscript", "mshta", "rundll32", "regsvr32", "msiexec",
	"certutil", "bitsadmin", "forfiles", "conhost", "python", "bash", "curl", "wmic", "msbuild", "installutil", "explorer.exe \\\\"}

// shortcut reads the strings of a shell link (MS-SHLLINK), or of an internet shortcut.
func (s *inspection) shortcut(r io.ReaderAt, size int64, head []byte) {
	if s.facts.Type == "URL" {
		if containsFold(head, "url=file:") || containsFold(head, `url=\\`) || containsFold(head, "iconfile=\\\\") {
			s.facts.add(RemoteContent, "it leads to a file elsewhere")
		}
		return
	}
	data := make([]byte, min(size, maxShortcut))
	n, _ := r.ReadAt(data, 0)
	texts, ok := linkStrings(data[:n])
	if !ok {
		s.facts.add(Damaged, "its strings cannot be read")
	}
	all := strings.ToLower(strings.Join(texts, " ") + " " + visible(data[:n]))
	for _, name := range interpreters {
		if strings.Contains(all, name) {
			s.facts.add(Interpreter, "it starts %s", name)
		}
	}
	for _, text := range texts {
		if len(text) > longCommand {
			s.facts.add(LongCommand, "it has a text of %d characters", len(text))
		}
	}
	if size > maxShortcut {
		s.facts.add(Overlay, "%d bytes are more than a shortcut needs", size)
	}
}

// linkStrings returns the StringData of a shell link.
func linkStrings(data []byte) (texts []string, ok bool) {
	const header, hasTargets, hasInfo, unicode = 76, 1, 2, 0x80
	if len(data) < header {
		return nil, false
	}
	flags := binary.LittleEndian.Uint32(data[20:])
	rest := data[header:]
	skip := func(length, extra int) bool {
		if length+extra > len(rest) {
			return false
		}
		rest = rest[length+extra:]
		return true
	}
	if flags&hasTargets != 0 && (len(rest) < 2 || !skip(int(binary.LittleEndian.Uint16(rest)), 2)) {
		return nil, false
	}
	if flags&hasInfo != 0 && (len(rest) < 4 || !skip(int(min(binary.LittleEndian.Uint32(rest), maxShortcut)), 0)) {
		return nil, false
	}
	for bit := uint32(4); bit <= 0x40; bit <<= 1 { // name, relative path, folder, arguments, icon
		if flags&bit == 0 {
			continue
		}
		if len(rest) < 2 {
			return texts, false
		}
		length := int(binary.LittleEndian.Uint16(rest))
		wide := flags&unicode != 0
		if wide {
			length *= 2
		}
		text := rest[2:]
		if !skip(length, 2) {
			return texts, false
		}
		text = text[:length]
		if wide {
			texts = append(texts, decodeWide(text))
		} else {
			texts = append(texts, string(text))
		}
	}
	return texts, true
}

func decodeWide(p []byte) string {
	units := make([]uint16, len(p)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(p[2*i:])
	}
	return string(utf16.Decode(units))
}

// visible returns the ASCII letters of data without zeros between, so that names in either width are found.
func visible(data []byte) string {
	var b strings.Builder
	for _, c := range data {
		if c >= ' ' && c < 0x7f {
			b.WriteByte(c)
		} else if c != 0 {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// script looks for a few things in the text that tell of a dropper. The sandbox does better; this is for the order.
func (s *inspection) script(head []byte) {
	var folded [HeadSize + 1]byte
	text, ok := fold(folded[:], head)
	if !ok {
		return
	}
	any := func(words ...string) string {
		for _, w := range words {
			if bytes.Contains(text, []byte(w)) {
				return w
			}
		}
		return ""
	}
	get := any("curl ", "wget ", "invoke-webrequest", "downloadstring", "downloadfile", "xmlhttp", "bitsadmin", "certutil", "urllib", "net.webclient", "http.client", "/dev/tcp/")
	run := any("| sh", "|sh", "| bash", "|bash", "eval", "exec(", "iex", "invoke-expression", "start-process", ".run(", ".run ", "chmod +x", "os.system", "subprocess", "shellexecute")
	if get != "" && run != "" {
		s.facts.add(DownloadsCode, "it gets something from elsewhere (%q) and runs something (%q)", get, run)
	}
	switch word := any("-encodedcommand", " -enc ", "frombase64string", "base64 -d", "b64decode", "string.fromcharcode", "atob(", "![]+[]"); {
	case word != "":
		s.facts.add(Obfuscated, "parts of it are encoded (%q)", word)
	case longestWord(text) > longWord:
		s.facts.add(Obfuscated, "a word in it has more than %d characters", longWord)
	}
}

func longestWord(text []byte) (longest int) {
	length := 0
	for _, c := range text {
		if length++; c <= ' ' {
			length = 0
		}
		longest = max(longest, length)
	}
	return longest
}

// disk lists the files of an ISO 9660 image (ECMA-119) and looks at their beginnings.
func (s *inspection) disk(r io.ReaderAt, size int64) {
	if s.facts.Type != "ISO" {
		s.facts.add(Cut, "images of this kind cannot be looked into")
		return
	}
	var volume [discSector]byte
	if !read(r, volume[:], 16*discSector) || volume[0] != 1 {
		s.facts.add(Damaged, "its first volume cannot be read")
		return
	}
	type extent struct{ sector, length uint32 }
	entry := func(record []byte) extent {
		return extent{binary.LittleEndian.Uint32(record[2:]), binary.LittleEndian.Uint32(record[10:])}
	}
	folders, seen, files := []extent{entry(volume[156:])}, map[uint32]bool{}, 0
	for i := 0; i < len(folders); i++ {
		if i == maxFolders {
			s.facts.add(Cut, "it has more than %d folders", maxFolders)
			return
		}
		if seen[folders[i].sector] {
			continue
		}
		seen[folders[i].sector] = true
		data := make([]byte, min(folders[i].length, maxDirectory))
		n, _ := r.ReadAt(data, int64(folders[i].sector)*discSector)
		for data = data[:n]; len(data) > 33; {
			length := int(data[0])
			if length == 0 { // records do not cross sectors: the next one begins another
				left := len(data) % discSector
				if left == 0 {
					left = discSector
				}
				data = data[min(left, len(data)):]
				continue
			}
			if length < 34 || length > len(data) || 33+int(data[32]) > length {
				s.facts.add(Damaged, "a folder of it is damaged")
				break
			}
			record := data[:length]
			data = data[length:]
			name := string(record[33 : 33+int(record[32])])
			switch {
			case name == "\x00" || name == "\x01":
			case record[25]&2 != 0:
				folders = append(folders, entry(record))
			case files == Members:
				s.facts.add(Cut, "it has more than %d files", Members)
				return
			default:
				files++
				s.discFile(r, size, entry(record).sector, entry(record).length, name)
			}
		}
	}
}

func (s *inspection) discFile(r io.ReaderAt, size int64, sector, length uint32, name string) {
	head := make([]byte, min(length, HeadSize))
	at := int64(sector) * discSector
	if at >= size {
		return
	}
	n, _ := r.ReadAt(head, at)
	if _, kind := Head(head[:n]); kind != None {
		s.holds(kind, name)
	}
}
