package stringlist

import "tyto/ioc/internal/pattern"

// printable marks the characters that strings consist of.
var printable = func() (table [256]bool) {
	for b := 0x20; b < 0x7f; b++ {
		table[b] = true
	}
	table['\t'] = true
	return table
}()

// Scan looks through one content that comes in chunks. It is not safe for concurrent use. Its
// memory is bounded by a few [MaxRun] and one hit for each pattern.
type Scan struct {
	m       *Matcher
	next    int64 // offset after the last byte seen
	missing int   // patterns without a hit
	hit     []bool
	hits    []Hit

	ascii, wide run
	// pending is a printable byte just before next that may be the first of a UTF-16 character.
	pending    byte
	hasPending bool

	folded []byte
	found  []int32
}

// run is a string that is being read.
type run struct {
	text   []byte
	offset int64
	cut    bool // the run began before text
}

// NewScan begins the scan of a content.
func (m *Matcher) NewScan() *Scan {
	return &Scan{m: m, missing: len(m.patterns), hit: make([]bool, len(m.patterns))}
}

// Feed takes the content from offset on. Chunks come in ascending order. They may overlap: what
// was seen is left out. A gap between chunks ends the strings before it.
func (s *Scan) Feed(offset int64, chunk []byte) {
	if offset < s.next {
		seen := s.next - offset
		if seen >= int64(len(chunk)) {
			return
		}
		chunk, offset = chunk[seen:], s.next
	}
	if offset > s.next {
		s.end()
		s.next = offset
	}
	if s.missing == 0 {
		s.next += int64(len(chunk))
		return
	}
	s.read(chunk)
}

// Finish ends the content and returns the hits, at most one for each pattern, in the order in
// which they were found.
func (s *Scan) Finish() []Hit {
	s.end()
	return s.hits
}

func (s *Scan) end() {
	s.flush(&s.ascii, false)
	s.flush(&s.wide, true)
	s.hasPending = false
}

func (s *Scan) read(chunk []byte) {
	base := s.next
	for i := 0; i < len(chunk); {
		b := chunk[i]
		if printable[b] {
			j := i + 1
			for j < len(chunk) && printable[chunk[j]] {
				j++
			}
			// A printable byte that is followed by another is no UTF-16 character.
			if s.hasPending || j-i > 1 {
				s.flush(&s.wide, true)
			}
			s.append(&s.ascii, chunk[i:j], base+int64(i), false)
			s.pending, s.hasPending = chunk[j-1], true
			i = j
			continue
		}
		s.flush(&s.ascii, false)
		if b == 0 && s.hasPending {
			s.append(&s.wide, []byte{s.pending}, base+int64(i)-1, true)
		} else {
			s.flush(&s.wide, true)
		}
		s.hasPending = false
		i++
	}
	s.next = base + int64(len(chunk))
}

// append adds to a run. A full run is looked at only when it turns out to go on.
func (s *Scan) append(r *run, text []byte, offset int64, wide bool) {
	for len(text) > 0 {
		if len(r.text) == MaxRun {
			s.cut(r, wide)
		}
		if len(r.text) == 0 {
			r.offset = offset
		}
		n := min(len(text), MaxRun-len(r.text))
		r.text = append(r.text, text[:n]...)
		text, offset = text[n:], offset+int64(n)
	}
}

// cut looks at a full run and keeps its end, so that what crosses the border is seen as a whole.
func (s *Scan) cut(r *run, wide bool) {
	s.match(r, true, wide)
	drop := len(r.text) - MaxValue
	r.text = r.text[:copy(r.text, r.text[drop:])]
	step := int64(drop)
	if wide {
		step *= 2
	}
	r.offset += step
	r.cut = true
}

func (s *Scan) flush(r *run, wide bool) {
	if len(r.text) >= MinRun {
		s.match(r, false, wide)
	}
	r.text = r.text[:0]
	r.cut = false
}

// match holds the patterns against a run, or a piece of one if more of it follows.
func (s *Scan) match(r *run, more, wide bool) {
	if s.missing == 0 {
		return
	}
	s.folded = append(s.folded[:0], r.text...)
	for i, c := range s.folded {
		if 'A' <= c && c <= 'Z' {
			s.folded[i] = c + 'a' - 'A'
		}
	}
	s.found = s.m.literals.Append(s.found[:0], s.folded)
	if len(s.found) == 0 && len(s.m.always) == 0 {
		return
	}
	text := pattern.Text{Exact: string(r.text), Folded: string(s.folded)}
	for _, word := range s.found {
		s.try(s.m.owner[word], text, r, more, wide)
	}
	for _, p := range s.m.always {
		s.try(p, text, r, more, wide)
	}
}

func (s *Scan) try(index int32, text pattern.Text, r *run, more, wide bool) {
	if s.hit[index] {
		return
	}
	p := &s.m.patterns[index]
	begins := p.kind == pattern.Is || p.kind == pattern.StartsWith
	ends := p.kind == pattern.Is || p.kind == pattern.EndsWith
	if begins && r.cut || ends && more || !p.Match(text) {
		return
	}
	s.hit[index] = true
	s.missing--
	s.hits = append(s.hits, Hit{ID: p.id, Offset: r.offset, Wide: wide, Text: text.Exact})
}
