// Package stringlist finds indicator strings among the printable strings of a content, as the
// OpenIOC term StringList/string means it.
//
// The scan needs no indicators, only [Pattern] values, which are plain data: a worker process
// gets them as JSON, builds a [Matcher] once, feeds it each content and answers with [Hit]
// values. What follows from a hit is decided elsewhere.
//
// # What a string is
//
// A string is a run of at least [MinRun] printable characters (0x20 to 0x7e and tab) in ASCII or
// in UTF-16LE at any alignment, as the command `strings` extracts them. A run longer than
// [MaxRun] is looked at in pieces that overlap by [MaxValue] bytes, so that no value of at most
// that length is missed at a border; the conditions "is", "starts-with" and "ends-with" know which
// ends of a piece are true ends.
package stringlist

import (
	"fmt"

	"tyto/ioc/internal/literal"
	"tyto/ioc/internal/pattern"
)

// Limits of strings and patterns, in bytes.
const (
	MinRun   = 4    // shortest run that counts as a string
	MaxRun   = 4096 // a longer run is looked at in pieces
	MaxValue = 1024 // longest value of a pattern
)

// Pattern is one string that is looked for.
type Pattern struct {
	// ID is the number by which hits refer to the pattern.
	ID int `json:"id"`
	// Condition is "is", "contains", "starts-with", "ends-with" or "matches".
	Condition string `json:"condition"`
	Value     string `json:"value"`
	// PreserveCase makes upper and lower case differ.
	PreserveCase bool `json:"preserve_case,omitempty"`
}

// Hit is the first string that satisfied a pattern.
type Hit struct {
	ID int `json:"id"`
	// Offset is where the string, or the piece of it, begins in the content.
	Offset int64 `json:"offset"`
	// Wide is true for UTF-16LE.
	Wide bool `json:"wide,omitempty"`
	// Text is the string, or the piece of it that holds: at most MaxRun bytes.
	Text string `json:"text"`
}

var kinds = map[string]pattern.Kind{
	"is": pattern.Is, "contains": pattern.Contains, "starts-with": pattern.StartsWith,
	"ends-with": pattern.EndsWith, "matches": pattern.Matches,
}

// Matcher holds compiled patterns. It is immutable and safe for concurrent use.
type Matcher struct {
	patterns []compiled
	literals *literal.Matcher
	owner    []int32 // pattern of each literal
	always   []int32 // patterns without a literal
}

type compiled struct {
	id   int
	kind pattern.Kind
	*pattern.Pattern
}

// Check returns why a pattern cannot be looked for, or nil.
func (p Pattern) Check() error {
	_, err := p.compile()
	return err
}

func (p Pattern) compile() (compiled, error) {
	kind, ok := kinds[p.Condition]
	switch {
	case !ok:
		return compiled{}, fmt.Errorf("condition %q does not apply to strings", p.Condition)
	case len(p.Value) > MaxValue:
		return compiled{}, fmt.Errorf("value has %d bytes, at most %d are allowed for strings", len(p.Value), MaxValue)
	case p.Value == "":
		return compiled{}, fmt.Errorf("value is empty")
	}
	c, err := pattern.Compile(pattern.Options{Kind: kind, Value: p.Value, PreserveCase: p.PreserveCase})
	return compiled{p.ID, kind, c}, err
}

// New compiles patterns. The error names the first that is invalid.
func New(patterns []Pattern) (*Matcher, error) {
	m := &Matcher{}
	var words []string
	for i, p := range patterns {
		c, err := p.compile()
		if err != nil {
			return nil, fmt.Errorf("string pattern %d (%.40q): %w", p.ID, p.Value, err)
		}
		m.patterns = append(m.patterns, c)
		for _, w := range c.Literals() {
			words = append(words, w)
			m.owner = append(m.owner, int32(i))
		}
		if c.Literals() == nil {
			m.always = append(m.always, int32(i))
		}
	}
	m.literals = literal.New(words)
	return m, nil
}

// Find returns the hits in a content that is in memory as a whole.
func (m *Matcher) Find(content []byte) []Hit {
	s := m.NewScan()
	s.Feed(0, content)
	return s.Finish()
}
