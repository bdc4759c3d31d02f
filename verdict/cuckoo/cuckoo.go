// Package cuckoo reads the JSON reports of Cuckoo Sandbox (0.x, 1.x, 2.x) and of CAPE, and the shorter ones
// that CAPE's call get/iocs gives, and translates them into [verdict.Report].
//
// # Sloppy by nature
//
// These reports are the output of many independent modules, and their forms changed over fifteen years: a
// list of hosts is a list of texts or of objects, a process id is a number or a text, the name of a dropped
// file is a text or a list. So nothing is taken for granted. Whatever has another type than was expected is
// left out and counted in [verdict.Report.Skipped]; it is never an error, because the rest is still worth
// reading.
//
// # What is taken
//
//	target, file              the object: name, size, hashes
//	info, malscore, …         verdict: score, threats, version, time
//	behavior.summary          files, registry, mutexes, services, command lines: what was done, where it is told
//	behavior.generic          the same in Cuckoo 2
//	behavior.processes[]      processes, and from their calls what was created and written, and how much
//	network                   hosts, connections, domains, requests
//	dropped[], CAPE.payloads  files with their hashes
//	signatures[]              behaviours
//
// Calls that failed are passed over: what they were to make is not there.
//
// # Names instead of hashes
//
// The oldest reports do not say which object they are on. If the first process bears the name of a SHA-256, as
// sandboxes call what they are given, that is taken for the object's, marked [verdict.Object.Presumed].
package cuckoo

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"tyto/verdict"
)

// Limits of what is read.
const (
	// MaxReport is the length of a report in bytes.
	MaxReport = 128 << 20
	// maxCalls is the number of calls that are looked at, of all processes together.
	maxCalls = 1_000_000
	// maxFields is the number of members of one object.
	maxFields = 10_000
	// maxRaw is the length of a text in JSON.
	maxRaw = 64 << 10
)

// ErrNoReport says that a document is JSON, but no report of Cuckoo or CAPE. Test with [errors.Is].
var ErrNoReport = errors.New("no report of Cuckoo or CAPE")

// Parse reads a report. It is an error if the document is no JSON, is too long, or holds nothing that such a
// report has. The object's SHA-256 may be missing: see [verdict.IsSHA256].
func Parse(data []byte) (*verdict.Report, error) {
	if len(data) > MaxReport {
		return nil, fmt.Errorf("read report: %d bytes, at most %d are allowed", len(data), MaxReport)
	}
	if !json.Valid(data) {
		var nothing json.RawMessage
		return nil, fmt.Errorf("read report: %w", json.Unmarshal(data, &nothing))
	}
	root := skipSpace(data)
	if inner := root.get("data"); inner.kind() == '{' && root.get("behavior") == nil {
		root = inner // CAPE's API wraps what it answers
	}
	t := newTranslator(root)
	if !t.looksLikeReport() {
		return nil, fmt.Errorf("read report: %w", ErrNoReport)
	}
	t.translate()
	return t.r, nil
}

// translator gathers a report.
type translator struct {
	root  map[string]value
	r     *verdict.Report
	seen  map[string]bool // what is in the lists already
	files map[string]int  // path → place in r.Files
	calls int             // that were looked at
	// handles counts keys that are told relative to a handle whose key nobody told.
	handles int
	// resolved are the names that were resolved to an address.
	resolved map[netip.Addr][]string
}

func newTranslator(root value) *translator {
	return &translator{
		root: root.object(), seen: map[string]bool{}, files: map[string]int{}, resolved: map[netip.Addr][]string{},
		r: &verdict.Report{Format: verdict.Format},
	}
}

// looksLikeReport reports whether the document has the parts of one. Other sandboxes have some of them too, so
// one alone says nothing.
func (t *translator) looksLikeReport() bool {
	known := 0
	for _, name := range []string{"info", "behavior", "network", "target", "signatures", "dropped", "malscore", "detections",
		"files", "registry", "mutexes", "executed_commands", "process_tree", "file", "CAPE"} {
		if _, ok := t.root[name]; ok {
			known++
		}
	}
	return known >= 2 && t.root["format"].isNothing()
}

func (t *translator) translate() {
	t.target()
	t.machine()
	t.behaviour()
	t.iocs()
	t.network()
	t.dropped()
	t.signatures()
	t.presume()
	t.verdict()
	if strings.Contains(strings.ToLower(t.r.Platform), "linux") {
		t.r.Platform = "linux"
	} else if t.isWindows() {
		t.r.Platform = "windows"
	}
	if t.handles > 0 {
		t.note(fmt.Sprintf("%d registry keys are told relative to something that the report does not name, and were passed over", t.handles))
	}
	if t.r.Skipped > 0 {
		t.note(fmt.Sprintf("%d parts of the report have a form that is not known, and were passed over", t.r.Skipped))
	}
}

// isWindows reports whether paths and keys are those of Windows.
func (t *translator) isWindows() bool {
	if len(t.r.Registry) > 0 {
		return true
	}
	for _, f := range t.r.Files {
		if len(f.Path) > 2 && f.Path[1] == ':' && f.Path[2] == '\\' {
			return true
		}
	}
	return false
}

// skip counts a part of the report that has another form than was expected.
func (t *translator) skip() { t.r.Skipped++ }

func (t *translator) note(text string) { t.r.Notes = append(t.r.Notes, text) }

// text returns a text that may be missing.
func (t *translator) text(v value) string {
	if v.isNothing() {
		return ""
	}
	s, ok := v.text()
	if !ok || len(s) > verdict.MaxText {
		t.skip()
		return ""
	}
	return s
}

// integer returns a number that may be missing.
func (t *translator) integer(v value) int64 {
	if v.isNothing() {
		return 0
	}
	n, ok := v.integer()
	if !ok {
		t.skip()
	}
	return n
}

// texts yields the texts of a list, or a single text as if it were a list of one.
func (t *translator) texts(v value) []string {
	if v.kind() == '"' {
		if s := t.text(v); s != "" {
			return []string{s}
		}
		return nil
	}
	var texts []string
	for element := range t.elements(v) {
		if s := t.text(element); s != "" {
			texts = append(texts, s)
		}
	}
	return texts
}

// elements yields the elements of a list that may be missing. An empty object stands for an empty list where
// a module had nothing to say.
func (t *translator) elements(v value) func(func(value) bool) {
	if !v.isNothing() && v.kind() != '[' && string(v) != "{}" {
		t.skip()
	}
	return v.elements()
}

// isNew reports whether something is to be added to a list: it is not in it, and there is room. What finds no
// room is counted as cut.
func (t *translator) isNew(length int, parts ...string) bool {
	key := strings.Join(parts, "\x00")
	if t.seen[key] {
		return false
	}
	if length >= verdict.MaxList {
		t.r.Cut++
		return false
	}
	t.seen[key] = true
	return true
}
