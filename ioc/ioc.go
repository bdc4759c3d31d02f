// Package ioc holds indicators of compromise against what was found on a host.
//
// # Words
//
// An [Indicator] comes from a file (OpenIOC, a list, …) and says with a tree of AND and OR what
// to look for. Its leaves are [Term] values in the vocabulary of OpenIOC: "FileItem/Md5sum is …".
// The part before the first slash is the document. An [Item] is what can be said of one object in
// that vocabulary: all terms of one document for one file, one process, one registry value.
//
// A [Builder] takes indicators and rows of lists and makes a [Set], which is immutable. Each scan
// starts a [Run] of the set and shows it the items as they come; the run answers with matches.
//
// # What an indicator means
//
// Matching is three-valued: a condition is true, false or unknown. It is unknown if the fact was
// not collected or the term, the condition or the value is not supported. Unknown never matches,
// also not when it is negated.
//
// Terms of one document under one AND speak of the same item, and terms below the same list
// element ("PEInfo/Sections/Section") of the same element of that list. Terms of different
// documents under an AND must each hold for some item of the run. An OR holds if any branch does.
//
// A negative condition excludes items from what its positive siblings of the same document
// select. Alone, or as a whole branch of an OR, it selects nothing. (An AND or OR of a single
// branch is that branch.)
//
// # How it is fast
//
// Almost every item matches nothing. Each indicator names guards, positive conditions of which at
// least one must hold; guards are looked up in hash tables and by one search for literals in the
// item's texts, and only indicators with a guard that was found are evaluated. The plain
// evaluation is the definition; the index may only leave out what it would reject.
package ioc

import (
	"strings"
	"time"
)

// DefaultScore is the score of an indicator whose source gives none.
const DefaultScore = 100

// Indicator is one indicator of compromise as its source states it.
type Indicator struct {
	ID          string // the source's own identifier, often a GUID; may be empty
	Name        string
	Description string
	Author      string
	Source      string // the file it came from, as it was named to Tyto
	Line        int    // where in Source it begins, from 1; 0 is unknown
	Score       int    // -100 to 100
	Tags        []string
	References  []string
	ValidUntil  time.Time // zero: no end
	Pattern     Node
}

// Operator joins the children of a [Node].
type Operator uint8

// The operators. A node without children is a leaf whatever its operator.
const (
	Or Operator = iota
	And
)

// Node is a branch of an indicator's pattern, or a leaf if Term is set.
type Node struct {
	Operator Operator
	Children []Node
	Term     *Term
}

// Leaf returns a node that holds one term.
func Leaf(t Term) Node { return Node{Term: &t} }

// Condition is the relation that a term asks for.
type Condition string

// The conditions of OpenIOC 1.1. The negative ones of 1.0 (isnot, containsnot) are these with
// [Term.Negate].
const (
	Is          Condition = "is"
	Contains    Condition = "contains"
	Matches     Condition = "matches" // regular expression, searched for anywhere in the value
	StartsWith  Condition = "starts-with"
	EndsWith    Condition = "ends-with"
	GreaterThan Condition = "greater-than"
	LessThan    Condition = "less-than"
)

// Term is one condition on one fact.
type Term struct {
	ID   string // the source's own identifier; may be empty
	Line int    // in the indicator's source, from 1; 0 is unknown
	// Path names the fact, document first: "FileItem/Md5sum". Case does not matter.
	Path         string
	Condition    Condition
	Negate       bool
	PreserveCase bool // upper and lower case differ
	// Type is the type that the source gives to the value ("string", "int", "date", "md5",
	// "IP", "duration", …); may be empty. The vocabulary's type of the fact decides; this one
	// settles what the vocabulary leaves open.
	Type string
	// Value is what the fact is compared with. For numbers and times, with the condition
	// [Is], it may be an interval: "A TO B" or "[A TO B]", both ends included.
	Value string
	// Invalid says why the source's text cannot be understood; then the term is unknown for
	// every item. Parsers keep such terms so that an AND does not become wider by their loss.
	Invalid string
}

// Document returns the first part of the path.
func (t *Term) Document() string {
	document, _, _ := strings.Cut(t.Path, "/")
	return document
}

// HashRow is one row of a list of file hashes.
type HashRow struct {
	Sum     []byte // 16 bytes: MD5, 20: SHA-1, 32: SHA-256
	Score   int
	Comment string
	Source  string
	Line    int
}

// Network is one row of a list of command-and-control servers. Nothing evaluates them yet.
type Network struct {
	Value       string // domain in lower case, address, or network in CIDR notation
	Score       int
	Description string
	Source      string
	Line        int
}

// Keyword is one row of a list of keywords, which are literal and case-sensitive. Nothing
// evaluates them yet.
type Keyword struct {
	Value       string
	Score       int
	Description string
	Source      string
	Line        int
}
