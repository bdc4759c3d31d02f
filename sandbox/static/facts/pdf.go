package facts

import (
	"bytes"
	"strconv"
)

var (
	// pdfName is a name in a PDF document: a slash and regular characters (ISO 32000-1 §7.3.5).
	pdfName = lazy(`/[^\x00\t\n\f\r ()<>\[\]{}/%]{1,60}`)
	pdfHex  = lazy(`#[0-9A-Fa-f]{2}`)
)

// maxPDFNames is how many names of a PDF document are looked at.
const maxPDFNames = 2_000_000

// pdf looks for names that start something. They are seen where they are written plainly, not in compressed
// streams of objects.
func (l *look) pdf() {
	found := map[string]bool{}
	rest := l.content
	for range maxPDFNames {
		at := pdfName().FindIndex(rest)
		if at == nil {
			break
		}
		name := rest[at[0]:at[1]]
		rest = rest[at[1]:]
		plain := name
		if bytes.IndexByte(name, '#') >= 0 {
			plain = pdfHex().ReplaceAllFunc(name, func(code []byte) []byte {
				n, _ := strconv.ParseUint(string(code[1:]), 16, 8) // two hexadecimal digits
				return []byte{byte(n)}
			})
		}
		switch key := string(plain); key {
		case "/JavaScript", "/JS", "/Launch", "/OpenAction", "/AA":
			found[key] = true
			if len(plain) != len(name) {
				l.fact("pdf-hidden-names", string(name))
			}
		}
	}
	script := found["/JavaScript"] || found["/JS"]
	if script {
		l.fact("pdf-script")
	}
	if script && (found["/OpenAction"] || found["/AA"]) {
		l.fact("pdf-script-starts")
	}
	if found["/Launch"] {
		l.fact("pdf-launches")
	}
	if bytes.Contains(l.content, []byte("/ObjStm")) {
		l.unseen("objects in compressed streams are not read")
	}
}
