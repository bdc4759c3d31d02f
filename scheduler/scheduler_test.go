package scheduler

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Stories: what is asked of the computer, and the log that must come of it. Days are those of January
// 2000; the first run has the number 1. Scans take an hour unless the story says otherwise.
var stories = []struct {
	name  string
	tasks []string
	story func(w *world)
	want  []string
}{
	{
		name:  "by schedule",
		tasks: []string{`{id: nightly, when: {schedule: ["30 2 * * *"]}}`},
		story: func(w *world) { w.until("3 00:00") },
		want: []string{
			"1 02:30 queued nightly 1", "1 02:30 started nightly 1", "1 03:30 finished nightly 1",
			"2 02:30 queued nightly 2", "2 02:30 started nightly 2", "2 03:30 finished nightly 2",
		},
	},
	{
		name:  "by hand only",
		tasks: []string{`{id: quick}`},
		story: func(w *world) {
			w.until("5 08:00")
			_, err := w.s.RunTask("quick", RunOptions{})
			w.do(err)
			w.until("9 00:00")
		},
		want: []string{"5 08:00 queued quick 1", "5 08:00 started quick 1", "5 09:00 finished quick 1"},
	},
	{
		name:  "once",
		tasks: []string{`{id: hunt, when: {once: "2000-01-02 10:00"}}`},
		story: func(w *world) { w.until("20 00:00") },
		want:  []string{"2 10:00 queued hunt 1", "2 10:00 started hunt 1", "2 11:00 finished hunt 1"},
	},
	{
		name:  "at start with a delay, each time the agent starts",
		tasks: []string{`{id: boot, when: {at_start: true, start_delay: 20m}}`},
		story: func(w *world) {
			w.pass(10 * time.Minute)
			w.halt()
			w.boot()
			w.pass(5 * time.Hour)
			w.halt()
			w.pass(time.Minute)
			w.boot()
			w.pass(5 * time.Hour)
		},
		want: []string{
			"1 00:30 queued boot 1", "1 00:30 started boot 1", "1 01:30 finished boot 1",
			"1 05:31 queued boot 2", "1 05:31 started boot 2", "1 06:31 finished boot 2",
		},
	},
	{
		name:  "after an update, also one while the agent did not run",
		tasks: []string{`{id: fresh, when: {after_update: true}}`},
		story: func(w *world) {
			w.s.SetsChanged("a")
			w.pass(2 * time.Hour)
			w.s.SetsChanged("b")
			w.pass(2 * time.Hour)
			w.halt()
			w.sets = "c"
			w.boot()
			w.pass(2 * time.Hour)
		},
		want: []string{
			"1 02:00 queued fresh 1", "1 02:00 started fresh 1", "1 03:00 finished fresh 1",
			"1 04:00 queued fresh 2", "1 04:00 started fresh 2", "1 05:00 finished fresh 2",
		},
	},
	{
		name:  "an update during a run asks for another",
		tasks: []string{`{id: fresh, when: {after_update: true}}`},
		story: func(w *world) {
			for _, version := range []string{"a", "b", "c", "d"} {
				w.s.SetsChanged(version)
				w.pass(20 * time.Minute)
			}
			w.pass(3 * time.Hour)
		},
		want: []string{
			"1 00:20 queued fresh 1", "1 00:20 started fresh 1", "1 00:40 queued fresh 2", "1 01:00 merged fresh 2",
			"1 01:20 finished fresh 1", "1 01:20 started fresh 2", "1 02:20 finished fresh 2",
		},
	},
	{
		name:  "idle: pauses when somebody comes, is put aside after ten minutes, goes on when they leave",
		tasks: []string{`{id: weekly, when: {schedule: ["0 1 * * *"]}, while: {idle: true}}`},
		story: func(w *world) {
			w.until("1 01:20")
			w.use()
			w.pass(5 * time.Minute)
			w.leave()
			w.pass(5 * time.Minute)
			w.use()
			w.pass(3 * time.Hour)
			w.leave()
			w.pass(time.Hour)
		},
		want: []string{
			"1 01:00 queued weekly 1", "1 01:00 started weekly 1",
			"1 01:20 paused weekly 1 [presence]", "1 01:25 resumed weekly 1",
			"1 01:30 paused weekly 1 [presence]", "1 01:40 parked weekly 1",
			"1 04:30 resumed weekly 1", "1 05:05 finished weekly 1",
		},
	},
	{
		name:  "idle: works in spite of people after ten days, though not on battery",
		tasks: []string{`{id: weekly, when: {schedule: ["0 1 1 * *"]}, while: {idle: true}}`},
		story: func(w *world) {
			w.use()
			w.until("11 00:59")
			w.be(Presence{OnBattery: true})
			w.until("11 03:00")
			w.use()
			w.until("12 00:00")
		},
		want: []string{
			"1 01:00 queued weekly 1", "11 03:00 override weekly 1", "11 03:00 started weekly 1", "11 04:00 finished weekly 1",
		},
	},
	{
		name:  "idle: never in spite of people",
		tasks: []string{`{id: weekly, when: {schedule: ["0 1 1 * *"]}, while: {idle: true, idle_override: never}}`},
		story: func(w *world) { w.use(); w.until("31 00:00") },
		want:  []string{"1 01:00 queued weekly 1"},
	},
	{
		name:  "battery: the schedule waits, a person does not",
		tasks: []string{`{id: nightly, when: {schedule: ["0 1 * * *"]}}`, `{id: quick}`, `{id: tough, when: {schedule: ["0 3 * * *"]}, while: {on_battery: true}}`},
		story: func(w *world) {
			w.until("1 01:30")
			w.be(Presence{Idle: true, OnBattery: true})
			_, err := w.s.RunTask("quick", RunOptions{})
			w.do(err)
			w.until("1 06:00")
			w.be(Presence{Idle: true})
			w.until("1 08:00")
		},
		want: []string{
			"1 01:00 queued nightly 1", "1 01:00 started nightly 1",
			"1 01:30 paused nightly 1 [battery]",
			"1 01:30 queued quick 2", "1 01:30 parked nightly 1", "1 01:30 started quick 2", "1 02:30 finished quick 2",
			"1 03:00 queued tough 3", "1 03:00 started tough 3", "1 04:00 finished tough 3",
			"1 06:00 resumed nightly 1", "1 06:30 finished nightly 1",
		},
	},
	{
		name:  "hours over midnight: pauses in the morning, goes on in the evening",
		tasks: []string{`{id: big, when: {schedule: ["0 12 * * 6"]}, while: {hours: "20:00-07:00"}}`},
		story: func(w *world) {
			w.runs.work["big"] = 12 * time.Hour
			w.until("3 00:00")
		},
		want: []string{
			"1 12:00 queued big 1", "1 20:00 started big 1", "2 07:00 paused big 1 [hours]", "2 07:10 parked big 1",
			"2 20:00 resumed big 1", "2 21:00 finished big 1",
		},
	},
	{
		name:  "longest duration: pauses do not count",
		tasks: []string{`{id: big, when: {schedule: ["0 1 * * 6"]}, while: {idle: true, max_duration: 2h}}`},
		story: func(w *world) {
			w.runs.work["big"] = 12 * time.Hour
			w.until("1 02:30")
			w.use()
			w.pass(5 * time.Hour)
			w.leave()
			w.pass(5 * time.Hour)
		},
		want: []string{
			"1 01:00 queued big 1", "1 01:00 started big 1", "1 02:30 paused big 1 [presence]", "1 02:40 parked big 1",
			"1 07:30 resumed big 1", "1 08:00 cancelled big 1",
		},
	},
	{
		name:  "a response interrupts, and rests before the next",
		tasks: []string{`{id: full, when: {schedule: ["0 1 * * *"]}}`, `{id: hunt, when: {after_detection: true}}`},
		story: func(w *world) {
			w.runs.work["hunt"] = 5 * time.Minute
			w.until("1 01:30")
			w.s.Detection(Detection{Run: 1, Path: "/tmp/x"})
			w.pass(time.Minute)
			w.s.Detection(Detection{Run: 2, Path: "/tmp/x"}) // what the response finds starts nothing
			w.pass(9 * time.Minute)
			w.s.Detection(Detection{Run: 1, Path: "/tmp/y"})
			w.pass(3 * time.Hour)
		},
		want: []string{
			"1 01:00 queued full 1", "1 01:00 started full 1",
			"1 01:30 queued hunt 2", "1 01:30 parked full 1", "1 01:30 started hunt 2", "1 01:35 finished hunt 2", "1 01:35 resumed full 1",
			"1 01:40 queued hunt 3", "1 01:50 parked full 1", "1 01:50 started hunt 3", "1 01:55 finished hunt 3", "1 01:55 resumed full 1",
			"1 02:10 finished full 1",
		},
	},
	{
		name:  "a response takes the place of a run of its task that a person holds",
		tasks: []string{`{id: hunt, when: {after_detection: true}}`},
		story: func(w *world) {
			_, err := w.s.RunTask("hunt", RunOptions{})
			w.do(err)
			w.pass(20 * time.Minute)
			w.do(w.s.Pause("hunt"))
			w.pass(5 * time.Minute)
			w.s.Detection(Detection{Path: "/tmp/x"})
			w.pass(2 * time.Hour)
		},
		want: []string{
			"1 00:00 queued hunt 1", "1 00:00 started hunt 1", "1 00:20 paused hunt 1 [held]", "1 00:25 queued hunt 2",
			"1 00:25 cancelled hunt 1", "1 00:25 started hunt 2", "1 01:25 finished hunt 2",
		},
	},
	{
		name:  "missed: one run makes up for all",
		tasks: []string{`{id: nightly, when: {schedule: ["0 2 * * *"]}}`},
		story: func(w *world) {
			w.halt()
			w.until("6 12:00")
			w.boot()
			w.until("6 23:00")
		},
		want: []string{"6 12:00 queued nightly 1", "6 12:00 starts-missed nightly 6", "6 12:00 started nightly 1", "6 13:00 finished nightly 1"},
	},
	{
		name:  "missed: left out if the task says so",
		tasks: []string{`{id: nightly, when: {schedule: ["0 2 * * *"], skip_missed: true}}`},
		story: func(w *world) {
			w.halt()
			w.until("6 12:00")
			w.boot()
			w.until("7 04:00")
		},
		want: []string{"6 12:00 starts-missed nightly 6", "7 02:00 queued nightly 1", "7 02:00 started nightly 1", "7 03:00 finished nightly 1"},
	},
	{
		name:  "failed: tried again after longer and longer times, then given up",
		tasks: []string{`{id: bad, when: {schedule: ["0 1 1 * *"]}}`},
		story: func(w *world) {
			w.runs.fails = map[string]int{"bad": 99}
			w.until("3 00:00")
		},
		want: []string{
			"1 01:00 queued bad 1", "1 01:00 started bad 1", "1 01:00 retried bad 1", "1 01:01 resumed bad 1", "1 01:01 retried bad 1",
			"1 01:11 resumed bad 1", "1 01:11 retried bad 1", "1 02:11 resumed bad 1", "1 02:11 failed bad 1",
		},
	},
	{
		name:  "a person pauses, across a restart, and resumes",
		tasks: []string{`{id: full, when: {schedule: ["0 1 * * 6"]}}`},
		story: func(w *world) {
			w.until("1 01:30")
			w.do(w.s.Pause("full"))
			w.pass(time.Minute)
			w.crash()
			w.boot()
			w.pass(time.Hour)
			w.do(w.s.Resume("full"))
			w.pass(time.Hour)
		},
		want: []string{
			"1 01:00 queued full 1", "1 01:00 started full 1", "1 01:30 paused full 1 [held]",
			"1 01:31 store-failed", "1 01:31 parked full 1", // unseen: the computer is off
			"1 01:31 recovered full 1",
			"1 02:31 resumed full 1", "1 03:01 finished full 1",
		},
	},
	{
		name:  "run now: in use, on battery, outside its hours",
		tasks: []string{`{id: big, when: {schedule: ["0 1 * * 6"]}, while: {idle: true, hours: "20:00-07:00"}}`},
		story: func(w *world) {
			w.use()
			w.until("1 10:00")
			w.be(Presence{OnBattery: true})
			_, err := w.s.RunTask("big", RunOptions{Now: true})
			w.do(err)
			w.until("2 00:00")
		},
		want: []string{"1 01:00 queued big 1", "1 10:00 merged big 1", "1 10:00 started big 1", "1 11:00 finished big 1"},
	},
	{
		name:  "sleep: paused before, goes on after, what was missed is made up for",
		tasks: []string{`{id: full, when: {schedule: ["0 1 * * *"]}}`, `{id: morning, when: {schedule: ["0 6 * * *"]}}`},
		story: func(w *world) {
			w.until("1 01:30")
			w.be(Presence{Idle: true, Sleeping: true})
			w.set(7 * time.Hour) // nothing passes on the stopwatch
			w.pass(time.Second)
			w.leave()
			w.until("1 12:00")
		},
		want: []string{
			"1 01:00 queued full 1", "1 01:00 started full 1", "1 01:30 paused full 1 [sleep]",
			"1 08:30 clock-changed", "1 08:30 queued morning 2", "1 08:30 starts-missed morning 1", "1 08:30 resumed full 1",
			"1 09:00 finished full 1", "1 09:00 started morning 2", "1 10:00 finished morning 2",
		},
	},
	{
		name:  "the clock is set forwards: noticed within ten minutes",
		tasks: []string{`{id: nightly, when: {schedule: ["0 2 * * *"]}}`},
		story: func(w *world) {
			w.until("1 12:00")
			w.log()
			w.set(5 * day)
			w.until("7 00:00")
		},
		want: []string{"6 12:10 clock-changed", "6 12:10 queued nightly 2", "6 12:10 starts-missed nightly 5",
			"6 12:10 started nightly 2", "6 13:10 finished nightly 2"},
	},
	{
		name:  "the clock is set back by hours: nothing runs twice",
		tasks: []string{`{id: nightly, when: {schedule: ["0 2 * * *"]}}`},
		story: func(w *world) {
			w.until("2 03:30")
			w.log()
			w.set(-5 * time.Hour)
			w.until("3 04:00")
		},
		want: []string{"1 22:40 clock-changed", "3 02:00 queued nightly 3", "3 02:00 started nightly 3", "3 03:00 finished nightly 3"},
	},
	{
		name:  "the clock was years ahead: nothing waits for those years",
		tasks: []string{`{id: nightly, when: {schedule: ["0 2 * * *"]}}`},
		story: func(w *world) {
			w.until("2 03:30")
			w.set(10 * 366 * day)
			w.pass(2 * day)
			w.log()
			w.set(-10 * 366 * day)
			w.until("5 04:00")
		},
		want: []string{"4 03:40 clock-changed", "5 02:00 queued nightly 6", "5 02:00 started nightly 6", "5 03:00 finished nightly 6"},
	},
	{
		name:  "expired: deleted with its waiting run",
		tasks: []string{`{id: hunt, expire_after: 5d, when: {once: "2000-01-02 10:00"}, while: {idle: true}}`},
		story: func(w *world) {
			w.use()
			w.until("9 00:00")
			if len(w.s.List()) != 0 {
				w.t.Error("the task is still there")
			}
		},
		want: []string{"2 10:00 queued hunt 1", "6 00:00 cancelled hunt 1", "6 00:00 task-expired hunt"},
	},
	{
		name:  "deleted while it works",
		tasks: []string{`{id: full, when: {schedule: ["0 1 * * *"]}}`},
		story: func(w *world) {
			w.until("1 01:30")
			w.do(w.s.Delete("full"))
			w.until("3 00:00")
		},
		want: []string{"1 01:00 queued full 1", "1 01:00 started full 1", "1 01:30 task-deleted full", "1 01:30 cancelled full 1"},
	},
	{
		name:  "changed scope: a new run takes the place of the interrupted one",
		tasks: []string{`{id: full, when: {schedule: ["0 1 * * 6"]}, while: {idle: true}}`},
		story: func(w *world) {
			w.until("1 01:30")
			w.use()
			w.pass(time.Hour)
			w.do(w.s.Update(w.t.Context(), w.parse(`{id: full, when: {schedule: ["0 1 * * 6"]}, while: {idle: true}, scope: {areas: [critical]}}`)))
			w.pass(time.Hour)
			w.leave()
			w.pass(2 * time.Hour)
		},
		want: []string{
			"1 01:00 queued full 1", "1 01:00 started full 1", "1 01:30 paused full 1 [presence]", "1 01:40 parked full 1",
			"1 02:30 task-changed full", "1 02:30 cancelled full 1", "1 02:30 queued full 2",
			"1 03:30 started full 2", "1 04:30 finished full 2",
		},
	},
	{
		name:  "changed scope while it works",
		tasks: []string{`{id: full, when: {schedule: ["0 1 * * 6"]}}`},
		story: func(w *world) {
			w.until("1 01:30")
			w.do(w.s.Update(w.t.Context(), w.parse(`{id: full, when: {schedule: ["0 1 * * 6"]}, scope: {areas: [critical]}}`)))
			w.until("2 00:00")
		},
		want: []string{
			"1 01:00 queued full 1", "1 01:00 started full 1", "1 01:30 task-changed full", "1 01:30 cancelled full 1",
			"1 01:30 queued full 2", "1 01:30 started full 2", "1 02:30 finished full 2",
		},
	},
	{
		name:  "a paused run keeps no other from working",
		tasks: []string{`{id: polite, when: {schedule: ["0 1 * * *"]}, while: {idle: true}}`, `{id: other, when: {schedule: ["31 1 * * *"]}}`},
		story: func(w *world) {
			w.until("1 01:30")
			w.use()
			w.until("1 02:00")
			w.leave()
			w.until("1 12:00")
		},
		want: []string{
			"1 01:00 queued polite 1", "1 01:00 started polite 1", "1 01:30 paused polite 1 [presence]",
			"1 01:31 queued other 2", "1 01:31 parked polite 1", "1 01:31 started other 2", "1 02:31 finished other 2",
			"1 02:31 resumed polite 1", "1 03:01 finished polite 1",
		},
	},
	{
		name:  "idle: the ten days end while it is paused",
		tasks: []string{`{id: weekly, when: {schedule: ["0 1 1 * *"]}, while: {idle: true}}`},
		story: func(w *world) {
			w.use()
			w.until("11 00:30")
			w.leave()
			w.pass(25 * time.Minute)
			w.use()
			w.until("12 00:00")
		},
		want: []string{
			"1 01:00 queued weekly 1", "11 00:30 started weekly 1", "11 00:55 paused weekly 1 [presence]",
			"11 01:00 override weekly 1", "11 01:00 resumed weekly 1", "11 01:35 finished weekly 1",
		},
	},
	{
		name:  "the power fails after the run was stored and before its start was noted",
		tasks: []string{`{id: nightly, when: {schedule: ["0 1 * * *"]}}`},
		story: func(w *world) {
			w.until("1 00:59")
			w.store.fail(1, w.runs.crash)
			w.pass(2 * time.Minute)
			w.crash()
			w.log()
			for range 2 { // the second time no unfinished run tells of it
				w.boot()
				w.pass(2 * time.Hour)
				w.crash()
			}
			w.boot()
		},
		want: []string{"1 01:01 started nightly 1", "1 02:01 finished nightly 1"},
	},
	{
		name:  "changed conditions: the run at work obeys them at once",
		tasks: []string{`{id: full, when: {schedule: ["0 1 * * 6"]}}`},
		story: func(w *world) {
			w.use()
			w.until("1 01:30")
			w.do(w.s.Update(w.t.Context(), w.parse(`{id: full, when: {schedule: ["0 1 * * 6"]}, while: {idle: true}}`)))
			w.pass(time.Minute)
			w.leave()
			w.pass(time.Hour)
		},
		want: []string{
			"1 01:00 queued full 1", "1 01:00 started full 1", "1 01:30 task-changed full", "1 01:30 paused full 1 [presence]",
			"1 01:31 resumed full 1", "1 02:01 finished full 1",
		},
	},
	{
		name:  "disabled: its times pass unheeded",
		tasks: []string{`{id: nightly, disabled: true, when: {schedule: ["0 2 * * *"]}}`},
		story: func(w *world) {
			w.until("4 12:00")
			w.do(w.s.Update(w.t.Context(), w.parse(`{id: nightly, when: {schedule: ["0 2 * * *"]}}`)))
			w.until("5 04:00")
		},
		want: []string{"4 12:00 task-changed nightly", "5 02:00 queued nightly 1", "5 02:00 started nightly 1", "5 03:00 finished nightly 1"},
	},
	{
		name:  "a start during its own run is answered by it",
		tasks: []string{`{id: slow, when: {schedule: ["0 1 * * *"]}}`},
		story: func(w *world) {
			w.runs.work["slow"] = 30 * time.Hour
			w.until("2 12:00")
		},
		want: []string{"1 01:00 queued slow 1", "1 01:00 started slow 1", "2 01:00 merged slow 1", "2 07:00 finished slow 1"},
	},
	{
		name:  "the power fails: the run goes on when its conditions hold again",
		tasks: []string{`{id: full, when: {schedule: ["0 1 * * 6"]}, while: {idle: true}}`},
		story: func(w *world) {
			w.until("1 01:30")
			w.crash()
			w.log()
			w.presence = Presence{}
			w.boot()
			w.pass(time.Hour)
			w.leave()
			w.pass(2 * time.Hour)
		},
		want: []string{"1 01:30 recovered full 1", "1 02:30 resumed full 1", "1 03:00 finished full 1"},
	},
	{
		name:  "cancelled",
		tasks: []string{`{id: full, when: {schedule: ["0 1 * * *"]}}`},
		story: func(w *world) {
			w.until("1 01:30")
			w.do(w.s.Cancel("full"))
			w.until("2 00:00")
			if err := w.s.Cancel("full"); !errors.Is(err, ErrNoRun) {
				w.t.Errorf("cancelled again: %v", err)
			}
		},
		want: []string{"1 01:00 queued full 1", "1 01:00 started full 1", "1 01:30 cancelled full 1"},
	},
}

func TestStories(t *testing.T) {
	for _, story := range stories {
		t.Run(strings.NewReplacer(":", "", ",", "").Replace(story.name), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, story.tasks...)
				defer func() { w.halt() }()
				story.story(w)
				if diff := cmp.Diff(story.want, w.log()); diff != "" {
					t.Errorf("log (-want +got):\n%s", diff)
				}
			})
		})
	}
}
