// Package pattern holds one text against one condition: is, contains, starts with, ends with,
// matches a regular expression.
//
// # Paths
//
// Indicators are written for Windows paths and for Unix paths, and evidence from either is
// examined on the other. So in a path the two separators are the same: text and pattern are
// compared with slashes, and in a regular expression a backslash, literal or in a character
// class, stands for either separator ([^\\] excludes both).
//
// A drive letter is optional: where exactly one of text and pattern begins with one ("C:\"), it
// is left out of the comparison, and the rest must begin where the text begins. That does not
// hold for regular expressions, which say themselves what they want.
//
// # Literals
//
// Every pattern can name words of which at least one occurs in each text that it matches, see
// [Pattern.Literals]. They are what an index is made of.
package pattern

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// MaxLength is the number of bytes that the value of a pattern may have.
const MaxLength = 8 << 10

// Kind is the relation between text and value.
type Kind uint8

// The kinds of pattern.
const (
	Is Kind = iota
	Contains
	StartsWith
	EndsWith
	Matches
)

// Options say what a pattern is.
type Options struct {
	Kind  Kind
	Value string
	// PreserveCase makes upper and lower case differ, also in regular expressions.
	PreserveCase bool
	// Path compares separators and drive letters as described above.
	Path bool
}

// Pattern is a compiled pattern. It is immutable and safe for concurrent use.
type Pattern struct {
	kind    Kind
	value   string // folded unless exact; slashed in a path
	exact   bool
	path    bool
	re      *regexp.Regexp // only if kind is Matches
	clauses []clause       // see Literals
}

// Compile returns the pattern, or an error if the value is too long or no regular expression of
// the RE2 syntax, which has no look-around and no back-references.
func Compile(o Options) (*Pattern, error) {
	if len(o.Value) > MaxLength {
		return nil, errTooLong(o)
	}
	if o.Kind == Matches {
		return compileRegexp(o)
	}
	value := o.Value
	if o.Path {
		value = slashed(value)
		if len(value) > 4 && value[:4] == "//?/" {
			value = value[4:]
		}
	}
	return newLiteral(o.Kind, value, o.PreserveCase, o.Path), nil
}

// Check returns the error that [Compile] would return, at a tenth of its cost.
func Check(o Options) error {
	if o.Kind == Matches {
		if len(o.Value) > MaxLength {
			return errTooLong(o)
		}
		_, err := parse(o)
		return err
	}
	_, err := Compile(o)
	return err
}

func errTooLong(o Options) error {
	return fmt.Errorf("value has %d bytes, at most %d are allowed", len(o.Value), MaxLength)
}

func newLiteral(kind Kind, value string, exact, path bool) *Pattern {
	p := &Pattern{kind: kind, value: value, exact: exact, path: path}
	folded := Fold(value)
	if !exact {
		p.value = folded
	}
	if path {
		folded = folded[drive(folded):]
	}
	if exact && !utf8.ValidString(value) {
		// Such bytes may stand within a letter of the text, which folding changes.
		folded = longestASCII(folded)
	}
	if folded != "" {
		p.clauses = []clause{{folded}}
	}
	return p
}

func longestASCII(s string) string {
	longest := ""
	for _, run := range strings.FieldsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		if len(run) > len(longest) {
			longest = run
		}
	}
	return longest
}

func parse(o Options) (*syntax.Regexp, error) {
	flags := syntax.Perl
	if !o.PreserveCase {
		flags |= syntax.FoldCase
	}
	tree, err := syntax.Parse(o.Value, flags)
	if err != nil {
		return nil, fmt.Errorf("not a regular expression of RE2: %w", err)
	}
	return tree, nil
}

func compileRegexp(o Options) (*Pattern, error) {
	tree, err := parse(o)
	if err != nil {
		return nil, err
	}
	if o.Path {
		slashTree(tree)
	}
	if kind, value, exact, ok := plain(tree); ok {
		// A drive letter in an expression is not optional, so this is no path pattern.
		return newLiteral(kind, value, exact, false), nil
	}
	re, err := regexp.Compile(tree.String())
	if err != nil {
		return nil, fmt.Errorf("not a regular expression of RE2: %w", err)
	}
	return &Pattern{kind: Matches, re: re, clauses: required(tree)}, nil
}

// Match reports whether the pattern holds for the text. Texts for path patterns, regular
// expressions included, must have been prepared as paths.
func (p *Pattern) Match(t Text) bool {
	if p.kind == Matches {
		for _, c := range p.clauses {
			if !c.holds(t.Folded) { // far cheaper than the expression
				return false
			}
		}
		return p.re.MatchString(t.Exact)
	}
	text := t.Folded
	if p.exact {
		text = t.Exact
	}
	if holds(p.kind, text, p.value) {
		return true
	}
	if !p.path {
		return false
	}
	textDrive, valueDrive := drive(text), drive(p.value)
	if (textDrive == 0) == (valueDrive == 0) {
		return false
	}
	text, value := text[textDrive:], p.value[valueDrive:]
	if !strings.HasPrefix(text, "/") || !strings.HasPrefix(value, "/") {
		return false
	}
	switch p.kind {
	case Is, EndsWith:
		return text == value
	default:
		return strings.HasPrefix(text, value)
	}
}

// Literals returns folded words of which at least one occurs in the folded form of each text
// that the pattern matches. There are none if no such words are known.
func (p *Pattern) Literals() []string {
	if len(p.clauses) == 0 {
		return nil
	}
	return p.clauses[0]
}

// Weight says how telling the literals are; 0 without any.
func (p *Pattern) Weight() int {
	if len(p.clauses) == 0 {
		return 0
	}
	return p.clauses[0].weight()
}

func holds(kind Kind, text, value string) bool {
	switch kind {
	case Is:
		return text == value
	case Contains:
		return strings.Contains(text, value)
	case StartsWith:
		return strings.HasPrefix(text, value)
	case EndsWith:
		return strings.HasSuffix(text, value)
	}
	return false
}

// drive returns the length of the drive letter and colon that a path begins with, or 0.
func drive(path string) int {
	if len(path) >= 3 && path[1] == ':' && path[2] == '/' && ('a' <= path[0]|0x20 && path[0]|0x20 <= 'z') {
		return 2
	}
	return 0
}
