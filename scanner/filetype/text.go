package filetype

import "bytes"

// textSearch is how far into a text one looks for words that tell similar formats apart.
const textSearch = 1 << 10

// opening is a row of the table of texts: how they begin, in lower case, without regard to
// case, behind a byte-order mark and white space.
type opening struct {
	prefix string
	name   string // subject to confirm
}

// openings is the table of texts by their first character in lower case.
var openings = map[byte][]opening{
	'<': {
		{prefix: "<?php", name: "PHP"},
		{prefix: "<?=", name: "PHP"},
		{prefix: "<?xml", name: "XML"},
		{prefix: "<? ", name: "PHP"},
		{prefix: "<?\n", name: "PHP"},
		{prefix: "<?\r", name: "PHP"},
		{prefix: "<%", name: "JSP"},
		{prefix: "<!doctype html", name: "HTML"},
		{prefix: "<html", name: "HTML"},
		{prefix: "<head", name: "HTML"},
		{prefix: "<body", name: "HTML"},
		{prefix: "<script", name: "HTML"},
		{prefix: "<hta:application", name: "HTA"},
		{prefix: "<!doctype svg", name: "SVG"},
		{prefix: "<svg", name: "SVG"},
		{prefix: "<#\n", name: "PowerShell Script"},
		{prefix: "<#\r", name: "PowerShell Script"},
		{prefix: "<# ", name: "PowerShell Script"},
		{prefix: "<#psscriptinfo", name: "PowerShell Script"},
		{prefix: "<#.synopsis", name: "PowerShell Script"},
	},
	'@': {
		{prefix: "@echo ", name: "BATCH"},
		{prefix: "@rem ", name: "BATCH"},
		{prefix: "@setlocal", name: "BATCH"},
		{prefix: "@cls", name: "BATCH"},
		{prefix: "@if ", name: "BATCH"},
		{prefix: "@powershell", name: "BATCH"},
	},
	'#': {
		{prefix: "#requires ", name: "PowerShell Script"},
	},
	'[': {
		{prefix: "[internetshortcut]", name: "URL"},
		{prefix: "[cmdletbinding", name: "PowerShell Script"},
	},
	'p': {
		{prefix: "param(", name: "PowerShell Script"},
		{prefix: "param (", name: "PowerShell Script"},
	},
	'f': {
		{prefix: "function ", name: "function"},
		{prefix: "from ", name: "mbox"},
		{prefix: "from: ", name: "EMAIL"},
		{prefix: "f0vmr", name: "Base64"}, // "\x7fELF"
	},
	'o': {
		{prefix: "on error resume next", name: "VBS"},
		{prefix: "option explicit", name: "VBS"},
	},
	't': {
		{prefix: "tvqq", name: "Base64"}, // "MZ" and the usual bytes behind it
		{prefix: "tvpq", name: "Base64"},
		{prefix: "tvoa", name: "Base64"},
		{prefix: "tvpb", name: "Base64"},
		{prefix: "tvqa", name: "Base64"},
		{prefix: "tvro", name: "Base64"},
		{prefix: "to: ", name: "EMAIL"},
	},
	'w': {
		{prefix: "windows registry editor version", name: "Windows Registry File"},
	},
	'r': {
		{prefix: "regedit4", name: "Windows Registry File"},
		{prefix: "received: ", name: "EMAIL"},
		{prefix: "return-path: ", name: "EMAIL"},
		{prefix: "reply-to: ", name: "EMAIL"},
	},
	'm': {
		{prefix: "mime-version: ", name: "EMAIL"},
		{prefix: "message-id: ", name: "EMAIL"},
	},
	'd': {
		{prefix: "delivered-to: ", name: "EMAIL"},
		{prefix: "date: ", name: "EMAIL"},
		{prefix: "dkim-signature: ", name: "EMAIL"},
	},
	'x': {
		{prefix: "x-", name: "EMAIL"},
	},
	's': {
		{prefix: "subject: ", name: "EMAIL"},
	},
	'b': {
		{prefix: "begin:vcalendar", name: "ICS"},
	},
	'-': {
		{prefix: "-----begin ", name: "PEM"},
	},
}

// text names a text by how it begins.
func text(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		head = head[3:]
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		return wideText(head[2:], 0)
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		return wideText(head[2:], 1)
	}
	return narrowText(head)
}

func narrowText(head []byte) string {
	for len(head) > 0 && (head[0] == ' ' || head[0] == '\t' || head[0] == '\r' || head[0] == '\n') {
		head = head[1:]
	}
	if len(head) == 0 {
		return ""
	}
	rows := openings[lower(head[0])]
	for i := range rows {
		if !hasPrefixFold(head, rows[i].prefix) {
			continue
		}
		if name := confirm(rows[i].name, head); name != "" {
			return name
		}
	}
	return ""
}

// wideText names a text in UTF-16 whose low bytes stand at even (0) or odd (1) places. All
// words that are looked for are ASCII, so anything else becomes a byte that is in none.
func wideText(head []byte, low int) string {
	var narrow [textSearch]byte
	n := 0
	for ; n < len(narrow) && len(head) >= 2; n, head = n+1, head[2:] {
		narrow[n] = head[low]
		if head[1-low] != 0 {
			narrow[n] = 0xff
		}
	}
	name := narrowText(narrow[:n])
	if name == "XML" && containsFold(narrow[:n], "<task ") {
		return "Windows At Job" // the task scheduler writes its files so
	}
	return name
}

// confirm looks at the text behind an opening that several formats share, and returns the
// name of the one that it is, or the empty string. (A function in the table would do as well,
// but would move wideText's buffer to the heap.)
func confirm(name string, text []byte) string {
	switch name {
	case "XML":
		return xml(text)
	case "HTML":
		return html(text)
	case "JSP":
		return serverPage(text)
	case "function":
		return function(text)
	case "EMAIL":
		return mail(text)
	case "mbox":
		return mbox(text)
	case "Base64":
		return base64(text)
	}
	return name
}

func xml(text []byte) string {
	if containsFold(text, "<svg") {
		return "SVG"
	}
	return "XML"
}

func html(text []byte) string {
	if containsFold(text, "<hta:application") {
		return "HTA"
	}
	return "HTML"
}

// serverPage tells ASP and ASP.NET from JSP, which begin alike.
func serverPage(text []byte) string {
	for _, word := range [...]string{"vbscript", "jscript", "language=\"c#\"", "language=\"vb\"", "codebehind", "codefile",
		"inherits=", "runat=", "webhandler", "webservice", "response.", "createobject", "eval request", "execute(", "executeglobal"} {
		if containsFold(text, word) {
			return "ASP"
		}
	}
	return "JSP"
}

// function tells PowerShell, whose functions are named verb-noun, from Visual Basic, whose
// keyword begins with a capital. What is left may be one of many languages.
func function(text []byte) string {
	line := firstLine(text)
	if name, _, _ := bytes.Cut(line[len("function "):], []byte("{")); bytes.IndexByte(name, '-') > 0 {
		return "PowerShell Script"
	}
	if text[0] == 'F' && containsFold(text, "end function") {
		return "VBS"
	}
	return ""
}

// mail knows a message by a second header field on a line of its own.
func mail(text []byte) string {
	for _, field := range [...]string{"\nreceived: ", "\nfrom: ", "\nto: ", "\nmessage-id: ", "\nmime-version: ", "\nsubject: "} {
		if containsFold(text, field) {
			return "EMAIL"
		}
	}
	return ""
}

// mbox knows a mailbox by its "From" line, which ends with a date.
func mbox(text []byte) string {
	if line := firstLine(text); hasPrefix(line, "From ") && bytes.Count(line, []byte(":")) >= 2 {
		return mail(text)
	}
	return ""
}

// base64 knows an encoded program by its first bytes and a line of the alphabet behind them.
func base64(text []byte) string {
	const enough = 40
	switch string(text[:4]) {
	case "TVqQ", "TVpQ", "TVoA", "TVpB", "TVqA", "TVro", "f0VM":
	default:
		return ""
	}
	if len(text) < enough {
		return ""
	}
	for _, c := range text[:enough] {
		switch {
		case digit(c), c == '+', c == '/', lower(c) >= 'a' && lower(c) <= 'z':
		default:
			return ""
		}
	}
	return "Base64"
}

// shebang names a script by its interpreter.
func shebang(head []byte) string {
	line := bytes.TrimLeft(firstLine(head[2:]), " \t")
	if len(line) == 0 || line[0] == '[' {
		return "" // #![…] is an attribute in Rust
	}
	program, arguments := cutWord(line)
	base := program[bytes.LastIndexByte(program, '/')+1:]
	if string(base) == "env" {
		base = envProgram(arguments)
	}
	switch {
	case hasPrefix(base, "python"), hasPrefix(base, "pypy"):
		return "Python"
	case hasPrefix(base, "php"):
		return "PHP"
	case hasPrefix(base, "pwsh"), hasPrefix(base, "powershell"):
		return "PowerShell Script"
	case line[0] == '/':
		return "UNIX SCRIPT"
	}
	return "Script"
}

// envProgram returns the program among the arguments of env: the first that is neither an
// option nor an assignment.
func envProgram(arguments []byte) []byte {
	for len(arguments) > 0 {
		var word []byte
		word, arguments = cutWord(arguments)
		if len(word) > 0 && word[0] != '-' && bytes.IndexByte(word, '=') < 0 {
			return word[bytes.LastIndexByte(word, '/')+1:]
		}
	}
	return nil
}

func cutWord(line []byte) (word, rest []byte) {
	end := bytes.IndexAny(line, " \t\r")
	if end < 0 {
		return line, nil
	}
	return line[:end], bytes.TrimLeft(line[end:], " \t\r")
}

func firstLine(text []byte) []byte {
	text = text[:min(len(text), 256)]
	if end := bytes.IndexByte(text, '\n'); end >= 0 {
		return text[:end]
	}
	return text
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// hasPrefixFold reports whether text begins with prefix, which is in lower case.
func hasPrefixFold(text []byte, prefix string) bool {
	if len(text) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if lower(text[i]) != prefix[i] {
			return false
		}
	}
	return true
}

// containsFold reports whether word, which is in lower case, stands in the first textSearch
// bytes of text.
func containsFold(text []byte, word string) bool {
	text = text[:min(len(text), textSearch)]
	for ; len(text) >= len(word); text = text[1:] {
		if hasPrefixFold(text, word) {
			return true
		}
	}
	return false
}
