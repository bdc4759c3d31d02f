package ioc

import (
	"slices"
	"strconv"
	"time"

	"tyto/ioc/stringlist"
)

// Item is what can be said of one object in OpenIOC's vocabulary.
type Item interface {
	// Document is the vocabulary's name for this kind of item: "FileItem", "ProcessItem", …
	Document() string

	// Name is what people call the item: its path, its process name and id.
	Name() string

	// AppendValues appends what is known of a term, which comes in the vocabulary's own
	// spelling. A term may have several values: the elements of a list, or several ways to
	// write the same fact; a positive condition holds if it holds for one of them, a negative
	// one if it excludes all. Known is false if the fact was not collected. A fact that was
	// looked for and is not there is known and has no value.
	//
	// A FileItem gives FullPath if it gives FileName, FilePath, FileExtension or Drive, and
	// each of their values is a part of one of FullPath's values: they share an index.
	AppendValues(dst []Value, term string) (values []Value, known bool)
}

// StringItem is an [Item] whose strings were searched by package stringlist.
type StringItem interface {
	Item
	// StringHits returns the hits for the patterns of [Set.Strings]; known is false if the
	// content was not searched.
	StringHits() (hits []stringlist.Hit, known bool)
}

// Value is one value of a fact. Make it with [Text], [Int], [Uint], [Float] or [Time].
type Value struct {
	kind    valueKind
	text    string
	number  number
	time    time.Time
	index   []int
	lenient bool
}

type valueKind uint8

const (
	textValue valueKind = iota
	numberValue
	timeValue
)

// Text returns a text value. Booleans are the texts "true" and "false".
func Text(s string) Value { return Value{kind: textValue, text: s} }

// Int returns a whole number.
func Int(n int64) Value {
	if n < 0 {
		return Value{kind: numberValue, number: number{negative: true, magnitude: -uint64(n)}}
	}
	return Uint(uint64(n))
}

// Uint returns a whole number.
func Uint(n uint64) Value { return Value{kind: numberValue, number: number{magnitude: n}} }

// Float returns a number with a fraction.
func Float(f float64) Value { return Value{kind: numberValue, number: number{float: f, isFloat: true}} }

// Time returns a point in time.
func Time(t time.Time) Value { return Value{kind: timeValue, time: t} }

// At says to which element of a list the value belongs, counted from 0: At(2) for the third
// section's name; At(2, 0) for something of the first element of a list inside it.
func (v Value) At(index ...int) Value {
	v.index = index
	return v
}

// Lenient marks a value that is not the fact itself but what some authors write for it. It
// counts for positive conditions only.
func (v Value) Lenient() Value {
	v.lenient = true
	return v
}

// String returns the value as text.
func (v Value) String() string {
	switch v.kind {
	case numberValue:
		return v.number.String()
	case timeValue:
		return v.time.UTC().Format(time.RFC3339Nano)
	}
	return v.text
}

// below reports whether the value belongs to the list element that prefix names.
func (v Value) below(prefix []int) bool {
	return len(v.index) >= len(prefix) && slices.Equal(v.index[:len(prefix)], prefix)
}

// number holds any int64 and uint64 exactly, or a float64.
type number struct {
	negative  bool
	magnitude uint64
	isFloat   bool
	float     float64
}

func (n number) asFloat() float64 {
	switch {
	case n.isFloat:
		return n.float
	case n.negative:
		return -float64(n.magnitude)
	}
	return float64(n.magnitude)
}

// compare returns a negative number if n is less than m, 0 if they are equal. NaN is less than
// everything.
func (n number) compare(m number) int {
	switch {
	case n.isFloat || m.isFloat:
		a, b := n.asFloat(), m.asFloat()
		switch {
		case a < b || a != a && b == b:
			return -1
		case a > b || a == a && b != b:
			return 1
		}
		return 0
	case n.negative != m.negative:
		if n.negative {
			return -1
		}
		return 1
	case n.magnitude == m.magnitude:
		return 0
	case n.magnitude < m.magnitude != n.negative:
		return -1
	}
	return 1
}

func (n number) String() string {
	switch {
	case n.isFloat:
		return strconv.FormatFloat(n.float, 'g', -1, 64)
	case n.negative:
		return "-" + strconv.FormatUint(n.magnitude, 10)
	}
	return strconv.FormatUint(n.magnitude, 10)
}
