package scheduler

import (
	"fmt"
	"iter"
	"strings"
	"time"
)

// window is a daily span of civil time, the start included, the end not. It crosses midnight if the
// end is before the start.
type window struct {
	from, to time.Duration // since midnight
	zone     *time.Location
}

// parseWindow parses "20:00-07:00".
func parseWindow(text string, zone *time.Location) (*window, error) {
	from, to, ok := strings.Cut(text, "-")
	if !ok {
		return nil, fmt.Errorf(`%q is no span of hours: write it as "20:00-07:00"`, text)
	}
	w := &window{zone: zone}
	var err error
	if w.from, err = timeOfDay(strings.TrimSpace(from)); err != nil {
		return nil, err
	}
	if w.to, err = timeOfDay(strings.TrimSpace(to)); err != nil {
		return nil, err
	}
	if w.from == w.to || w.from == day {
		return nil, fmt.Errorf("%q begins where it ends: leave it out for the whole day", text)
	}
	return w, nil
}

const day = 24 * time.Hour

// timeOfDay parses "07:30"; "24:00" is the end of the day.
func timeOfDay(text string) (time.Duration, error) {
	if text == "24:00" {
		return day, nil
	}
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, fmt.Errorf("%q is no time of day: write it as 07:30", text)
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}

// open reports whether t is inside.
func (w *window) open(t time.Time) bool {
	for start, end := range w.around(t) {
		if !t.Before(start) && t.Before(end) {
			return true
		}
	}
	return false
}

// change returns the next moment after t at which a span begins or ends.
func (w *window) change(t time.Time) (next time.Time) {
	for start, end := range w.around(t) {
		for _, at := range []time.Time{start, end} {
			if at.After(t) && (next.IsZero() || at.Before(next)) {
				next = at
			}
		}
	}
	return next
}

// opens returns when it is next open, t itself included.
func (w *window) opens(t time.Time) time.Time {
	for !w.open(t) { // it opens every day, or the day after the clock was turned past it
		t = w.change(t)
	}
	return t
}

// around yields the spans that may hold t, and the next. One that falls into a gap of the clock is empty.
func (w *window) around(t time.Time) iter.Seq2[time.Time, time.Time] {
	midnight := civil(t, w.zone).Truncate(day)
	return func(yield func(start, end time.Time) bool) {
		for _, days := range []time.Duration{-2, -1, 0, 1, 2} {
			start, end := midnight.Add(days*day+w.from), midnight.Add(days*day+w.to)
			if w.to < w.from {
				end = end.Add(day)
			}
			if !yield(instant(start, w.zone), instant(end, w.zone)) {
				return
			}
		}
	}
}
