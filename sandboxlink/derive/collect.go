package derive

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what is derived from one report, which may hold ten thousands of artefacts.
const (
	// maxIndicators is the number of indicators of one kind.
	maxIndicators = 500
	// maxLeftOut is the number of different things that are told to be left out; the rest is counted.
	maxLeftOut = 1000
	// maxValue is the length of a value in bytes.
	maxValue = 1 << 10
	// maxEvidence is the number of the report's own words that are kept with an indicator.
	maxEvidence = 5
)

// collector gathers indicators and what is left out, each once.
type collector struct {
	options Options
	derived *Derived
	seen    map[string]int  // key of an indicator → its place
	count   map[Kind]int    // indicators of a kind
	left    map[leftKey]int // → its place
}

type leftKey struct {
	kind   Kind
	reason string
	value  string
}

// add adds an indicator, or evidence to one that is there.
func (c *collector) add(i Indicator) {
	for _, t := range i.Tests {
		if reason := unwritable(t.Value); reason != "" {
			c.leaveOut(i.Kind, t.Value, reason)
			return
		}
	}
	at, known := c.seen[i.key()]
	if !known {
		if c.count[i.Kind] >= maxIndicators {
			c.together(i.Kind, i.Tests[0].Value, fmt.Sprintf("there are %d of this kind already", maxIndicators))
			return
		}
		if c.count == nil {
			c.count = map[Kind]int{}
		}
		c.count[i.Kind]++
		c.seen[i.key()] = len(c.derived.Indicators)
		c.derived.Indicators = append(c.derived.Indicators, i)
		return
	}
	there := &c.derived.Indicators[at]
	there.Confidence = max(there.Confidence, i.Confidence)
	for _, e := range i.Evidence {
		if len(there.Evidence) < maxEvidence && !slices.Contains(there.Evidence, e) {
			there.Evidence = append(there.Evidence, e)
		}
	}
}

// leaveOut notes a value that says something on its own.
func (c *collector) leaveOut(kind Kind, value, reason string) {
	c.note(leftKey{kind, reason, value}, value)
}

// together notes a value as one of many that are left out for one reason.
func (c *collector) together(kind Kind, value, reason string) {
	c.note(leftKey{kind, reason, ""}, value)
}

func (c *collector) note(key leftKey, value string) {
	if at, ok := c.left[key]; ok {
		if key.value == "" {
			c.derived.LeftOut[at].Count++
		}
		return
	}
	if len(c.derived.LeftOut) >= maxLeftOut && key.value != "" {
		c.note(leftKey{key.kind, key.reason, ""}, value) // a few kinds and reasons: bounded
		return
	}
	c.left[key] = len(c.derived.LeftOut)
	c.derived.LeftOut = append(c.derived.LeftOut, LeftOut{key.kind, value, key.reason, 1})
}

// unwritable says why a value cannot stand in an indicator, or "". XML has no way to write control
// characters, and a text that was not UTF-8 is not what it was.
func unwritable(value string) string {
	switch {
	case len(value) > maxValue:
		return "is too long for an indicator"
	case !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool {
		return unicode.IsControl(r) || r == utf8.RuneError || r == '\ufffe' || r == '\uffff'
	}):
		return "has characters that an indicator cannot hold"
	case strings.TrimSpace(value) == "":
		return "is empty"
	}
	return ""
}
