package scheduler

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/robfig/cron/v3"
)

const clockFormat = "2006-01-02 15:04 MST"

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// at parses a time of a zone; one that the clock shows twice is the first.
func at(t testing.TB, text, name string) time.Time {
	t.Helper()
	c, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		t.Fatal(err)
	}
	return instant(c, zone(t, name))
}

func TestScheduleWhenTheClockIsTurned(t *testing.T) {
	tests := []struct {
		name, cron, zone, from string
		want                   []string
	}{
		{"skipped in spring: at the end of the gap", "30 2 * * *", "Europe/Berlin", "2026-03-28 00:00",
			[]string{"2026-03-28 02:30 CET", "2026-03-29 03:00 CEST", "2026-03-30 02:30 CEST"}},
		{"all of the gap at its end, once", "*/15 * * * *", "Europe/Berlin", "2026-03-29 01:30",
			[]string{"2026-03-29 01:45 CET", "2026-03-29 03:00 CEST", "2026-03-29 03:15 CEST"}},
		{"repeated in autumn: the first time only", "30 2 * * *", "Europe/Berlin", "2026-10-24 12:00",
			[]string{"2026-10-25 02:30 CEST", "2026-10-26 02:30 CET"}},
		{"hourly in autumn: each hour of the clock once", "0 * * * *", "Europe/Berlin", "2026-10-25 01:30",
			[]string{"2026-10-25 02:00 CEST", "2026-10-25 03:00 CET"}},
		{"midnight that does not exist", "@daily", "America/Sao_Paulo", "2017-10-14 12:00",
			[]string{"2017-10-15 01:00 -02", "2017-10-16 00:00 -02"}},
		{"half an hour", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04 12:00",
			[]string{"2026-04-05 01:45 +11", "2026-04-06 01:45 +1030"}},
		{"a day that does not exist", "0 12 * * *", "Pacific/Apia", "2011-12-29 00:00",
			[]string{"2011-12-29 12:00 -10", "2011-12-31 00:00 +14", "2011-12-31 12:00 +14"}},
		{"elapsed time knows no clock", "@every 6h", "Europe/Berlin", "2026-03-28 22:00",
			[]string{"2026-03-29 00:00 CET", "2026-03-29 07:00 CEST", "2026-03-29 13:00 CEST"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			z := zone(t, test.zone)
			s, err := parseCron(test.cron, z, at(t, "2026-01-01 00:00", test.zone))
			if err != nil {
				t.Fatal(err)
			}
			now := at(t, test.from, test.zone)
			var got []string
			for range test.want {
				now = s.next(now)
				got = append(got, now.In(z).Format(clockFormat))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("times (-want +got):\n%s", diff)
			}
		})
	}
}

// The oracle watches a clock on the wall minute by minute. A minute that it shows for the first time
// happens, and so do those that it jumped over.
func TestScheduleAgainstAClockOnTheWall(t *testing.T) {
	for _, z := range []struct{ name, from string }{
		{"Europe/Berlin", "2026-03-28 20:00"}, {"Europe/Berlin", "2026-10-24 20:00"},
		{"America/New_York", "2026-03-07 20:00"}, {"America/New_York", "2026-10-31 20:00"},
		{"Australia/Lord_Howe", "2026-04-04 20:00"}, {"Australia/Lord_Howe", "2026-10-03 20:00"},
		{"America/Sao_Paulo", "2017-10-14 20:00"}, {"America/Sao_Paulo", "2018-02-17 20:00"},
		{"Pacific/Apia", "2011-12-29 20:00"}, {"Africa/Casablanca", "2026-02-14 20:00"},
		{"America/St_Johns", "2006-04-01 20:00"}, {"America/St_Johns", "2006-10-28 20:00"},
	} {
		for _, expression := range []string{"* * * * *", "*/15 * * * *", "30 2 * * *", "0 0 * * *", "1 0 * * *", "59 23,0-3 * * *", "5 1,2,3 * * 0,6", "@hourly"} {
			t.Run(strings.NewReplacer("/", "_", " ", "_", "*", "x", ",", "_").Replace(strings.ToLower(z.name+" "+z.from[:7]+" "+expression)), func(t *testing.T) {
				location := zone(t, z.name)
				s, err := parseCron(expression, location, time.Time{})
				if err != nil {
					t.Fatal(err)
				}
				from := at(t, z.from, z.name)
				until := from.Add(36 * time.Hour)
				var got []time.Time
				for next := s.next(from); !next.After(until); next = s.next(next) {
					got = append(got, next)
				}
				if diff := cmp.Diff(watch(t, expression, location, from, until), got); diff != "" {
					t.Errorf("times (-clock +got):\n%s", diff)
				}
			})
		}
	}
}

func watch(t *testing.T, expression string, z *time.Location, from, until time.Time) (due []time.Time) {
	t.Helper()
	spec, err := cron.ParseStandard("TZ=UTC " + expression)
	if err != nil {
		t.Fatal(err)
	}
	face := func(now time.Time) time.Time {
		l := now.In(z)
		return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), 0, 0, time.UTC)
	}
	shown := face(from)
	for now := from.Add(time.Minute); !now.After(until); now = now.Add(time.Minute) {
		happens := false
		for shown.Before(face(now)) {
			shown = shown.Add(time.Minute)
			happens = happens || spec.Next(shown.Add(-time.Minute)).Equal(shown)
		}
		if happens {
			due = append(due, now)
		}
	}
	return due
}

// latest must find what counting through all times finds.
func TestLatest(t *testing.T) {
	s, err := parseCron("7 */5 * * 1-5", zone(t, "Europe/Berlin"), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	since := at(t, "2026-03-20 00:00", "Europe/Berlin")
	var last time.Time
	next, n := s.next(since), 0
	for now := since; now.Before(since.Add(20 * day)); now = now.Add(17 * time.Minute) {
		for !next.After(now) {
			last, next, n = next, s.next(next), n+1
		}
		if got := latest(s, since, now); !got.Equal(last) {
			t.Fatalf("latest before %v is %v, want %v", now, got, last)
		}
		if got := count(s, since, now); got != n {
			t.Fatalf("count before %v is %d, want %d", now, got, n)
		}
	}
}

func TestCronErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"seconds", "0 30 2 * * *", "expected exactly 5 fields"},
		{"empty", "", "no cron expression"},
		{"zone", "TZ=Europe/Berlin 0 2 * * *", "set time_zone instead"},
		{"zone alone, where the library panics", "CRON_TZ=UTC", "set time_zone instead"},
		{"reboot", "@reboot", "at_start: true"},
		{"30 february", "0 2 30 2 *", "never happens"},
		{"empty field", ", * * * *", "never happens"},
		{"too often", "@every 1s", "the least is @every 1m"},
		{"hour 24", "0 24 * * *", "above maximum"},
		{"too long", strings.Repeat("0,", 200) + "0 * * * *", "longer than"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := parseCron(test.text, time.UTC, time.Time{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("parseCron(%q): %v, want an error with %q", test.text, err, test.want)
			}
		})
	}
}

func FuzzParseCron(f *testing.F) {
	for _, seed := range []string{"30 2 * * 6", "@every 6h", "@daily", "*/5 1-3,7 * jan-mar mon", "TZ=", "1-2-3 * * * *", "*/99999999999 * * * *"} {
		f.Add(seed)
	}
	z := zone(f, "Europe/Berlin")
	from := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseCron(text, z, from)
		if err != nil {
			return
		}
		last := from
		for range 5 {
			next := s.next(last)
			if next.IsZero() {
				return
			}
			if !next.After(last) {
				t.Fatalf("%q: %v follows %v", text, next, last)
			}
			last = next
		}
	})
}

func TestWindow(t *testing.T) {
	tests := []struct {
		name, hours, zone, now string
		open                   bool
		change, opens          string
	}{
		{"by day before", "09:00-17:00", "UTC", "2026-06-01 08:59", false, "2026-06-01 09:00", "2026-06-01 09:00"},
		{"by day inside", "09:00-17:00", "UTC", "2026-06-01 09:00", true, "2026-06-01 17:00", "2026-06-01 09:00"},
		{"by day after", "09:00-17:00", "UTC", "2026-06-01 17:00", false, "2026-06-02 09:00", "2026-06-02 09:00"},
		{"over midnight in the evening", "20:00-07:00", "UTC", "2026-06-01 23:00", true, "2026-06-02 07:00", "2026-06-01 23:00"},
		{"over midnight in the morning", "20:00-07:00", "UTC", "2026-06-01 06:59", true, "2026-06-01 07:00", "2026-06-01 06:59"},
		{"over midnight by day", "20:00-07:00", "UTC", "2026-06-01 07:00", false, "2026-06-01 20:00", "2026-06-01 20:00"},
		{"to the end of the day", "20:00-24:00", "UTC", "2026-06-01 21:00", true, "2026-06-02 00:00", "2026-06-01 21:00"},
		{"all of it in the gap", "02:10-02:50", "Europe/Berlin", "2026-03-29 01:00", false, "2026-03-29 03:00", "2026-03-30 02:10"},
		{"ends in the gap", "00:00-02:30", "Europe/Berlin", "2026-03-29 01:59", true, "2026-03-29 03:00", "2026-03-29 01:59"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w, err := parseWindow(test.hours, zone(t, test.zone))
			if err != nil {
				t.Fatal(err)
			}
			now := at(t, test.now, test.zone)
			if got := w.open(now); got != test.open {
				t.Errorf("open: %v, want %v", got, test.open)
			}
			if got, want := w.change(now), at(t, test.change, test.zone); !got.Equal(want) {
				t.Errorf("changes at %v, want %v", got, want)
			}
			if got, want := w.opens(now), at(t, test.opens, test.zone); !got.Equal(want) {
				t.Errorf("opens at %v, want %v", got, want)
			}
		})
	}
	for _, bad := range []string{"", "20:00", "20-7", "25:00-07:00", "07:00-07:00", "24:00-07:00", "07:00-08:00-09:00"} {
		if _, err := parseWindow(bad, time.UTC); err == nil {
			t.Errorf("parseWindow(%q) took it", bad)
		}
	}
}

// A window never changes between two of its changes.
func TestWindowChangesWhereItSays(t *testing.T) {
	for _, hours := range []string{"02:10-02:50", "20:00-07:00", "02:30-05:00", "22:00-02:30", "00:00-24:00"} {
		t.Run(strings.NewReplacer(":", "", "-", "_").Replace(hours), func(t *testing.T) {
			w, err := parseWindow(hours, zone(t, "Europe/Berlin"))
			if err != nil {
				t.Fatal(err)
			}
			for _, from := range []string{"2026-03-28 12:00", "2026-10-24 12:00"} {
				now := at(t, from, "Europe/Berlin")
				next, open := w.change(now), w.open(now)
				for end := now.Add(2 * day); now.Before(end); now = now.Add(time.Minute) {
					if !now.Before(next) {
						next, open = w.change(now), w.open(now)
					}
					if w.open(now) != open {
						t.Fatalf("at %v it is %v, without a change since it was %v", now, !open, open)
					}
				}
			}
		})
	}
}
