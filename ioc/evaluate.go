package ioc

import (
	"fmt"
	"slices"

	"tyto/finding"
	"tyto/ioc/internal/pattern"
	"tyto/ioc/stringlist"
)

// Bounds of the work on one item.
const (
	// MaxElements bounds the list elements that are tried for one conjunction. Beyond it the
	// conjunction is unknown unless an element before satisfied it.
	MaxElements = 4096
	// MaxEvidence bounds the pieces of evidence of one match.
	MaxEvidence = 32
	// MaxEvidenceBytes bounds the bytes of one piece.
	MaxEvidenceBytes = 1024
)

// evaluation holds what is known of one item while indicators are held against it. It is reused
// for other items of the same set.
type evaluation struct {
	item   Item
	facts  []slotFacts // by term.slot
	paths  []string    // by term.slot: the term's path
	turn   uint32      // marks what belongs to the present item
	values []Value

	hits      []stringlist.Hit
	hitsKnown bool
	hitsTurn  uint32

	undecided []*Indicator // for the item

	// For the index.
	unitTurn []uint32 // by unit: the turn in which it became a candidate
	units    []int32
	words    []int32
	buffer   []byte
}

type slotFacts struct {
	turn  uint32
	known bool
	facts []fact
}

func (x *evaluation) begin(item Item) {
	x.item = item
	x.turn++
	if x.turn == 0 { // wrapped: marks of 2³² items ago would look fresh
		clear(x.facts)
		clear(x.unitTurn)
		x.hitsTurn, x.turn = 0, 1
	}
}

// lookup returns the facts of a slot, asking the item once.
func (x *evaluation) lookup(slot int) *slotFacts {
	s := &x.facts[slot]
	if s.turn == x.turn {
		return s
	}
	s.turn = x.turn
	x.values, s.known = x.item.AppendValues(x.values[:0], x.paths[slot])
	s.facts = s.facts[:0]
	for _, v := range x.values {
		s.facts = append(s.facts, fact{Value: v})
	}
	return s
}

func (x *evaluation) stringHits() ([]stringlist.Hit, bool) {
	if x.hitsTurn != x.turn {
		x.hitsTurn, x.hits, x.hitsKnown = x.turn, nil, false
		if item, ok := x.item.(StringItem); ok {
			x.hits, x.hitsKnown = item.StringHits()
		}
	}
	return x.hits, x.hitsKnown
}

// proof collects evidence. A nil proof collects nothing.
type proof struct {
	evidence []finding.Evidence
	cut      int
}

func (p *proof) mark() (int, int) {
	if p == nil {
		return 0, 0
	}
	return len(p.evidence), p.cut
}

func (p *proof) reset(evidence, cut int) {
	if p != nil {
		p.evidence, p.cut = p.evidence[:evidence], cut
	}
}

func (p *proof) add(t *term, value string, offset int64) {
	if p == nil {
		return
	}
	if len(p.evidence) >= MaxEvidence {
		p.cut++
		return
	}
	p.evidence = append(p.evidence, finding.Evidence{
		Term:     t.path,
		Expected: fmt.Sprintf("%s %q", t.source.Condition, t.source.Value),
		Offset:   offset,
		Length:   len(value),
		Data:     []byte(value[:min(len(value), MaxEvidenceBytes)]),
	})
}

// evaluate returns the truth of an expression for the item. With a proof it looks at every
// branch of an OR, to name all that holds.
func (x *evaluation) evaluate(e *expression, p *proof) truth {
	switch {
	case e.term != nil:
		return x.leaf(e.term, nil, p)
	case e.perElement:
		return x.elements(e.branches, 0, nil, p)
	case e.operator == And:
		return x.and(e.branches, p)
	}
	result := isFalse
	for _, b := range e.branches {
		evidence, cut := p.mark()
		r := x.evaluate(b, p)
		if r != isTrue {
			p.reset(evidence, cut)
		}
		if result = max(result, r); result == isTrue && p == nil {
			break
		}
	}
	return result
}

func (x *evaluation) and(branches []*expression, p *proof) truth {
	result := isTrue
	for _, b := range branches {
		if result = min(result, x.evaluate(b, p)); result == isFalse {
			break
		}
	}
	return result
}

// leaf holds one term against the values that belong to a list element, or against all.
func (x *evaluation) leaf(t *term, element []int, p *proof) truth {
	if t.status != Evaluated {
		return isUnknown
	}
	var result truth
	if t.stringID >= 0 {
		result = x.stringLeaf(t, p)
	} else {
		s := x.lookup(t.slot)
		if !s.known {
			return isUnknown
		}
		for i := range s.facts {
			f := &s.facts[i]
			if t.source.Negate && f.lenient || !f.below(element) {
				continue
			}
			r := t.test.holds(f)
			if result = max(result, r); r == isTrue {
				if !t.source.Negate {
					p.add(t, f.String(), -1)
				}
				break
			}
		}
	}
	if t.source.Negate {
		return result.not()
	}
	return result
}

func (x *evaluation) stringLeaf(t *term, p *proof) truth {
	hits, known := x.stringHits()
	for _, h := range hits {
		if h.ID == t.stringID {
			if !t.source.Negate {
				p.add(t, h.Text, h.Offset)
			}
			return isTrue
		}
	}
	if !known {
		return isUnknown // what was not found may be in what was not searched
	}
	return isFalse
}

// elements evaluates a conjunction of leaves of which some speak of list elements: there must be
// one element of each list for which all terms below it hold. Level is the nesting of lists that
// element, the indexes chosen so far, has reached.
func (x *evaluation) elements(leaves []*expression, level int, element []int, p *proof) truth {
	result := isTrue
	var lists []string
	groups := map[string][]*expression{}
	for _, e := range leaves {
		if len(e.term.elements) <= level {
			result = min(result, x.leaf(e.term, element, p))
			continue
		}
		list := e.term.elements[level]
		if groups[list] == nil {
			lists = append(lists, list)
		}
		groups[list] = append(groups[list], e)
	}
	for _, list := range lists {
		if result == isFalse {
			break
		}
		result = min(result, x.anyElement(groups[list], level, element, p))
	}
	return result
}

// anyElement looks for an element of one list that satisfies all leaves. Elements come from the
// first positive condition that can be tested; where all are negative they exclude every element.
func (x *evaluation) anyElement(leaves []*expression, level int, element []int, p *proof) truth {
	var chooser *term
	positive := false
	for _, e := range leaves {
		t := e.term
		if t.source.Negate {
			continue
		}
		positive = true
		if x.leaf(t, element, nil) != isUnknown && t.status == Evaluated {
			chooser = t
			break
		}
	}
	if !positive {
		result := isTrue
		for _, e := range leaves {
			result = min(result, x.leaf(e.term, element, p))
		}
		return result
	}
	if chooser == nil {
		return isUnknown
	}
	result, tried := isFalse, 0
	for _, candidate := range x.candidates(chooser, level, element) {
		if tried++; tried > MaxElements {
			return max(result, isUnknown)
		}
		evidence, cut := p.mark()
		r := x.elements(leaves, level+1, candidate, p)
		if r == isTrue {
			return isTrue
		}
		p.reset(evidence, cut)
		result = max(result, r)
	}
	return result
}

// candidates returns the elements, one level below element, for which a condition may hold.
func (x *evaluation) candidates(t *term, level int, element []int) [][]int {
	var all [][]int
	facts := x.lookup(t.slot).facts
	for i := range facts {
		f := &facts[i]
		if len(f.index) <= level || !f.below(element) || t.test.holds(f) == isFalse {
			continue
		}
		all = append(all, f.index[:level+1])
	}
	slices.SortFunc(all, slices.Compare[[]int])
	return slices.CompactFunc(all, slices.Equal[[]int])
}

// guardText returns the text of a value as the index spells it.
func (x *evaluation) guardText(f *fact, path bool) []byte {
	x.buffer = pattern.AppendFolded(x.buffer[:0], f.String(), path)
	return x.buffer
}
