// Package engine is a thin door to libyara's scanner: it loads compiled rules from memory and
// scans content with them.
//
// Package go-yara has such a door too, and Tyto compiles its rules with it. For scanning it will
// not do: it does not tell a match's true length, copies every occurrence of every string before
// anyone can limit them, calls back into Go for each module and each rule, loads compiled rules
// with one callback for each of their 400,000 pointers, and cannot correct what libyara does
// wrong at the borders of chunks (see window.c).
//
// A Scanner is used by one goroutine at a time. Content is passed as memory that must not change
// or vanish during a scan: never a mapped file.
package engine

/*
#cgo !yara_no_pkg_config,!yara_static pkg-config: yara
#cgo !yara_no_pkg_config,yara_static pkg-config: --static yara
#cgo yara_no_pkg_config LDFLAGS: -lyara -lm
#cgo CFLAGS: -O3
#cgo yara_static CFLAGS: -DTYTO_SEARCH
#include <stdlib.h>
#include "engine.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"io"
	"runtime/cgo"
	"unsafe"

	_ "github.com/hillu/go-yara/v4" // initialises libyara
)

// Version is libyara's version, such as "4.5.2".
const Version = C.YR_VERSION

// Limits bound the evidence that one scan keeps. Rules match regardless of them.
type Limits struct {
	PerRule       int // occurrences of strings of one rule
	PerScan       int // occurrences of strings of all rules
	PerOccurrence int // bytes of one occurrence; libyara itself keeps at most 512
}

// Result is what a scan found. Rules are given by their index among the compiled rules.
type Result struct {
	Matches []Match
	// Overflows are strings that occurred more than a million times, after which libyara
	// stopped searching them in this content.
	Overflows []StringRef
	// MoreOverflows counts those left out of Overflows.
	MoreOverflows int
}

// Match is a rule that matches.
type Match struct {
	Rule        int
	Occurrences []Occurrence
	Cut         int // occurrences left out by the limits
}

// Occurrence is one place where a string of a matching rule stands.
type Occurrence struct {
	ID     string // of the string, such as "$a"
	Offset int64
	Length int    // true length
	Data   []byte // the first bytes
	XorKey byte   // the key with which the string was found; 0 if none
}

// StringRef names a string of a rule.
type StringRef struct {
	Rule int
	ID   string
}

// Error is a failed scan.
type Error struct {
	Code int       // libyara's error code
	At   StringRef // the string that failed; Rule is -1 if unknown
}

func (e *Error) Error() string {
	name := errorNames[e.Code]
	if name == "" {
		name = fmt.Sprintf("error %d", e.Code)
	}
	return "libyara: " + name
}

// errorNames has the errors that loading and scanning can yield.
var errorNames = map[int]string{
	C.ERROR_INSUFFICIENT_MEMORY:            "not enough memory",
	C.ERROR_COULD_NOT_MAP_FILE:             "content became unreadable",
	C.ERROR_INVALID_FILE:                   "not a compiled rule set",
	C.ERROR_CORRUPT_FILE:                   "compiled rule set is damaged",
	C.ERROR_UNSUPPORTED_FILE_VERSION:       "compiled rule set is of another libyara version",
	C.ERROR_EXEC_STACK_OVERFLOW:            "condition needs too much stack",
	C.ERROR_SCAN_TIMEOUT:                   "timeout",
	C.ERROR_TOO_MANY_RE_FIBERS:             "regular expression is too complex for this content",
	C.ERROR_INTERNAL_FATAL_ERROR:           "internal error",
	C.ERROR_CALLBACK_ERROR:                 "internal error",
	C.ERROR_REGULAR_EXPRESSION_TOO_COMPLEX: "regular expression is too complex",
}

// Scanner scans content with one set of compiled rules.
type Scanner struct {
	c *C.tyto_scanner
	// values are the external variables as last set, to set only those that change.
	values map[string]any
}

// Open loads compiled rules. blob is not needed afterwards. plain leaves the search for strings to
// libyara instead of doing it faster (see search.c); what is found is the same.
func Open(blob []byte, limits Limits, plain bool) (*Scanner, error) {
	s := &Scanner{values: make(map[string]any)}
	l := C.tyto_limits{
		per_rule:       C.uint32_t(limits.PerRule),
		per_scan:       C.uint32_t(limits.PerScan),
		per_occurrence: C.uint32_t(limits.PerOccurrence),
	}
	slow := C.int(0)
	if plain {
		slow = 1
	}
	code := C.tyto_open((*C.uint8_t)(unsafe.SliceData(blob)), C.size_t(len(blob)), l, slow, &s.c)
	if code != C.ERROR_SUCCESS {
		return nil, fmt.Errorf("load compiled rules: %w", &Error{Code: int(code), At: StringRef{Rule: -1}})
	}
	return s, nil
}

// Close frees the rules.
func (s *Scanner) Close() {
	if s.c != nil {
		C.tyto_close(s.c)
		s.c = nil
	}
}

// Define sets an external variable, a string or an int64, for the following scans. Variables that
// the rules do not declare are ignored. A string ends at its first zero byte.
func (s *Scanner) Define(name string, value any) error {
	if old, ok := s.values[name]; ok && old == value {
		return nil
	}
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	var code C.int
	switch v := value.(type) {
	case string:
		cvalue := C.CString(v)
		defer C.free(unsafe.Pointer(cvalue))
		code = C.tyto_define(s.c, cname, cvalue)
	case int64:
		code = C.tyto_define_integer(s.c, cname, C.int64_t(v))
	default:
		return fmt.Errorf("define %q: a %T is neither string nor int64", name, value)
	}
	if code != C.ERROR_SUCCESS {
		return fmt.Errorf("define %q: %w", name, &Error{Code: int(code), At: StringRef{Rule: -1}})
	}
	s.values[name] = value
	return nil
}

// Scan scans content. After an error, an [*Error], the result holds what was found before it.
func (s *Scanner) Scan(data []byte) (Result, error) {
	code := C.tyto_scan(s.c, (*C.uint8_t)(unsafe.SliceData(data)), C.size_t(len(data)))
	return s.result(code)
}

// ScanChunks scans content of any size through a window of chunk bytes, which moves on by chunk -
// overlap bytes. Occurrences of up to overlap - 8 bytes are found as in one piece, longer ones
// perhaps. Modules such as pe see the first chunk. chunk must be more than twice the overlap.
//
// A read error is returned after the scan, in which the missing bytes were taken for zeros.
func (s *Scanner) ScanChunks(r io.ReaderAt, size int64, chunk, overlap int) (Result, error) {
	if size < 0 || overlap < 16 || chunk <= 2*overlap {
		return Result{}, fmt.Errorf("scan in chunks: size %d, chunk %d, overlap %d are out of range", size, chunk, overlap)
	}
	source := &source{r: r}
	handle := cgo.NewHandle(source)
	defer handle.Delete()
	code := C.tyto_scan_chunks(s.c, C.uint64_t(size), C.size_t(chunk), C.size_t(overlap), C.uintptr_t(handle))
	result, err := s.result(code)
	return result, errors.Join(err, source.err)
}

// source is content in chunks, with the first error of reading it.
type source struct {
	r   io.ReaderAt
	err error
}

//export tytoFetch
func tytoFetch(handle C.uintptr_t, offset C.uint64_t, buffer *C.uint8_t, size C.size_t) C.size_t {
	s := cgo.Handle(handle).Value().(*source)
	n, err := s.r.ReadAt(unsafe.Slice((*byte)(buffer), int(size)), int64(offset))
	if n < int(size) && s.err == nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		s.err = fmt.Errorf("read at %d: %w", int64(offset)+int64(n), err)
	}
	return C.size_t(n)
}

// result copies what the C side collected.
func (s *Scanner) result(code C.int) (Result, error) {
	r := &s.c.results
	out := Result{MoreOverflows: int(r.warnings_cut)}
	occurrences := unsafe.Slice(r.occurrences, int(r.occurrences_len))
	for _, m := range unsafe.Slice(r.matches, int(r.matches_len)) {
		match := Match{Rule: int(m.rule), Cut: int(m.cut)}
		for _, o := range occurrences[m.first : m.first+m.count] {
			match.Occurrences = append(match.Occurrences, Occurrence{
				ID:     C.GoString(o.identifier),
				Offset: int64(o.offset),
				Length: int(o.length),
				Data:   C.GoBytes(unsafe.Add(unsafe.Pointer(r.data), o.data), C.int(o.data_length)),
				XorKey: byte(o.xor_key),
			})
		}
		out.Matches = append(out.Matches, match)
	}
	for _, w := range r.warnings[:r.warnings_len] {
		out.Overflows = append(out.Overflows, StringRef{Rule: int(w.rule), ID: C.GoString(w.identifier)})
	}
	if code == C.ERROR_SUCCESS {
		return out, nil
	}
	clear(s.values)
	at := StringRef{Rule: int(r.error_rule)}
	if r.error_string != nil {
		at.ID = C.GoString(r.error_string)
	}
	return out, &Error{Code: int(code), At: at}
}

// Alloc returns memory outside of Go's heap, for a blob that is needed only while it is loaded: it
// goes back to the system with free, not when the collector gets to it.
func Alloc(size int) (memory []byte, free func()) {
	p := C.malloc(C.size_t(max(size, 1)))
	return unsafe.Slice((*byte)(p), size), func() { C.free(p) }
}
