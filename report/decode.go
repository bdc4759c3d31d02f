package report

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"tyto/finding"
)

// parseLine returns the event that a line tells.
func parseLine(b []byte) (Event, error) {
	var l line
	if err := json.Unmarshal(b, &l); err != nil {
		return Event{}, err
	}
	switch {
	case l.Tyto.Format > Format:
		return Event{}, fmt.Errorf("written in format %d by Tyto %q, but this Tyto reads up to format %d: use a newer one",
			l.Tyto.Format, l.Observer.Version, Format)
	case l.Tyto.Format < 1:
		return Event{}, errors.New("not a line of a Tyto report: tyto.format is missing")
	}
	if err := l.checkNames(); err != nil {
		return Event{}, err
	}
	e := Event{Run: l.run()}
	var err error
	switch l.Event.Action {
	case actionStart:
		e.Run.Started = l.Timestamp
	case actionFinding:
		e.Finding, err = l.finding()
	case actionSkip:
		e.Skip, err = l.skip()
	case actionSummary:
		e.Run.Started = l.Event.Start
		e.Summary, err = l.summary()
	default:
		err = fmt.Errorf("event.action %q is not known", l.Event.Action)
	}
	if err != nil {
		return Event{}, err
	}
	return e, nil
}

// maxName is how long, in bytes, the texts may be that name a run and its host. They are kept for each run
// of a report, of which there may be ten thousand.
const maxName = 2 << 10

// names returns the texts that name the run and its host.
func (l *line) names() []*string {
	h := &l.Host
	return []*string{&l.Tyto.Run, &l.Observer.Version, &h.Name, &h.ID, &h.Architecture,
		&h.OS.Type, &h.OS.Name, &h.OS.Version, &h.OS.Kernel}
}

// checkNames makes sure that the names are no longer than those that are written.
func (l *line) checkNames() error {
	for _, name := range l.names() {
		if len(*name) > maxName {
			return fmt.Errorf("the name of the run, its host or its version is longer than %d bytes", maxName)
		}
	}
	return nil
}

// run returns what each line tells of its run, and for start and summary lines more.
func (l *line) run() Run {
	r := Run{
		ID:      l.Tyto.Run,
		Version: l.Observer.Version,
		Host: Host{
			Name: l.Host.Name, ID: l.Host.ID, Architecture: l.Host.Architecture,
			OS: OS(l.Host.OS),
		},
	}
	if s := l.Tyto.Scan; s != nil {
		r.Paths, r.Command = s.Paths, s.Command
		r.Rules, r.Indicators = finding.SetSummary(s.Rules), finding.SetSummary(s.Indicators)
	}
	return r
}

func (l *line) finding() (*finding.Finding, error) {
	level, err := finding.ParseLevel(l.Tyto.Level)
	if err != nil {
		return nil, fmt.Errorf("tyto.level: %w", err)
	}
	f := &finding.Finding{Time: l.Timestamp, Level: level}
	if l.Tyto.Score != nil {
		f.Score = *l.Tyto.Score
	}
	if f.Object, err = l.object(); err != nil {
		return nil, err
	}
	for i := range l.Tyto.Matches {
		m, err := l.Tyto.Matches[i].match()
		if err != nil {
			return nil, fmt.Errorf("tyto.matches[%d]: %w", i, err)
		}
		f.Matches = append(f.Matches, m)
	}
	return f, nil
}

func (l *line) object() (finding.Object, error) {
	if l.File == nil {
		return finding.Object{}, errors.New("file is missing")
	}
	file := l.File
	o := finding.Object{
		Owner: file.Owner, Group: file.Group,
		Modified: file.Mtime, Accessed: file.Accessed, Changed: file.Ctime, Created: file.Created,
		Hashes: finding.Hashes(file.Hash),
	}
	if file.Size != nil {
		o.Size = *file.Size
	}
	var errs [5]error
	o.Path, errs[0] = exactText(file.Path, l.Tyto.PathBase64)
	o.OriginalPath, errs[1] = exactText(l.Tyto.OriginalPath, l.Tyto.OriginalPathBase64)
	o.Mode, errs[2] = parseMode(file.Mode, file.Type)
	o.Device, errs[3] = parseNumber("file.device", file.Device)
	o.Inode, errs[4] = parseNumber("file.inode", file.Inode)
	if err := errors.Join(errs[:]...); err != nil {
		return finding.Object{}, err
	}
	if x := l.Tyto.Object; x != nil {
		o.Kind, o.Type = finding.ObjectKind(x.Kind), x.Type
		o.Links, o.Attributes = x.Links, x.Attributes
		o.Via, o.Deleted = x.Via, x.Deleted
		for name, to := range map[string]*time.Time{
			"mtime": &o.Modified, "accessed": &o.Accessed, "ctime": &o.Changed, "created": &o.Created,
		} {
			if seconds, err := strconv.ParseInt(x.OddTimes[name], 10, 64); err == nil {
				*to = time.Unix(seconds, 0).UTC()
			}
		}
	}
	return o, nil
}

func (m *matchLine) match() (finding.Match, error) {
	out := finding.Match{
		Kind: finding.MatchKind(m.Kind), Name: m.Name, ID: m.ID, Source: m.Source, Line: m.Line,
		Description: m.Description, Score: m.Score, Tags: m.Tags, Cut: m.Cut,
	}
	for _, meta := range m.Meta {
		value, err := meta.value()
		if err != nil {
			return finding.Match{}, err
		}
		out.Meta = append(out.Meta, finding.Meta{Key: meta.Key, Value: value})
	}
	for _, e := range m.Evidence {
		data, err := hex.DecodeString(e.Hex)
		if err != nil {
			return finding.Match{}, fmt.Errorf("evidence: hex: %w", err)
		}
		x := finding.Evidence{Term: e.Term, Expected: e.Expected, Offset: -1, Length: e.Length, Data: data}
		if e.Offset != nil {
			x.Offset = *e.Offset
		}
		out.Evidence = append(out.Evidence, x)
	}
	return out, nil
}

func (m metaLine) value() (any, error) {
	switch m.Type {
	case "":
		return m.Value, nil
	case "integer":
		n, err := strconv.ParseInt(m.Value, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("meta %q: %q is not an integer", m.Key, m.Value)
		}
		return n, nil
	case "boolean":
		return m.Value == "true", nil
	}
	return nil, fmt.Errorf("meta %q: type %q is not known", m.Key, m.Type)
}

func (l *line) skip() (*finding.Skip, error) {
	if l.Tyto.Skip == nil || l.File == nil {
		return nil, errors.New("file or tyto.skip is missing")
	}
	path, err := exactText(l.File.Path, l.Tyto.PathBase64)
	if err != nil {
		return nil, err
	}
	return &finding.Skip{Path: path, Reason: finding.Reason(l.Tyto.Skip.Reason), Detail: l.Tyto.Skip.Detail}, nil
}

func (l *line) summary() (*finding.Summary, error) {
	x := l.Tyto.Summary
	if x == nil {
		return nil, errors.New("tyto.summary is missing")
	}
	s := &finding.Summary{
		Host: l.Host.Name, Version: l.Observer.Version,
		Started: l.Event.Start, Finished: l.Event.End, Active: time.Duration(x.Active),
		Objects: x.Objects, Files: x.Files, Bytes: x.Bytes,
		BelowThreshold: x.BelowThreshold, Trusted: x.Trusted, Recalled: x.Recalled, Gone: x.Gone,
		Stopped: x.Stopped, Confinement: x.Confinement,
	}
	if scan := l.Tyto.Scan; scan != nil {
		s.Paths, s.Command = scan.Paths, scan.Command
		s.Rules, s.Indicators = finding.SetSummary(scan.Rules), finding.SetSummary(scan.Indicators)
	}
	if x.Threshold != "" {
		var err error
		if s.Threshold, err = finding.ParseLevel(x.Threshold); err != nil {
			return nil, fmt.Errorf("tyto.summary.threshold: %w", err)
		}
	}
	for name, n := range x.Findings {
		level, err := finding.ParseLevel(name)
		if err != nil {
			return nil, fmt.Errorf("tyto.summary.findings: %w", err)
		}
		if s.Findings == nil {
			s.Findings = map[finding.Level]int64{}
		}
		s.Findings[level] = n
	}
	for _, p := range x.Problems {
		s.Problems = append(s.Problems, finding.Problem(p))
	}
	for _, c := range x.Skips {
		if s.Skips == nil {
			s.Skips = map[finding.Reason]finding.SkipCount{}
		}
		count := finding.SkipCount{Count: c.Count}
		for _, example := range c.Examples {
			path, err := exactText(example.Path, example.PathBase64)
			if err != nil {
				return nil, fmt.Errorf("tyto.summary.skips: %w", err)
			}
			count.Examples = append(count.Examples,
				finding.Skip{Path: path, Reason: finding.Reason(c.Reason), Detail: example.Detail})
		}
		s.Skips[finding.Reason(c.Reason)] = count
	}
	return s, nil
}

// exactText returns the bytes in base64 where there are any, else text.
func exactText(text, encoded string) (string, error) {
	if encoded == "" {
		return text, nil
	}
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", fmt.Errorf("base64 of path %q: %w", text, err)
	}
	return string(b), nil
}

func parseNumber(field, s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %q is not a number", field, s)
	}
	return n, nil
}
