package source

import "strings"

// Specialise returns the text of a file for a class of content: without the rules that cannot
// match such content, and without imports that the remaining ones do not use. Everything that
// stays is on its old line. kept are the indices of the remaining rules in f.Rules; if there are
// none, the text is nil.
//
// A rule stays if its condition may hold; if another rule that stays refers to it; or if it is
// global, because then its failing matters to the others. Private rules are never reported and
// stay only if they are referred to. A file with includes stays as it is, since what is included
// may refer to its rules and its imports.
//
// Within a condition, a term of the pe module that is undefined for the class is replaced by an
// equivalent without the module, since loading the module costs libyara 0.4 ms a file. Strings
// are never removed: they are evidence even where the condition does not need them.
func Specialise(src []byte, f *File, facts Facts) (text []byte, kept []int) {
	if len(f.Includes) > 0 {
		for i := range f.Rules {
			kept = append(kept, i)
		}
		return src, kept
	}
	d := NewDecider(f.Rules, facts)
	stays := remaining(f, d)
	for i, r := range f.Rules {
		if stays[r.Name] {
			kept = append(kept, i)
		}
	}
	if len(kept) == 0 {
		return nil, nil
	}
	text = Blank(src, f.Rules, func(i int) bool { return !stays[f.Rules[i].Name] })
	words := make(map[string]bool)
	for _, i := range kept {
		replaceTerms(text, d, f.Rules[i].Condition, words)
	}
	for _, imp := range f.Imports {
		if !words[imp.Module] {
			blank(text[imp.Start:imp.End])
		}
	}
	return text, kept
}

// remaining returns the names of the rules that stay.
func remaining(f *File, d *Decider) map[string]bool {
	stays := make(map[string]bool)
	var add func(*Rule)
	add = func(r *Rule) {
		if stays[r.Name] {
			return
		}
		stays[r.Name] = true
		for _, name := range r.References {
			if other := d.rules[name]; other != nil {
				add(other)
			}
		}
		for _, prefix := range r.Prefixes {
			for _, other := range f.Rules {
				if strings.HasPrefix(other.Name, prefix) {
					add(other)
				}
			}
		}
	}
	for _, r := range f.Rules {
		if r.Global || !r.Private && !d.Decide(r).Never() {
			add(r)
		}
	}
	return stays
}

// replaceTerms replaces what it can of the pe module's terms in a condition. It only descends
// through "and" and "or", for which undefined is the same as false. It collects the words that
// remain.
func replaceTerms(text []byte, d *Decider, e Expr, words map[string]bool) {
	if e.Op == And || e.Op == Or {
		for _, arg := range e.Args {
			replaceTerms(text, d, arg, words)
		}
		return
	}
	if e.Op == Leaf && d.facts.notPE() && withoutPE(e.Tokens).Never() {
		t, with := e.Tokens, "false"
		if t[0].Kind == StringID {
			// No match can begin at the end of the content.
			t, with = t[2:], "filesize"
		}
		if !mentionsStrings(t) && overwrite(text, t, with) {
			return
		}
	}
	collectWords(e, words)
}

func mentionsStrings(t []Token) bool {
	for _, token := range t {
		switch token.Kind {
		case StringID, Count, Offset, Length:
			return true
		}
		if token.Is("them") {
			return true
		}
	}
	return false
}

func collectWords(e Expr, words map[string]bool) {
	for _, t := range e.Tokens {
		if t.Kind == Word {
			words[t.Raw] = true
		}
	}
	for _, arg := range e.Args {
		collectWords(arg, words)
	}
}

// overwrite puts other text in the place of some tokens. It does nothing and returns false if that
// would move a line break.
func overwrite(text []byte, t []Token, with string) bool {
	last := t[len(t)-1]
	place := text[t[0].Pos : last.Pos+len(last.Raw)]
	if len(place) < len(with) || strings.ContainsAny(string(place[:len(with)]), "\r\n") {
		return false
	}
	blank(place)
	copy(place, with)
	return true
}

// blank overwrites text by spaces, keeping its lines.
func blank(text []byte) {
	for i, c := range text {
		if c != '\n' && c != '\r' {
			text[i] = ' '
		}
	}
}
