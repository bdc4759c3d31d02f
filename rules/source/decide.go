package source

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// Truth is what can be said of a condition without looking for strings.
type Truth int

// The answers. YARA knows a third value beside true and false: undefined, which is what becomes of
// every operation on a value that does not exist, and of its negation; "and" and "or" take it for
// false. It matters here because "not x" may hold where x is false, and never where x is
// undefined.
const (
	Open      Truth = iota // depends on more than the facts
	False                  // false or undefined: the rule cannot match
	Undefined              // certainly undefined: neither the condition nor its negation can match
	True
)

// Never reports whether a condition so decided cannot hold.
func (t Truth) Never() bool { return t == False || t == Undefined }

// Facts describe a class of content.
type Facts struct {
	// Prefix holds the first bytes, as far as they are the same for the whole class.
	Prefix []byte
	// NotPrefixes are beginnings that no content of the class has.
	NotPrefixes [][]byte
	// MinSize and MaxSize bound the size in bytes, both included.
	MinSize, MaxSize int64
}

// notPE reports that no content of the class begins with "MZ", without which libyara's pe module
// leaves its fields undefined.
func (f *Facts) notPE() bool {
	mz := []byte("MZ")
	n := min(len(f.Prefix), len(mz))
	if !bytes.Equal(f.Prefix[:n], mz[:n]) {
		return true
	}
	for _, p := range f.NotPrefixes {
		if len(p) > 0 && bytes.HasPrefix(mz, p) {
			return true
		}
	}
	return false
}

// Decider decides conditions of one namespace for one class of content.
type Decider struct {
	facts Facts
	rules map[string]*Rule
	known map[string]Truth // rules decided, and rules being decided
}

// NewDecider returns a decider for the rules of one file.
func NewDecider(rules []*Rule, facts Facts) *Decider {
	d := &Decider{facts: facts, rules: make(map[string]*Rule, len(rules)), known: make(map[string]Truth)}
	for _, r := range rules {
		d.rules[r.Name] = r
	}
	return d
}

// Decide says what is certain of the rule's condition for all content of the class, whatever
// strings it contains.
func (d *Decider) Decide(r *Rule) Truth {
	if t, ok := d.known[r.Name]; ok {
		return t
	}
	d.known[r.Name] = Open // should rules refer to each other in a circle, which libyara refuses
	t := d.decide(r.Condition, r)
	d.known[r.Name] = t
	return t
}

func (d *Decider) decide(e Expr, r *Rule) Truth {
	switch e.Op {
	case Not:
		switch d.decide(e.Args[0], r) {
		case True:
			return False
		case Undefined:
			return Undefined
		}
		return Open
	case And:
		all := True
		for _, arg := range e.Args {
			switch t := d.decide(arg, r); {
			case t.Never():
				return False
			case t == Open:
				all = Open
			}
		}
		return all
	case Or:
		all := False
		for _, arg := range e.Args {
			switch d.decide(arg, r) {
			case True:
				return True
			case Open:
				all = Open
			}
		}
		return all
	}
	return d.leaf(e.Tokens, r)
}

// leaf decides the few forms of a leaf that are worth knowing.
func (d *Decider) leaf(t []Token, r *Rule) Truth {
	switch {
	case len(t) == 1:
		return d.word(t[0])
	case len(t) == 3 && t[0].Kind == StringID && t[1].Is("at") && t[2].Raw == "0":
		return d.stringAtStart(t[0].Raw, r)
	case d.facts.notPE():
		if t := withoutPE(t); t != Open {
			return t
		}
	}
	left, op, right := comparison(t)
	if n, ok := integer(right); ok {
		if value := d.compare(left, op, n); value != Open {
			return value
		}
	}
	if n, ok := integer(left); ok {
		return d.compare(right, mirrored[op], n)
	}
	return Open
}

// word decides a condition of one word: a constant or another rule.
func (d *Decider) word(t Token) Truth {
	switch {
	case t.Is("true"):
		return True
	case t.Is("false"):
		return False
	}
	// A rule whose condition holds may still fail by a global rule, so only False carries over.
	if r, ok := d.rules[t.Raw]; ok && t.Kind == Word && d.Decide(r).Never() {
		return False
	}
	return Open
}

// comparison cuts a leaf at its only comparison operator.
func comparison(t []Token) (left []Token, op string, right []Token) {
	depth, at := 0, -1
	for i, token := range t {
		switch {
		case token.Is("(") || token.Is("["):
			depth++
		case token.Is(")") || token.Is("]"):
			depth--
		case depth == 0 && token.Kind == Punct && mirrored[token.Raw] != "":
			if at >= 0 {
				return nil, "", nil
			}
			at = i
		}
	}
	if at < 0 {
		return nil, "", nil
	}
	return t[:at], t[at].Raw, t[at+1:]
}

// mirrored gives the operator for swapped operands.
var mirrored = map[string]string{"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}

func integer(t []Token) (int64, bool) {
	if len(t) != 1 {
		return 0, false
	}
	return t[0].Int()
}

// compare decides "expression op n".
func (d *Decider) compare(expression []Token, op string, n int64) Truth {
	if len(expression) == 1 && expression[0].Is("filesize") {
		return within(d.facts.MinSize, d.facts.MaxSize, op, n)
	}
	if len(expression) == 4 && expression[1].Is("(") && expression[3].Is(")") {
		if offset, ok := expression[2].Int(); ok {
			return d.header(expression[0].Raw, offset, op, n)
		}
	}
	return Open
}

// within decides "x op n" for an x between low and high.
func within(low, high int64, op string, n int64) Truth {
	switch op {
	case "<":
		return either(high < n, low >= n)
	case "<=":
		return either(high <= n, low > n)
	case ">":
		return either(low > n, high <= n)
	case ">=":
		return either(low >= n, high < n)
	case "==":
		return either(low == n && high == n, n < low || n > high)
	case "!=":
		return either(n < low || n > high, low == n && high == n)
	}
	return Open
}

func either(isTrue, isFalse bool) Truth {
	switch {
	case isTrue:
		return True
	case isFalse:
		return False
	}
	return Open
}

// header decides a comparison of unsigned integers at a fixed offset, such as uint16(0) == 0x5A4D.
func (d *Decider) header(function string, offset int64, op string, n int64) Truth {
	width := map[string]int{"uint8": 1, "uint16": 2, "uint32": 4}[strings.TrimSuffix(function, "be")]
	if width == 0 || op != "==" && op != "!=" || n < 0 || n >= 1<<(8*width) {
		return Open
	}
	var b [8]byte
	want := b[:width]
	if strings.HasSuffix(function, "be") {
		binary.BigEndian.PutUint64(b[:], uint64(n)<<(64-8*width))
	} else {
		binary.LittleEndian.PutUint64(b[:], uint64(n))
	}
	found := d.facts.bytesAt(offset, want)
	if op == "==" || found == Open {
		return found
	}
	if found == True {
		return False
	}
	// The bytes differ, or the content ends before them: != is then true, or undefined.
	return Open
}

// bytesAt decides whether want stands at the offset.
func (f *Facts) bytesAt(offset int64, want []byte) Truth {
	if offset < 0 || offset+int64(len(want)) > f.MaxSize {
		return False
	}
	if offset > 64 { // beyond every prefix
		return Open
	}
	same := 0
	for i, w := range want {
		at := int(offset) + i
		if at >= len(f.Prefix) {
			continue
		}
		if f.Prefix[at] != w {
			return False
		}
		same++
	}
	if same == len(want) {
		return True
	}
	for _, p := range f.NotPrefixes {
		if offset == 0 && len(p) > 0 && bytes.HasPrefix(want, p) {
			return False
		}
	}
	return Open
}

// stringAtStart decides "$a at 0" for a string that is the same bytes in every match.
func (d *Decider) stringAtStart(id string, r *Rule) Truth {
	for i := range r.Strings {
		if r.Strings[i].ID != id {
			continue
		}
		if literal := r.Strings[i].literal(); literal != nil && d.facts.bytesAt(0, literal) == False {
			return False
		}
	}
	return Open
}

// literal returns the bytes of a string that can match nothing else, or nil.
func (s *String) literal() []byte {
	for _, m := range s.Modifiers {
		switch m.Name {
		case "ascii", "fullword", "private":
		default:
			return nil
		}
	}
	switch s.Value.Kind {
	case Text:
		return s.Value.Value()
	case Hex:
		inside := strings.Join(strings.Fields(string(s.Value.Value())), "")
		if b, err := hex.DecodeString(inside); err == nil {
			return b
		}
	}
	return nil
}
