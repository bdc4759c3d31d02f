package rules

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"tyto/rules/internal/engine"
)

// ScannerOptions are a scanner's limits. The zero value of a field means its default.
type ScannerOptions struct {
	// Memory bounds the compiled variants that are kept loaded, in bytes of their size; the
	// variant in use is kept in any case. Default 64 MiB, which holds all of signature-base.
	// Others are loaded again when they are needed, in some 30 ms.
	Memory int64
	// MatchesPerRule bounds the evidence kept for one rule in one object, in occurrences of its
	// strings. Default 100.
	MatchesPerRule int
	// MatchesPerObject bounds the evidence kept for one object. Default 1,000.
	MatchesPerObject int
	// BytesPerMatch bounds the bytes kept of one occurrence. Default 128, at most 512.
	BytesPerMatch int
	// Plain scans as the yara command does: everything with all rules, and with libyara's own
	// search. It finds the same, later; tests and benchmarks use it.
	Plain bool
}

func (o ScannerOptions) withDefaults() ScannerOptions {
	o.Memory = cmp.Or(o.Memory, 64<<20)
	o.MatchesPerRule = cmp.Or(o.MatchesPerRule, 100)
	o.MatchesPerObject = cmp.Or(o.MatchesPerObject, 1000)
	o.BytesPerMatch = cmp.Or(o.BytesPerMatch, 128)
	return o
}

// Result is what the rules say of one object.
type Result struct {
	Matches []Match `json:",omitempty"`
	// Overflows are strings that occurred more than a million times. libyara then stops looking
	// for them in this object, so that rules which count or place them may have missed.
	Overflows []Overflow `json:",omitempty"`
}

// Match is a rule that matches.
type Match struct {
	Rule    int // index in [Set.Rules]
	Strings []StringMatch
	Cut     int // occurrences of its strings that the limits left out
}

// StringMatch is one place where a string of a matching rule occurs.
type StringMatch struct {
	ID     string // such as "$a"
	Offset int64  // in the content
	Length int    // true length
	Data   []byte // the first bytes
	XorKey byte   // for strings with the xor modifier, the key they were found with
}

// Overflow is a string that occurred too often.
type Overflow struct {
	Rule int // index in [Set.Rules]
	ID   string
}

// ScanError says that libyara could not finish with an object.
type ScanError struct {
	Rule int    // index in [Set.Rules] of the rule that failed; -1 if unknown
	ID   string // its string
	Err  error
}

func (e *ScanError) Error() string { return e.Err.Error() }
func (e *ScanError) Unwrap() error { return e.Err }

// Scanner scans content. It is used by one goroutine at a time.
type Scanner struct {
	container *container
	directory directory
	options   ScannerOptions
	loaded    []*loaded // the most recently used first
}

// loaded is a variant in memory.
type loaded struct {
	entry  *entry
	size   int64
	engine *engine.Scanner // nil for a variant without rules
}

// Open opens compiled rules, of which the broker has the file ([Set.File]), for scanning. Only the
// directory is read; variants are loaded when they are first needed. r stays in use until Close.
func Open(r io.ReaderAt, size int64, o ScannerOptions) (*Scanner, error) {
	c, err := openContainer(r, size)
	if err != nil {
		return nil, fmt.Errorf("open compiled rules: %w", err)
	}
	s := &Scanner{container: c, options: o.withDefaults()}
	if err := c.decode(sectionDirectory, &s.directory); err != nil {
		return nil, fmt.Errorf("open compiled rules: %w", err)
	}
	if len(s.directory.Variants) == 0 {
		return nil, fmt.Errorf("open compiled rules: %w", damaged("no variants"))
	}
	for _, e := range s.directory.Variants {
		if e.Blob != 0 && (e.Blob < firstBlob || e.Blob >= len(c.sections)) {
			return nil, fmt.Errorf("open compiled rules: %w", damaged("variant %q is in section %d", e.Name, e.Blob))
		}
	}
	return s, nil
}

// Close frees the memory of all variants.
func (s *Scanner) Close() {
	for _, l := range s.loaded {
		l.close()
	}
	s.loaded = nil
}

// Uses reports whether some rule asks for the external variable of that name. What nothing uses
// need not be found out.
func (s *Scanner) Uses(name string) bool { return slices.Contains(s.directory.Uses, name) }

// ScanMem scans content that is in memory. The memory must not change or vanish meanwhile; a mapped
// file can do both.
//
// The error is a [*ScanError] if libyara failed on the content. What it found before is in the
// result.
func (s *Scanner) ScanMem(data []byte, ext *Externals) (Result, error) {
	return s.scan(data[:min(len(data), headSize)], int64(len(data)), ext, func(e *engine.Scanner) (engine.Result, error) {
		return e.Scan(data)
	})
}

// Chunks say how content that is too large for memory is cut. The zero value of a field means its
// default.
type Chunks struct {
	// Size is the bytes in one chunk; two are in memory. Default 16 MiB.
	Size int
	// Overlap is the bytes that a chunk shares with the next. Default 64 KiB.
	Overlap int
}

// ScanChunks scans content of any size in bounded memory.
//
// Strings are found, and counted, as in one piece if the occurrence is no longer than the overlap
// less 8 bytes. That holds for every text and every regular expression without large gaps, which
// libyara bounds to 4 KiB. A hex string or expression with a gap larger than that may be missed if
// it lies across the end of a chunk. Offsets, filesize and functions like uint32() are those of
// the whole content. Modules that parse the content, such as pe, see its first chunk.
//
// If reading fails, the error is returned and the result is that for zeros in place of the missing
// bytes.
func (s *Scanner) ScanChunks(r io.ReaderAt, size int64, c Chunks, ext *Externals) (Result, error) {
	c.Size = cmp.Or(c.Size, 16<<20)
	c.Overlap = cmp.Or(c.Overlap, 64<<10)
	head := make([]byte, min(size, int64(headSize)))
	if n, err := r.ReadAt(head, 0); n < len(head) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Result{}, fmt.Errorf("read the first bytes: %w", err)
	}
	return s.scan(head, size, ext, func(e *engine.Scanner) (engine.Result, error) {
		return e.ScanChunks(r, size, c.Size, c.Overlap)
	})
}

func (s *Scanner) scan(head []byte, size int64, ext *Externals, run func(*engine.Scanner) (engine.Result, error)) (Result, error) {
	l, err := s.variant(head, size)
	if err != nil || l.engine == nil {
		return Result{}, err
	}
	for _, x := range externals {
		if !s.Uses(x.name) {
			continue
		}
		if err := l.engine.Define(x.name, x.value(ext)); err != nil {
			return Result{}, err
		}
	}
	found, err := run(l.engine)
	return l.translate(found), l.translateError(err)
}

// variant returns the variant for content with these first bytes and this size.
func (s *Scanner) variant(head []byte, size int64) (*loaded, error) {
	e := s.choose(head, size)
	if e == nil {
		return nil, damaged("no variant for %d bytes that begin with %q", size, head)
	}
	for i, l := range s.loaded {
		if l.entry == e {
			copy(s.loaded[1:i+1], s.loaded[:i])
			s.loaded[0] = l
			return l, nil
		}
	}
	return s.load(e)
}

func (s *Scanner) choose(head []byte, size int64) *entry {
	if s.options.Plain {
		return &s.directory.Variants[len(s.directory.Variants)-1]
	}
	for i := range s.directory.Variants {
		if e := &s.directory.Variants[i]; holds(&e.Facts, head, size) {
			return e
		}
	}
	return nil
}

// load loads a variant, after dropping those used longest ago to make room.
func (s *Scanner) load(e *entry) (*loaded, error) {
	l := &loaded{entry: e}
	if e.Blob != 0 {
		l.size = s.container.size(e.Blob)
		s.makeRoom(l.size)
		blob, free := engine.Alloc(int(l.size))
		defer free()
		if err := s.container.read(e.Blob, blob); err != nil {
			return nil, fmt.Errorf("load variant %q: %w", e.Name, err)
		}
		var err error
		l.engine, err = engine.Open(blob, engine.Limits{
			PerRule:       s.options.MatchesPerRule,
			PerScan:       s.options.MatchesPerObject,
			PerOccurrence: s.options.BytesPerMatch,
		}, s.options.Plain)
		if err != nil {
			return nil, fmt.Errorf("load variant %q: %w", e.Name, err)
		}
	}
	s.loaded = slices.Insert(s.loaded, 0, l)
	return l, nil
}

func (s *Scanner) makeRoom(size int64) {
	total := size
	for i, l := range s.loaded {
		if total += l.size; total > s.options.Memory {
			for _, old := range s.loaded[i:] {
				old.close()
			}
			s.loaded = s.loaded[:i]
			return
		}
	}
}

func (l *loaded) close() {
	if l.engine != nil {
		l.engine.Close()
	}
}

// translate replaces indices in the variant by those in the table.
func (l *loaded) translate(r engine.Result) Result {
	var out Result
	for _, m := range r.Matches {
		match := Match{Rule: l.index(m.Rule), Cut: m.Cut}
		for _, o := range m.Occurrences {
			match.Strings = append(match.Strings, StringMatch(o))
		}
		out.Matches = append(out.Matches, match)
	}
	for _, o := range r.Overflows {
		out.Overflows = append(out.Overflows, Overflow{Rule: l.index(o.Rule), ID: o.ID})
	}
	return out
}

func (l *loaded) translateError(err error) error {
	var e *engine.Error
	if !errors.As(err, &e) {
		return err
	}
	return &ScanError{Rule: l.index(e.At.Rule), ID: e.At.ID, Err: err}
}

func (l *loaded) index(rule int) int {
	if rule < 0 || rule >= len(l.entry.Rules) {
		return -1
	}
	return int(l.entry.Rules[rule])
}
