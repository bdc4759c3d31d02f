package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Safe returns s in a form that may be shown to a person: on a terminal, in a log, in HTML after
// HTML's own escaping. What would move a cursor, change colours, reorder or hide text is made
// visible instead:
//
//	\n \r \t                 newline, carriage return, tab
//	\x1b                     other control characters of ASCII, and bytes that are not UTF-8
//	\u202e \U000e0001        C1 controls, format characters (bidirectional overrides, zero
//	                         widths, tags), separators other than the space, and letters that
//	                         look like nothing
//
// A backslash stays as it is, because Windows paths are full of them; so the result is for
// eyes, and the exact bytes are in JSON Lines. It never holds a line break.
func Safe(s string) string {
	clean := 0
	for clean < len(s) {
		r, n := utf8.DecodeRuneInString(s[clean:])
		if !showable(r, n) {
			break
		}
		clean += n
	}
	if clean == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	b.WriteString(s[:clean])
	for i := clean; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if showable(r, n) {
			b.WriteString(s[i : i+n])
		} else {
			writeEscaped(&b, s[i:i+n], r)
		}
		i += n
	}
	return b.String()
}

func writeEscaped(b *strings.Builder, bytes string, r rune) {
	switch {
	case r == '\n':
		b.WriteString(`\n`)
	case r == '\r':
		b.WriteString(`\r`)
	case r == '\t':
		b.WriteString(`\t`)
	case len(bytes) == 1: // ASCII control or invalid UTF-8
		writeHex(b, bytes[0])
	case r <= 0xffff:
		fmt.Fprintf(b, `\u%04x`, r)
	default:
		fmt.Fprintf(b, `\U%08x`, r)
	}
}

// writeHex writes c as \x and two digits.
func writeHex(b *strings.Builder, c byte) {
	const digits = "0123456789abcdef"
	b.WriteString(`\x`)
	b.WriteByte(digits[c>>4])
	b.WriteByte(digits[c&15])
}

// showable reports whether a rune of n bytes may be shown as it is.
func showable(r rune, n int) bool {
	switch {
	case r < utf8.RuneSelf:
		return r >= ' ' && r != 0x7f
	case r == utf8.RuneError && n == 1:
		return false
	}
	return unicode.IsPrint(r) && !invisible(r)
}

// invisible reports whether a character that Unicode calls a letter, mark or symbol shows
// nothing: the Hangul fillers, the empty Braille cell, variation selectors and their like. They
// serve to make two names look the same.
func invisible(r rune) bool {
	return r == 0x2800 || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// columns returns how many columns of a terminal s takes. s has gone through Safe.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	if r < utf8.RuneSelf {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me) { // drawn over the character before
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// shorten cuts the middle out of s so that it takes at most max columns. The end keeps two
// thirds, because that is where a path's name is.
func shorten(s string, max int) string {
	const gap = "..."
	if columns(s) <= max {
		return s
	}
	if max <= len(gap) {
		return gap[:clamp(max, 0, len(gap))]
	}
	room := max - len(gap)
	front := prefix(s, room/3)
	return front + gap + suffix(s, room-columns(front))
}

// prefix returns the longest beginning of s that takes at most max columns.
func prefix(s string, max int) string {
	used := 0
	for i, r := range s {
		if used += runeColumns(r); used > max {
			return s[:i]
		}
	}
	return s
}

// suffix returns the longest end of s that takes at most max columns and does not begin with a
// mark that belongs to the character before.
func suffix(s string, max int) string {
	used, start := 0, len(s)
	for i := len(s); i > 0; {
		r, n := utf8.DecodeLastRuneInString(s[:i])
		i -= n
		w := runeColumns(r)
		if used += w; used > max {
			break
		}
		if w > 0 {
			start = i
		}
	}
	return s[start:]
}

func clamp(n, low, high int) int { return max(low, min(n, high)) }
