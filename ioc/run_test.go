package ioc

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
)

// Short forms for patterns: is("ProcessItem/name", "x"), not(…), allOf(…), anyOf(…).
func is(path, value string) Node { return Leaf(Term{Path: path, Condition: Is, Value: value}) }

func not(n Node) Node {
	t := *n.Term
	t.Negate = true
	return Leaf(t)
}

func allOf(children ...Node) Node { return Node{Operator: And, Children: children} }
func anyOf(children ...Node) Node { return Node{Operator: Or, Children: children} }

func setOf(o Options, patterns ...Node) *Set {
	b := NewBuilder(o)
	for i, p := range patterns {
		b.AddIndicator(&Indicator{ID: fmt.Sprint(i), Name: fmt.Sprint("indicator ", i), Score: 70, Pattern: p})
	}
	return b.Build()
}

func process(values map[string][]Value) Item {
	full := map[string][]Value{}
	for term, v := range values {
		full["ProcessItem/"+term] = v
	}
	return testItem{"ProcessItem", full}
}

func TestBindingToOneItem(t *testing.T) {
	const (
		name   = "ProcessItem/name"
		args   = "ProcessItem/arguments"
		handle = "ProcessItem/HandleList/Handle/Name"
		kind   = "ProcessItem/HandleList/Handle/Type"
		mapped = "ProcessItem/SectionList/MemorySection/Name"
		part   = "ProcessItem/SectionList/MemorySection/PEInfo/Sections/Section/Name"
		size   = "ProcessItem/SectionList/MemorySection/PEInfo/Sections/Section/SizeInBytes"
	)
	text := func(s ...string) (values []Value) {
		for _, s := range s {
			values = append(values, Text(s))
		}
		return values
	}
	handles := map[string][]Value{
		"HandleList/Handle/Name": {Text("mutex1").At(0), Text("file2").At(1)},
		"HandleList/Handle/Type": {Text("Mutant").At(0), Text("File").At(1)},
	}
	sections := map[string][]Value{
		"SectionList/MemorySection/Name":                                {Text("a.dll").At(0), Text("b.dll").At(1)},
		"SectionList/MemorySection/PEInfo/Sections/Section/Name":        {Text(".text").At(0, 0), Text(".data").At(0, 1), Text(".text").At(1, 0)},
		"SectionList/MemorySection/PEInfo/Sections/Section/SizeInBytes": {Int(1).At(0, 0), Int(2).At(0, 1), Int(3).At(1, 0)},
	}
	tests := []struct {
		name    string
		pattern Node
		items   []Item
		want    bool
	}{
		{"same item", allOf(is(name, "a"), is(args, "x")), []Item{process(map[string][]Value{"name": text("a"), "arguments": text("x")})}, true},
		{"two items", allOf(is(name, "a"), is(args, "x")), []Item{
			process(map[string][]Value{"name": text("a"), "arguments": text("y")}),
			process(map[string][]Value{"name": text("b"), "arguments": text("x")})}, false},
		{"same element", allOf(is(handle, "mutex1"), is(kind, "Mutant")), []Item{process(handles)}, true},
		{"two elements", allOf(is(handle, "mutex1"), is(kind, "File")), []Item{process(handles)}, false},
		{"two elements through an or", allOf(is(handle, "mutex1"), anyOf(is(kind, "File"), is(name, "z"))), []Item{process(handles)}, false},
		{"elements of two branches of an or", anyOf(allOf(is(handle, "x"), is(kind, "File")), allOf(is(handle, "file2"), is(kind, "File"))), []Item{process(handles)}, true},
		{"negative on the selected element", allOf(is(handle, "mutex1"), not(is(kind, "File"))), []Item{process(handles)}, true},
		{"negative on the selected element excludes", allOf(is(handle, "mutex1"), not(is(kind, "Mutant"))), []Item{process(handles)}, false},
		{"negative list alone speaks of all elements", allOf(is(name, "a"), not(is(kind, "File"))),
			[]Item{process(map[string][]Value{"name": text("a"), "HandleList/Handle/Type": {Text("x").At(0), Text("File").At(1)}})}, false},
		{"nested same element", allOf(is(mapped, "a.dll"), is(part, ".data"), is(size, "2")), []Item{process(sections)}, true},
		{"nested other inner element", allOf(is(mapped, "a.dll"), is(part, ".text"), is(size, "2")), []Item{process(sections)}, false},
		{"nested other outer element", allOf(is(mapped, "a.dll"), is(part, ".text"), is(size, "3")), []Item{process(sections)}, false},
		{"nested second outer element", allOf(is(mapped, "b.dll"), is(part, ".text"), is(size, "3")), []Item{process(sections)}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			run := setOf(Options{}, test.pattern).NewRun()
			got := false
			for _, item := range test.items {
				got = got || len(run.Examine(item)) > 0
			}
			if got != test.want {
				t.Errorf("match is %v, want %v", got, test.want)
			}
		})
	}
}

func registry(path string) Item {
	return testItem{"RegistryItem", map[string][]Value{"RegistryItem/Path": {Text(path)}}}
}

func file(path string) Item {
	return FileItem(&finding.Object{Kind: finding.File, Path: path}, nil, true)
}

func TestSeveralDocuments(t *testing.T) {
	pattern := allOf(is("FileItem/FileName", "evil.exe"), is("RegistryItem/Path", "Run"))
	run := setOf(Options{}, pattern).NewRun()
	if m := run.Examine(file("/a/evil.exe")); m != nil {
		t.Fatalf("one part alone matches: %+v", m)
	}
	got := run.Examine(registry("run"))
	if len(got) != 1 {
		t.Fatalf("%d matches, want 1", len(got))
	}
	want := []Witness{{"FileItem", "/a/evil.exe", []finding.Evidence{
		{Term: "FileItem/FileName", Expected: `is "evil.exe"`, Offset: -1, Length: 8, Data: []byte("evil.exe")}}}}
	if diff := cmp.Diff(want, got[0].Witnesses); diff != "" {
		t.Errorf("witnesses (-want +got):\n%s", diff)
	}
	if got := run.Examine(file("/b/evil.exe")); len(got) != 1 || got[0].Witnesses[0].Name != "RegistryItem of the test" {
		t.Errorf("a further file: %+v", got)
	}
	if m := setOf(Options{}, pattern).NewRun().Examine(registry("run")); m != nil {
		t.Errorf("another run remembers: %+v", m)
	}
}

func TestWitnessesAreBounded(t *testing.T) {
	run := setOf(Options{}, allOf(is("FileItem/FileName", "evil.exe"), is("RegistryItem/Path", "Run"))).NewRun()
	for i := range 10 * MaxWitnesses {
		run.Examine(file(fmt.Sprintf("/%d/evil.exe", i)))
	}
	if m := run.Examine(registry("run")); len(m) != 1 || len(m[0].Witnesses) != MaxWitnesses {
		t.Errorf("got %+v", m)
	}
}

func TestNegativeAlone(t *testing.T) {
	const a, b = "ProcessItem/name", "ProcessItem/arguments"
	item := process(map[string][]Value{"name": {Text("x")}, "arguments": {Text("x")}})
	tests := []struct {
		name     string
		pattern  Node
		match    bool
		statuses []Status
	}{
		{"root", not(is(a, "y")), false, []Status{NegativeAlone}},
		{"only negatives", allOf(not(is(a, "y")), not(is(b, "y"))), false, []Status{NegativeAlone, NegativeAlone}},
		{"branch of an or", anyOf(not(is(a, "y")), is(b, "z")), false, []Status{NegativeAlone, Evaluated}},
		{"other branch holds", anyOf(not(is(a, "y")), is(b, "x")), true, []Status{NegativeAlone, Evaluated}},
		{"with a sibling", allOf(is(a, "x"), not(is(b, "y"))), true, []Status{Evaluated, Evaluated}},
		{"in a nested and", allOf(is(a, "x"), allOf(not(is(b, "y")), not(is(b, "z")))), true, []Status{Evaluated, Evaluated, Evaluated}},
		{"or of negatives under an and", allOf(is(a, "x"), anyOf(not(is(b, "y")), not(is(b, "z")))), false, []Status{Evaluated, NegativeAlone, NegativeAlone}},
		{"sibling of another document", allOf(is(a, "x"), not(is("RegistryItem/Path", "y"))), false, []Status{Evaluated, NegativeAlone}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := setOf(Options{}, test.pattern)
			if got := len(s.NewRun().Examine(item)) > 0; got != test.match {
				t.Errorf("match is %v, want %v", got, test.match)
			}
			var statuses []Status
			for _, c := range s.Check()[0].Terms {
				statuses = append(statuses, c.Status)
			}
			if diff := cmp.Diff(test.statuses, statuses); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnknownNeverMatches(t *testing.T) {
	known := is("ProcessItem/name", "x")
	item := process(map[string][]Value{"name": {Text("x")}})
	tests := []struct {
		name    string
		pattern Node
		want    bool
	}{
		{"not collected", allOf(known, is("ProcessItem/arguments", "y")), false},
		{"not collected and negated", allOf(known, not(is("ProcessItem/arguments", "y"))), false},
		{"unknown term", allOf(known, is("ProcessItem/colour", "red")), false},
		{"unknown term and negated", allOf(known, not(is("ProcessItem/colour", "red"))), false},
		{"unintelligible", allOf(known, Leaf(Term{Invalid: "no content"})), false},
		{"unintelligible and negated", allOf(known, Leaf(Term{Negate: true, Invalid: "no content"})), false},
		{"or rescues", anyOf(known, is("ProcessItem/arguments", "y")), true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := len(setOf(Options{}, test.pattern).NewRun().Examine(item)) > 0; got != test.want {
				t.Errorf("match is %v, want %v", got, test.want)
			}
		})
	}
	s := setOf(Options{}, allOf(known, is("ProcessItem/arguments", "y")))
	run := s.NewRun()
	run.Examine(item)
	if got := run.Unknown()[s.Indicators()[0]]; got != 1 {
		t.Errorf("%d items counted as undecided, want 1", got)
	}
}

func TestNotAvailableIsNotPrepared(t *testing.T) {
	o := Options{Available: Only(FileTerms()...)}
	s := setOf(o,
		allOf(is("FileItem/StringList/string", "password"), is("FileItem/PEInfo/Type", "dll")), // needs no strings: it cannot match
		anyOf(is("FileItem/Sha256sum", strings.Repeat("ab", 32)), is("ProcessItem/name", "x")))
	want := Needs{SHA256: true, Terms: []string{"FileItem/Sha256sum"}, Documents: []string{"FileItem"}}
	if diff := cmp.Diff(want, s.Needs()); diff != "" {
		t.Errorf("needs (-want +got):\n%s", diff)
	}
	if s.Check()[0].CanMatch || s.Check()[0].Terms[1].Status != NotBuilt {
		t.Errorf("check: %+v", s.Check()[0])
	}
}

func TestExpired(t *testing.T) {
	end := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name string
		now  time.Time
		want int
	}{{"before", end.Add(-1), 1}, {"at the end", end, 0}} {
		t.Run(test.name, func(t *testing.T) {
			b := NewBuilder(Options{Now: test.now})
			b.AddIndicator(&Indicator{ValidUntil: end, Source: "f", Line: 3, Pattern: is("ProcessItem/name", "x")})
			s := b.Build()
			got := len(s.NewRun().Examine(process(map[string][]Value{"name": {Text("x")}})))
			if got != test.want || len(b.Problems()) != 1-test.want || s.Check()[0].Expired != (test.want == 0) {
				t.Errorf("%d matches, problems %+v, check %+v", got, b.Problems(), s.Check()[0])
			}
		})
	}
}

func TestTooManyAlternatives(t *testing.T) {
	var branches []Node
	for i := range 13 { // 2¹³ alternatives
		branches = append(branches, anyOf(is("ProcessItem/name", fmt.Sprint(i)), is("RegistryItem/Path", fmt.Sprint(i))))
	}
	b := NewBuilder(Options{})
	b.AddIndicator(&Indicator{Pattern: allOf(branches...)})
	if p := b.Problems(); len(p) != 1 || !strings.Contains(p[0].Message, "4096") {
		t.Errorf("problems: %+v", p)
	}
	if c := b.Build().Check()[0]; c.CanMatch || c.Detail == "" {
		t.Errorf("check: %+v", c)
	}
}

func TestTrivialHash(t *testing.T) {
	const empty = "D41D8CD98F00B204E9800998ECF8427E" // MD5 of nothing, RFC 1321
	const other = "0123456789abcdef0123456789abcdef"
	tests := []struct {
		name    string
		pattern Node
		want    []Status
	}{
		{"alone", is("FileItem/Md5sum", empty), []Status{TrivialHash}},
		{"branch of an or", anyOf(is("FileItem/Md5sum", empty), is("FileItem/Md5sum", other)), []Status{TrivialHash, Evaluated}},
		{"with a name", allOf(is("FileItem/Md5sum", empty), is("FileItem/FileName", "x")), []Status{Evaluated, Evaluated}},
		{"with an exception", allOf(is("FileItem/Md5sum", empty), not(is("FileItem/FileName", "x"))), []Status{TrivialHash, Evaluated}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := NewBuilder(Options{})
			b.AddIndicator(&Indicator{Source: "f", Pattern: test.pattern})
			var got []Status
			refused := 0
			for _, c := range b.Build().Check()[0].Terms {
				got = append(got, c.Status)
				if c.Status == TrivialHash {
					refused++
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
			if len(b.Problems()) != refused {
				t.Errorf("problems: %+v", b.Problems())
			}
		})
	}
}

func TestEvidenceNamesAllThatHolds(t *testing.T) {
	s := setOf(Options{}, anyOf(is("ProcessItem/name", "x"), is("ProcessItem/arguments", "y"), allOf(is("ProcessItem/name", "x"), is("ProcessItem/arguments", "z"))))
	m := s.NewRun().Examine(process(map[string][]Value{"name": {Text("X")}, "arguments": {Text("Y")}}))
	want := finding.Match{Kind: finding.Indicator, Name: "indicator 0", ID: "0", Score: 70, Evidence: []finding.Evidence{
		{Term: "ProcessItem/name", Expected: `is "x"`, Offset: -1, Length: 1, Data: []byte("X")},
		{Term: "ProcessItem/arguments", Expected: `is "y"`, Offset: -1, Length: 1, Data: []byte("Y")},
	}}
	if diff := cmp.Diff(want, m[0].Match); diff != "" {
		t.Errorf("match (-want +got):\n%s", diff)
	}
}

// TestConcurrentUse is for the race detector, and counts that no match is lost.
func TestConcurrentUse(t *testing.T) {
	run := setOf(Options{}, is("FileItem/FileName", "evil.exe"), allOf(is("FileItem/FileName", "evil.exe"), is("RegistryItem/Path", "Run"))).NewRun()
	run.Examine(registry("Run"))
	var wg sync.WaitGroup
	var mu sync.Mutex
	matches := 0
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				m := run.Examine(file(fmt.Sprintf("/%d/evil.exe", i)))
				mu.Lock()
				matches += len(m)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if matches != 8*200*2 {
		t.Errorf("%d matches, want %d", matches, 8*200*2)
	}
}
