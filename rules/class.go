package rules

import (
	"math"

	"tyto/rules/source"
)

// Class is a kind of content for which a variant of the rules is compiled.
type Class struct {
	Name  string
	facts source.Facts
}

// Headers that many rules ask for.
const (
	headMZ  = "MZ"
	headELF = "\x7fELF"
)

// classes are the variants that leave rules out. Together they fit everything; behind them comes
// the variant with all rules, for whoever knows nothing of the content.
//
// They were chosen by measuring with signature-base (5,883 rules, of which 3,281 ask for "MZ" and
// 3,420 bound the size): few enough that a worker can hold those it needs, and with bounds where
// many rules end.
func classes() []Class {
	const kb, mb = 1 << 10, 1 << 20
	var out []Class
	add := func(name, prefix string, not []string, bounds ...int64) {
		low := int64(0)
		for _, high := range append(bounds, math.MaxInt64) {
			facts := source.Facts{Prefix: []byte(prefix), MinSize: low, MaxSize: high - 1}
			for _, n := range not {
				facts.NotPrefixes = append(facts.NotPrefixes, []byte(n))
			}
			out = append(out, Class{Name: name, facts: facts})
			low = high
		}
	}
	add("pe", headMZ, nil, 100*kb, 1*mb)
	add("elf", headELF, nil, 500*kb)
	add("other", "", []string{headMZ, headELF}, 200*kb)
	return out
}

// headSize is how many first bytes tell the class.
const headSize = len(headELF)

// holds reports whether content with these first bytes (headSize of them, or all) and this size is
// of the class.
func holds(f *source.Facts, head []byte, size int64) bool {
	if size < f.MinSize || size > f.MaxSize || !hasPrefix(head, f.Prefix) {
		return false
	}
	for _, p := range f.NotPrefixes {
		if hasPrefix(head, p) {
			return false
		}
	}
	return true
}

func hasPrefix(head, prefix []byte) bool {
	return len(head) >= len(prefix) && string(head[:len(prefix)]) == string(prefix)
}
