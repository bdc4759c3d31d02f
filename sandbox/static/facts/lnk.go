package facts

import (
	"strings"
)

var (
	interpreters = lazy(`(?i)\b(powershell|pwsh|cmd|mshta|wscript|cscript|rundll32|regsvr32|certutil|bitsadmin|msiexec|conhost|forfiles|wmic)(\.exe)?\b`)
	network      = lazy(`(?i)\b(https?|ftp)://[^\s"']{4,}|\\\\[\w.-]+@(ssl|\d+)\\`)
	padding      = lazy(`[ \t\n\r]{40,}\S`)
)

// maxShortcut is how much of a shortcut is searched: larger ones carry something else behind it.
const maxShortcut = 256 << 10

// lnk looks at what a shortcut starts. Its strings are UTF-16 or of the system's code page; both are searched
// as text, wherever they stand.
func (l *look) lnk() {
	content := l.content[:min(len(l.content), maxShortcut)]
	text := wide(content) + "\n" + string(content)
	if m := interpreters().FindString(text); m != "" {
		l.fact("lnk-runs-interpreter", m)
	}
	if m := network().FindString(text); m != "" {
		l.fact("lnk-fetches", m)
	}
	if padding().MatchString(text) {
		l.fact("lnk-hidden-arguments")
	}
	l.search([]byte(text))
	if len(l.content) > maxShortcut {
		l.unseen("only the first %d KiB of the shortcut were searched", maxShortcut>>10)
	}
}

// wide returns the ASCII characters of the UTF-16 strings in content, at even and odd places, other units as
// line ends.
func wide(content []byte) string {
	var b strings.Builder
	for start := range 2 {
		gap := true
		for i := start; i+1 < len(content); i += 2 {
			if c := content[i]; content[i+1] == 0 && (c >= ' ' && c < 0x7f || c == '\t') {
				b.WriteByte(c)
				gap = false
			} else if !gap {
				b.WriteByte('\n')
				gap = true
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
