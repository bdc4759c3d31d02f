package ioc

import (
	"strings"

	"tyto/ioc/internal/literal"
	"tyto/ioc/internal/pattern"
)

// guard is a condition that an index can look up. An expression holds only if one of its guards
// holds.
type guard struct {
	kind guardKind
	slot int // where the value is found
	text string
	id   int // of the string pattern
}

type guardKind uint8

const (
	guardEqual   guardKind = iota // a value of the slot is text, folded
	guardLiteral                  // text occurs in a value of the slot, folded (and slashed)
	guardString                   // a hit of package stringlist
)

// fullPath is the term whose values contain those of the other terms on names and paths, so that
// one search serves them all.
const fullPath = "FileItem/FullPath"

var withinFullPath = map[string]bool{
	"FileItem/FileName": true, "FileItem/FilePath": true, "FileItem/FullPath": true,
	"FileItem/FileExtension": true, "FileItem/Drive": true,
}

// useless is the cost of an expression that has no guards. Otherwise costs estimate how often a
// guard will hold for nothing; only their order matters.
const useless = 1e9

// guards returns guards for an expression, preferring rare ones, or the cost useless.
func (s *Set) guards(e *expression) (all []guard, cost float64) {
	if e.term != nil {
		return s.leafGuards(e.term)
	}
	if e.operator == And {
		cost = useless
		for _, b := range e.branches {
			if g, c := s.guards(b); c < cost {
				all, cost = g, c
			}
		}
		return all, cost
	}
	for _, b := range e.branches {
		g, c := s.guards(b)
		if c >= useless {
			return nil, useless
		}
		all = append(all, g...)
		cost = max(cost, c)
	}
	return all, cost
}

func (s *Set) leafGuards(t *term) ([]guard, float64) {
	if t.source.Negate || t.status != Evaluated {
		return nil, useless
	}
	if t.stringID >= 0 {
		return []guard{{kind: guardString, id: t.stringID}}, 2
	}
	test, ok := t.test.(*textTest)
	if !ok {
		return nil, useless
	}
	if t.source.Condition == Is && !test.path {
		text := strings.TrimSpace(t.source.Value)
		if hashLength(t.path) > 0 {
			return []guard{{kind: guardEqual, slot: t.slot, text: pattern.Fold(text)}}, 0
		}
		cost := 50.0 // an attribute, an owner, an extension
		if strings.HasSuffix(strings.ToLower(t.path), "name") {
			cost = 5
		}
		return []guard{{kind: guardEqual, slot: t.slot, text: pattern.Fold(t.source.Value)}}, cost
	}
	words := test.pattern.Literals()
	if words == nil {
		return nil, useless
	}
	slot, slashed := t.slot, test.path
	if withinFullPath[t.path] {
		slot, slashed = s.slot(fullPath), true
	}
	var all []guard
	for _, w := range words {
		if slashed {
			w = strings.ReplaceAll(w, `\`, "/")
		}
		all = append(all, guard{kind: guardLiteral, slot: slot, text: w})
	}
	return all, 100 / float64(test.pattern.Weight())
}

// unit is what the index nominates: a part, or some branches of it that have guards of a kind.
type unit struct {
	part *part
	// test is the branches; the part holds if test does.
	test *expression
	// owner is the place of the part's indicator in Set.compiled.
	owner int32
}

// divide splits a part so that branches without guards do not cost the others theirs.
func (s *Set) divide(p *part) []unit {
	e := p.expression
	if e.term != nil || e.operator != Or {
		return []unit{{part: p, test: e}}
	}
	var guarded, bare []*expression
	for _, b := range e.branches {
		if _, cost := s.guards(b); cost < useless {
			guarded = append(guarded, b)
		} else {
			bare = append(bare, b)
		}
	}
	if len(guarded) == 0 || len(bare) == 0 {
		return []unit{{part: p, test: e}}
	}
	return []unit{{part: p, test: either(guarded)}, {part: p, test: either(bare)}}
}

// index finds the candidates among the units of one document, which are places in Set.units.
type index struct {
	equal    []equalIndex
	literals []literalIndex
	strings  map[int][]int32
	always   []int32
}

type equalIndex struct {
	slot  int
	units map[string][]int32
}

type literalIndex struct {
	slot    int
	path    bool
	matcher *literal.Matcher
	units   [][]int32 // by word
}

// indexBuilder gathers guards before the index is made.
type indexBuilder struct {
	equal    map[int]map[string][]int32
	literals map[int]map[string][]int32
	index    index
}

func (b *indexBuilder) add(unit int32, guards []guard, cost float64) {
	if cost >= useless {
		b.index.always = append(b.index.always, unit)
		return
	}
	for _, g := range guards {
		switch g.kind {
		case guardEqual:
			addUnit(b.equal, g, unit)
		case guardLiteral:
			addUnit(b.literals, g, unit)
		case guardString:
			b.index.strings[g.id] = append(b.index.strings[g.id], unit)
		}
	}
}

func addUnit(slots map[int]map[string][]int32, g guard, unit int32) {
	if slots[g.slot] == nil {
		slots[g.slot] = map[string][]int32{}
	}
	units := slots[g.slot][g.text]
	if n := len(units); n > 0 && units[n-1] == unit {
		return
	}
	slots[g.slot][g.text] = append(units, unit)
}

func (b *indexBuilder) build(s *Set) *index {
	for slot, units := range b.equal {
		b.index.equal = append(b.index.equal, equalIndex{slot, units})
	}
	for slot, byWord := range b.literals {
		l := literalIndex{slot: slot, path: pathTerms[s.paths[slot]]}
		var words []string
		for word, units := range byWord {
			words = append(words, word)
			l.units = append(l.units, units)
		}
		l.matcher = literal.New(words)
		b.index.literals = append(b.index.literals, l)
	}
	return &b.index
}

// nominated returns the units that may hold for the item.
func (x *evaluation) nominated(ix *index) []int32 {
	x.units = x.units[:0]
	x.nominate(ix.always)
	for i := range ix.equal {
		e := &ix.equal[i]
		facts := x.lookup(e.slot).facts
		for j := range facts {
			x.nominate(e.units[string(x.guardText(&facts[j], false))])
		}
	}
	for i := range ix.literals {
		l := &ix.literals[i]
		facts := x.lookup(l.slot).facts
		for j := range facts {
			x.words = l.matcher.Append(x.words[:0], x.guardText(&facts[j], l.path))
			for _, word := range x.words {
				x.nominate(l.units[word])
			}
		}
	}
	if len(ix.strings) > 0 {
		hits, _ := x.stringHits()
		for _, h := range hits {
			x.nominate(ix.strings[h.ID])
		}
	}
	return x.units
}

func (x *evaluation) nominate(units []int32) {
	for _, u := range units {
		if x.unitTurn[u] != x.turn {
			x.unitTurn[u] = x.turn
			x.units = append(x.units, u)
		}
	}
}
