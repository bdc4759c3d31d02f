package inspect

import "bytes"

// word is a string that one script language has and others, and prose, do not.
type word struct {
	text  string // in lower case
	typ   string
	score int // 100 is enough alone
}

// words tell scripts that do not say what they are. A program that hides what it does has fewer of them, and
// prose about programs has some: so each only counts, and two or three must come together.
// Those of one language stand together.
var words = [...]word{
	{"wscript.", JavaScript, 50}, {"new activexobject", JavaScript, 100}, {"require(", JavaScript, 40},
	{"module.exports", JavaScript, 60}, {"function(", JavaScript, 40}, {"function (", JavaScript, 40}, {"=> {", JavaScript, 40},
	{"document.", JavaScript, 30}, {"string.fromcharcode", JavaScript, 70}, {"eval(", JavaScript, 40}, {"unescape(", JavaScript, 50},
	{"\"use strict\"", JavaScript, 60}, {"'use strict'", JavaScript, 60}, {"var ", JavaScript, 30}, {"const ", JavaScript, 20},
	{"console.log(", JavaScript, 60}, {"![]+[]", JavaScript, 100}, {"\nlet ", JavaScript, 30},

	{"createobject(", "VBS", 80}, {"\ndim ", "VBS", 40}, {"wscript.shell", "VBS", 60}, {"end sub", "VBS", 60}, {"end function", "VBS", 60},
	{"\nset ", "VBS", 20}, {"chr(", "VBS", 20}, {"executeglobal", "VBS", 100}, {"msgbox ", "VBS", 50},

	{"new-object ", "PowerShell Script", 80}, {"invoke-expression", "PowerShell Script", 100}, {"invoke-webrequest", "PowerShell Script", 100},
	{"write-host ", "PowerShell Script", 80}, {"write-output ", "PowerShell Script", 80}, {"frombase64string", "PowerShell Script", 70},
	{"$env:", "PowerShell Script", 60}, {"-executionpolicy", "PowerShell Script", 50}, {"iex ", "PowerShell Script", 30}, {"iex(", "PowerShell Script", 60},
	{"[convert]::", "PowerShell Script", 60}, {"start-process ", "PowerShell Script", 80}, {"downloadstring(", "PowerShell Script", 70}, {"param(", "PowerShell Script", 30},
	{"erroractionpreference", "PowerShell Script", 100},

	{"@echo off", "BATCH", 100}, {"\ngoto ", "BATCH", 50}, {"setlocal", "BATCH", 50}, {"\nset /", "BATCH", 50}, {"%~dp0", "BATCH", 80},
	{"if exist ", "BATCH", 30}, {"%comspec%", "BATCH", 60}, {"errorlevel", "BATCH", 50}, {"\nrem ", "BATCH", 40}, {"\nstart /", "BATCH", 60},
	{"cmd /c", "BATCH", 40}, {"powershell -", "BATCH", 40}, {"powershell.exe -", "BATCH", 40}, {">nul", "BATCH", 50},

	{"\nimport ", "Python", 40}, {"\ndef ", "Python", 40}, {"if __name__ ==", "Python", 100}, {"\nfrom ", "Python", 30}, {"import os", "Python", 40},
	{"import subprocess", "Python", 70}, {"import base64", "Python", 50}, {"exec(", "Python", 40}, {"self.", "Python", 20}, {"print(", "Python", 20},

	{"use strict;", Perl, 100}, {"use warnings;", Perl, 100}, {"\nmy $", Perl, 60}, {"\nsub ", Perl, 40}, {"$_[", Perl, 40},

	{"$(curl ", "UNIX SCRIPT", 60}, {"| sh", "UNIX SCRIPT", 60}, {"| bash", "UNIX SCRIPT", 80}, {"chmod +x", "UNIX SCRIPT", 60}, {"\nfi\n", "UNIX SCRIPT", 60},
	{"\ndone\n", "UNIX SCRIPT", 50}, {"; then", "UNIX SCRIPT", 50}, {"/dev/null", "UNIX SCRIPT", 40}, {"base64 -d", "UNIX SCRIPT", 50}, {"\nexport ", "UNIX SCRIPT", 30},
}

// scriptSearch is how far into a text the words are looked for.
const scriptSearch = 4 << 10

// enough is the score from which a text is a script.
const enough = 100

// scriptType names the script language of a text without a tell-tale beginning, or returns "".
func scriptType(head []byte) string {
	var folded [scriptSearch + 1]byte
	text, ok := fold(folded[:], head)
	if !ok {
		return ""
	}
	if isScriptXML(text) {
		return ScriptXML
	}
	if t := bytes.TrimLeft(text, " \t\r\n"); len(t) > 0 && t[0] == '<' {
		return "" // markup of some kind: what is between the marks is no script file
	}
	return vocabulary.language(text)
}

// lexicon finds all words in one pass: a text is looked at whenever somebody opens one, and 70 searches would take ten
// times as long.
type lexicon struct {
	pairs   [1 << 16 / 64]uint64 // a bit for the first two characters of each word
	byFirst [256][]int           // indexes into words, by their first character
}

var vocabulary = newLexicon()

func newLexicon() *lexicon {
	l := new(lexicon)
	for i, w := range words {
		pair := uint(w.text[0])<<8 | uint(w.text[1])
		l.pairs[pair/64] |= 1 << (pair % 64)
		l.byFirst[w.text[0]] = append(l.byFirst[w.text[0]], i)
	}
	return l
}

// language returns the language whose words in a text score most, if it is enough.
func (l *lexicon) language(text []byte) string {
	var seen [len(words)]bool
	for i := 0; i+1 < len(text); i++ {
		pair := uint(text[i])<<8 | uint(text[i+1])
		if l.pairs[pair/64]&(1<<(pair%64)) == 0 {
			continue
		}
		for _, w := range l.byFirst[text[i]] {
			if !seen[w] && len(words[w].text) <= len(text)-i && string(text[i:i+len(words[w].text)]) == words[w].text {
				seen[w] = true
			}
		}
	}
	best, bestScore := "", enough-1
	for i := 0; i < len(words); {
		typ, score := words[i].typ, 0
		for ; i < len(words) && words[i].typ == typ; i++ {
			if seen[i] {
				score += words[i].score
			}
		}
		if score > bestScore {
			best, bestScore = typ, score
		}
	}
	return best
}

// fold writes the beginning of a text in lower case into buf, with a line end before it, and reports whether it is
// text at all: ASCII or UTF-8 without control characters, or UTF-16.
func fold(buf, head []byte) (text []byte, ok bool) {
	buf[0] = '\n'
	n := 1
	step := 1
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		low := 0
		if head[0] == 0xfe {
			low = 1
		}
		head, step = head[min(2+low, len(head)):], 2
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		head = head[3:]
	}
	for i := 0; i < len(head) && n < len(buf); i += step {
		c := head[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != 0x1b:
			return nil, false
		case c == '\r':
			continue
		}
		buf[n] = c
		n++
	}
	return buf[:n], n > 1
}

// IsText reports whether a file that begins with head may be read as text by an interpreter.
func IsText(head []byte) bool {
	var folded [scriptSearch + 1]byte
	_, ok := fold(folded[:], head)
	return ok
}

// isScriptXML knows Windows script files, which may hold any script language: <job>, <package>, <component> or
// <scriptlet> around <script>, and stylesheets with a script in them.
func isScriptXML(text []byte) bool {
	if !bytes.Contains(text, []byte("<script")) && !bytes.Contains(text, []byte("ms:script")) && !bytes.Contains(text, []byte("msxsl:script")) {
		return false
	}
	for _, around := range [...]string{"<job", "<package>", "<component", "<scriptlet", "urn:schemas-microsoft-com:xslt"} {
		if bytes.Contains(text, []byte(around)) {
			return true
		}
	}
	return false
}

// containsFold reports whether text holds a word in lower case, in any case.
func containsFold(text []byte, lower string) bool {
	for i := 0; i+len(lower) <= len(text); i++ {
		j := 0
		for ; j < len(lower); j++ {
			c := text[i+j]
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			if c != lower[j] {
				break
			}
		}
		if j == len(lower) {
			return true
		}
	}
	return false
}
