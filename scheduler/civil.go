package scheduler

import "time"

// Times of day are civil time: what a clock on the wall shows. Twice a year that clock is turned, and
// then a civil time does not exist (it is turned forward) or exists twice (it is turned back). All
// that this package does with times of day goes through the two functions here, so it has one
// answer everywhere: each civil time happens once; one that does not exist happens when the
// clock is turned, and one that exists twice happens the first time.
//
// A civil time is kept as a [time.Time] in UTC, where every civil time exists once and arithmetic
// is plain.

// civil returns what the clock on the wall shows at t.
func civil(t time.Time, zone *time.Location) time.Time {
	_, offset := t.In(zone).Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// No zone is further than 14 hours east or 12 hours west of UTC, now or in the past; a day has
// been skipped as a whole (Samoa, 2011), so the instants looked at must lie further away still.
const (
	mostEast = 15 * time.Hour
	mostWest = 13 * time.Hour
)

// instant returns the moment at which the clock on the wall first shows c, or the moment at which it
// is turned past c.
func instant(c time.Time, zone *time.Location) time.Time {
	_, before := c.Add(-mostEast).In(zone).Zone()
	_, after := c.Add(mostWest).In(zone).Zone()
	early := c.Add(-time.Duration(max(before, after)) * time.Second)
	late := c.Add(-time.Duration(min(before, after)) * time.Second)
	for _, t := range []time.Time{early, late} {
		if civil(t, zone).Equal(c) {
			return t
		}
	}
	turned, _ := late.In(zone).ZoneBounds()
	return turned.UTC()
}
