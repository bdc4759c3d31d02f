// Package facts looks at the structure of one file for what tells of malice: sections that are written
// and run, imports that together inject code, macros that start by themselves, scripts that fetch and run.
//
//	content ──► Look ──► Facts: the type, a list of Fact{ID, Evidence}
//
// It is a function of bytes to plain values. It parses hostile formats, so it belongs into a confined worker
// process ([Handler], started as "tyto worker --facts"): what a crafted file does to a parser here happens to a
// process that can do nothing. What a fact means, and how much it tells, is said by the catalogue ([Lookup])
// in the caller's process: a worker that has been taken over can name facts, but cannot invent any.
//
// # How much a fact weighs
//
// Little. Each occurs in harmless programs too: installers are packed, debuggers inject, administrators fetch
// and run. A fact alone is at most suspicious; it takes several strong ones, or a rule, for malice.
package facts

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"

	"tyto/scanner/filetype"
)

// Limits of one look. What is behind them is not seen, and [Facts.Unseen] says so.
const (
	// maxContent is how much of a file is read, from its beginning, in bytes.
	maxContent = 64 << 20
	// maxText is how much of a script is searched, in bytes.
	maxText = 1 << 20
	// MaxFacts is the number of facts of one file.
	MaxFacts = 50
	// MaxEvidence is the number of pieces of evidence of one fact, and maxPiece the length of each in bytes.
	MaxEvidence = 5
	maxPiece    = 200
)

// Fact is one thing that a file has.
type Fact struct {
	// ID is one of the catalogue.
	ID string `json:"id"`
	// Evidence shows where or what: names of sections, functions, a line of a script. It is printable.
	Evidence []string `json:"evidence,omitempty"`
}

// Facts are what was seen of one file.
type Facts struct {
	// Type is what package filetype says of the content.
	Type string `json:"type,omitempty"`
	// Looked says what was looked at, in words that follow "looked at": "the structure of a Windows program".
	Looked string `json:"looked,omitempty"`
	Facts  []Fact `json:"facts,omitempty"`
	// Unseen are sentences on what could not be looked at.
	Unseen []string `json:"unseen,omitempty"`
}

// Look returns the facts of a file. name is what the file is called; it need not be true.
func Look(r io.ReaderAt, size int64, name string) (*Facts, error) {
	content := make([]byte, min(size, maxContent))
	if n, err := r.ReadAt(content, 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read the content: %w", err)
	} else {
		content = content[:n]
	}
	l := &look{content: content, name: name}
	l.Type = filetype.Detect(content)
	if size > maxContent {
		l.cut = true
		l.unseen("only its first %d MiB were looked at", maxContent>>20)
	}
	l.names()
	switch l.Type {
	case "EXE":
		l.Looked = "the structure of a Windows program"
		l.pe()
	case "ELF":
		l.Looked = "the structure of a Linux program"
		l.elf()
	case "OLE":
		l.Looked = "macros of an Office document"
		l.ole()
	case "Office", "ZIP", "PKZIP":
		l.Looked = "macros and links of an Office document"
		l.ooxml()
	case "RTF":
		l.Looked = "objects of an RTF document"
		l.rtf()
	case "PDF":
		l.Looked = "actions of a PDF document"
		l.pdf()
	case "LNK":
		l.Looked = "what a shortcut starts"
		l.lnk()
	default:
		if isText(content) {
			l.Looked = "what a script or text does"
			l.script()
		}
	}
	return &l.Facts, nil
}

// look is one file being looked at.
type look struct {
	Facts
	content []byte
	name    string
	cut     bool // content is only the beginning
}

// fact notes a fact. One that is there already gets the evidence.
func (l *look) fact(id string, evidence ...string) {
	i := 0
	for i < len(l.Facts.Facts) && l.Facts.Facts[i].ID != id {
		i++
	}
	if i == len(l.Facts.Facts) {
		if i == MaxFacts {
			return
		}
		l.Facts.Facts = append(l.Facts.Facts, Fact{ID: id})
	}
	f := &l.Facts.Facts[i]
	for _, e := range evidence {
		if e = printable(e); e != "" && len(f.Evidence) < MaxEvidence {
			f.Evidence = append(f.Evidence, e)
		}
	}
}

// damaged notes that a program's headers make no sense, unless what they point to was cut off here.
func (l *look) damaged(id string, err error) {
	if !l.cut {
		l.fact(id, err.Error())
	}
	l.unseen("its headers could not be read: %v", err)
}

func (l *look) unseen(format string, args ...any) {
	if len(l.Unseen) < MaxEvidence {
		l.Unseen = append(l.Unseen, printable(fmt.Sprintf(format, args...)))
	}
}

// printable makes bytes of a file text that can be shown, and short.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r == unicode.ReplacementChar, !unicode.IsPrint(r):
			return '.'
		}
		return r
	}, strings.ToValidUTF8(text[:min(len(text), 2*maxPiece)], "."))
	if runes := []rune(text); len(runes) > maxPiece {
		text = string(runes[:maxPiece]) + "…"
	}
	return strings.TrimSpace(text)
}

// isText reports whether content is text of some kind, by its beginning: no NUL unless it is UTF-16, and hardly
// any control characters.
func isText(content []byte) bool {
	head := content[:min(len(content), 4<<10)]
	if len(head) == 0 {
		return false
	}
	if isUTF16(head) {
		return true
	}
	odd := 0
	for _, c := range head {
		switch {
		case c == 0:
			return false
		case c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != 0x1b:
			odd++
		}
	}
	return odd*20 <= len(head)
}

func isUTF16(head []byte) bool {
	return bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff})
}

// Endings that documents and pictures have, and those that make Windows or a desktop run a file.
var (
	harmless = set("pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "rtf", "txt", "csv", "odt", "jpg", "jpeg", "png", "gif", "bmp", "mp3", "mp4", "avi", "htm", "html", "zip")
	runs     = set("exe", "scr", "com", "pif", "cpl", "bat", "cmd", "vbs", "vbe", "js", "jse", "wsf", "hta", "ps1", "lnk", "msi", "jar", "desktop", "sh", "url", "dll")
	programs = set("EXE", "ELF", "MACH-O", "LNK", "VBS", "PowerShell Script", "BATCH", "HTA", "UNIX SCRIPT", "JAR", "VBE")
)

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

// names compares what a file is called with what it is.
func (l *look) names() {
	parts := strings.Split(strings.ToLower(l.name), ".")
	if len(parts) < 2 {
		return
	}
	last, before := strings.TrimSpace(parts[len(parts)-1]), ""
	if len(parts) > 2 {
		before = strings.TrimSpace(parts[len(parts)-2])
	}
	switch {
	case runs[last] && harmless[before]:
		l.fact("name-double-extension", l.name)
	case harmless[last] && last != "txt" && last != "zip" && last != "htm" && last != "html" && programs[l.Type]:
		l.fact("name-hides-program", l.name+" is of type "+l.Type)
	}
}
