package rulestest

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"

	"tyto/rules"
	"tyto/rules/source"
)

// wish is what a condition asks for, as far as it is understood.
type wish struct {
	rule      *source.Rule
	others    map[string]*source.Rule
	random    *rand.Rand
	fixed     map[int64]byte // bytes at offsets
	peHeader  bool           // a pointer at 0x3C to "PE"
	min, max  int64          // size; max 0 is unbounded
	avoid     map[string]bool
	place     map[string]int64
	repeat    map[string]int
	externals rules.Externals
}

func newWish(r *source.Rule, all []*source.Rule, random *rand.Rand) *wish {
	w := &wish{
		rule:   r,
		others: make(map[string]*source.Rule),
		random: random,
		fixed:  make(map[int64]byte),
		avoid:  make(map[string]bool),
		place:  make(map[string]int64),
		repeat: make(map[string]int),
	}
	for _, o := range all {
		w.others[o.Name] = o
	}
	w.grant(r.Condition, 0)
	return w
}

// grant collects what makes an expression true.
func (w *wish) grant(e source.Expr, depth int) {
	if depth > 50 {
		return
	}
	switch e.Op {
	case source.And:
		for _, arg := range e.Args {
			w.grant(arg, depth+1)
		}
	case source.Or:
		w.grant(e.Args[0], depth+1)
	case source.Not:
		w.forbid(e.Args[0])
	default:
		w.leaf(e.Tokens, depth)
	}
}

// forbid leaves out the strings that occur in an expression which must not hold.
func (w *wish) forbid(e source.Expr) {
	for _, arg := range e.Args {
		w.forbid(arg)
	}
	for _, t := range e.Tokens {
		if t.Kind != source.StringID {
			continue
		}
		for _, s := range w.rule.Strings {
			if s.ID == t.Raw || strings.HasSuffix(t.Raw, "*") && strings.HasPrefix(s.ID, strings.TrimSuffix(t.Raw, "*")) {
				w.avoid[s.ID] = true
			}
		}
	}
}

func (w *wish) leaf(t []source.Token, depth int) {
	text := join(t)
	switch {
	case len(t) == 1 && t[0].Kind == source.Word && w.others[t[0].Raw] != nil:
		w.grant(w.others[t[0].Raw].Condition, depth+1)
	case len(t) == 3 && t[1].Is("at"):
		if n, ok := t[2].Int(); ok {
			w.place["$"+t[0].Raw[1:]] = n
		}
	case len(t) > 4 && t[1].Is("in") && t[2].Is("("):
		if n, ok := t[3].Int(); ok {
			w.place["$"+t[0].Raw[1:]] = n
		}
	case strings.Contains(text, "uint32(uint32(0x3c))==") || strings.Contains(text, "uint16(uint32(0x3c))=="):
		w.peHeader = true
	case len(t) == 3:
		w.compare(t[0], t[1].Raw, t[2])
	case len(t) == 6 && t[1].Is("(") && t[3].Is(")") && t[4].Is("=="):
		w.bytes(t[0].Raw, t[2], t[5])
	}
}

func join(t []source.Token) string {
	var b strings.Builder
	for _, token := range t {
		b.WriteString(strings.ToLower(token.Raw))
	}
	return b.String()
}

// compare grants comparisons of three tokens.
func (w *wish) compare(left source.Token, op string, right source.Token) {
	n, isInt := right.Int()
	switch {
	case left.Is("filesize") && isInt:
		switch op {
		case "<":
			w.max = n - 1
		case "<=":
			w.max = n
		case ">":
			w.min = n + 1
		case ">=":
			w.min = n
		case "==":
			w.min, w.max = n, n
		}
	case left.Kind == source.Count && isInt && n < 1000:
		w.repeat["$"+left.Raw[1:]] = int(n) + map[string]int{">": 1, ">=": 0, "==": 0}[op]
	case right.Kind == source.Text || right.Kind == source.Regexp:
		w.external(left.Raw, right)
	}
}

func (w *wish) external(name string, value source.Token) {
	text := string(value.Value())
	if value.Kind == source.Regexp {
		b, err := fromRegexp(value, w.random)
		if err != nil {
			return
		}
		text = string(b)
	}
	switch name {
	case "filename":
		w.externals.Filename = text
	case "filepath":
		w.externals.Filepath = text
	case "extension":
		w.externals.Extension = text
	case "filetype":
		w.externals.Filetype = text
	case "owner":
		w.externals.Owner = text
	}
}

// bytes grants "uint16(0) == 0x5A4D" and its like.
func (w *wish) bytes(function string, offset, value source.Token) {
	at, ok1 := offset.Int()
	n, ok2 := value.Int()
	width := map[string]int64{"uint8": 1, "uint16": 2, "uint32": 4}[strings.TrimSuffix(function, "be")]
	if !ok1 || !ok2 || width == 0 || at > 1<<20 {
		return
	}
	for i := range width {
		shift := 8 * i
		if strings.HasSuffix(function, "be") {
			shift = 8 * (width - 1 - i)
		}
		w.fixed[at+i] = byte(n >> shift)
	}
}

// build makes the content.
func (w *wish) build() []byte {
	var out []byte
	put := func(at int64, b []byte) {
		if at > 4<<20 {
			return
		}
		for int64(len(out)) < at+int64(len(b)) {
			out = append(out, 0)
		}
		copy(out[at:], b)
	}
	put(0, make([]byte, 64))
	if w.peHeader {
		put(0x3C, binary.LittleEndian.AppendUint32(nil, 0x40))
		put(0x40, []byte("PE\x00\x00"))
	}
	for at, b := range w.fixed {
		put(at, []byte{b})
	}
	for _, s := range w.rule.Strings {
		if w.avoid[s.ID] {
			continue
		}
		for _, instance := range instances(&s, w.random) {
			if at, ok := w.place[s.ID]; ok {
				put(at, instance)
				continue
			}
			for range max(1, w.repeat[s.ID]) {
				out = append(out, 1, 2, 1, 2) // no letters on either side
				out = append(out, instance...)
			}
		}
	}
	out = append(out, 1, 2, 1, 2)
	if w.min > int64(len(out)) && w.min < 8<<20 {
		out = append(out, bytes.Repeat([]byte{3}, int(w.min)-len(out))...)
	}
	return out
}
