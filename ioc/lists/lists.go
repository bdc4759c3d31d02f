// Package lists reads the simple indicator lists of Loki and THOR, lists of plain hashes and CSV
// files whose rows begin with a hash.
//
// # Kinds
//
// The kind is told by a word in the file's name: c2 or domain, filename, hash, keyword,
// trusted-hash or falsepositive-hash, handle, pipe; each also in the plural. Any other text file
// whose lines begin with hashes is a hash list.
//
// # Rows
//
//	hash       HASH;COMMENT or HASH;SCORE;COMMENT. A comma, a space or a tab may stand for the
//	           first semicolon, so the output of sha256sum and simple CSV files are hash lists too.
//	filename   PATTERN;SCORE or PATTERN;SCORE;EXCEPT. Both are regular expressions that are
//	           searched for in the full path; the row does not count where EXCEPT matches. Case
//	           matters unless the expression says (?i), as in Loki; but a pattern without any of
//	           the characters \.+*?()[]{}^$| is literal and ignores case, as in THOR.
//	c2         VALUE or VALUE;SCORE: a domain, an address or a network.
//	keyword    a literal; case matters.
//	handle, pipe  as filename, for the names of handles and of pipes.
//
// Lines that begin with # are comments; those directly above a row describe the rows from there
// to the next comment. Semicolons within an expression are allowed: the score is the first field
// that is a whole number.
//
// # Text
//
// Files may be UTF-8 with or without byte order mark or UTF-16; a line that is not UTF-8 is taken
// for Windows-1252. Line ends may be mixed.
package lists

import (
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"

	"tyto/finding"
	"tyto/ioc"
)

// Kind is what the rows of a list are.
type Kind string

// The kinds of list.
const (
	Hashes   Kind = "hashes"
	Trusted  Kind = "trusted hashes"
	Names    Kind = "file names"
	C2       Kind = "c2"
	Keywords Kind = "keywords"
	Handles  Kind = "handles"
	Pipes    Kind = "pipes"
)

// Scores of rows that give none.
const (
	DefaultHashScore = 100
	DefaultNameScore = 60
	DefaultC2Score   = 100
	// DefaultKeywordScore is lower because a keyword alone is weak evidence.
	DefaultKeywordScore = 60
)

// Sink takes the rows of lists. [ioc.Builder] is one.
type Sink interface {
	AddIndicator(*ioc.Indicator)
	AddHash(ioc.HashRow) error
	AddTrusted(ioc.HashRow) error
	AddNetwork(ioc.Network)
	AddKeyword(ioc.Keyword)
}

// tags maps the words of file names to kinds.
var tags = map[string]Kind{
	"c2": C2, "domain": C2, "filename": Names, "hash": Hashes, "hashes": Hashes,
	"keyword": Keywords, "handle": Handles, "pipe": Pipes,
}

// KindOf returns the kind that a file's name tells.
func KindOf(name string) (Kind, bool) {
	words := strings.FieldsFunc(strings.ToLower(filepath.Base(name)), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	for i, w := range words {
		kind, ok := tags[w]
		if !ok {
			kind, ok = tags[strings.TrimSuffix(w, "s")]
		}
		if !ok {
			continue
		}
		if kind == Hashes && i > 0 && (words[i-1] == "trusted" || words[i-1] == "falsepositive") {
			kind = Trusted
		}
		return kind, true
	}
	return "", false
}

var hashStart = regexp.MustCompile(`^["']?(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{40}|[0-9a-fA-F]{32})(?:$|["'\s;,|:])`)

// Sniff reports whether a file that begins with head is a hash list: at least half of its first
// rows begin with a hash.
func Sniff(head []byte) bool {
	s := newScanner(strings.NewReader(string(head)))
	rows, hashes := 0, 0
	for rows < 20 && s.scan() {
		line := strings.TrimSpace(s.text)
		if line == "" || line[0] == '#' {
			continue
		}
		rows++
		if hashStart.MatchString(line) {
			hashes++
		}
	}
	return hashes > 0 && 2*hashes >= rows-1 // one row may be a header
}

// Count says how many rows of a list were used and refused.
type Count struct {
	Rows    int // handed to the sink
	Refused int // each is among the problems, or counted by the last of them
}

// Parse reads a list and hands its rows to the sink. Source is the file's name as the rows and
// problems shall state it. The error says that reading failed; rows before it were handed over.
func Parse(r io.Reader, source string, kind Kind, sink Sink) (Count, []finding.Problem, error) {
	p := &parser{source: source, kind: kind, sink: sink}
	s := newScanner(r)
	for s.scan() {
		p.line = s.line
		if s.long {
			p.refuse("line is longer than %d bytes", maxLine)
			continue
		}
		p.row(s.text)
	}
	p.end()
	if s.err != nil {
		return p.count, p.problems, fmt.Errorf("read line %d: %w", s.line+1, s.err)
	}
	return p.count, p.problems, nil
}
