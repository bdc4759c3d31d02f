package report

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tyto/finding"
)

// encoder turns events of one run into lines.
type encoder struct {
	run     Run
	windows bool // paths of this host may use backslashes
}

func newEncoder(r Run) encoder {
	return encoder{run: r, windows: r.Host.OS.Type == "windows"}
}

// line returns what all lines of the run have in common.
func (e *encoder) line(action string, at time.Time) *line {
	h := e.run.Host
	l := &line{
		Timestamp: stamp(at),
		ECS:       ecsMeta{ecsVersion},
		Event:     eventSet{Kind: "event", Module: "tyto", Dataset: "tyto." + action, Action: action},
		Host: hostSet{
			Name: text(h.Name), ID: text(h.ID), Architecture: text(h.Architecture),
			OS: osSet{Type: text(h.OS.Type), Name: text(h.OS.Name), Version: text(h.OS.Version), Kernel: text(h.OS.Kernel)},
		},
		Observer: observer{Product: "Tyto", Version: text(e.run.Version)},
		Tyto:     tyto{Format: Format, Run: text(e.run.key())},
	}
	var cut cutLine
	for _, name := range l.names() {
		if *name = cutText(*name, maxName, &cut.Text); cut.Text {
			l.Tyto.Cut = &cut
		}
	}
	return l
}

func (e *encoder) start() *line {
	l := e.line(actionStart, e.run.Started)
	l.Event.Category, l.Event.Type = []string{"process"}, []string{"start"}
	l.Event.Start = stamp(e.run.Started)
	l.Tyto.Scan = &scanLine{
		Paths: texts(e.run.Paths), Command: texts(e.run.Command),
		Rules: setLine(e.run.Rules), Indicators: setLine(e.run.Indicators),
	}
	return l
}

func (e *encoder) finding(f *finding.Finding) *line {
	l := e.line(actionFinding, f.Time)
	score := finite(f.Score)
	l.Event.Kind = "alert"
	l.Event.Category, l.Event.Type = []string{"malware"}, []string{"info"}
	l.Event.Severity, l.Event.RiskScore = int(f.Level), &score
	l.Message = message(f)
	l.Tyto.Level, l.Tyto.Score = f.Level.String(), &score
	e.object(l, &f.Object)
	for i := range f.Matches {
		l.Tyto.Matches = append(l.Tyto.Matches, encodeMatch(&f.Matches[i]))
	}
	l.Rule = bestRule(f.Matches)
	l.Threat = bestIndicator(f.Matches)
	return l
}

func (e *encoder) skip(s finding.Skip, at time.Time) *line {
	l := e.line(actionSkip, at)
	l.Event.Category, l.Event.Type = []string{"file"}, []string{"info"}
	l.Event.Outcome, l.Event.Reason = "unknown", text(string(s.Reason))
	if s.Reason.Matters() {
		l.Event.Outcome = "failure"
	}
	l.File = new(fileSet)
	e.path(l, s.Path)
	l.Tyto.Skip = &skipLine{Reason: text(string(s.Reason)), Matters: s.Reason.Matters(), Detail: text(s.Detail)}
	return l
}

func (e *encoder) summary(s *finding.Summary, skipLines int64) *line {
	l := e.line(actionSummary, s.Finished)
	l.Event.Category, l.Event.Type = []string{"process"}, []string{"end"}
	l.Event.Outcome = "success"
	if s.Incomplete() {
		l.Event.Outcome = "failure"
	}
	l.Event.Start, l.Event.End = stamp(s.Started), stamp(s.Finished)
	l.Event.Duration = int64(l.Event.End.Sub(l.Event.Start))
	l.Message = Verdict(s)
	if s.Version != "" {
		l.Observer.Version = text(s.Version)
	}
	l.Tyto.Scan = &scanLine{
		Paths: texts(s.Paths), Command: texts(s.Command),
		Rules: setLine(s.Rules), Indicators: setLine(s.Indicators),
	}
	code, complete := int(OutcomeOf(s)), !s.Incomplete()
	l.Tyto.Summary = &summaryLine{
		ExitCode: &code, ExitMeaning: OutcomeOf(s).String(), Verdict: l.Message, Complete: &complete,
		Stopped: text(s.Stopped), Active: int64(s.Active),
		Objects: s.Objects, Files: s.Files, Bytes: s.Bytes,
		BelowThreshold: s.BelowThreshold, Trusted: s.Trusted, Recalled: s.Recalled, Gone: s.Gone,
		SkipLines: skipLines, Confinement: texts(s.Confinement),
	}
	if s.Threshold != finding.None {
		l.Tyto.Summary.Threshold = s.Threshold.String()
	}
	for level, n := range s.Findings {
		if l.Tyto.Summary.Findings == nil {
			l.Tyto.Summary.Findings = map[string]int64{}
		}
		l.Tyto.Summary.Findings[level.String()] = n
	}
	for _, sk := range skipsByWeight(s.Skips) {
		l.Tyto.Summary.Skips = append(l.Tyto.Summary.Skips, encodeSkipCount(sk))
	}
	for _, p := range s.Problems {
		l.Tyto.Summary.Problems = append(l.Tyto.Summary.Problems,
			problemLine{File: text(p.File), Line: p.Line, Message: text(p.Message), Warning: p.Warning})
	}
	return l
}

func encodeSkipCount(sk skipped) skipCountLine {
	c := skipCountLine{Reason: text(string(sk.Reason)), Count: sk.Count, Matters: sk.Reason.Matters()}
	for _, x := range sk.Examples {
		c.Examples = append(c.Examples, exampleLine{Path: text(x.Path), PathBase64: exact(x.Path), Detail: text(x.Detail)})
	}
	return c
}

func (e *encoder) path(l *line, path string) {
	l.File.Path = text(path)
	l.Tyto.PathBase64 = exact(path)
	dir, name, ext := splitPath(path, e.windows)
	l.File.Directory, l.File.Name, l.File.Extension = text(dir), text(name), text(ext)
}

func (e *encoder) object(l *line, o *finding.Object) {
	size := o.Size
	l.File = &fileSet{
		Size: &size, Owner: text(o.Owner), Group: text(o.Group), Type: fileType(o.Mode), Mode: fileMode(o.Mode),
		Device: number(o.Device), Inode: number(o.Inode),
		Hash: hashSet{MD5: text(o.Hashes.MD5), SHA1: text(o.Hashes.SHA1), SHA256: text(o.Hashes.SHA256)},
	}
	e.path(l, o.Path)
	l.Tyto.OriginalPath, l.Tyto.OriginalPathBase64 = text(o.OriginalPath), exact(o.OriginalPath)
	l.Tyto.Object = &objectSet{
		Kind: text(string(o.Kind)), Type: text(o.Type), Links: o.Links, Attributes: texts(o.Attributes),
		Via: text(o.Via), Deleted: o.Deleted,
	}
	for _, a := range o.Attributes {
		l.File.Attributes = append(l.File.Attributes, strings.ToLower(text(a)))
	}
	e.times(l, o)
	for _, h := range []string{l.File.Hash.MD5, l.File.Hash.SHA1, l.File.Hash.SHA256} {
		if h != "" {
			if l.Related == nil {
				l.Related = new(related)
			}
			l.Related.Hash = append(l.Related.Hash, h)
		}
	}
}

// times sets the object's times. File systems can hold years that RFC 3339 cannot write, and an
// intruder can set them: those go to odd_times in seconds since 1970, so that a strange time
// never costs the finding.
func (e *encoder) times(l *line, o *finding.Object) {
	for _, t := range []struct {
		name string
		at   time.Time
		to   *time.Time
	}{
		{"mtime", o.Modified, &l.File.Mtime},
		{"accessed", o.Accessed, &l.File.Accessed},
		{"ctime", o.Changed, &l.File.Ctime},
		{"created", o.Created, &l.File.Created},
	} {
		*t.to = stamp(t.at)
		if t.to.IsZero() && !t.at.IsZero() {
			if l.Tyto.Object.OddTimes == nil {
				l.Tyto.Object.OddTimes = map[string]string{}
			}
			l.Tyto.Object.OddTimes[t.name] = strconv.FormatInt(t.at.Unix(), 10)
		}
	}
}

func encodeMatch(m *finding.Match) matchLine {
	l := matchLine{
		Kind: text(string(m.Kind)), Name: text(m.Name), ID: text(m.ID), Source: text(m.Source), Line: m.Line,
		Description: text(m.Description), Score: m.Score, Tags: texts(m.Tags), Cut: m.Cut,
	}
	for _, meta := range m.Meta {
		l.Meta = append(l.Meta, encodeMeta(meta))
	}
	for i := range m.Evidence {
		e := &m.Evidence[i]
		line := evidenceLine{
			Term: text(e.Term), Expected: text(e.Expected), Length: e.Length,
			Hex: hex.EncodeToString(e.Data), Text: Safe(string(e.Data)),
		}
		if e.Offset >= 0 {
			offset := e.Offset
			line.Offset = &offset
		}
		l.Evidence = append(l.Evidence, line)
	}
	return l
}

func encodeMeta(m finding.Meta) metaLine {
	switch v := m.Value.(type) {
	case string:
		return metaLine{Key: text(m.Key), Value: text(v)}
	case int64:
		return metaLine{Key: text(m.Key), Value: strconv.FormatInt(v, 10), Type: "integer"}
	case bool:
		return metaLine{Key: text(m.Key), Value: strconv.FormatBool(v), Type: "boolean"}
	}
	return metaLine{Key: text(m.Key), Value: text(fmt.Sprint(m.Value))}
}

// message says the finding in one line, for whoever reads the log and not its fields.
func message(f *finding.Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s", f.Level, scoreText(finite(f.Score)), Safe(f.Object.Path))
	if len(f.Matches) > 0 {
		fmt.Fprintf(&b, " matches %s", Safe(f.Matches[0].Name))
	}
	if more := len(f.Matches) - 1; more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

// bestRule returns the ECS fields of the first rule among matches, which are in descending order
// of score; nil if there is none.
func bestRule(matches []finding.Match) *ruleSet {
	i := slices.IndexFunc(matches, func(m finding.Match) bool { return m.Kind == finding.Rule })
	if i < 0 {
		return nil
	}
	m := &matches[i]
	return &ruleSet{
		Name: text(m.Name), ID: text(m.ID), Description: text(m.Description), Ruleset: text(setName(m.Source)),
		Author: text(metaValue(m, "author")), Reference: text(metaValue(m, "reference", "url")),
		Version: text(metaValue(m, "version")), Category: text(metaValue(m, "category")),
	}
}

// bestIndicator is bestRule for indicators.
func bestIndicator(matches []finding.Match) *threatSet {
	i := slices.IndexFunc(matches, func(m finding.Match) bool { return m.Kind == finding.Indicator })
	if i < 0 {
		return nil
	}
	m := &matches[i]
	t := &threatSet{
		Indicator: indicatorSet{
			Type: "file", ID: text(m.ID), Name: text(m.Name), Description: text(m.Description),
			Reference: text(metaValue(m, "reference", "link", "url")),
		},
		Feed: feedSet{Name: text(setName(m.Source))},
	}
	var h hashSet
	for _, e := range m.Evidence {
		switch e.Term {
		case "FileItem/Md5sum":
			h.MD5 = text(string(e.Data))
		case "FileItem/Sha1sum":
			h.SHA1 = text(string(e.Data))
		case "FileItem/Sha256sum":
			h.SHA256 = text(string(e.Data))
		}
	}
	if h != (hashSet{}) {
		t.Indicator.File = &indicatorFile{h}
	}
	return t
}

// metaValue returns the first meta entry of m whose key is one of keys, in the order of keys.
func metaValue(m *finding.Match, keys ...string) string {
	for _, key := range keys {
		for _, meta := range m.Meta {
			if strings.EqualFold(meta.Key, key) {
				return fmt.Sprint(meta.Value)
			}
		}
	}
	return ""
}

// setName returns the name of the file that a rule or indicator came from, without folder and
// extension.
func setName(source string) string {
	_, name, ext := splitPath(source, true)
	if ext == "" {
		return name
	}
	return name[:len(name)-len(ext)-1]
}

// text returns s as valid UTF-8. If it is that already, it stays as it is; otherwise each byte
// that is not part of a character becomes \xNN and each backslash is doubled, so that the
// original can be told from the result.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			writeHex(&b, s[i])
		case r == '\\':
			b.WriteString(`\\`)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

func texts(list []string) []string {
	if list == nil {
		return nil
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = text(s)
	}
	return out
}

// exact returns the bytes of s in base64 if text would not keep them, else "".
func exact(s string) string {
	if utf8.ValidString(s) {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(s))
}

// stamp returns t in UTC, or the zero time if RFC 3339 cannot write it.
func stamp(t time.Time) time.Time {
	t = t.UTC().Round(0) // without the monotonic clock, which is not written
	if year := t.Year(); year < 1 || year > 9999 {
		return time.Time{}
	}
	return t
}

// finite returns f, or 0 for what JSON cannot write.
func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}
