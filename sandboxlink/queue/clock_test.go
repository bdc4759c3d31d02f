package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// jumping is a computer's clock that somebody sets. In a bubble of synctest, time itself goes on as it should.
type jumping struct{ set atomic.Int64 } // by so many nanoseconds

func (j *jumping) now() time.Time { return time.Now().Add(time.Duration(j.set.Load())).Round(0) } // without the monotonic part

// after returns when, from now, Next gives an object.
func after(t *testing.T, q *Queue) (time.Duration, *Item) {
	t.Helper()
	begun := time.Now()
	item := next(t, q)
	return time.Since(begun), item
}

func TestNextWaits(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(*Queue) // an hour after Next was called
		hold time.Duration
		want time.Duration
		err  error
	}{
		{"until an object is due", func(*Queue) {}, 7 * time.Minute, 7 * time.Minute, nil},
		{"until everything is to be tried", (*Queue).Flush, 3 * time.Hour, time.Hour, nil},
		{"until the queue is closed", func(q *Queue) { _ = q.Close() }, 3 * time.Hour, time.Hour, ErrClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, _ := open(t, folder(t), Options{MaxWait: 10 * time.Hour})
				add(t, q, "content", 0)
				item := next(t, q)
				if err := item.Update(State{NotBefore: time.Now().Add(test.hold)}); err != nil {
					t.Fatal(err)
				}
				item.Release()
				timer := time.AfterFunc(time.Hour, func() { test.do(q) })
				defer timer.Stop()
				begun := time.Now()
				_, err := q.Next(t.Context())
				if waited := time.Since(begun); waited != test.want || !errors.Is(err, test.err) {
					t.Errorf("%v after %v; want %v after %v", err, waited, test.err, test.want)
				}
			})
		})
	}
}

func TestNextWaitsForAnObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := open(t, folder(t), Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := q.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without one: %v", err)
		}
		time.AfterFunc(time.Hour, func() { add(t, q, "content", 0) })
		waited, first := after(t, q)
		if waited != time.Hour {
			t.Errorf("waited %v", waited)
		}
		time.AfterFunc(time.Minute, first.Release)
		if waited, _ := after(t, q); waited != time.Minute {
			t.Errorf("waited %v for one that was given back", waited)
		}
	})
}

// A clock that is set holds nothing back for longer than the longest wait, while the process runs or over a restart.
func TestClockIsSetWhileSomethingWaits(t *testing.T) {
	for _, test := range []struct {
		name    string
		set     time.Duration
		restart bool
		least   time.Duration
		most    time.Duration
	}{
		{"not at all", 0, false, 10 * time.Minute, 10 * time.Minute},
		{"not at all, restart", 0, true, 10 * time.Minute, 10 * time.Minute},
		{"a year back", -365 * 24 * time.Hour, false, 10 * time.Minute, 10 * time.Minute},
		{"a year back, restart", -365 * 24 * time.Hour, true, 0, time.Hour},
		{"a year ahead", 365 * 24 * time.Hour, false, 0, 10 * time.Minute},
		{"a year ahead, restart", 365 * 24 * time.Hour, true, 0, 10 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock, dir := &jumping{}, folder(t)
				q, events := open(t, dir, Options{Now: clock.now, MaxWait: time.Hour})
				add(t, q, "content", 0)
				item := next(t, q)
				if err := item.Update(State{NotBefore: clock.now().Add(10 * time.Minute)}); err != nil {
					t.Fatal(err)
				}
				item.Release()
				clock.set.Store(int64(test.set))
				if test.restart {
					shut(t, q)
					q, events = open(t, dir, Options{Now: clock.now, MaxWait: time.Hour})
				}
				if waited, _ := after(t, q); waited < test.least || waited > test.most {
					t.Errorf("waited %v; want %v to %v", waited, test.least, test.most)
				}
				if kinds := events.kinds(); kinds != nil {
					t.Errorf("events %v", kinds)
				}
			})
		})
	}
}

// Whatever is done to the clock, an object is kept for its time and not much longer.
func TestClockIsSetWhileSomethingExpires(t *testing.T) {
	const day, year = 24 * time.Hour, 365 * 24 * time.Hour
	for _, test := range []struct {
		name    string
		set     time.Duration // after ten days
		restart bool
		repair  time.Duration // when the clock is put right again, after that
		want    time.Duration // when it expires, after it was added
	}{
		{"not at all", 0, false, 0, 30 * day},
		{"not at all, restart", 0, true, 0, 30 * day},
		{"back", -year, false, 0, 30 * day},
		{"back, restart", -year, true, 0, 40 * day}, // counts anew
		{"ahead", year, false, 0, 30 * day},
		{"ahead, restart", year, true, 0, 10*day + doubt}, // that could be true
		{"ahead for a while, restart", year, true, doubt / 2, 30 * day},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock, dir := &jumping{}, folder(t)
				q, events := open(t, dir, Options{Now: clock.now})
				o := add(t, q, "content", 0)
				begun := time.Now()
				time.Sleep(10 * day)
				clock.set.Store(int64(test.set))
				if test.restart {
					shut(t, q)
					q, events = open(t, dir, Options{Now: clock.now})
				}
				if test.repair != 0 {
					time.AfterFunc(test.repair, func() { clock.set.Store(0) })
				}
				item := next(t, q) // so that nobody gets it while we wait
				if err := item.Update(State{NotBefore: clock.now().Add(time.Hour)}); err != nil {
					t.Fatal(err)
				}
				item.Release()
				for q.Usage().Entries > 0 { // as the submitter does when no server answers
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
					item, err := q.Next(ctx)
					cancel()
					if err != nil {
						continue
					}
					if err := item.Update(State{NotBefore: clock.now().Add(time.Hour)}); err != nil {
						t.Fatal(err)
					}
					item.Release()
				}
				if got := time.Since(begun); got < test.want || got > test.want+2*time.Hour {
					t.Errorf("it expired after %v; want %v", got, test.want)
				}
				if len(events.list) != 1 || events.list[0].Kind != EventExpired || events.list[0].SHA256 != o.SHA256 || events.list[0].Entry == nil {
					t.Errorf("events %+v", events.list)
				}
				if names := files(t, dir); names != nil {
					t.Errorf("%q is left", names)
				}
			})
		})
	}
}

// Many that expire at once are not as many events. One that is in work stays.
func TestManyExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, events := open(t, folder(t), Options{})
		for i := range 50 {
			add(t, q, fmt.Sprint(i), 0)
		}
		item := next(t, q)
		time.Sleep(DefaultExpire + doubt)
		add(t, q, "new", 0)
		kinds := events.kinds()
		if len(kinds) != maxEvents+1 || kinds[0] != EventExpired {
			t.Errorf("%d events, %v", len(kinds), kinds)
		}
		if got := q.Usage().Entries; got != 2 {
			t.Errorf("%d are left", got)
		}
		item.Release()
		time.Sleep(sweepEvery)
		if _, err := q.Add(t.Context(), object("new", 0), strings.NewReader("new")); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]EventKind{EventExpired}, events.kinds()); diff != "" || q.Usage().Entries != 1 {
			t.Errorf("events after it was given back (-want +got):\n%s", diff)
		}
	})
}
