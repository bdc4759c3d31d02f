package pattern

import (
	"regexp/syntax"
	"slices"
	"strings"
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

// Bounds of what an expression is taken apart into.
const (
	maxWords   = 64 // in one clause; an alternation may have four times as many
	maxClauses = 8
)

// clause is a set of folded words of which at least one occurs in each text that an expression
// matches. None of them is empty.
type clause []string

// needs says what is known of all texts that an expression matches.
type needs struct {
	// exact is every text that the expression can match, folded, if finite and few; else nil.
	exact []string
	// clauses all hold for each match. They are not set if exact is.
	clauses []clause
}

// required returns clauses that all hold for each text that the expression matches, the most
// telling one first.
func required(re *syntax.Regexp) []clause {
	clauses := analyse(re).all()
	slices.SortStableFunc(clauses, func(a, b clause) int { return b.weight() - a.weight() })
	return clauses[:min(len(clauses), maxClauses)]
}

func (n needs) all() []clause {
	if n.exact != nil {
		return asClause(n.exact)
	}
	return n.clauses
}

// asClause returns the clause that words make, if none is empty.
func asClause(words []string) []clause {
	if len(words) == 0 || slices.Contains(words, "") {
		return nil
	}
	return []clause{words}
}

// common words occur in very many paths; as the word of an index they are worth little.
var common = clause{".exe", ".dll", ".sys", "c:/windows/", "/windows/", "/windows/system32/", "/users/", "/appdata/", "/program files/", "/usr/", "/lib/", "/bin/"}

// weight says how telling a clause is: the length of its shortest word, where parts of common
// words count little.
func (c clause) weight() int {
	least := len(c[0])
	for _, w := range c {
		n := len(w)
		if slices.ContainsFunc(common, func(s string) bool { return strings.Contains(s, w) }) {
			n = 1 + n/4
		}
		least = min(least, n)
	}
	return least
}

// holds reports whether one of the words occurs in a folded text.
func (c clause) holds(folded string) bool {
	for _, w := range c {
		if strings.Contains(folded, w) {
			return true
		}
	}
	return false
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
		return needs{clauses: analyse(re.Sub[0]).all()}
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
			if len(words) > 40 {
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
	return needs{clauses: analyse(re.Sub[0]).all()}
}

// analyseConcat multiplies out neighbours as long as few words result.
func analyseConcat(subs []*syntax.Regexp) needs {
	stretch, whole := []string{""}, true
	var clauses []clause
	for _, sub := range subs {
		n := analyse(sub)
		if n.exact != nil && len(stretch)*len(n.exact) <= maxWords {
			stretch = product(stretch, n.exact)
			continue
		}
		whole = false
		clauses = slices.Concat(clauses, asClause(stretch), n.clauses)
		stretch = []string{""}
		if n.exact != nil {
			stretch = n.exact
		}
	}
	if whole {
		return needs{exact: stretch}
	}
	return needs{clauses: slices.Concat(clauses, asClause(stretch))}
}

// analyseAlternate takes the most telling clause of each branch.
func analyseAlternate(subs []*syntax.Regexp) needs {
	exact, some := []string{}, []string{}
	for _, sub := range subs {
		n := analyse(sub)
		if n.exact == nil {
			exact = nil
		} else if exact != nil {
			exact = union(exact, n.exact)
		}
		clauses := n.all()
		if len(clauses) == 0 {
			some = nil
		} else if some != nil {
			best := slices.MaxFunc(clauses, func(a, b clause) int { return a.weight() - b.weight() })
			some = union(some, best)
		}
	}
	if exact != nil && len(exact) <= maxWords {
		return needs{exact: exact}
	}
	if len(some) > 4*maxWords {
		return needs{}
	}
	return needs{clauses: asClause(some)}
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
