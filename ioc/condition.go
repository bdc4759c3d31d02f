package ioc

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"tyto/ioc/internal/pattern"
	"tyto/ioc/stringlist"
)

// truth is a value of three-valued logic. The order is that of the logic: AND is the minimum, OR
// the maximum.
type truth uint8

const (
	isFalse truth = iota
	isUnknown
	isTrue
)

func (t truth) not() truth { return isTrue - t }

// Status says what becomes of a term.
type Status string

// What becomes of a term.
const (
	Evaluated     Status = "evaluated"
	NotBuilt      Status = "area not built yet"      // the fact is not collected
	UnknownTerm   Status = "unknown term"            // not in OpenIOC's vocabulary
	NotValid      Status = "not valid"               // condition, type or value do not fit; see the detail
	NegativeAlone Status = "negative alone"          // a negative condition without a positive sibling
	TrivialHash   Status = "hash of trivial content" // would match harmless files everywhere
)

// term is a compiled [Term].
type term struct {
	source   *Term
	document string
	path     string // in the vocabulary's spelling
	slot     int    // number of path within the set
	elements []string
	status   Status
	detail   string // why the status is not Evaluated

	// test is the condition without negation; for terms that package stringlist evaluates,
	// stringID is their number instead.
	test     test
	stringID int
}

// test is a condition on one value.
type test interface{ holds(f *fact) truth }

// fact is a value with what was prepared for tests.
type fact struct {
	Value
	plain, path       pattern.Text
	hasPlain, hasPath bool
}

func (f *fact) prepared(path bool) pattern.Text {
	if path {
		if !f.hasPath {
			f.path, f.hasPath = pattern.NewText(f.String(), true), true
		}
		return f.path
	}
	if !f.hasPlain {
		f.plain, f.hasPlain = pattern.NewText(f.String(), false), true
	}
	return f.plain
}

// compileTerm finds out what a term means. It never fails: a term that cannot be evaluated has a
// status that says so.
func compileTerm(source *Term) *term {
	t := &term{source: source, document: source.Document(), path: source.Path, stringID: -1, status: Evaluated}
	if t.document == "" {
		t.document = "?" // a document of its own, which no item has
	}
	if source.Invalid != "" {
		return t.refuse(NotValid, source.Invalid)
	}
	known, ok := lookupTerm(source.Path)
	if !ok {
		return t.refuse(UnknownTerm, fmt.Sprintf("%q is not in OpenIOC's vocabulary", source.Path))
	}
	t.path = known.path
	t.document, _, _ = strings.Cut(known.path, "/")
	t.elements = listElements(known.path)
	if stringListTerms[t.path] {
		if err := t.stringPattern().Check(); err != nil {
			return t.refuse(NotValid, err.Error())
		}
		return t
	}
	var err error
	if t.test, err = compileTest(source, known); err != nil {
		return t.refuse(NotValid, err.Error())
	}
	return t
}

func (t *term) refuse(s Status, detail string) *term {
	t.status, t.detail = s, detail
	return t
}

func (t *term) stringPattern() stringlist.Pattern {
	return stringlist.Pattern{ID: t.stringID, Condition: string(t.source.Condition), Value: t.source.Value, PreserveCase: t.source.PreserveCase}
}

func compileTest(source *Term, known vocabularyTerm) (test, error) {
	switch source.Condition {
	case Is, Contains, Matches, StartsWith, EndsWith, GreaterThan, LessThan:
	default:
		return nil, fmt.Errorf("unknown condition %q: use is, contains, matches, starts-with, ends-with, greater-than or less-than", source.Condition)
	}
	order := source.Condition == GreaterThan || source.Condition == LessThan
	switch typeOf(source, known, order) {
	case typeTime:
		return compileTime(source)
	case typeNumber:
		return compileNumber(source, parseNumber)
	case typeDuration:
		return compileNumber(source, parseDuration)
	}
	if order {
		return nil, fmt.Errorf("condition %q does not apply to the text %q", source.Condition, known.path)
	}
	return compileText(source, known)
}

type factType uint8

const (
	typeText factType = iota
	typeNumber
	typeTime
	typeDuration
)

// typeOf decides how a term is compared. The vocabularies of 1.0 and 1.1 disagree on some terms;
// then the condition and the value's own type decide.
func typeOf(source *Term, known vocabularyTerm, order bool) factType {
	content := strings.ToLower(source.Type)
	if content == "duration" {
		return typeDuration
	}
	hasNumber := strings.ContainsAny(known.types, "iu")
	hasText := strings.ContainsAny(known.types, "sb")
	hasTime := strings.Contains(known.types, "d")
	if hasText && (hasNumber || hasTime) {
		switch content {
		case "int", "integer", "uint64", "long", "double", "float":
			return typeNumber
		case "date", "datetime":
			return typeTime
		}
		hasText = !order
	}
	switch {
	case hasText:
		return typeText
	case hasNumber:
		return typeNumber
	}
	return typeTime
}

type textTest struct {
	pattern *pattern.Pattern
	path    bool
}

func (t *textTest) holds(f *fact) truth {
	if t.pattern.Match(f.prepared(t.path)) {
		return isTrue
	}
	return isFalse
}

func compileText(source *Term, known vocabularyTerm) (test, error) {
	value := source.Value
	if n := hashLength(known.path); n > 0 {
		value = strings.TrimSpace(value)
		if source.Condition == Is && !isHex(value, n) {
			return nil, fmt.Errorf("%q is not a hash of %d hexadecimal digits", value, n)
		}
	}
	if strings.EqualFold(source.Type, "IP") && source.Condition == Is {
		if t, ok := compileAddress(value); ok {
			return t, nil
		}
	}
	if value == "" && source.Condition != Is {
		return nil, fmt.Errorf("value is empty, so the condition %q would always hold", source.Condition)
	}
	path := pathTerms[known.path]
	p, err := pattern.Compile(pattern.Options{Kind: textKinds[source.Condition], Value: value, PreserveCase: source.PreserveCase, Path: path})
	if err != nil {
		return nil, err
	}
	return &textTest{p, path}, nil
}

func isHex(s string, digits int) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == digits
}

// addressTest compares IP addresses whose text is not unique, and networks.
type addressTest struct{ network netip.Prefix }

// compileAddress returns a test for networks and IPv6 addresses. An IPv4 address is compared as
// text, which can be indexed.
func compileAddress(value string) (test, bool) {
	if a, err := netip.ParseAddr(value); err == nil && a.Is6() && a.Zone() == "" {
		return &addressTest{netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())}, true
	}
	if p, err := netip.ParsePrefix(value); err == nil {
		return &addressTest{p}, true
	}
	return nil, false
}

func (t *addressTest) holds(f *fact) truth {
	a, err := netip.ParseAddr(f.String())
	if err != nil {
		return isUnknown
	}
	return truthOf(t.network.Contains(a.Unmap().WithZone("")))
}

func truthOf(b bool) truth {
	if b {
		return isTrue
	}
	return isFalse
}

type numberTest struct {
	condition Condition
	from, to  number // the same unless an interval
	parse     func(string) (number, error)
}

func compileNumber(source *Term, parse func(string) (number, error)) (test, error) {
	from, to, interval, err := bounds(source)
	if err != nil {
		return nil, err
	}
	t := &numberTest{condition: source.Condition, parse: parse}
	if t.from, err = parse(from); err != nil {
		return nil, err
	}
	if t.to = t.from; interval {
		if t.to, err = parse(to); err != nil {
			return nil, err
		}
		if t.from.compare(t.to) > 0 {
			return nil, fmt.Errorf("interval %q ends before it begins", source.Value)
		}
	}
	return t, nil
}

// bounds splits the value of a number or time and checks the condition.
func bounds(source *Term) (from, to string, interval bool, err error) {
	switch source.Condition {
	case Is, GreaterThan, LessThan:
	default:
		return "", "", false, fmt.Errorf("condition %q does not apply to numbers and times: use is, greater-than or less-than", source.Condition)
	}
	from, to, interval = splitInterval(source.Value)
	if interval && source.Condition != Is {
		return "", "", false, fmt.Errorf("an interval needs the condition %q, not %q", Is, source.Condition)
	}
	return from, to, interval, nil
}

func (t *numberTest) holds(f *fact) truth {
	var n number
	switch f.kind {
	case numberValue:
		n = f.number
	case textValue:
		var err error
		if n, err = t.parse(f.text); err != nil {
			return isUnknown
		}
	default:
		return isUnknown
	}
	switch t.condition {
	case GreaterThan:
		return truthOf(n.compare(t.from) > 0)
	case LessThan:
		return truthOf(n.compare(t.from) < 0)
	}
	return truthOf(n.compare(t.from) >= 0 && n.compare(t.to) <= 0)
}

type timeTest struct {
	condition Condition
	period    period
}

func compileTime(source *Term) (test, error) {
	from, to, interval, err := bounds(source)
	if err != nil {
		return nil, err
	}
	t := &timeTest{condition: source.Condition}
	if t.period, err = parseTime(from); err != nil {
		return nil, err
	}
	if interval {
		last, err := parseTime(to)
		if err != nil {
			return nil, err
		}
		if t.period.end = last.end; last.first.Before(t.period.first) {
			return nil, fmt.Errorf("interval %q ends before it begins", source.Value)
		}
	}
	return t, nil
}

func (t *timeTest) holds(f *fact) truth {
	at := f.time
	switch f.kind {
	case timeValue:
	case textValue:
		p, err := parseTime(f.text)
		if err != nil {
			return isUnknown
		}
		at = p.first
	default:
		return isUnknown
	}
	switch t.condition {
	case GreaterThan:
		return truthOf(!at.Before(t.period.end))
	case LessThan:
		return truthOf(at.Before(t.period.first))
	}
	return truthOf(!at.Before(t.period.first) && at.Before(t.period.end))
}
