package ioc

import (
	"slices"
	"sync"
	"time"

	"tyto/finding"
	"tyto/ioc/stringlist"
)

// Options say under which circumstances indicators are evaluated. The zero value evaluates
// everything.
type Options struct {
	// Now is the time at which indicators count as expired; zero: none does.
	Now time.Time
	// Available reports whether a term, in the vocabulary's spelling, will be collected. What
	// is not is unknown, and nothing is prepared for it. Nil: every term is.
	Available func(term string) bool
}

// Only returns a function for [Options.Available] under which these terms are collected and no
// others.
func Only(terms ...string) func(term string) bool {
	set := make(map[string]bool, len(terms))
	for _, t := range terms {
		set[t] = true
	}
	return func(term string) bool { return set[term] }
}

// Builder gathers indicators and makes a [Set] of them. It is not safe for concurrent use.
type Builder struct {
	options  Options
	set      *Set
	slots    map[string]int
	hashes   *hashTable
	trusted  *hashTable
	indexes  map[string]*indexBuilder
	problems []finding.Problem
}

// NewBuilder returns an empty builder.
func NewBuilder(o Options) *Builder {
	if o.Available == nil {
		o.Available = func(string) bool { return true }
	}
	b := &Builder{options: o, slots: map[string]int{}, hashes: newHashTable(), trusted: newHashTable(), indexes: map[string]*indexBuilder{}}
	b.set = &Set{options: o, slots: b.slots, hashes: b.hashes, trusted: b.trusted, indexes: map[string]*index{}, strings: map[string][]stringlist.Pattern{}}
	return b
}

// AddIndicator adds an indicator. The set keeps the pointer; the indicator must not change.
func (b *Builder) AddIndicator(source *Indicator) {
	b.set.indicators = append(b.set.indicators, source)
	if b.set.expired(source) {
		b.warn(source.Source, source.Line, "indicator is not evaluated: it was valid until "+source.ValidUntil.UTC().Format(time.RFC3339))
		return
	}
	c, err := compile(source, b.options.Available)
	for _, t := range c.terms {
		if t.status == TrivialHash {
			b.warn(source.Source, t.source.Line, "hash "+t.source.Value+" "+t.detail+": condition refused")
		}
	}
	if err != nil {
		b.warn(source.Source, source.Line, "indicator is not evaluated: "+err.Error())
		return
	}
	if len(c.alternatives) > 0 {
		b.enter(c)
	}
}

// enter gives a compiled indicator its places in the set and in the indexes.
func (b *Builder) enter(c *compiled) {
	number := len(b.set.compiled)
	b.set.compiled = append(b.set.compiled, c)
	for _, alt := range c.alternatives {
		if len(alt.parts) > 1 {
			alt.number = b.set.several
			b.set.several++
		}
		for _, p := range alt.parts {
			p.expression.walk(b.place)
			for _, u := range b.set.divide(p) {
				u.owner = int32(number)
				guards, cost := b.set.guards(u.test)
				b.indexOf(p.document).add(int32(len(b.set.units)), guards, cost)
				b.set.units = append(b.set.units, u)
			}
		}
	}
}

// place gives a term its slot or its string pattern.
func (b *Builder) place(t *term) {
	if stringListTerms[t.path] {
		if t.stringID < 0 {
			t.stringID = b.set.stringCount
			b.set.stringCount++
			b.set.strings[t.document] = append(b.set.strings[t.document], t.stringPattern())
		}
		return
	}
	t.slot = b.set.slot(t.path)
}

func (b *Builder) indexOf(document string) *indexBuilder {
	ib := b.indexes[document]
	if ib == nil {
		ib = &indexBuilder{
			equal:    map[int]map[string][]int32{},
			literals: map[int]map[string][]int32{},
			index:    index{strings: map[int][]int32{}},
		}
		b.indexes[document] = ib
	}
	return ib
}

// AddHash adds a row of a hash list. The error says that the row cannot be used.
func (b *Builder) AddHash(row HashRow) error { return b.hashes.add(row) }

// AddTrusted adds a row of a list of files that are known to be harmless.
func (b *Builder) AddTrusted(row HashRow) error { return b.trusted.add(row) }

// AddNetwork adds a row of a list of command-and-control servers.
func (b *Builder) AddNetwork(row Network) { b.set.networks = append(b.set.networks, row) }

// AddKeyword adds a row of a list of keywords.
func (b *Builder) AddKeyword(row Keyword) { b.set.keywords = append(b.set.keywords, row) }

func (b *Builder) warn(file string, line int, message string) {
	b.problems = append(b.problems, finding.Problem{File: file, Line: line, Message: message, Warning: true})
}

// Problems returns what was wrong with indicators that were added.
func (b *Builder) Problems() []finding.Problem { return b.problems }

// Build returns the set. The builder must not be used afterwards.
func (b *Builder) Build() *Set {
	s := b.set
	for i, term := range hashTerms {
		if !s.hashes.empty(i) {
			s.slot(term)
		}
	}
	s.hashes.freeze()
	s.trusted.freeze()
	for document, ib := range b.indexes {
		s.indexes[document] = ib.build(s)
	}
	s.evaluations = &sync.Pool{New: func() any {
		return &evaluation{facts: make([]slotFacts, len(s.paths)), paths: s.paths, unitTurn: make([]uint32, len(s.units))}
	}}
	return s
}

// Set is a set of indicators ready for evaluation. It is immutable and safe for concurrent use.
type Set struct {
	options    Options
	indicators []*Indicator // as they were added, evaluated or not
	compiled   []*compiled  // those that can match
	units      []unit
	several    int // alternatives with several parts

	slots map[string]int // by path of a term
	paths []string       // by slot

	indexes     map[string]*index // by document
	strings     map[string][]stringlist.Pattern
	stringCount int

	hashes, trusted *hashTable
	networks        []Network
	keywords        []Keyword

	evaluations *sync.Pool // of *evaluation
}

// slot returns the number under which values of a term are kept. Only builders may call it for a
// new term.
func (s *Set) slot(path string) int {
	n, ok := s.slots[path]
	if !ok {
		n = len(s.paths)
		s.slots[path] = n
		s.paths = append(s.paths, path)
	}
	return n
}

func (s *Set) expired(i *Indicator) bool {
	return !i.ValidUntil.IsZero() && !s.options.Now.IsZero() && !s.options.Now.Before(i.ValidUntil)
}

// Counts says what a set holds.
type Counts struct {
	Indicators int // of the model, rows of file-name lists included
	Evaluated  int // of these: can match
	Hashes     int
	Trusted    int
	Networks   int
	Keywords   int
}

// Counts returns what the set holds.
func (s *Set) Counts() Counts {
	return Counts{
		Indicators: len(s.indicators), Evaluated: len(s.compiled), Hashes: s.hashes.count,
		Trusted: s.trusted.count, Networks: len(s.networks), Keywords: len(s.keywords),
	}
}

// Indicators returns all indicators in the order in which they were added. The caller must not
// change them.
func (s *Set) Indicators() []*Indicator { return s.indicators }

// Networks returns the rows of lists of command-and-control servers.
func (s *Set) Networks() []Network { return s.networks }

// Keywords returns the rows of keyword lists.
func (s *Set) Keywords() []Keyword { return s.keywords }

// Needs says what must be collected of files so that no indicator is unknown for want of it.
type Needs struct {
	// MD5, SHA1 and SHA256 are the hashes that some indicator asks for.
	MD5, SHA1, SHA256 bool
	// TrustedMD5, TrustedSHA1 and TrustedSHA256 are the hashes by which [Set.Trusted] knows
	// harmless files. They are only of use for a file on which something matched.
	TrustedMD5, TrustedSHA1, TrustedSHA256 bool
	// Strings are what a worker looks for in the content; see package stringlist.
	Strings []stringlist.Pattern
	// Terms are the terms of all documents that some indicator asks for, sorted.
	Terms []string
	// Documents are their documents, sorted.
	Documents []string
}

// Needs returns what the set needs.
func (s *Set) Needs() Needs {
	var n Needs
	terms := map[string]bool{}
	for i, term := range hashTerms {
		terms[term] = !s.hashes.empty(i)
	}
	for _, u := range s.units {
		u.test.walk(func(t *term) { terms[t.path] = true })
	}
	documents := map[string]bool{}
	for term, needed := range terms {
		if needed {
			n.Terms = append(n.Terms, term)
			documents[(&Term{Path: term}).Document()] = true
		}
	}
	for d := range documents {
		n.Documents = append(n.Documents, d)
	}
	slices.Sort(n.Terms)
	slices.Sort(n.Documents)
	n.MD5, n.SHA1, n.SHA256 = terms[hashTerms[0]], terms[hashTerms[1]], terms[hashTerms[2]]
	n.TrustedMD5, n.TrustedSHA1, n.TrustedSHA256 = !s.trusted.empty(0), !s.trusted.empty(1), !s.trusted.empty(2)
	n.Strings = s.Strings("FileItem")
	return n
}

// Strings returns what is to be looked for in the content of items of a document. The numbers of
// the patterns have a meaning for this set only.
func (s *Set) Strings(document string) []stringlist.Pattern { return s.strings[document] }
