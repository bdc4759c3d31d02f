package scheduler

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// A schedule yields the times at which a task is due. They ascend strictly.
type schedule interface {
	// next returns the first time after t, or the zero time if there is none.
	next(t time.Time) time.Time
}

// onCron is a cron expression. robfig/cron's own handling of zones leaves out what falls into the
// spring gap and repeats what falls into the repeated hour of autumn, so it is only asked about civil
// time, as if that were UTC; package time then says when that is.
type onCron struct {
	spec cron.Schedule
	zone *time.Location
}

func (s onCron) next(t time.Time) time.Time {
	c := civil(t, s.zone)
	for {
		c = s.spec.Next(c)
		if c.IsZero() {
			return time.Time{}
		}
		// In the repeated hour the clock shows times that happened already, and all that a gap
		// swallows happens at one moment.
		if at := instant(c, s.zone); at.After(t) {
			return at
		}
	}
}

// onEvery is "@every 6h": a time that does not depend on the clock on the wall. It counts from when
// the task was created, so that a restart does not begin anew.
type onEvery struct {
	anchor time.Time
	period time.Duration
}

func (s onEvery) next(t time.Time) time.Time {
	gone := t.Sub(s.anchor)
	n := gone / s.period
	if gone < 0 && gone%s.period != 0 {
		n-- // division rounds towards zero
	}
	return s.anchor.Add((n + 1) * s.period)
}

// onDate is a single time.
type onDate time.Time

func (s onDate) next(t time.Time) time.Time {
	if at := time.Time(s); at.After(t) {
		return at
	}
	return time.Time{}
}

// anyOf is due whenever one of several schedules is.
type anyOf []schedule

func (s anyOf) next(t time.Time) (first time.Time) {
	for _, one := range s {
		if at := one.next(t); !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// latest returns the last time after since and not after now, or the zero time. It halves the span
// instead of counting through it: a machine may have been off for years.
func latest(s schedule, since, now time.Time) time.Time {
	due := func(t time.Time) bool { at := s.next(t); return !at.IsZero() && !at.After(now) }
	if !due(since) {
		return time.Time{}
	}
	low, high := since, now // due(low), not due(high)
	for high.Sub(low) > time.Second {
		if middle := low.Add(high.Sub(low) / 2); due(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return s.next(low)
}

// mostCounted bounds how far missed occurrences are counted; nobody cares whether it was more.
const mostCounted = 1000

// count returns how many times there are after since and not after until, at most mostCounted.
func count(s schedule, since, until time.Time) (n int) {
	for at := s.next(since); !at.IsZero() && !at.After(until) && n < mostCounted; at = s.next(at) {
		n++
	}
	return n
}

const (
	longestExpression = 200
	shortestPeriod    = time.Minute
)

// parseCron compiles one cron expression: five fields (minute, hour, day of month, month, day of
// week) or one of @yearly, @monthly, @weekly, @daily, @hourly and "@every 6h". See crontab(5).
// anchor is where "@every" counts from.
func parseCron(text string, zone *time.Location, anchor time.Time) (schedule, error) {
	switch {
	case len(text) > longestExpression:
		return nil, fmt.Errorf("is longer than %d characters", longestExpression)
	case strings.Contains(text, "TZ="):
		// The library would take it, and panics where no space follows.
		return nil, fmt.Errorf("%q names a time zone: set time_zone instead", text)
	case strings.TrimSpace(text) == "@reboot":
		return nil, errors.New("@reboot is written at_start: true")
	}
	spec, err := cron.ParseStandard(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf(`%q is no cron expression (minute hour day month weekday, such as "30 2 * * 6", or @daily): %w`, text, err)
	}
	if every, ok := spec.(cron.ConstantDelaySchedule); ok {
		if every.Delay < shortestPeriod {
			return nil, fmt.Errorf("%q is too often: the least is @every 1m", text)
		}
		return onEvery{anchor.Truncate(time.Second), every.Delay}, nil
	}
	specified, ok := spec.(*cron.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("%q is of an unknown kind (%T)", text, spec)
	}
	specified.Location = time.UTC
	s := onCron{specified, zone}
	if s.next(anyYear).IsZero() {
		return nil, fmt.Errorf("%q never happens: no month has that day, or a field is empty", text)
	}
	return s, nil
}

// anyYear begins a span of five years, which is how far the library looks, with a 29 February.
var anyYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
