// Package source reads the text of YARA rule files: far enough to know which rules a file holds,
// where each begins and ends, what strings it declares, and what its condition demands of the
// scanned content before any string is looked for.
//
// It does not compile rules and does not replace libyara's parser. It serves three purposes:
//
//   - A rule's line number, which libyara forgets after compiling.
//   - [Decider]: given some facts about content (its first bytes, bounds of its size), whether a
//     condition is certainly true, certainly not true, or open.
//   - [Specialise]: the same file without the rules that cannot match such content, every other
//     rule on its old line, so that smaller and faster sets can be compiled for it.
//
// # Being wrong
//
// [Parse] accepts the language as libyara 4.5 tokenises it and is tolerant beyond that: what it
// does not understand in a condition becomes an opaque leaf, on which [Decider] has no opinion.
// What it does not understand elsewhere is an error, and the caller then treats the file as one
// piece. A caller that acts on the result must also compare the rules found here with those that
// libyara found.
//
// Rule files are input from outside: nesting, sizes and counts are bounded by the constants of
// this package, and the parser is fuzzed.
package source

import "fmt"

// Limits of a rule file. A file beyond them is an error of [Parse].
const (
	MaxSize  = 64 << 20 // bytes of one file
	MaxRules = 1 << 17  // rules in one file
	maxDepth = 200      // parentheses in a condition; deeper ones stay an opaque leaf
)

// File is what one rule file declares, in the order of its text.
type File struct {
	Imports  []Import
	Includes []Token // the Include tokens, see [Token.Value]
	Rules    []*Rule
}

// Import is one import statement: src[Start:End].
type Import struct {
	Module     string
	Start, End int
}

// Rule is one rule. Its text is src[Start:End], from its first modifier or the word "rule" to the
// closing brace.
type Rule struct {
	Name            string
	Line            int // of the word "rule", from 1
	Start, End      int
	Private, Global bool
	Strings         []String
	Condition       Expr

	// References are the identifiers in the condition that may name other rules of the
	// namespace. Those of externals, modules and loop variables are among them.
	References []string
	// Prefixes are references to sets of rules: "apt_" for "any of (apt_*)".
	Prefixes []string
}

// String is one declaration in a rule's strings section.
type String struct {
	ID        string // with its dollar; "$" alone is an anonymous string
	Value     Token  // of kind [Text], [Hex] or [Regexp]
	Modifiers []Modifier
}

// Has reports whether the string carries the modifier of that name.
func (s *String) Has(name string) bool {
	for _, m := range s.Modifiers {
		if m.Name == name {
			return true
		}
	}
	return false
}

// Modifier is a modifier of a string, such as "wide" or "xor" with its arguments.
type Modifier struct {
	Name string
	Args []Token // what stands between the parentheses, such as 0x01 - 0xff
}

// Error says where a file could not be understood.
type Error struct {
	Line    int // from 1
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

// Blank returns a copy of src in which the text of the rules for which drop is true is replaced by
// spaces. Line breaks are kept, so everything else stays on its line.
func Blank(src []byte, rules []*Rule, drop func(i int) bool) []byte {
	out := append([]byte(nil), src...)
	for i, r := range rules {
		if !drop(i) {
			continue
		}
		blank(out[r.Start:r.End])
	}
	return out
}
