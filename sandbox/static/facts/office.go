package facts

import (
	"archive/zip"
	"bytes"
	"encoding/hex"
	"io"
	"path"
	"slices"
	"strings"
)

// Limits of looking into a document, in bytes and members.
const (
	maxMembers    = 2000     // of an OOXML document
	maxMember     = 16 << 20 // of one member, unpacked
	maxUnpacked   = 64 << 20 // of all members
	maxMacros     = 200      // modules of macros
	maxMacroBytes = 8 << 20  // of all their text
)

var (
	// macroStarts are names of procedures that Office runs by itself.
	macroStarts = lazy(`(?i)\b(auto_?(open|close|exec|exit|new)|document_?(open|close|new|beforeclose)|workbook_?(open|activate|beforeclose|deactivate)|userform_initialize|presentation_?open)\b`)
	// macroRuns are words by which macros run programs or fetch files.
	macroRuns = lazy(`(?i)(\bshell\s*[("$]|\bshell\s+\w|wscript\.shell|shell\.application|\bshellexecute|urldownloadtofile|\bwinmgmts:|win32_process|powershell|msxml2\.(server)?xmlhttp|winhttp\.winhttprequest|\bcreatethread\b|virtualalloc|rundll32|regsvr32|mshta|certutil)`)
	ddeField  = lazy(`(?i)\bDDE(AUTO)?\s+["']?[a-z]:?\\|\bDDEAUTO\b`)
	// remoteTarget is a relationship that leads out of an OOXML document and is loaded without a click.
	remoteTarget = lazy(`(?i)<Relationship\b[^>]*>`)
)

// ole looks at an Office document of the old form. Its streams lie in sectors that may be anywhere; macros are
// looked for in the file as it lies, which finds those whose sectors follow each other, as Office writes them.
func (l *look) ole() {
	l.macros(l.content)
	if ddeField().Match(l.content) {
		l.fact("office-dde")
	}
	l.unseen("macros of the old Excel 4 kind, and macros whose storage is scattered over the file, are not read")
}

// ooxml looks at an Office document of the new form, a ZIP archive. It does nothing with other archives: rules
// were held against their members.
func (l *look) ooxml() {
	archive, err := zip.NewReader(bytes.NewReader(l.content), int64(len(l.content)))
	if err != nil {
		l.unseen("its archive could not be read: %v", err)
		return
	}
	if !slices.ContainsFunc(archive.File[:min(len(archive.File), maxMembers)], func(f *zip.File) bool { return f.Name == "[Content_Types].xml" }) {
		l.Looked = ""
		return
	}
	budget := int64(maxUnpacked)
	for _, f := range archive.File[:min(len(archive.File), maxMembers)] {
		name := strings.ToLower(path.Base(f.Name))
		wanted := strings.HasSuffix(name, "vbaproject.bin") || strings.HasSuffix(name, ".rels") || name == "document.xml" || strings.HasPrefix(name, "sheet")
		if !wanted || budget <= 0 {
			continue
		}
		content, err := unpack(f, min(budget, maxMember))
		budget -= int64(len(content))
		if err != nil {
			l.unseen("%s could not be unpacked: %v", f.Name, err)
		}
		switch {
		case strings.HasSuffix(name, ".bin"):
			l.fact("office-macros", f.Name)
			l.macros(content)
		case strings.HasSuffix(name, ".rels"):
			l.relationships(content)
		case ddeField().Match(content):
			l.fact("office-dde", f.Name)
		}
	}
}

func unpack(f *zip.File, limit int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, limit))
}

// relationships looks for what is loaded from elsewhere: templates, and embedded objects. Links that a reader
// clicks at are everyday.
func (l *look) relationships(content []byte) {
	for _, r := range remoteTarget().FindAll(content, 1000) {
		lower := strings.ToLower(string(r))
		if !strings.Contains(lower, `targetmode="external"`) {
			continue
		}
		if !strings.Contains(lower, "/attachedtemplate") && !strings.Contains(lower, "/oleobject") && !strings.Contains(lower, "/frame") {
			continue
		}
		for _, scheme := range []string{"http:", "https:", `\\`, "file://", "mhtml:", "ftp:"} {
			if strings.Contains(lower, `target="`+scheme) {
				l.fact("office-remote-template", string(r))
				break
			}
		}
	}
}

// macros looks for modules of macros anywhere in content, and at their text.
func (l *look) macros(content []byte) {
	text := macroText(content)
	if len(text) == 0 {
		return
	}
	l.fact("office-macros")
	if m := macroStarts().Find(text); m != nil {
		l.fact("office-macro-starts", string(m))
	}
	if m := macroRuns().Find(text); m != nil {
		l.fact("office-macro-runs", string(m))
	}
	l.search(text)
}

// moduleStart is how the compressed text of a module begins behind its three bytes of headers: all modules
// begin with the line `Attribute VB_Name = …`, whose first eight letters are stored as they are.
var moduleStart = []byte("\x00Attribut")

// macroText finds and unpacks all modules.
func macroText(content []byte) (text []byte) {
	for range maxMacros {
		i := bytes.Index(content, moduleStart)
		if i < 0 {
			break
		}
		if i >= 3 && content[i-3] == 1 {
			text = append(text, decompress(content[i-3:], maxMacroBytes-len(text))...)
			text = append(text, '\n')
		}
		content = content[i+len(moduleStart):]
		if len(text) >= maxMacroBytes {
			break
		}
	}
	return text
}

// decompress unpacks a compressed container of [MS-OVBA] §2.4.1, as far as it makes sense and to limit bytes at
// most. It returns what it got until then.
func decompress(data []byte, limit int) (out []byte) {
	if len(data) == 0 || data[0] != 1 {
		return nil
	}
	data = data[1:]
	for len(data) >= 2 && len(out) < limit {
		header := int(data[0]) | int(data[1])<<8
		if header>>12&7 != 3 { // the signature of a chunk
			return out
		}
		size := min(header&0xfff+3, len(data))
		chunk := data[2:size]
		data = data[size:]
		if header&0x8000 == 0 {
			out = append(out, chunk...)
			continue
		}
		var ok bool
		if out, ok = decompressChunk(out, chunk); !ok {
			return out
		}
	}
	return out[:min(len(out), max(limit, 0))]
}

// decompressChunk unpacks one chunk, which holds 4096 bytes at most: flags for eight tokens, then the tokens,
// each a byte or a copy of what came before in this chunk.
func decompressChunk(out, chunk []byte) ([]byte, bool) {
	start := len(out)
	for len(chunk) > 0 {
		flags := chunk[0]
		chunk = chunk[1:]
		for bit := 0; bit < 8 && len(chunk) > 0; bit++ {
			if flags>>bit&1 == 0 {
				out = append(out, chunk[0])
				chunk = chunk[1:]
				continue
			}
			if len(chunk) < 2 {
				return out, false
			}
			token := int(chunk[0]) | int(chunk[1])<<8
			chunk = chunk[2:]
			done := len(out) - start
			bits := 4
			for 1<<bits < done {
				bits++
			}
			length := token&(0xffff>>bits) + 3
			offset := token>>(16-bits) + 1
			if offset > done || done+length > 4096 {
				return out, false
			}
			for range length {
				out = append(out, out[len(out)-offset])
			}
		}
	}
	return out, true
}

var (
	objectUpdate = lazy(`(?i)\\objupdate\b`)
	spaces       = lazy(`[\s{}]+`)
	equation     = []byte(hex.EncodeToString([]byte("Equation.3")))
	equationID   = []byte("02ce020000000000c000000000000046") // its class, as it is stored
)

// rtf looks at the objects of an RTF document. They are stored in hexadecimal digits, between which anything may
// stand that Word ignores; white space and braces are removed, other tricks are not seen.
func (l *look) rtf() {
	if !bytes.Contains(l.content, []byte(`\objdata`)) {
		return
	}
	if objectUpdate().Match(l.content) {
		l.fact("rtf-object-runs", `\objupdate`)
	}
	digits := bytes.ToLower(spaces().ReplaceAll(l.content, nil))
	if bytes.Contains(digits, equation) || bytes.Contains(digits, equationID) {
		l.fact("rtf-equation")
	}
	l.unseen("objects that the document hides by nested control words are not read")
}
