// Package finding holds the words in which Tyto tells what it saw: the object that was
// examined, the matches on it, the finding that gathers them, the skip that says what was not
// looked at, and the summary of a scan.
//
// It is the vocabulary between the scanner, which produces these values, and everything that
// consumes them: reports, the quarantine, the agent. It therefore depends on nothing, does
// nothing but arithmetic on scores, and its types are plain data.
//
// # Bytes and text
//
// Paths, names and evidence come from a hostile machine. They are kept byte-exact, may hold
// any byte including newlines and terminal escapes, and need not be UTF-8. Whoever shows one
// to a person or writes it into a format must escape it.
package finding

import "time"

// Finding gathers all matches on one object.
type Finding struct {
	Time    time.Time // when the object was examined
	Object  Object
	Matches []Match // in descending order of score
	Score   float64 // 0 to 100, see [Score]
	Level   Level
}

// Match is one rule or one indicator that holds for an object.
type Match struct {
	Kind MatchKind

	// Name is the rule's identifier, or the indicator's name.
	Name string
	// ID identifies the rule or indicator across tools: the rule's "id" meta, the
	// indicator's GUID; it may be empty.
	ID string
	// Source is the file that the rule or indicator came from, as it was named to Tyto.
	Source string
	// Line is the line in Source, counted from 1; 0 is unknown.
	Line int
	// Description says in a sentence what was found.
	Description string
	// Score is the sub-score of this match, -100 to 100. Negative scores lower the score of
	// the object; they come from file-name lists.
	Score int
	// Tags are the rule's tags or the indicator's keywords.
	Tags []string
	// Meta is the rule's meta section in its own order. Keys may repeat.
	Meta []Meta
	// Evidence says what in the object satisfied the rule or indicator. It may be cut: see
	// Cut.
	Evidence []Evidence
	// Cut is the number of further pieces of evidence that were left out by the limits on
	// matches and match bytes kept per object.
	Cut int
}

// MatchKind tells whether a rule or an indicator matched.
type MatchKind string

// The kinds of match.
const (
	Rule      MatchKind = "rule"
	Indicator MatchKind = "indicator"
)

// Meta is one entry of a rule's meta section. Value is a string, an int64 or a bool.
type Meta struct {
	Key   string
	Value any
}

// Evidence is one reason why a match holds.
type Evidence struct {
	// Term is what was compared: a rule's string identifier such as "$a1", or an OpenIOC
	// term such as "FileItem/Md5sum".
	Term string
	// Expected is what the indicator asked for, such as `is "evil.exe"`; empty for rules.
	Expected string
	// Offset is where in the content the bytes stand, counted from 0; -1 for facts that have
	// no place in the content.
	Offset int64
	// Length is the true length of the matched bytes; Data may hold fewer.
	Length int
	// Data is the matched bytes, or the fact's value as text.
	Data []byte
}
