package walk

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Pattern is a compiled exclusion pattern. See [ParsePattern].
type Pattern struct {
	text     string
	tokens   []token
	baseName bool // compare with the last component only
	dirOnly  bool
	windows  bool // both separators, no regard to case
}

// token is one step of a pattern.
type token struct {
	op  op
	r   rune    // of opRune
	set []runes // of opSet
	not bool    // of opSet: any but these
}

// runes is a range of characters, both ends included.
type runes struct{ from, to rune }

type op uint8

const (
	opRune  op = iota // this character
	opAny             // ?: any character but a separator
	opSet             // […]: one of these, but no separator
	opSep             // a separator
	opStar            // *: any number of characters but separators
	opDeep            // **: any number of characters
	opDirs            // **/: any number of components
	opBelow           // /** at the end: the directory and all that it holds
)

// ParsePattern compiles an exclusion pattern:
//
//   - any characters but a separator
//     **       any characters
//     **/      any number of directories, none included
//     /**      at the end: the directory and everything in it
//     ?        one character but a separator
//     [a-z]    one character of these; [!a-z] or [^a-z] one of the others
//     \x       the character x itself (not in Windows patterns)
//
// A pattern without a separator is compared with the last component of a path: "*.iso",
// "node_modules". A pattern with a separator is compared with the whole path, and with the
// path on the system that the file belongs to: "/var/lib/docker". If it does not begin at the
// root it may begin at any directory: "cache/*.tmp" is "**/cache/*.tmp". A separator at the end
// restricts it to directories.
//
// On Windows, and in patterns that begin with a drive or \\, both \ and / are separators, and
// capital and small letters are equal. Names that are not UTF-8 are compared byte by byte.
func ParsePattern(text string) (Pattern, error) {
	return parsePattern(text, runtime.GOOS == "windows")
}

func parsePattern(text string, windows bool) (Pattern, error) {
	p := Pattern{text: text, windows: windows || hasDrive(text) || strings.HasPrefix(text, `\\`)}
	rest := text
	if len(rest) > 1 && p.isSep(rune(rest[len(rest)-1])) {
		p.dirOnly = true
		rest = rest[:len(rest)-1]
	}
	if rest == "" {
		return Pattern{}, errors.New("invalid pattern: it is empty")
	}
	if err := p.compile(rest); err != nil {
		return Pattern{}, fmt.Errorf("invalid pattern %q: %w", text, err)
	}
	return p, nil
}

// compile translates the text of a pattern into tokens.
func (p *Pattern) compile(text string) error {
	p.baseName = true
	start := true // of a component
	for text != "" {
		r, width := decode(text)
		switch {
		case p.isSep(r) && (text[width:] == "**"):
			p.baseName = false
			p.tokens = append(p.tokens, token{op: opBelow})
			text = ""
			continue
		case p.isSep(r):
			p.baseName = false
			p.tokens = append(p.tokens, token{op: opSep})
			start, text = true, text[width:]
			continue
		case start && strings.HasPrefix(text, "**") && len(text) > 2 && p.isSep(rune(text[2])):
			p.baseName = false
			p.tokens = append(p.tokens, token{op: opDirs})
			text = text[3:]
			continue
		case strings.HasPrefix(text, "**"):
			p.tokens = append(p.tokens, token{op: opDeep})
			width = len(text) - len(strings.TrimLeft(text, "*"))
		case r == '*':
			p.tokens = append(p.tokens, token{op: opStar})
		case r == '?':
			p.tokens = append(p.tokens, token{op: opAny})
		case r == '[':
			set, n, err := p.parseSet(text)
			if err != nil {
				return err
			}
			p.tokens = append(p.tokens, set)
			width = n
		case r == '\\':
			if len(text) == 1 {
				return errors.New(`nothing follows the last \`)
			}
			escaped, n := decode(text[1:])
			p.tokens = append(p.tokens, token{op: opRune, r: p.fold(escaped)})
			width += n
		default:
			p.tokens = append(p.tokens, token{op: opRune, r: p.fold(r)})
		}
		start, text = false, text[width:]
	}
	if !p.baseName && !p.rooted() {
		p.tokens = append([]token{{op: opDirs}}, p.tokens...)
	}
	return nil
}

// rooted reports whether the pattern itself says where paths begin.
func (p *Pattern) rooted() bool {
	switch p.tokens[0].op {
	case opSep, opBelow, opDirs, opDeep:
		return true
	}
	return p.windows && hasDrive(p.text)
}

// parseSet compiles the character class at the beginning of text and returns its length.
func (p *Pattern) parseSet(text string) (set token, length int, err error) {
	set.op = opSet
	i := 1
	if strings.HasPrefix(text[i:], "!") || strings.HasPrefix(text[i:], "^") {
		set.not = true
		i++
	}
	for first := true; i < len(text); first = false {
		if text[i] == ']' && !first {
			return set, i + 1, nil
		}
		from, n, err := p.setRune(text[i:])
		if err != nil {
			return token{}, 0, err
		}
		i += n
		to := from
		if i+1 < len(text) && text[i] == '-' && text[i+1] != ']' {
			to, n, err = p.setRune(text[i+1:])
			if err != nil {
				return token{}, 0, err
			}
			i += 1 + n
		}
		if to < from {
			return token{}, 0, fmt.Errorf("the range %q-%q is empty", from, to)
		}
		set.set = append(set.set, runes{from, to})
	}
	return token{}, 0, errors.New("a [ has no ]")
}

func (p *Pattern) setRune(text string) (rune, int, error) {
	r, n := decode(text)
	if r != '\\' || p.windows {
		return r, n, nil
	}
	if len(text) == 1 {
		return 0, 0, errors.New(`nothing follows the last \`)
	}
	r, n = decode(text[1:])
	return r, n + 1, nil
}

// String returns the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Match reports whether the pattern names the file, or the directory, at path.
func (p Pattern) Match(path string, isDir bool) bool {
	if p.dirOnly && !isDir {
		return false
	}
	if p.baseName {
		path = path[p.lastSep(path)+1:]
	}
	return p.match(path)
}

// match compares s with all tokens. When a comparison fails, the last star takes one more
// character, or else the last ** one more component or character. Earlier ones need not be tried again:
// whatever they could take, a later ** can take too, and a star ends at the same separator
// however long it is. So the time is at most the product of the two lengths for each component.
func (p *Pattern) match(s string) bool {
	t, i := 0, 0
	star, starAt := -1, 0
	deep, deepAt := -1, 0
	for {
		switch {
		case t == len(p.tokens):
			if i == len(s) {
				return true
			}
		case p.tokens[t].op == opStar:
			star, starAt = t, i
			t++
			continue
		case p.tokens[t].op == opDeep, p.tokens[t].op == opDirs:
			deep, deepAt, star = t, i, -1
			t++
			continue
		case p.tokens[t].op == opBelow:
			if i == len(s) || p.isSep(rune(s[i])) {
				return true
			}
		case i < len(s):
			if r, width := decode(s[i:]); p.one(&p.tokens[t], r) {
				t, i = t+1, i+width
				continue
			}
		}
		if star >= 0 && starAt < len(s) {
			if r, width := decode(s[starAt:]); !p.isSep(r) {
				starAt += width
				t, i = star+1, starAt
				continue
			}
		}
		if deep < 0 || deepAt >= len(s) {
			return false
		}
		deepAt = p.advance(s, deepAt, p.tokens[deep].op)
		t, i, star = deep+1, deepAt, -1
		if deepAt < 0 {
			return false
		}
	}
}

// advance returns where the rest of a pattern may begin next behind a ** or **/ that ended at
// i, or -1 if nowhere.
func (p *Pattern) advance(s string, i int, op op) int {
	if op == opDeep {
		_, width := decode(s[i:])
		return i + width
	}
	for ; i < len(s); i++ {
		if p.isSep(rune(s[i])) {
			return i + 1
		}
	}
	return -1
}

// one reports whether a token that stands for one character accepts r.
func (p *Pattern) one(t *token, r rune) bool {
	switch t.op {
	case opSep:
		return p.isSep(r)
	case opRune:
		return p.fold(r) == t.r
	case opAny:
		return !p.isSep(r)
	case opSet:
		return !p.isSep(r) && p.inSet(t.set, r) != t.not
	}
	return false
}

func (p *Pattern) inSet(set []runes, r rune) bool {
	for _, s := range set {
		if s.from <= r && r <= s.to {
			return true
		}
		if p.windows {
			if l := unicode.ToLower(r); s.from <= l && l <= s.to {
				return true
			}
			if u := unicode.ToUpper(r); s.from <= u && u <= s.to {
				return true
			}
		}
	}
	return false
}

func (p *Pattern) isSep(r rune) bool { return r == '/' || p.windows && r == '\\' }

func (p *Pattern) lastSep(path string) int {
	if p.windows {
		return strings.LastIndexAny(path, `/\`)
	}
	return strings.LastIndexByte(path, '/')
}

// fold makes letters that are equal on Windows the same: NTFS compares capitals.
func (p *Pattern) fold(r rune) rune {
	if p.windows && r < invalidByte {
		return unicode.ToUpper(r)
	}
	return r
}

// invalidByte is added to bytes that are not UTF-8, so that they are characters of their own.
const invalidByte = unicode.MaxRune + 1

func decode(s string) (rune, int) {
	r, width := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && width == 1 {
		return invalidByte + rune(s[0]), 1
	}
	return r, width
}

// hasDrive reports whether a path begins with a drive letter, as in "C:" or "C:\a".
func hasDrive(path string) bool {
	if len(path) < 2 || path[1] != ':' {
		return false
	}
	letter := path[0] | 0x20
	return letter >= 'a' && letter <= 'z' && (len(path) == 2 || path[2] == '\\' || path[2] == '/')
}
