package report

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"container/heap"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"tyto/finding"
)

// The limits of a page, so that browsers stay quick and memory stays small. What goes beyond
// them is counted on the page and is in the JSON Lines report.
const (
	htmlStatic   = 100       // findings that are shown without scripts
	htmlSize     = 128 << 20 // bytes of JSON, before compression
	htmlMatches  = 50        // per finding
	htmlEvidence = 20        // per match
	htmlBytes    = 256       // per piece of evidence
	htmlText     = 2 << 10   // bytes of a description, a meta value and the like
	htmlPath     = 8 << 10
)

// htmlShare is the percentage of htmlSize up to which findings of a level are taken, so that a
// flood of notices leaves room for the alert that comes after it.
var htmlShare = map[finding.Level]int64{finding.Alert: 100, finding.Warning: 80, finding.Notice: 60, finding.None: 25}

// htmlStore collects the findings for a page: all of them as compressed JSON, and the most
// severe as they are. Texts in it have gone through Safe.
type htmlStore struct {
	hosts     []string
	hostIndex map[Host]int
	rules     []htmlRule
	ruleIndex map[string]int

	found   int64                   // findings in the page
	leftOut map[finding.Level]int64 // findings beyond the limits
	size    int64                   // bytes of JSON so far
	packed  bytes.Buffer
	gzip    *gzip.Writer
	top     topFindings
}

// htmlFinding is a finding as the page's script and its template read it.
type htmlFinding struct {
	Level    finding.Level `json:"level"`
	Score    float64       `json:"score"`
	Host     int           `json:"host"` // index of hosts
	Path     string        `json:"path"`
	Modified string        `json:"modified"`
	Facts    [][2]string   `json:"facts"` // name and value
	Matches  []htmlMatch   `json:"matches"`
	More     int           `json:"more,omitempty"` // matches left out

	order int64 // as found
}

type htmlMatch struct {
	Rule     int         `json:"rule"` // index of rules
	Evidence []htmlPiece `json:"evidence,omitempty"`
	Cut      int         `json:"cut,omitempty"` // pieces left out
}

type htmlPiece struct {
	Term     string `json:"term"`
	Expected string `json:"expected,omitempty"`
	Offset   int64  `json:"offset"` // -1: a fact without a place
	Length   int    `json:"length"`
	Hex      string `json:"hex,omitempty"`  // of bytes that have a place
	Text     string `json:"text,omitempty"` // of facts
}

// htmlRule is what all matches of one rule or indicator share.
type htmlRule struct {
	Kind        string      `json:"kind"`
	Name        string      `json:"name"`
	Description string      `json:"description"`
	Score       int         `json:"score"`
	Facts       [][2]string `json:"facts,omitempty"`
}

func newHTMLStore() *htmlStore {
	s := &htmlStore{hostIndex: map[Host]int{}, ruleIndex: map[string]int{}, leftOut: map[finding.Level]int64{}}
	s.gzip = gzip.NewWriter(&s.packed)
	return s
}

// host returns the index of h, which it adds if it is new. Hosts that share a name but not a
// machine id are told apart.
func (s *htmlStore) host(h *Host) int {
	key := Host{Name: h.Name, ID: h.ID}
	if i, ok := s.hostIndex[key]; ok {
		return i
	}
	name := shortText(h.Name, htmlText)
	if name == "" {
		name = "(unnamed host)"
	}
	if slices.Contains(s.hosts, name) {
		name = fmt.Sprintf("%s (%s)", name, shortText(h.ID, 64))
	}
	s.hostIndex[key] = len(s.hosts)
	s.hosts = append(s.hosts, name)
	return len(s.hosts) - 1
}

// add takes in f, or counts it as left out if the page is full.
func (s *htmlStore) add(host int, f *finding.Finding) error {
	if s.size >= htmlSize/100*htmlShare[f.Level] {
		s.leftOut[f.Level]++
		return nil
	}
	view := s.view(host, f)
	b, err := json.Marshal(view)
	if err != nil {
		return err
	}
	separator := ",\n"
	if s.found == 0 {
		separator = `{"findings":[` + "\n"
	}
	s.found++
	s.size += int64(len(b))
	if _, err := io.WriteString(s.gzip, separator); err != nil {
		return err
	}
	if _, err := s.gzip.Write(b); err != nil {
		return err
	}
	s.top.add(view)
	return nil
}

// writeTo writes the JSON of hosts, rules and findings, compressed, in base64.
func (s *htmlStore) writeTo(w io.Writer) error {
	rest, err := json.Marshal(struct {
		Hosts []string   `json:"hosts"`
		Rules []htmlRule `json:"rules"`
	}{s.hosts, s.rules})
	if err != nil {
		return err
	}
	join := "],\n"
	if s.found == 0 {
		join = `{"findings":[],`
	}
	if _, err := io.WriteString(s.gzip, join+string(rest[1:])); err != nil {
		return err
	}
	if err := s.gzip.Close(); err != nil {
		return err
	}
	enc := base64.NewEncoder(base64.StdEncoding, w)
	if _, err := s.packed.WriteTo(enc); err != nil {
		return err
	}
	return enc.Close()
}

func (s *htmlStore) view(host int, f *finding.Finding) *htmlFinding {
	v := &htmlFinding{
		Level: f.Level, Score: finite(f.Score), Host: host, Path: shownPath(f.Object.Path),
		Modified: clockText(f.Object.Modified), Facts: objectFacts(f), order: s.found,
	}
	for i := range f.Matches {
		if i == htmlMatches {
			v.More = len(f.Matches) - htmlMatches
			break
		}
		v.Matches = append(v.Matches, s.match(&f.Matches[i]))
	}
	return v
}

func (s *htmlStore) match(m *finding.Match) htmlMatch {
	v := htmlMatch{Rule: s.rule(m), Cut: m.Cut}
	for i := range m.Evidence {
		if i == htmlEvidence {
			v.Cut += len(m.Evidence) - htmlEvidence
			break
		}
		e := &m.Evidence[i]
		data := e.Data[:min(len(e.Data), htmlBytes)]
		piece := htmlPiece{
			Term: shortText(e.Term, htmlText), Expected: shortText(e.Expected, htmlText),
			Offset: e.Offset, Length: max(e.Length, len(e.Data)),
		}
		if e.Offset >= 0 {
			piece.Hex = hex.EncodeToString(data)
		} else {
			piece.Text = Safe(string(data))
		}
		v.Evidence = append(v.Evidence, piece)
	}
	return v
}

// rule returns the index of what m shares with other matches.
func (s *htmlStore) rule(m *finding.Match) int {
	r := htmlRule{
		Kind: shortText(string(m.Kind), 64), Name: shortText(m.Name, htmlText),
		Description: shortText(m.Description, htmlText), Score: m.Score,
	}
	fact := func(name, value string) {
		if value != "" {
			r.Facts = append(r.Facts, [2]string{name, shortText(value, htmlText)})
		}
	}
	fact("id", m.ID)
	if m.Source != "" {
		fact("source", place(m.Source, m.Line))
	}
	fact("tags", strings.Join(m.Tags, " "))
	for i, meta := range m.Meta {
		if i == htmlMatches {
			break
		}
		if key := shortText(meta.Key, 128); key != "description" && key != "id" {
			fact(key, fmt.Sprint(meta.Value))
		}
	}
	key, err := json.Marshal(r)
	if err != nil { // strings and integers always marshal
		panic(err)
	}
	if i, ok := s.ruleIndex[string(key)]; ok {
		return i
	}
	s.size += int64(len(key))
	s.ruleIndex[string(key)] = len(s.rules)
	s.rules = append(s.rules, r)
	return len(s.rules) - 1
}

// objectFacts returns what is known of the object, by name.
func objectFacts(f *finding.Finding) [][2]string {
	o := &f.Object
	var facts [][2]string
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, [2]string{name, shortText(value, htmlPath)})
		}
	}
	add("original path", o.OriginalPath)
	if o.Via != "" {
		add("found", viaText(o))
	}
	add("examined", clockText(f.Time))
	add("size", Count(o.Size)+" bytes")
	add("type", o.Type)
	add("SHA-256", o.Hashes.SHA256)
	add("SHA-1", o.Hashes.SHA1)
	add("MD5", o.Hashes.MD5)
	add("modified", clockText(o.Modified))
	add("changed", clockText(o.Changed))
	add("created", clockText(o.Created))
	add("accessed", clockText(o.Accessed))
	add("owner", o.Owner)
	add("group", o.Group)
	add("mode", fileMode(o.Mode))
	add("attributes", strings.Join(o.Attributes, " "))
	add("inode", number(o.Inode))
	return facts
}

// shownPath returns a path to show, which is never empty.
func shownPath(path string) string {
	if path == "" {
		return "(no name)"
	}
	return shortText(path, htmlPath)
}

// shortText returns s safe to show and not much longer than n bytes.
func shortText(s string, n int) string {
	cut := false
	s = cutText(s, n, &cut)
	if cut {
		return Safe(s) + "..."
	}
	return Safe(s)
}

// topFindings keeps the htmlStatic most severe findings: a heap whose root is the least of them.
type topFindings []*htmlFinding

func (t *topFindings) add(f *htmlFinding) {
	switch {
	case len(*t) < htmlStatic:
		heap.Push(t, f)
	case moreSevere(f, (*t)[0]) < 0:
		(*t)[0] = f
		heap.Fix(t, 0)
	}
}

// sorted returns the findings, the most severe first.
func (t topFindings) sorted() []*htmlFinding { return slices.SortedFunc(slices.Values(t), moreSevere) }

// moreSevere orders findings by level and score, descending, then as they were found.
func moreSevere(a, b *htmlFinding) int {
	return cmp.Or(cmp.Compare(b.Level, a.Level), cmp.Compare(b.Score, a.Score), cmp.Compare(a.order, b.order))
}

// Len, Less, Swap, Push and Pop are for container/heap.
func (t topFindings) Len() int           { return len(t) }
func (t topFindings) Less(i, j int) bool { return moreSevere(t[i], t[j]) > 0 }
func (t topFindings) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *topFindings) Push(x any)        { *t = append(*t, x.(*htmlFinding)) }
func (t *topFindings) Pop() any {
	last := (*t)[len(*t)-1]
	*t = (*t)[:len(*t)-1]
	return last
}
