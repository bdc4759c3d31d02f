package scanner

import (
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"tyto/finding"
	"tyto/ioc"
	"tyto/rules"
	"tyto/scanner/examine"
)

// A matcher holds objects and the facts about them against indicators and rules. It is safe for
// concurrent use.
type matcher struct {
	rules      *rules.Set // nil: none
	indicators *ioc.Set   // nil: none
	run        *ioc.Run   // nil without indicators
	thresholds finding.Thresholds
	log        *slog.Logger
	// numbers are the places of indicators in their set, by which an inventory knows them.
	numbers map[*ioc.Indicator]int
}

// verdict is what a matcher says of an object.
type verdict struct {
	finding *finding.Finding // nil if nothing matched
	// trusted reports that the object is on a list of harmless files in spite of what matched.
	trusted   bool
	undecided []*ioc.Indicator
}

func newMatcher(o *Options) *matcher {
	m := &matcher{rules: o.Rules, indicators: o.Indicators, thresholds: o.Thresholds, log: o.Log}
	if m.indicators == nil {
		return m
	}
	m.run = m.indicators.NewRun()
	if o.Inventory != nil {
		m.numbers = map[*ioc.Indicator]int{}
		for n, i := range m.indicators.Indicators() {
			m.numbers[i] = n
		}
	}
	return m
}

// needs returns what has to be found out about each file.
func (m *matcher) needs() ioc.Needs {
	var n ioc.Needs
	if m.indicators != nil {
		n = m.indicators.Needs()
		// Harmless files are known by their hash. Only files on which something matched
		// are looked up, but by then their content has gone by.
		n.MD5 = n.MD5 || n.TrustedMD5
		n.SHA1 = n.SHA1 || n.TrustedSHA1
		n.SHA256 = n.SHA256 || n.TrustedSHA256
	}
	if m.rules != nil && slices.Contains(m.rules.Uses, "md5") {
		n.MD5 = true
	}
	return n
}

// decode reads a worker's answer.
func (m *matcher) decode(line []byte) (*examine.Facts, error) {
	n := 0
	if m.rules != nil {
		n = len(m.rules.Rules)
	}
	return examine.DecodeFacts(line, n)
}

// match returns what is to be said of an object. facts is nil if the content was not examined.
func (m *matcher) match(o *finding.Object, facts *examine.Facts) (v verdict) {
	var matches []finding.Match
	if m.run != nil {
		var found []ioc.Match
		found, v.undecided = m.run.Judge(fileItem(o, facts))
		for _, im := range found {
			matches = append(matches, withWitnesses(im))
		}
	}
	if facts != nil && m.rules != nil {
		for _, rm := range facts.Rules {
			match, err := m.rules.Match(rm)
			if err != nil {
				m.log.Error("a worker named a rule that does not exist", "object", o.Path, "error", err)
				continue
			}
			matches = append(matches, match)
		}
	}
	if len(matches) == 0 {
		return v
	}
	if m.indicators != nil {
		if _, v.trusted = m.indicators.Trusted(o.Hashes); v.trusted {
			return v
		}
	}
	slices.SortStableFunc(matches, func(a, b finding.Match) int { return b.Score - a.Score })
	subs := make([]int, len(matches))
	for i := range matches {
		subs[i] = matches[i].Score
	}
	score := finding.Score(subs)
	v.finding = &finding.Finding{
		Time:    time.Now(),
		Object:  *o,
		Matches: matches,
		Score:   score,
		Level:   m.thresholds.Level(score),
	}
	return v
}

// recall counts the indicators that an earlier scan could not decide for a file.
func (m *matcher) recall(undecided []int) {
	if m.run == nil {
		return
	}
	all := m.indicators.Indicators()
	for _, n := range undecided {
		if n >= 0 && n < len(all) { // an inventory is a file that others may write
			m.run.Recall(all[n])
		}
	}
}

// maxUndecided is how many undecided indicators are named one by one.
const maxUndecided = 20

// undecided names the indicators that could not be decided for some object, for want of a fact that was
// not collected. They did not match there; whoever relies on them has to know.
func (m *matcher) undecided() (problems []finding.Problem) {
	if m.run == nil {
		return nil
	}
	unknown := m.run.Unknown()
	for _, i := range m.indicators.Indicators() { // in their order
		n := unknown[i]
		if n == 0 {
			continue
		}
		if len(problems) == maxUndecided {
			problems = append(problems, finding.Problem{Warning: true,
				Message: fmt.Sprintf("%d indicators in all could not be decided for some object", len(unknown))})
			break
		}
		problems = append(problems, finding.Problem{File: i.Source, Line: i.Line, Warning: true,
			Message: fmt.Sprintf("indicator %q could not be decided for %d objects: part of what it asks for is not known of them", i.Name, n)})
	}
	return problems
}

// fileItem describes a file, or a member of an archive, in the indicators' vocabulary.
func fileItem(o *finding.Object, facts *examine.Facts) ioc.Item {
	if facts == nil {
		return ioc.FileItem(o, nil, false)
	}
	return ioc.FileItem(o, facts.Strings, !facts.Partial)
}

// withWitnesses adds to a match what else on the host satisfied the indicator.
func withWitnesses(m ioc.Match) finding.Match {
	out := m.Match
	for _, w := range m.Witnesses {
		for _, e := range w.Evidence {
			e.Term = fmt.Sprintf("%s (%s)", e.Term, w.Name)
			out.Evidence = append(out.Evidence, e)
		}
	}
	return out
}

// withFacts returns the object with what its examination found out.
func withFacts(o finding.Object, facts *examine.Facts) finding.Object {
	o.Hashes = facts.Hashes
	o.Type = facts.Type
	if facts.Member == nil {
		return o
	}
	// Of a member only the content, the name and one time are known; the rest is the archive's.
	member := finding.Object{
		Kind:     finding.Member,
		Path:     memberPath(o.Path, facts.Member),
		Size:     facts.Size,
		Modified: facts.Modified,
		Via:      o.Via,
		Deleted:  o.Deleted,
		Owner:    o.Owner,
		Group:    o.Group,
		Device:   o.Device,
		Inode:    o.Inode,
		Hashes:   facts.Hashes,
		Type:     facts.Type,
	}
	if o.OriginalPath != "" {
		member.OriginalPath = memberPath(o.OriginalPath, facts.Member)
	}
	return member
}

// memberPath returns the path of a member: "outer.zip!/dir/inner.exe".
func memberPath(outer string, member []byte) string {
	if member == nil {
		return outer
	}
	return outer + finding.MemberMark + string(member)
}

// requestFor says of an object what its rules may ask about it.
func requestFor(o *finding.Object) examine.Request {
	path := o.Path
	if o.OriginalPath != "" {
		path = o.OriginalPath
	}
	return examine.Request{
		Path:  []byte(path),
		Owner: []byte(o.Owner),
		Group: []byte(o.Group),
		Mode:  posixMode(o.Mode),
		Size:  o.Size,
	}
}

// posixMode returns a regular file's mode as in inode(7).
func posixMode(m fs.FileMode) uint32 {
	const regular = 0o100000
	mode := regular | uint32(m.Perm())
	for bit, flag := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&flag != 0 {
			mode |= bit
		}
	}
	return mode
}
