package rulestest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp/syntax"
	"strconv"
	"strings"

	"tyto/rules/source"
)

// instances returns bytes that the string matches: one way for each encoding that its modifiers
// allow. It returns nothing for what it does not understand.
func instances(s *source.String, random *rand.Rand) [][]byte {
	var plain []byte
	var err error
	switch s.Value.Kind {
	case source.Text:
		plain = s.Value.Value()
	case source.Hex:
		plain, err = fromHex(string(s.Value.Value()), random)
	case source.Regexp:
		plain, err = fromRegexp(s.Value, random)
	}
	if err != nil || len(plain) == 0 {
		return nil
	}
	if s.Has("nocase") {
		plain = swapCase(plain, random)
	}
	var out [][]byte
	for _, m := range s.Modifiers {
		switch m.Name {
		case "base64", "base64wide":
			encoded := encodeBase64(plain, m.Args)
			if m.Name == "base64wide" {
				encoded = widen(encoded)
			}
			out = append(out, encoded)
		}
	}
	if len(out) > 0 {
		return out
	}
	if s.Has("ascii") || !s.Has("wide") {
		out = append(out, plain)
	}
	if s.Has("wide") {
		out = append(out, widen(plain))
	}
	for _, m := range s.Modifiers {
		if m.Name == "xor" {
			key := xorKey(m.Args, random)
			for i, b := range out {
				out[i] = bytes.Clone(b)
				for k := range out[i] {
					out[i][k] ^= key
				}
			}
		}
	}
	return out
}

func widen(b []byte) []byte {
	out := make([]byte, 0, 2*len(b))
	for _, c := range b {
		out = append(out, c, 0)
	}
	return out
}

func swapCase(b []byte, random *rand.Rand) []byte {
	out := bytes.Clone(b)
	for i, c := range out {
		if ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') && random.IntN(2) == 0 {
			out[i] = c ^ 0x20
		}
	}
	return out
}

// encodeBase64 encodes with the alphabet that is given, and with room on both sides, since only
// the middle of the encoding is the same wherever the text stands.
func encodeBase64(plain []byte, args []source.Token) []byte {
	encoding := base64.StdEncoding
	if len(args) == 1 && args[0].Kind == source.Text && len(args[0].Value()) == 64 {
		encoding = base64.NewEncoding(string(args[0].Value()))
	}
	padded := append([]byte("\x05\x05\x05"), plain...)
	return []byte(encoding.EncodeToString(append(padded, 5, 5, 5)))
}

// xorKey picks a key from the modifier's range: (k) or (low-high), else 0x00-0xff.
func xorKey(args []source.Token, random *rand.Rand) byte {
	low, high := int64(0), int64(255)
	switch {
	case len(args) == 1:
		low, _ = args[0].Int()
		high = low
	case len(args) == 3:
		low, _ = args[0].Int()
		high, _ = args[2].Int()
	}
	return byte(low + random.Int64N(max(1, high-low+1)))
}

// fromHex makes bytes for the inside of a hex string.
func fromHex(text string, random *rand.Rand) ([]byte, error) {
	for _, comment := range [][2]string{{"/*", "*/"}, {"//", "\n"}} {
		for {
			before, rest, found := strings.Cut(text, comment[0])
			if !found {
				break
			}
			_, after, _ := strings.Cut(rest, comment[1])
			text = before + " " + after
		}
	}
	p := &hexParser{text: strings.Join(strings.Fields(text), ""), random: random}
	out := p.sequence(0)
	if p.pos < len(p.text) {
		return nil, fmt.Errorf("hex string: unexpected %q", p.text[p.pos:])
	}
	return out, p.err
}

type hexParser struct {
	text   string
	pos    int
	random *rand.Rand
	err    error
}

func (p *hexParser) sequence(depth int) []byte {
	var out []byte
	for p.pos < len(p.text) && p.err == nil && depth < 20 {
		switch p.text[p.pos] {
		case ')', '|':
			return out
		case '(':
			out = append(out, p.alternatives(depth)...)
		case '[':
			out = append(out, p.jump()...)
		default:
			out = append(out, p.octet())
		}
	}
	return out
}

// alternatives reads "( A | B )" and takes one of them.
func (p *hexParser) alternatives(depth int) []byte {
	var options [][]byte
	for p.pos < len(p.text) && p.text[p.pos] != ')' && p.err == nil {
		p.pos++ // the parenthesis, or the bar
		options = append(options, p.sequence(depth+1))
	}
	p.pos++
	if len(options) == 0 {
		return nil
	}
	return options[p.random.IntN(len(options))]
}

// jump reads "[n-m]" and leaves its shortest gap.
func (p *hexParser) jump() []byte {
	end := strings.IndexByte(p.text[p.pos:], ']')
	if end < 0 {
		p.err = errors.New("hex string: jump without end")
		return nil
	}
	low, _, _ := strings.Cut(p.text[p.pos+1:p.pos+end], "-")
	p.pos += end + 1
	n, _ := strconv.Atoi(low)
	return bytes.Repeat([]byte{0x7e}, min(n, 1<<16))
}

// octet reads "4D", "4?", "??" or "~4D".
func (p *hexParser) octet() byte {
	not := p.text[p.pos] == '~'
	if not {
		p.pos++
	}
	if p.pos+2 > len(p.text) {
		p.err = errors.New("hex string: half a byte")
		return 0
	}
	pair := strings.ReplaceAll(p.text[p.pos:p.pos+2], "?", strconv.FormatInt(int64(p.random.IntN(16)), 16))
	p.pos += 2
	n, err := strconv.ParseUint(pair, 16, 8)
	if err != nil {
		p.err = err
	}
	if not {
		return byte(n) ^ 0xff
	}
	return byte(n)
}

// fromRegexp makes bytes for a regular expression, whose syntax is nearly Go's.
func fromRegexp(t source.Token, random *rand.Rand) ([]byte, error) {
	expr, flags := t.Regexp()
	mode := syntax.Perl
	if strings.Contains(flags, "s") {
		mode |= syntax.DotNL
	}
	re, err := syntax.Parse(expr, mode)
	if err != nil {
		return nil, err
	}
	return instance(re, random, 0), nil
}

// instance makes bytes for a parsed expression.
func instance(re *syntax.Regexp, random *rand.Rand, depth int) []byte {
	var out []byte
	if depth > 50 {
		return nil
	}
	times := func(n int) {
		for range n {
			out = append(out, instance(re.Sub[0], random, depth+1)...)
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			out = append(out, byte(r))
		}
	case syntax.OpCharClass:
		out = append(out, pick(re.Rune, random))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		out = append(out, byte('a'+random.IntN(26)))
	case syntax.OpCapture, syntax.OpPlus:
		times(1)
	case syntax.OpStar, syntax.OpQuest:
		times(random.IntN(2))
	case syntax.OpRepeat:
		times(min(re.Min+random.IntN(2), max(re.Min, re.Max)))
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			out = append(out, instance(sub, random, depth+1)...)
		}
	case syntax.OpAlternate:
		return instance(re.Sub[random.IntN(len(re.Sub))], random, depth+1)
	}
	return out
}

// pick takes a byte from a class, given as pairs of bounds.
func pick(ranges []rune, random *rand.Rand) byte {
	if len(ranges) == 0 {
		return 0
	}
	for range 20 {
		i := random.IntN(len(ranges)/2) * 2
		low, high := ranges[i], min(ranges[i+1], 126)
		if low <= high {
			return byte(low + rune(random.IntN(int(high-low)+1)))
		}
	}
	return byte(ranges[0])
}
