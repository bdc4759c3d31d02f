package pattern

import (
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// slashTree rewrites an expression for texts in which every separator is a slash.
func slashTree(re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		for i, r := range re.Rune {
			if r == '\\' {
				re.Rune[i] = '/'
			}
		}
	case syntax.OpCharClass:
		re.Rune = slashClass(re.Rune)
	}
	for _, sub := range re.Sub {
		slashTree(sub)
	}
}

// slashClass makes the two separators equal in a character class, given as pairs of first and
// last rune. The parser does not keep whether a class was negated; one that reaches to the last
// rune was.
func slashClass(ranges []rune) []rune {
	slash, backslash := inClass(ranges, '/'), inClass(ranges, '\\')
	if slash == backslash {
		return ranges
	}
	negated := ranges[len(ranges)-1] == unicode.MaxRune
	if negated == !slash {
		return ranges // texts hold slashes only, so the slash alone decides
	}
	if negated {
		return without(ranges, '/')
	}
	with := append(slices.Clone(ranges), '/', '/')
	pairs := make([][2]rune, 0, len(with)/2)
	for i := 0; i < len(with); i += 2 {
		pairs = append(pairs, [2]rune{with[i], with[i+1]})
	}
	slices.SortFunc(pairs, func(a, b [2]rune) int { return int(a[0] - b[0]) })
	with = with[:0]
	for _, p := range pairs {
		with = append(with, p[0], p[1])
	}
	return with
}

func inClass(ranges []rune, r rune) bool {
	for i := 0; i < len(ranges); i += 2 {
		if ranges[i] <= r && r <= ranges[i+1] {
			return true
		}
	}
	return false
}

func without(ranges []rune, r rune) []rune {
	var rest []rune
	for i := 0; i < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		if r < lo || hi < r {
			rest = append(rest, lo, hi)
			continue
		}
		if lo < r {
			rest = append(rest, lo, r-1)
		}
		if r < hi {
			rest = append(rest, r+1, hi)
		}
	}
	return rest
}

// plain reports whether an expression is only a literal, with or without anchors, and as which
// kind of pattern it can be matched. Most rows of real name lists are of this kind.
func plain(re *syntax.Regexp) (kind Kind, value string, exact, ok bool) {
	parts := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		parts = re.Sub
	}
	begin, end := false, false
	if len(parts) > 0 && parts[0].Op == syntax.OpBeginText {
		begin, parts = true, parts[1:]
	}
	if len(parts) > 0 && parts[len(parts)-1].Op == syntax.OpEndText {
		end, parts = true, parts[:len(parts)-1]
	}
	if len(parts) != 1 || parts[0].Op != syntax.OpLiteral || slices.Contains(parts[0].Rune, utf8.RuneError) {
		return 0, "", false, false
	}
	switch {
	case begin && end:
		kind = Is
	case begin:
		kind = StartsWith
	case end:
		kind = EndsWith
	default:
		kind = Contains
	}
	return kind, string(parts[0].Rune), parts[0].Flags&syntax.FoldCase == 0, true
}

// maxWords bounds the words that an expression is taken apart into.
const maxWords = 64

// needs says what is known of all texts that an expression matches. Words are folded.
type needs struct {
	// exact is every text that the expression can match, if finite and few; else nil.
	exact []string
	// some holds words of which one occurs in each match; nil if none are known.
	some []string
}

// required returns words of which at least one occurs in each text that the expression matches.
func required(re *syntax.Regexp) []string {
	n := analyse(re)
	return better(n.some, n.exact)
}

func analyse(re *syntax.Regexp) needs {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText,
		syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return needs{exact: []string{""}}
	case syntax.OpLiteral:
		if slices.Contains(re.Rune, utf8.RuneError) {
			return needs{} // also matches bytes that are not UTF-8
		}
		return needs{exact: []string{Fold(string(re.Rune))}}
	case syntax.OpCharClass:
		return analyseClass(re.Rune)
	case syntax.OpCapture:
		return analyse(re.Sub[0])
	case syntax.OpQuest:
		if n := analyse(re.Sub[0]); n.exact != nil && len(n.exact) < maxWords {
			return needs{exact: union(n.exact, []string{""})}
		}
	case syntax.OpPlus:
		return needs{some: required(re.Sub[0])}
	case syntax.OpRepeat:
		return analyseRepeat(re)
	case syntax.OpConcat:
		return analyseConcat(re.Sub)
	case syntax.OpAlternate:
		return analyseAlternate(re.Sub)
	}
	return needs{}
}

func analyseClass(ranges []rune) needs {
	var words []string
	for i := 0; i < len(ranges); i += 2 {
		if ranges[i+1]-ranges[i] >= maxWords {
			return needs{}
		}
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			if r == utf8.RuneError {
				return needs{}
			}
			words = union(words, []string{string(foldRune(r))})
			if len(words) > 10 {
				return needs{}
			}
		}
	}
	return needs{exact: words}
}

func analyseRepeat(re *syntax.Regexp) needs {
	if re.Min == 0 {
		return needs{}
	}
	if re.Min == re.Max && re.Min <= 8 {
		subs := make([]*syntax.Regexp, re.Min)
		for i := range subs {
			subs[i] = re.Sub[0]
		}
		return analyseConcat(subs)
	}
	return needs{some: required(re.Sub[0])}
}

// analyseConcat multiplies out neighbours as long as few words result, and keeps the best words
// of all stretches.
func analyseConcat(subs []*syntax.Regexp) needs {
	stretch, some, whole := []string{""}, []string(nil), true
	for _, sub := range subs {
		n := analyse(sub)
		if n.exact != nil && len(stretch)*len(n.exact) <= maxWords {
			stretch = product(stretch, n.exact)
			continue
		}
		whole = false
		some = better(better(some, stretch), n.some)
		stretch = []string{""}
		if n.exact != nil {
			stretch = n.exact
		}
	}
	if whole {
		return needs{exact: stretch}
	}
	return needs{some: better(some, stretch)}
}

func analyseAlternate(subs []*syntax.Regexp) needs {
	exact, some := []string{}, []string{}
	for _, sub := range subs {
		n := analyse(sub)
		if n.exact == nil {
			exact = nil
		} else if exact != nil {
			exact = union(exact, n.exact)
		}
		words := better(n.some, n.exact)
		if words == nil {
			some = nil
		} else if some != nil {
			some = union(some, words)
		}
	}
	if len(exact) > maxWords {
		exact = nil
	}
	if len(some) == 0 || len(some) > 4*maxWords {
		some = nil
	}
	return needs{exact: exact, some: some}
}

// better returns the words that say more: the longest, measured by the shortest word. Words of
// which one is empty say nothing.
func better(a, b []string) []string {
	if shortest(b) > shortest(a) {
		a = b
	}
	if shortest(a) == 0 {
		return nil
	}
	return a
}

func shortest(words []string) int {
	if len(words) == 0 {
		return 0
	}
	n := len(words[0])
	for _, w := range words {
		n = min(n, len(w))
	}
	return n
}

func product(a, b []string) []string {
	var all []string
	for _, x := range a {
		for _, y := range b {
			all = append(all, x+y)
		}
	}
	return union(nil, all)
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
