package scheduler

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/store"
)

// inWorld runs a test on a computer of its own.
func inWorld(t *testing.T, test func(w *world), tasks ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, tasks...)
		defer func() { w.halt() }()
		test(w)
	})
}

func TestWhyATaskWaits(t *testing.T) {
	tests := []struct {
		name, task string
		story      func(w *world)
		want       string
	}{
		{"in use", `{id: a, when: {schedule: ["0 1 * * *"]}, while: {idle: true}}`,
			func(w *world) { w.use(); w.until("1 02:00") },
			"waiting: the computer is in use (session 3 of alice is active)"},
		{"at work", `{id: a, when: {schedule: ["0 1 * * *"]}}`, func(w *world) { w.until("1 01:30") }, ""},
		{"paused", `{id: a, when: {schedule: ["0 1 * * *"]}, while: {idle: true}}`,
			func(w *world) { w.until("1 01:30"); w.use() },
			"paused: the computer is in use (session 3 of alice is active)"},
		{"battery and hours", `{id: a, when: {schedule: ["0 1 * * *"], time_zone: UTC}, while: {hours: "20:00-24:00"}}`,
			func(w *world) { w.be(Presence{Idle: true, OnBattery: true}); w.until("1 01:30") },
			"waiting: running on battery; outside its hours (20:00-24:00), until 2000-01-01 20:00 UTC"},
		{"held", `{id: a, when: {schedule: ["0 1 * * *"]}}`,
			func(w *world) { w.until("1 01:30"); w.do(w.s.Pause("a")) }, "paused: paused by a person"},
		{"another", `{id: a, when: {schedule: ["5 1 * * *"]}}`,
			func(w *world) {
				w.add(`{id: b, when: {schedule: ["0 1 * * *"]}}`)
				w.until("1 01:30")
			}, `waiting: run 1 of task "b" is at work`},
		{"failed", `{id: a, when: {schedule: ["0 1 * * *"]}}`,
			func(w *world) {
				w.runs.fails = map[string]int{"a": 2}
				w.until("1 01:05")
			}, "waiting: it failed and is tried again later, until 2000-01-01 01:11 UTC"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				test.story(w)
				v, err := w.s.Show("a")
				if err != nil || v.Run == nil {
					t.Fatalf("Show: %+v, %v", v, err)
				}
				if v.Run.Why != test.want {
					t.Errorf("why: %q, want %q", v.Run.Why, test.want)
				}
			}, test.task)
		})
	}
}

func TestShow(t *testing.T) {
	inWorld(t, func(w *world) {
		w.until("1 01:30")
		v, err := w.s.Show("a")
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC)
		want := &RunView{ID: 1, Task: "a", State: Working, Trigger: BySchedule, Queued: begun, Started: begun,
			Active: 30 * time.Minute, Progress: []byte(`{"done":"0s"}`)}
		if diff := cmp.Diff(want, v.Run); diff != "" {
			t.Errorf("run (-want +got):\n%s", diff)
		}
		if want := begun.Add(day); !v.Next.Equal(want) {
			t.Errorf("next at %v, want %v", v.Next, want)
		}
		w.until("1 05:00")
		if v, err = w.s.Show("a"); err != nil {
			t.Fatal(err)
		}
		if v.Run != nil || v.Last == nil || v.Last.State != Finished || v.Last.Active != time.Hour {
			t.Errorf("after its end: %+v, %+v", v.Run, v.Last)
		}
	}, `{id: a, when: {schedule: ["0 1 * * *"]}}`)
}

func TestSync(t *testing.T) {
	inWorld(t, func(w *world) {
		keep := w.parse(`{id: keep, when: {schedule: ["0 1 * * *"]}}`)
		if err := w.s.Sync(t.Context(), FromPolicy, []Task{keep, w.parse(`{id: gone}`), w.parse(`{id: changed}`)}); err != nil {
			t.Fatal(err)
		}
		changed := w.parse(`{id: changed, name: New}`)
		err := w.s.Sync(t.Context(), FromPolicy, []Task{keep, changed, {ID: "bad"}, w.parse(`{id: mine}`), keep})
		for _, want := range []string{`task "bad" cannot be used`, `"mine" of the policy: there is a task with this id already (made by: user)`, `"keep" is there twice`} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Sync: %v, want also %q", err, want)
			}
		}
		var got []string
		for _, v := range w.s.List() {
			got = append(got, v.Task.ID+" "+v.Origin+" "+v.Task.Name)
		}
		if diff := cmp.Diff([]string{"changed policy New", "keep policy ", "mine user "}, got); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
		if err := w.s.Delete("keep"); !errors.Is(err, ErrPolicy) {
			t.Errorf("a person deleted a task of the policy: %v", err)
		}
		if err := w.s.Update(t.Context(), keep); !errors.Is(err, ErrPolicy) {
			t.Errorf("a person changed a task of the policy: %v", err)
		}
	}, `{id: mine}`)
}

func TestUnknownTasks(t *testing.T) {
	inWorld(t, func(w *world) {
		_, run := w.s.RunTask("b", RunOptions{})
		_, respond := w.s.Respond("b", Detection{})
		_, show := w.s.Show("b")
		for name, err := range map[string]error{
			"run": errors.Join(run, respond), "show": show, "pause": w.s.Pause("b"), "resume": w.s.Resume("b"),
			"cancel": w.s.Cancel("b"), "delete": w.s.Delete("b"), "update": w.s.Update(t.Context(), w.parse(`{id: b}`)),
		} {
			if !errors.Is(err, ErrUnknownTask) || !strings.Contains(err.Error(), name+` task "b"`) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := w.s.Add(t.Context(), w.parse(`{id: a}`), FromUser); !errors.Is(err, ErrExists) {
			t.Errorf("added twice: %v", err)
		}
		if err := w.s.Pause("a"); !errors.Is(err, ErrNoRun) {
			t.Errorf("paused without a run: %v", err)
		}
	}, `{id: a}`)
}

// Many machines must not start at once; one machine must not draw again when it is restarted.
func TestRandomDelay(t *testing.T) {
	inWorld(t, func(w *world) {
		w.until("1 01:00")
		before, err := w.s.Show("a")
		if err != nil {
			t.Fatal(err)
		}
		w.crash()
		w.boot()
		after, err := w.s.Show("a")
		if err != nil {
			t.Fatal(err)
		}
		if before.Run == nil || before.Run.Waits[0].Code != WaitDelay {
			t.Fatalf("it does not wait for its delay: %+v", before.Run)
		}
		if diff := cmp.Diff(before.Run.Waits, after.Run.Waits); diff != "" {
			t.Errorf("after a restart (-before +after):\n%s", diff)
		}
		w.until("1 04:00")
		if got := w.runs.begun; len(got) != 1 {
			t.Errorf("begun: %q", got)
		}
	}, `{id: a, when: {schedule: ["0 1 * * *"], random_delay: 2h}}`)

	s, e := &Scheduler{}, &entry{plan: &plan{randomDelay: time.Hour}}
	quarters := [4]int{}
	for day := range 1000 {
		s.o.Machine = "owl " + string(rune('a'+day%7))
		quarters[s.delay(e, time.Unix(int64(day)*86400, 0))*4/(time.Hour+time.Second)]++
	}
	for i, n := range quarters {
		if n < 200 || n > 300 {
			t.Errorf("quarter %d of the hour has %d of 1000 starts", i, n)
		}
	}
}

// An agent with nothing to do does nothing.
func TestQuiet(t *testing.T) {
	inWorld(t, func(w *world) {
		w.pass(time.Hour)
		w.clock.timers()
		w.pass(10 * day)
		if n := w.clock.timers(); n > 10 {
			t.Errorf("%d timers in ten days without a schedule: one a day, for old results, is enough", n)
		}
	}, `{id: a}`)
	inWorld(t, func(w *world) {
		w.pass(time.Hour)
		w.clock.timers()
		w.pass(20 * day)
		if n, most := w.clock.timers(), 20*24*6+20; n > most {
			t.Errorf("%d timers in twenty days before a start: more than %d", n, most)
		}
	}, `{id: a, when: {schedule: ["0 1 31 * *"]}}`)
}

// slow is a store on a disk that has just been woken up.
type slow struct {
	Store
	from, to chan struct{}
}

func (s *slow) UpdateRun(ctx context.Context, r store.Run) error {
	s.from <- struct{}{}
	<-s.to
	return s.Store.UpdateRun(ctx, r)
}

// A person who comes back does not wait for the disk.
func TestPauseDoesNotWaitForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, `{id: a, when: {schedule: ["0 1 * * *"]}, while: {idle: true}}`)
		w.halt()
		disk := &slow{w.store.Store, make(chan struct{}), make(chan struct{})}
		w.store.Store = disk
		w.boot()
		time.Sleep(61 * time.Minute)
		<-disk.from // the run begins, and this is being stored
		disk.to <- struct{}{}
		synctest.Wait()
		<-disk.from // its progress is, under the scheduler's lock
		w.runs.mu.Lock()
		at := w.runs.at
		w.runs.mu.Unlock()
		w.s.PresenceChanged(Presence{})
		at.mu.Lock()
		if diff := cmp.Diff([]string{saysPresence}, at.reasons); diff != "" {
			t.Errorf("what the scan was told (-want +got):\n%s", diff)
		}
		at.mu.Unlock()
		disk.to <- struct{}{}
		go func() { // the rest is as slow as it likes
			for range disk.from {
				disk.to <- struct{}{}
			}
		}()
		w.halt()
		close(disk.from)
	})
}

// A full disk is told once; what is in memory goes on.
func TestFailingStore(t *testing.T) {
	inWorld(t, func(w *world) {
		w.until("1 00:59")
		w.store.fail(0, nil)
		w.until("1 01:30")
		if diff := cmp.Diff([]string{"1 01:00 store-failed"}, w.log()); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
		w.store.fail(-1, nil)
		w.until("1 03:00")
		want := []string{"1 01:31 queued a 1", "1 01:31 starts-missed a 1", "1 01:31 started a 1", "1 02:31 finished a 1"}
		if diff := cmp.Diff(want, w.log()); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	}, `{id: a, when: {schedule: ["0 1 * * *"]}}`)
}

// Results are kept as long as the task says.
func TestOldResultsAreDeleted(t *testing.T) {
	inWorld(t, func(w *world) {
		w.until("20 12:00")
		runs, err := w.store.Runs(t.Context(), store.RunFilter{})
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, r := range runs {
			got = append(got, r.ID)
		}
		if diff := cmp.Diff([]int64{20, 19, 18}, got); diff != "" {
			t.Errorf("runs kept (-want +got):\n%s", diff)
		}
	}, `{id: a, keep_results: 2d, when: {schedule: ["0 1 * * *"]}}`)
}

// The same stories on the store that the agent has.
func TestOnTheRealStore(t *testing.T) {
	for _, story := range stories {
		t.Run(strings.NewReplacer(":", "", ",", "").Replace(story.name), func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "state.db")
			synctest.Test(t, func(t *testing.T) {
				real, err := store.Open(t.Context(), file, store.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer real.Close()
				w := newWorldOn(t, real, story.tasks...)
				defer func() { w.halt() }()
				story.story(w)
				if diff := cmp.Diff(story.want, w.log()); diff != "" {
					t.Errorf("log (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Tasks that Tyto makes by itself go by themselves.
func TestResponseTasksExpire(t *testing.T) {
	inWorld(t, func(w *world) {
		for origin, want := range map[string]time.Time{FromUser: {}, FromResponse: time.Date(2000, 1, 31, 0, 0, 0, 0, time.UTC)} {
			if err := w.s.Add(t.Context(), w.parse(`{id: by-`+origin+`}`), origin); err != nil {
				t.Fatal(err)
			}
			if v, err := w.s.Show("by-" + origin); err != nil || !v.Expires.Equal(want) {
				t.Errorf("a task by the %s expires at %v, want %v (%v)", origin, v.Expires, want, err)
			}
		}
	})
}
