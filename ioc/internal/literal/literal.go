// Package literal finds which of many words occur in a text, in one pass over it.
//
// It is the prefilter in front of thousands of name patterns and string patterns: each of them
// names words of which one must occur, and only patterns whose word was seen are tried.
//
// The algorithm is that of Aho and Corasick (Communications of the ACM 18(6), 1975): a trie of
// all words, and for each state the state of its longest proper suffix, where the search goes on
// after a mismatch. A text of n bytes costs at most 2n steps whatever the words are, so nobody
// can slow a scan down by choosing a path or a list.
//
// Words and text are compared byte for byte. Whoever wants to ignore case folds both.
package literal

import (
	"slices"
	"strings"
)

// denseFrom is the number of edges from which a state gets a table of all 256 successors instead
// of a list that is searched. Most steps of a search happen in the few states near the root,
// which have many edges; the many deep states have one edge each, so this costs little memory.
const denseFrom = 7

// Matcher holds the words. It is immutable and safe for concurrent use.
type Matcher struct {
	states []state
	edges  []edge
	dense  [][256]int32
	words  []int32 // word numbers, grouped by the state in which the words end
}

type state struct {
	edges, edgeCount int32 // range in Matcher.edges, sorted by byte
	dense            int32 // index into Matcher.dense, or -1
	fail             int32 // the state of the longest proper suffix
	report           int32 // the nearest state, this one included, that ends a word; or -1
	words, wordCount int32 // range in Matcher.words
}

type edge struct {
	b  byte
	to int32
}

// New returns a matcher of words. A word is known by its place in the slice; equal words keep
// their own numbers, and empty words are never found.
func New(words []string) *Matcher {
	order := make([]int32, 0, len(words))
	for i, w := range words {
		if w != "" {
			order = append(order, int32(i))
		}
	}
	slices.SortFunc(order, func(a, b int32) int {
		if c := strings.Compare(words[a], words[b]); c != 0 {
			return c
		}
		return int(a - b)
	})
	m := &Matcher{}
	m.build(words, order)
	m.link()
	return m
}

// build lays the trie out level by level: each queue entry is a state with the range of sorted
// words that share its prefix.
func (m *Matcher) build(words []string, order []int32) {
	type span struct {
		lo, hi, depth int
	}
	queue := []span{{0, len(order), 0}}
	m.states = append(m.states, state{dense: -1, report: -1})
	for s := 0; s < len(queue); s++ {
		at := queue[s]
		st := &m.states[s]
		st.words = int32(len(m.words))
		for at.lo < at.hi && len(words[order[at.lo]]) == at.depth {
			m.words = append(m.words, order[at.lo])
			at.lo++
		}
		st.wordCount = int32(len(m.words)) - st.words
		st.edges = int32(len(m.edges))
		for lo := at.lo; lo < at.hi; {
			b := words[order[lo]][at.depth]
			hi := lo + 1
			for hi < at.hi && words[order[hi]][at.depth] == b {
				hi++
			}
			m.edges = append(m.edges, edge{b, int32(len(queue))})
			queue = append(queue, span{lo, hi, at.depth + 1})
			lo = hi
		}
		m.states[s].edgeCount = int32(len(m.edges)) - st.edges
		for len(m.states) < len(queue) {
			m.states = append(m.states, state{dense: -1, report: -1})
		}
	}
}

// link computes suffix states and tables. States are numbered level by level, so the suffix
// state of a state, which is nearer to the root, is always finished first.
func (m *Matcher) link() {
	for s := range m.states {
		st := &m.states[s]
		if st.wordCount > 0 {
			st.report = int32(s)
		} else if s != 0 {
			st.report = m.states[st.fail].report
		}
		for _, e := range m.edges[st.edges : st.edges+st.edgeCount] {
			if s != 0 {
				m.states[e.to].fail = m.step(st.fail, e.b)
			}
		}
		if s == 0 || st.edgeCount >= denseFrom {
			m.tabulate(int32(s))
		}
	}
}

func (m *Matcher) tabulate(s int32) {
	st := &m.states[s]
	var row [256]int32
	if s != 0 {
		for b := range row {
			row[b] = m.step(st.fail, byte(b))
		}
	}
	for _, e := range m.edges[st.edges : st.edges+st.edgeCount] {
		row[e.b] = e.to
	}
	st.dense = int32(len(m.dense))
	m.dense = append(m.dense, row)
}

func (m *Matcher) step(s int32, b byte) int32 {
	for {
		st := &m.states[s]
		if st.dense >= 0 {
			return m.dense[st.dense][b]
		}
		for _, e := range m.edges[st.edges : st.edges+st.edgeCount] {
			if e.b == b {
				return e.to
			}
		}
		if s == 0 {
			return 0
		}
		s = st.fail
	}
}

// Append appends the numbers of the words that occur in text to found, in the order of their
// ends; a word that occurs twice is appended twice.
func (m *Matcher) Append(found []int32, text []byte) []int32 {
	s := int32(0)
	for _, b := range text {
		s = m.step(s, b)
		for r := m.states[s].report; r >= 0; {
			st := &m.states[r]
			found = append(found, m.words[st.words:st.words+st.wordCount]...)
			if r == 0 {
				break
			}
			r = m.states[st.fail].report
		}
	}
	return found
}
