package scheduler

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tyto/scanner/walk"
)

// CheckError is all that is wrong with a task. [Task.Check] returns it.
type CheckError struct {
	Task     string // its ID, as it was written
	Problems []Problem
}

// Problem is one field of a task that cannot be used.
type Problem struct {
	Field string // such as "while.hours" or "scope.paths[2]"
	Text  string // what is wrong and what to write instead
}

// Error lists all problems, one in a line.
func (e *CheckError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "task %q cannot be used:", e.Task)
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "\n  %s: %s", p.Field, p.Text)
	}
	return b.String()
}

// Limits on tasks, which may come from a file or a client that means harm.
const (
	longestID     = 64
	longestText   = 4096 // of one string
	mostEntries   = 1000 // of one list
	mostSchedules = 20
	longestDelay  = Duration(day)
	highestCPU    = 100 * 1024 // percent
)

// Check returns a *[CheckError] with all that is wrong with the task, or nil.
func (t *Task) Check() error {
	_, err := t.plan(anyYear, time.Local)
	return err
}

// plan compiles the task's texts. created is where "@every" counts from, local the machine's zone.
func (t *Task) plan(created time.Time, local *time.Location) (*plan, error) {
	c := &checker{}
	c.identity(t)
	c.scope(&t.Scope)
	c.texts("rules", t.Rules)
	c.texts("indicators", t.Indicators)
	c.actions(&t.Actions)
	c.durations(t)
	p := c.times(t, created, local)
	if len(c.problems) > 0 {
		return nil, &CheckError{t.ID, c.problems}
	}
	d := t.WithDefaults()
	p.idleOverride = span(d.While.IdleOverride)
	p.maxDuration = span(d.While.MaxDuration)
	p.randomDelay = span(d.When.RandomDelay)
	p.startDelay = span(d.When.StartDelay)
	p.expireAfter = span(d.ExpireAfter)
	p.keepResults = span(d.KeepResults)
	p.definition = t.definition()
	return p, nil
}

// checker gathers problems, so that a person learns of all at once.
type checker struct{ problems []Problem }

func (c *checker) add(field, format string, args ...any) {
	c.problems = append(c.problems, Problem{field, fmt.Sprintf(format, args...)})
}

func (c *checker) identity(t *Task) {
	switch {
	case t.ID == "":
		c.add("id", "is missing: give the task a short name of small letters, digits and hyphens, such as weekly-scan")
	case !slug(t.ID):
		c.add("id", "%q must be at most %d small letters, digits and hyphens, a letter or digit first", t.ID, longestID)
	}
	c.text("name", t.Name)
	c.text("description", t.Description)
}

func slug(s string) bool {
	for i, r := range s {
		if !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' && i > 0) {
			return false
		}
	}
	return len(s) <= longestID
}

func (c *checker) text(field, s string) {
	switch {
	case len(s) > longestText:
		c.add(field, "is longer than %d bytes", longestText)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		c.add(field, "%q holds control characters", s)
	}
}

func (c *checker) texts(field string, list []string) {
	if len(list) > mostEntries {
		c.add(field, "has more than %d entries", mostEntries)
		return
	}
	for i, s := range list {
		name := fmt.Sprintf("%s[%d]", field, i)
		if s == "" {
			c.add(name, "is empty: remove it")
		}
		c.text(name, s)
	}
}

func (c *checker) scope(s *Scope) {
	if len(s.Areas) == 0 && len(s.Paths) == 0 {
		c.add("scope", "selects nothing: name paths, or areas (%s, %s, %s)", Computer, SystemDrives, Critical)
	}
	for i, a := range s.Areas {
		if !slices.Contains([]Area{Computer, SystemDrives, Critical}, a) {
			c.add(fmt.Sprintf("scope.areas[%d]", i), "%q is no area: use %s, %s or %s; folders go into scope.paths", a, Computer, SystemDrives, Critical)
		}
		if i >= 2 && slices.Contains(s.Areas[:i], a) {
			c.add(fmt.Sprintf("scope.areas[%d]", i), "%q is there twice", a)
			break // also what bounds the list
		}
	}
	c.texts("scope.paths", s.Paths)
	for i, p := range s.Paths {
		if p != "" && !filepath.IsAbs(p) {
			c.add(fmt.Sprintf("scope.paths[%d]", i), "%q is relative, and the agent has no current folder: write the whole path", p)
		}
	}
	c.texts("scope.exclude", s.Exclude)
	for i, p := range s.Exclude {
		if _, err := walk.ParsePattern(p); err != nil && p != "" {
			c.add(fmt.Sprintf("scope.exclude[%d]", i), "%v", err)
		}
	}
	if s.MaxSize < Unlimited {
		c.add("scope.max_size", "cannot be negative")
	}
}

func (c *checker) actions(a *Actions) {
	if a.ReportOnly && (a.Quarantine || a.ScanCritical || len(a.Command) > 0 || a.DryRun) {
		c.add("actions.report_only", "stands alone: leave out the other actions, or this")
	}
	c.texts("actions.command", a.Command)
	if len(a.Command) > 0 && a.Command[0] != "" && !filepath.IsAbs(a.Command[0]) {
		c.add("actions.command", "%q is relative: name the program by its whole path, so that no other of that name is run", a.Command[0])
	}
}

// durations holds each span to its field's range.
func (c *checker) durations(t *Task) {
	for _, f := range []struct {
		name        string
		value       Duration
		least, most Duration
		never       bool // "never" makes sense
	}{
		{"when.start_delay", t.When.StartDelay, 0, longestDelay, false},
		{"when.random_delay", t.When.RandomDelay, 0, longestDelay, false},
		{"while.idle_override", t.While.IdleOverride, Duration(time.Hour), Duration(longestDuration), true},
		{"while.max_duration", t.While.MaxDuration, Duration(time.Minute), Duration(longestDuration), true},
		{"expire_after", t.ExpireAfter, Duration(time.Hour), Duration(longestDuration), true},
		{"keep_results", t.KeepResults, Duration(time.Hour), Duration(longestDuration), true},
	} {
		switch {
		case f.value == 0 || f.value == Never && f.never:
		case f.value == Never:
			c.add(f.name, "cannot be never: leave it out")
		case f.value < f.least || f.value > f.most:
			c.add(f.name, "%v is out of range: from %v to %v", f.value, f.least, f.most)
		}
	}
	if t.When.StartDelay > 0 && !t.When.AtStart {
		c.add("when.start_delay", "has no effect without at_start: true")
	}
	if t.While.IdleOverride != 0 && !t.While.Idle {
		c.add("while.idle_override", "has no effect without idle: true")
	}
	if limit := t.While.CPULimit; limit != 0 && !(limit >= 1 && limit <= highestCPU) { // not "<", because of NaN
		c.add("while.cpu_limit", "%g is out of range: it is in percent of one core, at least 1; leave it out for no limit", limit)
	}
}

// times compiles what depends on clocks and zones.
func (c *checker) times(t *Task, created time.Time, local *time.Location) *plan {
	zone := c.zone(t.When.TimeZone, local)
	var due anyOf
	if len(t.When.Schedule) > mostSchedules {
		c.add("when.schedule", "has more than %d expressions", mostSchedules)
	} else {
		for i, text := range t.When.Schedule {
			s, err := parseCron(text, zone, created)
			if err != nil {
				c.add(fmt.Sprintf("when.schedule[%d]", i), "%v", err)
				continue
			}
			due = append(due, s)
		}
	}
	if t.When.Once != "" {
		at, err := parseOnce(t.When.Once, zone)
		if err != nil {
			c.add("when.once", "%v", err)
		}
		due = append(due, onDate(at))
	}
	p := &plan{due: due}
	if t.While.Hours != "" {
		hours, err := parseWindow(t.While.Hours, zone)
		if err != nil {
			c.add("while.hours", "%v", err)
		}
		p.hours = hours
	}
	return p
}

func (c *checker) zone(name string, local *time.Location) *time.Location {
	if name == "" {
		return local
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" || len(name) > longestID {
		c.add("when.time_zone", "%q is unknown: use an IANA name such as Europe/Berlin or UTC, or leave it out for the machine's own", name)
		return time.UTC
	}
	return zone
}

// parseOnce parses a single time, civil if it names no offset.
func parseOnce(text string, zone *time.Location) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05"} {
		if c, err := time.Parse(layout, text); err == nil {
			return instant(c, zone), nil
		}
	}
	return time.Time{}, fmt.Errorf(`%q is no time: write it as "2026-12-01 02:00" or 2026-12-01T02:00:00Z`, text)
}
