package report

import (
	"strings"
	"unicode/utf8"
)

// shrinking lists how much of a line is kept, step by step, until it fits into MaxLine. What
// tells most about the object goes last. After the last step every line fits, whatever it held:
// the counts and lengths then bound it far below MaxLine, even if each byte is escaped.
var shrinking = []limits{
	{evidence: 64, data: 256, meta: 1000, matches: 1000, list: 1000, examples: 10, text: 64 << 10, path: 128 << 10},
	{evidence: 8, data: 64, meta: 100, matches: 500, list: 500, examples: 5, text: 16 << 10, path: 128 << 10},
	{evidence: 2, data: 32, meta: 50, matches: 200, list: 200, examples: 3, text: 4 << 10, path: 32 << 10},
	{evidence: 1, data: 32, meta: 20, matches: 50, list: 100, examples: 1, text: 1 << 10, path: 8 << 10},
	{evidence: 0, data: 0, meta: 0, matches: 10, list: 20, examples: 1, text: 256, path: 4 << 10},
}

type limits struct {
	evidence int // pieces per match
	data     int // bytes per piece
	meta     int // entries per match, and tags
	matches  int
	list     int // problems, arguments, confinement measures, attributes, reasons
	examples int // per reason
	text     int // bytes of any text but paths
	path     int // bytes of a path
}

// shrink cuts l to the limits and notes in tyto.cut what it took.
func (m limits) shrink(l *line) {
	if l.Tyto.Cut == nil {
		l.Tyto.Cut = new(cutLine)
	}
	cut := l.Tyto.Cut

	short := func(texts ...*string) {
		for _, s := range texts {
			*s = cutText(*s, m.text, &cut.Text)
		}
	}
	short(&l.Host.Name, &l.Host.ID, &l.Host.Architecture, &l.Observer.Version, &l.Tyto.Run, &l.Message, &l.Event.Reason)
	short(&l.Host.OS.Type, &l.Host.OS.Name, &l.Host.OS.Version, &l.Host.OS.Kernel)
	if f := l.File; f != nil {
		short(&f.Name, &f.Extension, &f.Owner, &f.Group, &f.Hash.MD5, &f.Hash.SHA1, &f.Hash.SHA256)
		f.Path = cutText(f.Path, m.path, &cut.Text)
		f.Directory = cutText(f.Directory, m.path, &cut.Text)
		f.Attributes = m.texts(f.Attributes, nil, &cut.Text)
	}
	l.Tyto.PathBase64 = cutText(l.Tyto.PathBase64, m.path, &cut.Text)
	l.Tyto.OriginalPath = cutText(l.Tyto.OriginalPath, m.path, &cut.Text)
	l.Tyto.OriginalPathBase64 = cutText(l.Tyto.OriginalPathBase64, m.path, &cut.Text)
	if l.Related != nil {
		l.Related.Hash = m.texts(l.Related.Hash, nil, &cut.Text)
	}
	if r := l.Rule; r != nil {
		short(&r.Name, &r.ID, &r.Category, &r.Description, &r.Reference, &r.Ruleset, &r.Author, &r.Version)
	}
	if t := l.Threat; t != nil {
		short(&t.Indicator.ID, &t.Indicator.Name, &t.Indicator.Description, &t.Indicator.Reference, &t.Feed.Name)
		if t.Indicator.File != nil {
			h := &t.Indicator.File.Hash
			short(&h.MD5, &h.SHA1, &h.SHA256)
		}
	}
	if o := l.Tyto.Object; o != nil {
		short(&o.Kind, &o.Type)
		o.Via = cutText(o.Via, m.path, &cut.Text)
		o.Attributes = m.texts(o.Attributes, nil, &cut.Text)
	}
	if s := l.Tyto.Skip; s != nil {
		short(&s.Reason, &s.Detail)
	}
	if s := l.Tyto.Scan; s != nil {
		short(&s.Rules.Version, &s.Indicators.Version)
		s.Paths = m.texts(s.Paths, &cut.Arguments, &cut.Text)
		s.Command = m.texts(s.Command, &cut.Arguments, &cut.Text)
	}
	m.shrinkMatches(l, cut)
	m.shrinkSummary(l, cut)
}

func (m limits) shrinkMatches(l *line, cut *cutLine) {
	l.Tyto.Matches = cutList(l.Tyto.Matches, m.matches, &cut.Matches)
	for i := range l.Tyto.Matches {
		match := &l.Tyto.Matches[i]
		for _, s := range []*string{&match.Kind, &match.Name, &match.ID, &match.Source, &match.Description} {
			*s = cutText(*s, m.text, &cut.Text)
		}
		var lost int
		match.Evidence = cutList(match.Evidence, m.evidence, &lost)
		match.Cut += lost
		cut.Evidence += lost
		for j := range match.Evidence {
			e := &match.Evidence[j]
			e.Term = cutText(e.Term, m.text, &cut.Text)
			e.Expected = cutText(e.Expected, m.text, &cut.Text)
			e.Hex = cutText(e.Hex, 2*m.data, &cut.Text)
			e.Text = cutText(e.Text, 4*m.data, &cut.Text)
		}
		if len(match.Meta) > m.meta {
			match.Meta, cut.Text = match.Meta[:m.meta], true
		}
		for j := range match.Meta {
			match.Meta[j].Key = cutText(match.Meta[j].Key, m.text, &cut.Text)
			match.Meta[j].Value = cutText(match.Meta[j].Value, m.text, &cut.Text)
		}
		match.Tags = m.texts(match.Tags, nil, &cut.Text)
	}
}

func (m limits) shrinkSummary(l *line, cut *cutLine) {
	s := l.Tyto.Summary
	if s == nil {
		return
	}
	for _, t := range []*string{&s.Verdict, &s.Stopped} {
		*t = cutText(*t, m.text, &cut.Text)
	}
	s.Confinement = m.texts(s.Confinement, nil, &cut.Text)
	s.Problems = cutList(s.Problems, m.list, &cut.Problems)
	for i := range s.Problems {
		s.Problems[i].File = cutText(s.Problems[i].File, m.text, &cut.Text)
		s.Problems[i].Message = cutText(s.Problems[i].Message, m.text, &cut.Text)
	}
	var reasons int
	s.Skips = cutList(s.Skips, max(m.list, 50), &reasons) // more than there are reasons
	for i := range s.Skips {
		sk := &s.Skips[i]
		sk.Reason = cutText(sk.Reason, m.text, &cut.Text)
		sk.Examples = cutList(sk.Examples, m.examples, &cut.Examples)
		for j := range sk.Examples {
			x := &sk.Examples[j]
			// An example with half of its base64 would be no path at all.
			if len(x.PathBase64) > m.text {
				x.PathBase64, cut.Text = "", true
			}
			x.Path = cutText(x.Path, m.text, &cut.Text)
			x.Detail = cutText(x.Detail, m.text, &cut.Text)
		}
	}
}

// texts cuts a list and each of its texts. lost counts what the list lost, if it is not nil;
// else text is set.
func (m limits) texts(list []string, lost *int, text *bool) []string {
	var n int
	list = cutList(list, m.list, &n)
	if lost != nil {
		*lost += n
	} else if n > 0 {
		*text = true
	}
	for i := range list {
		list[i] = cutText(list[i], m.text, text)
	}
	return list
}

// cutList returns the first n of list and adds to lost how many are gone.
func cutList[T any](list []T, n int, lost *int) []T {
	if len(list) <= n {
		return list
	}
	*lost += len(list) - n
	return list[:n]
}

// cutText returns the first n bytes of s, or a little less so that no character is split, and
// sets was if something is gone. n is a multiple of 4, so that base64 stays base64.
func cutText(s string, n int, was *bool) string {
	if len(s) <= n {
		return s
	}
	*was = true
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n])
}
