package source

import (
	"strconv"
	"strings"
)

// Kind is the kind of a token.
type Kind int

// The kinds of token.
const (
	EOF      Kind = iota
	Word          // identifiers and keywords
	Number        // 10, 0x1F, 0o17, 200KB, 1.5
	Text          // "text"
	Regexp        // /regexp/is
	Hex           // { 4D 5A ?? }
	StringID      // $a and $a*
	Count         // #a
	Offset        // @a
	Length        // !a
	Include       // include "path"
	Punct         // everything else, such as == or (
)

// Token is one token. Raw is its text as it stands in the file.
type Token struct {
	Kind Kind
	Raw  string
	Pos  int // byte offset in the file
	Line int // from 1
}

// Is reports whether the token is the given keyword or punctuation.
func (t Token) Is(raw string) bool {
	return t.Raw == raw && (t.Kind == Word || t.Kind == Punct)
}

// Int returns the value of an integer literal, with its KB or MB.
func (t Token) Int() (int64, bool) {
	if t.Kind != Number {
		return 0, false
	}
	text, unit, base := t.Raw, int64(1), 10
	switch {
	case strings.HasPrefix(text, "0x"):
		text, base = text[2:], 16
	case strings.HasPrefix(text, "0o"):
		text, base = text[2:], 8
	case strings.HasSuffix(text, "KB"):
		text, unit = strings.TrimSuffix(text, "KB"), 1<<10
	case strings.HasSuffix(text, "MB"):
		text, unit = strings.TrimSuffix(text, "MB"), 1<<20
	}
	n, err := strconv.ParseInt(text, base, 64)
	if err != nil || n > (1<<63-1)/unit {
		return 0, false
	}
	return n * unit, true
}

// Value returns what the token stands for: the bytes of a Text with its escapes resolved, the path
// of an Include, the expression of a Regexp as libyara sees it (with \/ resolved, without slashes
// and flags), the inside of a Hex. For other kinds it is Raw.
func (t Token) Value() []byte {
	switch t.Kind {
	case Text:
		return unescape(t.Raw[1 : len(t.Raw)-1])
	case Include:
		return []byte(t.Raw[strings.IndexByte(t.Raw, '"')+1 : len(t.Raw)-1])
	case Regexp:
		body, _ := t.Regexp()
		return []byte(body)
	case Hex:
		return []byte(t.Raw[1 : len(t.Raw)-1])
	}
	return []byte(t.Raw)
}

// Regexp returns the expression and the flags of a token of that kind.
func (t Token) Regexp() (expr, flags string) {
	end := strings.LastIndexByte(t.Raw, '/')
	body := t.Raw[1:end]
	var b strings.Builder
	for i := 0; i < len(body); i++ {
		if body[i] == '\\' && i+1 < len(body) {
			i++
			if body[i] != '/' {
				b.WriteByte('\\')
			}
		}
		b.WriteByte(body[i])
	}
	return b.String(), t.Raw[end+1:]
}

// unescape resolves the escapes that the lexer has already checked.
func unescape(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		i++
		switch s[i] {
		case 't':
			out = append(out, '\t')
		case 'r':
			out = append(out, '\r')
		case 'n':
			out = append(out, '\n')
		case 'x':
			n, _ := strconv.ParseUint(s[i+1:i+3], 16, 8)
			out = append(out, byte(n))
			i += 2
		default: // \" and \\
			out = append(out, s[i])
		}
	}
	return out
}

// lexer cuts a file into tokens, as libyara's lexer.l does.
type lexer struct {
	src  string
	pos  int
	line int
}

func (l *lexer) fail(message string) error { return &Error{Line: l.line, Message: message} }

// next returns the next token, EOF at the end.
func (l *lexer) next() (Token, error) {
	if err := l.space(); err != nil {
		return Token{}, err
	}
	if l.pos >= len(l.src) {
		return Token{Kind: EOF, Pos: l.pos, Line: l.line}, nil
	}
	start, line := l.pos, l.line
	kind, err := l.token()
	if err != nil {
		return Token{}, err
	}
	t := Token{Kind: kind, Raw: l.src[start:l.pos], Pos: start, Line: line}
	l.line += strings.Count(t.Raw, "\n")
	return t, nil
}

// space skips white space and comments.
func (l *lexer) space() error {
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case c == '\n':
			l.line++
			l.pos++
		case c == ' ' || c == '\t' || c == '\r':
			l.pos++
		case l.at("//"):
			for l.pos < len(l.src) && l.src[l.pos] != '\n' {
				l.pos++
			}
		case l.at("/*"):
			end := strings.Index(l.src[l.pos+2:], "*/")
			if end < 0 {
				return l.fail("comment without end")
			}
			end += l.pos + 4
			l.line += strings.Count(l.src[l.pos:end], "\n")
			l.pos = end
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) at(s string) bool { return strings.HasPrefix(l.src[l.pos:], s) }

// token moves past one token and returns its kind.
func (l *lexer) token() (Kind, error) {
	c := l.src[l.pos]
	switch {
	case c == '"':
		return Text, l.text()
	case c == '/':
		return Regexp, l.regexp()
	case c == '{' && l.hex():
		return Hex, nil
	case isDigit(c):
		l.number()
		return Number, nil
	case isLetter(c):
		return l.word(), nil
	case c == '$':
		l.pos++
		l.skip(isWordByte)
		if l.at("*") {
			l.pos++
		}
		return StringID, nil
	case c == '#' || c == '@':
		l.pos++
		l.skip(isWordByte)
		if c == '#' {
			return Count, nil
		}
		return Offset, nil
	case l.at("!="):
		l.pos += 2
		return Punct, nil
	case c == '!':
		l.pos++
		l.skip(isWordByte)
		return Length, nil
	}
	for _, op := range [...]string{"..", "<=", ">=", "==", "<<", ">>"} {
		if l.at(op) {
			l.pos += 2
			return Punct, nil
		}
	}
	if c < 32 || c >= 127 {
		return EOF, l.fail("non-ascii character " + strconv.QuoteRune(rune(c)))
	}
	l.pos++
	return Punct, nil
}

func (l *lexer) skip(is func(byte) bool) {
	for l.pos < len(l.src) && is(l.src[l.pos]) {
		l.pos++
	}
}

// text moves past a text string.
func (l *lexer) text() error {
	for i := l.pos + 1; i < len(l.src); i++ {
		switch l.src[i] {
		case '"':
			l.pos = i + 1
			return nil
		case '\n':
			return l.fail("text without closing quote")
		case '\\':
			i++
			switch {
			case i < len(l.src) && strings.IndexByte(`trn"\`, l.src[i]) >= 0:
			case i+2 < len(l.src) && l.src[i] == 'x' && isHex(l.src[i+1]) && isHex(l.src[i+2]):
				i += 2
			default:
				return l.fail("illegal escape in text")
			}
		}
	}
	return l.fail("text without closing quote")
}

// regexp moves past a regular expression and its flags.
func (l *lexer) regexp() error {
	for i := l.pos + 1; i < len(l.src); i++ {
		switch l.src[i] {
		case '/':
			l.pos = i + 1
			for _, flag := range "is" { // in this order only
				if l.pos < len(l.src) && l.src[l.pos] == byte(flag) {
					l.pos++
				}
			}
			return nil
		case '\n':
			return l.fail("regular expression without closing slash")
		case '\\':
			i++
			if i < len(l.src) && l.src[i] == '\n' {
				return l.fail("regular expression without closing slash")
			}
		}
	}
	return l.fail("regular expression without closing slash")
}

// hex moves past a hex string if one begins here. The body of a rule does not look like one.
func (l *lexer) hex() bool {
	i := l.pos + 1
	for i < len(l.src) {
		c := l.src[i]
		switch {
		case c == '}':
			if i == l.pos+1 {
				return false
			}
			l.pos = i + 1
			return true
		case isHex(c) || strings.IndexByte(" -|~?[]()\n\r\t", c) >= 0:
			i++
		case strings.HasPrefix(l.src[i:], "//"):
			for i < len(l.src) && l.src[i] != '\n' {
				i++
			}
		case strings.HasPrefix(l.src[i:], "/*"):
			end := strings.Index(l.src[i+2:], "*/")
			if end < 0 {
				return false
			}
			i += end + 4
		default:
			return false
		}
	}
	return false
}

// number moves past a number. "0x" without digits is the number 0 and a word, as in libyara.
func (l *lexer) number() {
	if l.src[l.pos] == '0' && l.pos+2 < len(l.src) {
		digits := map[byte]func(byte) bool{'x': isHex, 'o': isOctal}[l.src[l.pos+1]]
		if digits != nil && digits(l.src[l.pos+2]) {
			l.pos += 2
			l.skip(digits)
			return
		}
	}
	l.skip(isDigit)
	switch {
	case l.at("KB") || l.at("MB"):
		l.pos += 2
	case l.at(".") && l.pos+1 < len(l.src) && isDigit(l.src[l.pos+1]):
		l.pos++
		l.skip(isDigit)
	}
}

// word moves past a word, or past a whole include directive.
func (l *lexer) word() Kind {
	start := l.pos
	l.skip(isWordByte)
	if l.src[start:l.pos] != "include" {
		return Word
	}
	i := l.pos
	for i < len(l.src) && (l.src[i] == ' ' || l.src[i] == '\t') {
		i++
	}
	if i == l.pos || i >= len(l.src) || l.src[i] != '"' {
		return Word
	}
	end := strings.IndexByte(l.src[i+1:], '"')
	if end < 0 {
		return Word
	}
	l.pos = i + 1 + end + 1
	return Include
}

func isDigit(c byte) bool    { return '0' <= c && c <= '9' }
func isOctal(c byte) bool    { return '0' <= c && c <= '7' }
func isHex(c byte) bool      { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
func isLetter(c byte) bool   { return c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' }
func isWordByte(c byte) bool { return isLetter(c) || isDigit(c) }
