package inspect

import (
	"bytes"
	"compress/zlib"
	"io"
)

// Limits of PDF files.
const (
	maxStreams      = 500      // object streams that are unpacked
	maxStreamSize   = 4 << 20  // bytes unpacked of one
	maxStreamsTotal = 64 << 20 // and of all
)

// pdfNames are the names of dictionaries that let a PDF do something.
var pdfNames = []struct {
	name   string
	code   Code
	detail string
}{
	{"/JavaScript", JavaScriptPDF, "it holds JavaScript"},
	{"/JS", JavaScriptPDF, "it holds JavaScript"},
	{"/Launch", LaunchPDF, "it can start a program"},
	{"/OpenAction", ActionPDF, "something happens when it is opened"},
	{"/AA", ActionPDF, "something happens when it is used"},
	{"/EmbeddedFile", EmbeddedPDF, "files are embedded in it"},
	{"/EmbeddedFiles", EmbeddedPDF, "files are embedded in it"},
	{"/RichMedia", FormPDF, "it holds rich media"},
	{"/XFA", FormPDF, "it holds XFA forms"},
	{"/GoToE", EmbeddedPDF, "it leads to an embedded file"},
	{"/Encrypt", Encrypted, "parts of it are encrypted"},
}

// pdf looks for names, also in compressed object streams.
func (s *inspection) pdf(data []byte) {
	s.pdfNames(data)
	total := 0
	rest := data
	for range maxStreams {
		i := bytes.Index(rest, []byte("stream"))
		if i < 0 {
			return
		}
		dictionary := rest[max(0, i-1024):i]
		if open := bytes.LastIndex(dictionary, []byte("obj")); open >= 0 {
			dictionary = dictionary[open:]
		}
		rest = bytes.TrimLeft(rest[i+len("stream"):], "\r\n")
		if !bytes.Contains(unescape(dictionary), []byte("/ObjStm")) {
			continue
		}
		z, err := zlib.NewReader(bytes.NewReader(rest))
		if err != nil {
			s.facts.add(Damaged, "a part of it is compressed in an unusual way")
			continue
		}
		objects, _ := io.ReadAll(io.LimitReader(z, maxStreamSize)) // what came before an error counts
		s.pdfNames(objects)
		if total += len(objects); total > maxStreamsTotal {
			break
		}
	}
	if bytes.Contains(rest, []byte("/ObjStm")) {
		s.facts.add(Cut, "it has more parts than were looked at")
	}
}

func (s *inspection) pdfNames(data []byte) {
	data = unescape(data)
	for _, n := range pdfNames {
		for rest := data; !s.facts.Has(n.code); {
			i := bytes.Index(rest, []byte(n.name))
			if i < 0 {
				break
			}
			rest = rest[i+len(n.name):]
			if len(rest) == 0 || !isRegular(rest[0]) {
				s.facts.add(n.code, "%s (%s)", n.detail, n.name)
			}
		}
	}
}

// isRegular reports whether a character goes on a PDF name.
func isRegular(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '#' || c == '_' || c == '-' || c == '.'
}

// unescape replaces the "#4A" in PDF names, by which words are hidden. Data without any is returned as it is.
func unescape(data []byte) []byte {
	if bytes.IndexByte(data, '#') < 0 {
		return data
	}
	out := make([]byte, 0, len(data))
	for i := 0; i < len(data); i++ {
		if data[i] == '#' && i+2 < len(data) && hex(data[i+1]) >= 0 && hex(data[i+2]) >= 0 {
			out = append(out, byte(hex(data[i+1])<<4|hex(data[i+2])))
			i += 2
			continue
		}
		out = append(out, data[i])
	}
	return out
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// rtf looks for the control words by which objects and templates get into a text.
func (s *inspection) rtf(data []byte) {
	for _, w := range []struct {
		word   string
		code   Code
		detail string
	}{
		{`\objdata`, Embedded, "an object is embedded"},
		{`\objocx`, ActiveX, "a control is embedded"},
		{`\objautlink`, RemoteContent, "an object is loaded from elsewhere"},
		{`\objlink`, RemoteContent, "an object is loaded from elsewhere"},
		{`\objupdate`, RemoteContent, "an object is loaded without a question"},
		{`\*\template`, RemoteContent, "a template is loaded"},
		{`\ddeauto`, DDE, "a field starts a program"},
		{"DDEAUTO", DDE, "a field starts a program"},
	} {
		if bytes.Contains(data, []byte(w.word)) {
			s.facts.add(w.code, "%s (%s)", w.detail, w.word)
		}
	}
	if !bytes.HasPrefix(data, []byte(`{\rtf1`)) {
		s.facts.add(Obfuscated, "it begins in a way that no word processor writes")
	}
	// The magic of a compound file in hex, whatever white space is between.
	if i := bytes.Index(data, []byte(`\obj`)); i >= 0 && containsHex(data[i:], "d0cf11e0") {
		s.facts.add(Embedded, "an OLE object is embedded")
	}
}

// containsHex looks for digits in lower case, whatever stands between them but letters of the alphabet.
func containsHex(data []byte, digits string) bool {
	at := 0
	for _, c := range data {
		switch {
		case c == digits[at] || c >= 'A' && c <= 'F' && c+'a'-'A' == digits[at]:
			at++
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case c == digits[0]:
			at = 1
		default:
			at = 0
		}
		if at == len(digits) {
			return true
		}
	}
	return false
}

// oneNote looks for embedded files (FileDataStoreObject, MS-ONESTORE 2.6.13).
func (s *inspection) oneNote(data []byte) {
	const store, header, most = "\xe7\x16\xe3\xbd\x65\x26\x11\x45\xa4\xc4\x8d\x4d\x0b\x7a\x9e\xac", 36, 1000
	for range most {
		i := bytes.Index(data, []byte(store))
		if i < 0 || len(data) < i+header {
			return
		}
		data = data[i+header:]
		if _, kind := Head(data); kind != None {
			s.holds(kind, "a file attached to it")
		} else {
			s.facts.add(Embedded, "a file is attached to it")
		}
	}
}

// holds notes that something of a kind is inside.
func (s *inspection) holds(kind Kind, name string) {
	s.facts.add(Holds+Code(kind), "%s is inside: %q", kind, name)
}
