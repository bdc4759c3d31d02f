package pattern

import (
	"unicode"
	"unicode/utf8"
)

// Text is a text prepared for matching.
type Text struct {
	// Exact is the text; in paths every separator is a slash.
	Exact string
	// Folded is Exact without case, see [AppendFolded].
	Folded string
}

// NewText prepares a text. In a path the backslash is turned into a slash, and the prefix
// `\\?\` of long Windows paths is dropped.
func NewText(s string, path bool) Text {
	if path {
		s = slashed(s)
		if len(s) > 4 && s[:4] == "//?/" {
			s = s[4:]
		}
	}
	return Text{Exact: s, Folded: Fold(s)}
}

// slashed returns s with each backslash replaced, without copying where there is none.
func slashed(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if b[i] == '\\' {
					b[i] = '/'
				}
			}
			return string(b)
		}
	}
	return s
}

// Fold returns s without case: two UTF-8 texts fold to the same exactly if [strings.EqualFold]
// holds for them, which is also what (?i) means in a regular expression. Bytes that are not UTF-8
// stay as they are.
func Fold(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return string(AppendFolded(make([]byte, 0, len(s)), s, false))
		}
	}
	return s
}

// AppendFolded appends the folded s to b; in a path it turns backslashes into slashes as well.
func AppendFolded(b []byte, s string, path bool) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(b, c)
			} else {
				b = utf8.AppendRune(b, foldRune(r))
			}
			i += n
			continue
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c == '\\' && path:
			c = '/'
		}
		b = append(b, c)
		i++
	}
	return b
}

// foldRune maps all runes that differ in case only to one of them. It is the lower-case letter
// for ASCII (so that the Kelvin sign becomes k), else the smallest.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if 'A' <= least && least <= 'Z' {
		return least + 'a' - 'A'
	}
	return least
}
