package ioc

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tyto/finding"
	"tyto/ioc/stringlist"
)

// testItem is an item made of a map. A term without an entry is unknown.
type testItem struct {
	document string
	values   map[string][]Value
}

func (i testItem) Document() string { return i.document }
func (i testItem) Name() string     { return i.document + " of the test" }
func (i testItem) AppendValues(dst []Value, term string) ([]Value, bool) {
	values, known := i.values[term]
	return append(dst, values...), known
}

// The oracle evaluates indicators the slow way and shares nothing with the evaluator but the test
// of one value: it takes the tree apart into every conjunction of terms, and tries every choice
// of list elements.

type literals []*term

// conjunctions returns the disjunctive normal form, without branches of an OR that are wholly
// negative.
func conjunctions(n *Node) []literals {
	if n.Term != nil {
		return []literals{{slotless(n.Term)}}
	}
	if len(n.Children) == 1 { // an operator over one branch says nothing
		return conjunctions(&n.Children[0])
	}
	if n.Operator == Or {
		var sum []literals
		for i := range n.Children {
			if selects(&n.Children[i]) {
				sum = append(sum, conjunctions(&n.Children[i])...)
			}
		}
		return sum
	}
	sum := []literals{{}}
	for i := range n.Children {
		var next []literals
		for _, left := range sum {
			for _, right := range conjunctions(&n.Children[i]) {
				next = append(next, slices.Concat(left, right))
			}
		}
		sum = next
	}
	return sum
}

func selects(n *Node) bool {
	if n.Term != nil {
		return !n.Term.Negate
	}
	for i := range n.Children {
		if selects(&n.Children[i]) {
			return true
		}
	}
	return false
}

func slotless(t *Term) *term { return compileTerm(t) }

// satisfies reports whether an item satisfies all terms of one conjunction on its document.
func (l literals) satisfies(item Item) bool {
	var mine literals
	elements := map[string]bool{}
	positive := false
	for _, t := range l {
		if t.document != item.Document() {
			continue
		}
		mine = append(mine, t)
		if !t.source.Negate {
			positive = true
			for _, e := range t.elements {
				elements[e] = true
			}
		}
	}
	if !positive {
		return false
	}
	var lists []string
	for e := range elements {
		lists = append(lists, e)
	}
	slices.SortFunc(lists, func(a, b string) int { return len(a) - len(b) }) // outer lists first
	return mine.choose(item, lists, map[string][]int{})
}

// choose tries each element of the first list, and so on for the others.
func (l literals) choose(item Item, lists []string, chosen map[string][]int) bool {
	if len(lists) == 0 {
		return l.hold(item, chosen)
	}
	for _, index := range l.indexes(item, lists[0], chosen) {
		chosen[lists[0]] = index
		if l.choose(item, lists[1:], chosen) {
			return true
		}
		delete(chosen, lists[0])
	}
	return false
}

// indexes returns the indexes of all elements of a list that lie within those chosen already.
func (l literals) indexes(item Item, list string, chosen map[string][]int) [][]int {
	var all [][]int
	for _, t := range l {
		level := slices.Index(t.elements, list)
		if level < 0 {
			continue
		}
		values, _ := item.AppendValues(nil, t.path)
		for _, v := range values {
			index := v.index[:level+1]
			if level > 0 && !slices.Equal(chosen[t.elements[level-1]], index[:level]) {
				continue
			}
			all = append(all, index)
		}
	}
	return all
}

func (l literals) hold(item Item, chosen map[string][]int) bool {
	for _, t := range l {
		if t.status != Evaluated {
			return false
		}
		values, known := item.AppendValues(nil, t.path)
		if stringListTerms[t.path] {
			values, known = stringValues(item, t)
		}
		if !known {
			return false
		}
		any, all := false, true // holds for any value; is false for all
		for _, v := range values {
			if !within(v, t, chosen) || t.source.Negate && v.lenient {
				continue
			}
			truth := isTrue
			if !stringListTerms[t.path] {
				truth = t.test.holds(&fact{Value: v})
			}
			any = any || truth == isTrue
			all = all && truth == isFalse
		}
		if t.source.Negate && !all || !t.source.Negate && !any {
			return false
		}
	}
	return true
}

func within(v Value, t *term, chosen map[string][]int) bool {
	for level, e := range t.elements {
		if index, ok := chosen[e]; ok && !slices.Equal(v.index[:level+1], index) {
			return false
		}
	}
	return true
}

// content is what the strings of a test file are searched in.
type contentItem struct {
	Item
	content []byte
}

func stringValues(item Item, t *term) ([]Value, bool) {
	c, ok := item.(*contentItem)
	if !ok {
		return nil, false
	}
	p := t.stringPattern()
	m, err := stringlist.New([]stringlist.Pattern{p})
	if err != nil {
		panic(err)
	}
	if len(m.Find(c.content)) > 0 {
		return []Value{Text("found")}, true
	}
	return nil, true
}

// world makes random indicators and items from few words, so that they meet often.
type world struct{ *rand.Rand }

func (w world) pick(words ...string) string { return words[w.IntN(len(words))] }

func (w world) word() string { return w.pick("a", "b", "ab", "Ba", "abc", "evil.exe", "EVIL.EXE", "x") }

func (w world) path() string {
	return w.pick("/", `C:\`, `c:\dir\`, "/dir/", "/dir/sub/", `D:\Dir\sub\`) + w.word()
}

var worldTerms = []string{
	"FileItem/FileName", "FileItem/FullPath", "FileItem/FilePath", "FileItem/FileExtension", "FileItem/Drive",
	"FileItem/SizeInBytes", "FileItem/Md5sum", "FileItem/Modified", "FileItem/Username", "FileItem/StringList/string",
	"ProcessItem/name", "ProcessItem/pid", "ProcessItem/path", "ProcessItem/startTime",
	"ProcessItem/HandleList/Handle/Name", "ProcessItem/HandleList/Handle/Type", "ProcessItem/HandleList/Handle/Index",
	"ProcessItem/SectionList/MemorySection/Name", "ProcessItem/SectionList/MemorySection/Injected",
	"ProcessItem/SectionList/MemorySection/PEInfo/Sections/Section/Name",
	"ProcessItem/SectionList/MemorySection/PEInfo/Sections/Section/SizeInBytes",
	"RegistryItem/Path", "RegistryItem/Text", "NoSuchItem/Term",
}

func (w world) term() Term {
	t := Term{Path: worldTerms[w.IntN(len(worldTerms))], Negate: w.IntN(4) == 0, PreserveCase: w.IntN(6) == 0}
	known, _ := lookupTerm(t.Path)
	switch {
	case strings.HasSuffix(t.Path, "Md5sum"):
		t.Condition, t.Value = Is, w.hash()
	case strings.Contains(known.types, "d"):
		t.Condition = []Condition{Is, GreaterThan, LessThan, Contains}[w.IntN(4)]
		t.Value = w.pick("2020-01-01", "2020-01-02T03:04:05Z", "2020-01-01 TO 2020-01-02", "soon")
	case known.types != "" && !strings.ContainsAny(known.types, "sb"):
		t.Condition = []Condition{Is, GreaterThan, LessThan}[w.IntN(3)]
		t.Value = w.pick("1", "2", "0x2", "[1 TO 3]", "many")
	case pathTerms[t.Path]:
		t.Condition = []Condition{Is, Contains, StartsWith, EndsWith}[w.IntN(4)]
		t.Value = w.pick(w.path(), `\dir`, "dir", "evil.exe", "/sub/", "C:")
	default:
		t.Condition = []Condition{Is, Is, Contains, StartsWith, EndsWith, Matches}[w.IntN(6)]
		t.Value = w.word()
		if t.Condition == Matches {
			t.Value = w.pick("a", "^b", "e(v|x)il", "[a-z]+c$", "(", "x?")
		}
	}
	return t
}

func (w world) hash() string {
	return strings.Repeat(w.pick("a1", "B2", "c3"), 16)
}

func (w world) node(depth int) Node {
	if depth == 0 || w.IntN(3) == 0 {
		return Leaf(w.term())
	}
	n := Node{Operator: Operator(w.IntN(2))}
	for range 1 + w.IntN(3) {
		n.Children = append(n.Children, w.node(depth-1))
	}
	return n
}

func (w world) item(s *Set) Item {
	day := time.Date(2020, 1, 1+w.IntN(3), 3, 4, 5, 0, time.UTC)
	some := func(values ...Value) []Value { return values[:w.IntN(len(values)+1)] }
	i := testItem{values: map[string][]Value{}}
	put := func(term string, values ...Value) {
		if w.IntN(8) > 0 {
			i.values[term] = some(values...)
		}
	}
	switch w.IntN(3) {
	case 0:
		return w.file(s, day)
	case 1:
		i.document = "RegistryItem"
		put("RegistryItem/Path", Text(w.word()))
		put("RegistryItem/Text", Text(w.word()), Text(w.word()))
	default:
		i.document = "ProcessItem"
		put("ProcessItem/name", Text(w.word()))
		put("ProcessItem/path", Text(w.path()))
		put("ProcessItem/pid", Int(int64(w.IntN(4))))
		put("ProcessItem/startTime", Time(day))
		handles, sections := "ProcessItem/HandleList/Handle/", "ProcessItem/SectionList/MemorySection/"
		put(handles+"Name", Text(w.word()).At(0), Text(w.word()).At(1), Text(w.word()).At(2))
		put(handles+"Type", Text(w.word()).At(0), Text(w.word()).At(1))
		put(handles+"Index", Int(1).At(0), Text("no number").At(1), Int(3).At(2))
		put(sections+"Name", Text(w.word()).At(0), Text(w.word()).At(1))
		put(sections+"Injected", Text(w.pick("a", "b")).At(0), Text(w.pick("a", "b")).At(1))
		put(sections+"PEInfo/Sections/Section/Name", Text(w.word()).At(0, 0), Text(w.word()).At(0, 1), Text(w.word()).At(1, 0))
		put(sections+"PEInfo/Sections/Section/SizeInBytes", Int(1).At(0, 0), Int(2).At(0, 1), Int(int64(w.IntN(3))).At(1, 0))
	}
	return i
}

func (w world) file(s *Set, day time.Time) Item {
	o := &finding.Object{Kind: finding.File, Path: w.path(), Size: int64(w.IntN(4)), Owner: w.pick("", "a", "b")}
	if w.IntN(2) == 0 {
		o.OriginalPath = w.path()
	}
	if w.IntN(2) == 0 {
		o.Hashes.MD5 = strings.ToLower(w.hash())
		o.Modified = day
	}
	if w.IntN(4) == 0 {
		o.Kind, o.Path = finding.Member, "/a.zip!/"+w.word()+"/"+w.word()
	}
	if w.IntN(4) == 0 {
		return FileItem(o, nil, false)
	}
	content := []byte(w.word() + "\x00" + w.word() + "....\x00")
	m, err := stringlist.New(s.Strings("FileItem"))
	if err != nil {
		panic(err)
	}
	return &contentItem{FileItem(o, m.Find(content), true), content}
}

func (c *contentItem) StringHits() ([]stringlist.Hit, bool) {
	return c.Item.(StringItem).StringHits()
}

// TestIndexedEqualsNaive holds the indexed evaluation of many indicators at once against the
// naive evaluation of each.
func TestIndexedEqualsNaive(t *testing.T) {
	w := world{rand.New(rand.NewPCG(3, 4))}
	matched, completed := 0, 0
	for round := range 400 {
		b := NewBuilder(Options{})
		var naive [][]literals
		var all []*Indicator
		for n := range 15 {
			i := &Indicator{ID: fmt.Sprint(n), Pattern: w.node(3)}
			c := conjunctions(&i.Pattern)
			if !selects(&i.Pattern) || len(c) > 200 {
				continue
			}
			all = append(all, i)
			naive = append(naive, c)
			b.AddIndicator(i)
		}
		s := b.Build()
		run := s.NewRun()
		seen := map[string]map[string]bool{} // conjunction to documents that an item satisfied
		for step := range 15 {
			item := w.item(s)
			var want, got []string
			for n, i := range all {
				holds := false
				for k, c := range naive[n] {
					key := fmt.Sprint(n, "/", k)
					if !c.satisfies(item) {
						continue
					}
					if seen[key] == nil {
						seen[key] = map[string]bool{}
					}
					seen[key][item.Document()] = true
					complete := true
					for _, t := range c {
						complete = complete && seen[key][t.document]
					}
					holds = holds || complete
				}
				if holds {
					want = append(want, i.ID)
				}
			}
			for _, m := range run.Examine(item) {
				got = append(got, m.ID)
				matched++
				if len(m.Witnesses) > 0 {
					completed++
				}
				if len(m.Evidence) == 0 {
					t.Errorf("match without evidence: %+v", m)
				}
			}
			if !slices.Equal(got, want) {
				for n, i := range all {
					if slices.Contains(got, i.ID) != slices.Contains(want, i.ID) {
						t.Logf("indicator %s (%d conjunctions): %s", i.ID, len(naive[n]), dump(&i.Pattern))
					}
				}
				t.Fatalf("round %d, item %d %+v:\ngot  %v\nwant %v", round, step, item, got, want)
			}
		}
	}
	if matched < 1000 || completed < 50 {
		t.Errorf("only %d matches, %d of them over several documents: the test says little", matched, completed)
	}
	t.Logf("%d matches, %d of them over several documents", matched, completed)
}

func dump(n *Node) string {
	if n.Term != nil {
		t := n.Term
		not := ""
		if t.Negate {
			not = "not "
		}
		return fmt.Sprintf("%s%s %s %q", not, t.Path, t.Condition, t.Value)
	}
	var parts []string
	for i := range n.Children {
		parts = append(parts, dump(&n.Children[i]))
	}
	return "(" + strings.Join(parts, [...]string{Or: " OR ", And: " AND "}[n.Operator]) + ")"
}
