package ioc

import (
	"fmt"
	"slices"
	"sync"

	"tyto/finding"
)

// MaxWitnesses bounds the items that a run remembers for each part of an indicator over several
// documents.
const MaxWitnesses = 8

// Run is one scan's use of a [Set]. It is safe for concurrent use.
type Run struct {
	set *Set

	mu        sync.Mutex
	witnesses map[int][][]Witness // by alternative.number, then by part
	unknown   map[*Indicator]int64
}

// NewRun starts a run.
func (s *Set) NewRun() *Run {
	return &Run{set: s, witnesses: map[int][][]Witness{}, unknown: map[*Indicator]int64{}}
}

// Match is an indicator that holds.
type Match struct {
	// Match says what matched. Its evidence speaks of the item that was examined.
	finding.Match
	// Indicator is the indicator; nil for a row of a hash list.
	Indicator *Indicator
	// Witnesses are the items that satisfied the other parts of an indicator over several
	// documents: for each part those that came first, at most [MaxWitnesses].
	Witnesses []Witness
}

// Witness is an item that satisfied a part of an indicator.
type Witness struct {
	Document string
	Name     string // see [Item]
	Evidence []finding.Evidence
}

// Examine holds all indicators against an item and returns the matches: indicators that this
// item satisfies, alone or together with items that were examined before. Indicators come in the
// order in which they were added to the set, after the rows of hash lists.
//
// An item that satisfies a part of an indicator over several documents, before the other parts
// are satisfied, is remembered as a witness: the match comes with the item that completes it.
func (r *Run) Examine(item Item) []Match {
	matches, _ := r.Judge(item)
	return matches
}

// Judge is [Run.Examine], and also returns the indicators that could not be decided for this item, which
// [Run.Unknown] counts.
func (r *Run) Judge(item Item) (matches []Match, undecided []*Indicator) {
	s := r.set
	x := s.evaluations.Get().(*evaluation)
	defer func() {
		x.item, x.hits, x.undecided = nil, nil, nil // the pool must not keep them alive
		s.evaluations.Put(x)
	}()
	x.begin(item)
	matches = r.judge(x)
	return matches, x.undecided
}

// Recall counts an indicator that could not be decided for an item that is not examined again, because
// it is known from an earlier run.
func (r *Run) Recall(undecided *Indicator) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unknown[undecided]++
}

func (r *Run) judge(x *evaluation) []Match {
	s, item := r.set, x.item
	var matches []Match
	if item.Document() == "FileItem" {
		matches = s.hashMatches(x)
	}
	ix := s.indexes[item.Document()]
	if ix == nil {
		return matches
	}
	units := x.nominated(ix)
	if len(units) == 0 {
		return matches
	}
	slices.Sort(units)
	// Units of one part, and parts of one indicator, are neighbours.
	var held *part
	matched := int32(-1)
	for _, n := range units {
		u := &s.units[n]
		again := u.owner == matched
		if u.part == held || again && u.part.within.number < 0 {
			continue // an alternative with other parts still wants its witness
		}
		if !r.holds(x, u) {
			continue
		}
		held = u.part
		if m, ok := r.match(x, u.part); ok && !again {
			matched = u.owner
			matches = append(matches, m)
		}
	}
	return matches
}

func (r *Run) holds(x *evaluation, u *unit) bool {
	switch x.evaluate(u.test, nil) {
	case isTrue:
		return true
	case isUnknown:
		x.undecided = append(x.undecided, u.part.owner.source)
		r.Recall(u.part.owner.source)
	}
	return false
}

// match makes the match of a part that holds, if the other parts of its alternative hold as well.
func (r *Run) match(x *evaluation, p *part) (Match, bool) {
	var why proof
	x.evaluate(p.expression, &why)
	m := Match{Match: p.owner.source.match(), Indicator: p.owner.source}
	m.Evidence, m.Cut = why.evidence, why.cut
	if p.within.number < 0 {
		return m, true
	}
	witnesses, complete := r.remember(p, Witness{p.document, x.item.Name(), why.evidence})
	m.Witnesses = witnesses
	return m, complete
}

// remember notes a witness, and returns those of the other parts if there are any for each.
func (r *Run) remember(p *part, w Witness) (others []Witness, complete bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	parts := r.witnesses[p.within.number]
	if parts == nil {
		parts = make([][]Witness, len(p.within.parts))
		r.witnesses[p.within.number] = parts
	}
	if len(parts[p.place]) < MaxWitnesses {
		parts[p.place] = append(parts[p.place], w)
	}
	for i, part := range parts {
		if len(part) == 0 {
			return nil, false
		}
		if i != p.place {
			others = append(others, part...)
		}
	}
	return others, true
}

// match returns what a finding says of the indicator, without evidence.
func (i *Indicator) match() finding.Match {
	return finding.Match{
		Kind: finding.Indicator, Name: i.Name, ID: i.ID, Source: i.Source, Line: i.Line,
		Description: i.Description, Score: i.Score, Tags: i.Tags,
	}
}

// Unknown returns for how many items an indicator could not be decided because a fact was not
// known. Indicators whose guards were not found in an item do not count.
func (r *Run) Unknown() map[*Indicator]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := make(map[*Indicator]int64, len(r.unknown))
	for i, n := range r.unknown {
		counts[i] = n
	}
	return counts
}

// hashMatches looks the item's hashes up in the lists.
func (s *Set) hashMatches(x *evaluation) []Match {
	var matches []Match
	for i := range hashTerms {
		if s.hashes.empty(i) {
			continue
		}
		facts := x.lookup(s.slots[hashTerms[i]]).facts
		for j := range facts {
			sum := facts[j].String()
			for _, row := range bestBySource(s.hashes.columns[i].find(sum)) {
				matches = append(matches, Match{Match: s.hashes.match(row, hashTerms[i], sum)})
			}
		}
	}
	return matches
}

func (t *hashTable) match(row hashRow, term, sum string) finding.Match {
	comment := t.comment(row.comment)
	name := comment
	if name == "" {
		name = "hash list"
	}
	return finding.Match{
		Kind: finding.Indicator, Name: name, Source: t.sources[row.source], Line: int(row.line),
		Description: comment, Score: int(row.score),
		Evidence: []finding.Evidence{{Term: term, Expected: fmt.Sprintf("is %q", sum), Offset: -1, Length: len(sum), Data: []byte(sum)}},
	}
}

// Trusted returns the row of a list of harmless files that one of the hashes stands in. The
// strongest hash that is known decides first. Lists may hold MD5, for which a harmless and a
// harmful file with the same hash can be made; loading warns of that.
func (s *Set) Trusted(h finding.Hashes) (row finding.Match, ok bool) {
	for i, sum := range [3]string{h.MD5, h.SHA1, h.SHA256} {
		if rows := s.trusted.columns[i].find(sum); len(rows) > 0 {
			row, ok = s.trusted.match(rows[0], hashTerms[i], sum), true
		}
	}
	return row, ok
}
