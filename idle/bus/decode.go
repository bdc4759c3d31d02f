//go:build linux

package bus

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

const (
	maxValues    = 8192 // values in one message, containers included
	maxDepth     = 16   // containers within each other; honest answers have 4
	maxSignature = 255  // bytes, as specified
)

// decoder reads values off a message. Every value that it makes costs one of left, so that a message
// cannot become many times its size in memory.
type decoder struct {
	order binary.ByteOrder
	in    []byte
	at    int // position in in, which alignment counts from
	left  int
}

// Decode returns the values that a body holds, one for each complete type of the signature: byte, bool,
// int16, uint16, int32, uint32, int64, uint64, float64; string for strings, object paths and signatures;
// []any for arrays and structures, []byte for
// arrays of bytes; map[string]any for dictionaries with string keys, []any of pairs for
// others; a variant is its value.
func Decode(body []byte, signature string, order binary.ByteOrder) ([]any, error) {
	d := decoder{order: order, in: body, left: maxValues}
	return d.values(signature)
}

func (d *decoder) values(signature string) ([]any, error) {
	if len(signature) > maxSignature {
		return nil, fmt.Errorf("%w: signature of %d bytes", ErrMalformed, len(signature))
	}
	var values []any
	for signature != "" {
		one, rest, err := firstType(signature, 0)
		if err != nil {
			return nil, err
		}
		v, err := d.value(one, 0)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
		signature = rest
	}
	return values, nil
}

// firstType cuts the first complete type off a signature.
func firstType(s string, depth int) (one, rest string, err error) {
	bad := fmt.Errorf("%w: signature %q", ErrMalformed, s)
	if s == "" || depth > maxDepth {
		return "", "", bad
	}
	switch s[0] {
	case 'a':
		if len(s) > 1 && s[1] == '{' {
			return dictType(s, depth, bad)
		}
		_, rest, err := firstType(s[1:], depth+1)
		return s[:len(s)-len(rest)], rest, err
	case '(':
		rest := s[1:]
		for rest != "" && rest[0] != ')' {
			if _, rest, err = firstType(rest, depth+1); err != nil {
				return "", "", err
			}
		}
		if rest == "" || rest == s[1:] {
			return "", "", bad
		}
		rest = rest[1:]
		return s[:len(s)-len(rest)], rest, nil
	}
	if strings.IndexByte("ybnqiuxtdhsogv", s[0]) < 0 {
		return "", "", bad
	}
	return s[:1], s[1:], nil
}

func dictType(s string, depth int, bad error) (one, rest string, err error) {
	if len(s) < 4 || strings.IndexByte("ybnqiuxtdhsog", s[2]) < 0 {
		return "", "", bad
	}
	_, rest, err = firstType(s[3:], depth+1)
	if err != nil || rest == "" || rest[0] != '}' {
		return "", "", bad
	}
	rest = rest[1:]
	return s[:len(s)-len(rest)], rest, nil
}

// value reads a value of one complete type.
func (d *decoder) value(kind string, depth int) (any, error) {
	if d.left--; d.left < 0 || depth > maxDepth {
		return nil, fmt.Errorf("%w: more than %d values, or nested deeper than %d", ErrMalformed, maxValues, maxDepth)
	}
	switch kind[0] {
	case 'a':
		return d.array(kind[1:], depth)
	case '(':
		return d.structure(kind[1:len(kind)-1], depth)
	case 'v':
		return d.variant(depth)
	case 's', 'o':
		return d.string(4)
	case 'g':
		return d.string(1)
	}
	return d.number(kind[0])
}

func (d *decoder) number(kind byte) (any, error) {
	size := map[byte]int{'y': 1, 'n': 2, 'q': 2, 'b': 4, 'i': 4, 'u': 4, 'h': 4}[kind]
	if size == 0 {
		size = 8
	}
	b, err := d.take(size, size)
	if err != nil {
		return nil, err
	}
	switch kind {
	case 'y':
		return b[0], nil
	case 'n':
		return int16(d.order.Uint16(b)), nil
	case 'q':
		return d.order.Uint16(b), nil
	case 'b':
		n := d.order.Uint32(b)
		if n > 1 {
			return nil, fmt.Errorf("%w: boolean %d", ErrMalformed, n)
		}
		return n == 1, nil
	case 'i':
		return int32(d.order.Uint32(b)), nil
	case 'u', 'h':
		return d.order.Uint32(b), nil
	case 'x':
		return int64(d.order.Uint64(b)), nil
	case 't':
		return d.order.Uint64(b), nil
	}
	return math.Float64frombits(d.order.Uint64(b)), nil
}

// string reads a string whose length is written in width bytes.
func (d *decoder) string(width int) (string, error) {
	b, err := d.take(width, width)
	if err != nil {
		return "", err
	}
	n := int(b[0])
	if width == 4 {
		if n = int(d.order.Uint32(b)); n > len(d.in) {
			return "", d.short()
		}
	}
	if b, err = d.take(n+1, 1); err != nil {
		return "", err
	}
	if bytes.IndexByte(b, 0) != n {
		return "", fmt.Errorf("%w: string without its end", ErrMalformed)
	}
	return string(b[:n]), nil
}

func (d *decoder) variant(depth int) (any, error) {
	signature, err := d.string(1)
	if err != nil {
		return nil, err
	}
	one, rest, err := firstType(signature, 0)
	if err != nil || rest != "" {
		return nil, fmt.Errorf("%w: variant of type %q", ErrMalformed, signature)
	}
	return d.value(one, depth+1)
}

func (d *decoder) structure(fields string, depth int) (any, error) {
	if err := d.align(8); err != nil {
		return nil, err
	}
	var values []any
	for fields != "" {
		one, rest, err := firstType(fields, 0)
		if err != nil {
			return nil, err
		}
		v, err := d.value(one, depth+1)
		if err != nil {
			return nil, err
		}
		values, fields = append(values, v), rest
	}
	return values, nil
}

func (d *decoder) array(element string, depth int) (any, error) {
	b, err := d.take(4, 4)
	if err != nil {
		return nil, err
	}
	size := d.order.Uint32(b)
	if err := d.align(alignment(element[0])); err != nil {
		return nil, err
	}
	if uint64(size) > uint64(len(d.in)-d.at) {
		return nil, d.short()
	}
	end := d.at + int(size)
	if element == "y" {
		b, err := d.take(int(size), 1)
		return bytes.Clone(b), err
	}
	dict := element[0] == '{'
	named := map[string]any{}
	values := []any{}
	for d.at < end {
		if dict {
			pair, err := d.structure(element[1:len(element)-1], depth+1)
			if err != nil {
				return nil, err
			}
			if name, ok := pair.([]any)[0].(string); ok {
				named[name] = pair.([]any)[1]
			}
			values = append(values, pair)
			continue
		}
		v, err := d.value(element, depth+1)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	if d.at != end {
		return nil, fmt.Errorf("%w: array of %d bytes ends inside a value", ErrMalformed, size)
	}
	if dict && strings.IndexByte("sog", element[1]) >= 0 {
		return named, nil
	}
	return values, nil
}

// alignment is what a type's values begin at multiples of.
func alignment(kind byte) int {
	switch kind {
	case 'y', 'g', 'v':
		return 1
	case 'n', 'q':
		return 2
	case 'x', 't', 'd', '(', '{':
		return 8
	}
	return 4
}

func (d *decoder) align(n int) error {
	_, err := d.take(0, n)
	return err
}

// take returns the next n bytes after aligning.
func (d *decoder) take(n, alignTo int) ([]byte, error) {
	start := align(d.at, alignTo)
	if n < 0 || start > len(d.in) || n > len(d.in)-start {
		return nil, d.short()
	}
	d.at = start + n
	return d.in[start:d.at], nil
}

func (d *decoder) short() error {
	return fmt.Errorf("%w: it ends at byte %d inside a value", ErrMalformed, len(d.in))
}
