package cuckoo

import (
	"bytes"
	"encoding/json"
	"iter"
	"strconv"
	"strings"
)

// value is a piece of a document that is known to be JSON. Nothing is decoded before it is asked for, and
// nothing is copied: reports are long, and little of them is needed.
type value []byte

// kind returns the first byte of the value, which tells what it is: { [ " t f n, a digit or a minus sign;
// 0 if there is none.
func (v value) kind() byte {
	if len(v) == 0 {
		return 0
	}
	return v[0]
}

// isNothing reports whether there is no value, or only the word null.
func (v value) isNothing() bool { return v.kind() == 0 || v.kind() == 'n' }

// fields yields the members of an object in their order; nothing of other values.
func (v value) fields() iter.Seq2[string, value] {
	return func(yield func(string, value) bool) {
		if v.kind() != '{' {
			return
		}
		rest := skipSpace(v[1:])
		for len(rest) > 0 && rest[0] == '"' {
			n := extent(rest)
			name, _ := rest[:n].text()
			rest = skipSpace(rest[n:])
			rest = skipSpace(rest[1:]) // the colon
			n = extent(rest)
			if !yield(name, rest[:n]) {
				return
			}
			if rest = skipSpace(rest[n:]); len(rest) > 0 && rest[0] == ',' {
				rest = skipSpace(rest[1:])
			}
		}
	}
}

// elements yields the elements of a list; nothing of other values.
func (v value) elements() iter.Seq[value] {
	return func(yield func(value) bool) {
		if v.kind() != '[' {
			return
		}
		rest := skipSpace(v[1:])
		for len(rest) > 0 && rest[0] != ']' {
			n := extent(rest)
			if !yield(rest[:n]) {
				return
			}
			if rest = skipSpace(rest[n:]); len(rest) > 0 && rest[0] == ',' {
				rest = skipSpace(rest[1:])
			}
		}
	}
}

// get returns the value below the names, or nothing. Of several with one name it is the first.
func (v value) get(names ...string) value {
	for _, name := range names {
		var found value
		for field, content := range v.fields() {
			if field == name {
				found = content
				break
			}
		}
		if v = found; v == nil {
			return nil
		}
	}
	return v
}

// object returns the members of an object by name, the first of several with one name. What has more than
// maxFields loses the rest.
func (v value) object() map[string]value {
	fields := map[string]value{}
	for name, content := range v.fields() {
		if _, ok := fields[name]; !ok {
			fields[name] = content
		}
		if len(fields) >= maxFields {
			break
		}
	}
	return fields
}

// text returns a string, or a number or truth value as it is written.
func (v value) text() (string, bool) {
	switch v.kind() {
	case '"':
		var s string
		if len(v) > maxRaw || json.Unmarshal(v, &s) != nil {
			return "", false
		}
		return s, true
	case '{', '[', 'n', 0:
		return "", false
	}
	return string(v), true
}

// integer returns a whole number, which sandboxes write as a number or as a string, decimal or after 0x.
func (v value) integer() (int64, bool) {
	s, ok := v.text()
	if !ok || len(s) > 32 {
		return 0, false
	}
	if n, err := strconv.ParseInt(strings.TrimSpace(s), 0, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != f || f < -1<<53 || f > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// float returns a number.
func (v value) float() (float64, bool) {
	s, ok := v.text()
	if !ok || len(s) > 32 {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return f, err == nil && f == f && f > -1<<53 && f < 1<<53
}

// extent returns the length of the value that b begins with. It takes JSON for granted; if it were none, the
// extent may be wrong but is never beyond the end.
func extent(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"':
		return endOfString(b, 0)
	case '{', '[':
		return endOfNest(b)
	}
	if n := bytes.IndexAny(b, ",:]} \t\r\n"); n >= 0 {
		return n
	}
	return len(b)
}

// endOfNest returns the place behind the object or list that b begins with.
func endOfNest(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"':
			i = endOfString(b, i) - 1
		}
	}
	return len(b)
}

// endOfString returns the place behind the string that begins at i.
func endOfString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

func skipSpace(b []byte) value { return bytes.TrimLeft(b, " \t\r\n") }
