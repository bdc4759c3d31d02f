package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/report"
	"tyto/store"
)

func TestTasks(t *testing.T) {
	s := open(t)
	a := store.Task{ID: "a", Name: "Nightly\x1b", Origin: "policy", Spec: []byte(`{"roots":["/"]}`), Enabled: true, Created: noon, Updated: noon}
	b := store.Task{ID: "b", Name: "Once", Origin: "user", Spec: []byte(`{}`), Created: noon, Updated: noon, Expires: noon.Add(time.Hour)}
	for _, task := range []store.Task{b, {ID: "a", Origin: "user"}, a} {
		if err := s.PutTask(ctx, task); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Tasks(ctx)
	if diff := cmp.Diff([]store.Task{a, b}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	one, err := s.Task(ctx, "b")
	if diff := cmp.Diff(b, one); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := s.DeleteTask(ctx, "b"); err != nil {
		t.Error(err)
	}
	if _, err := s.Task(ctx, "b"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("error %v; want %v", err, store.ErrNotFound)
	}
	if err := s.DeleteTask(ctx, "b"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("error %v; want %v", err, store.ErrNotFound)
	}
}

func TestRuns(t *testing.T) {
	s := open(t)
	var runs []store.Run
	for i, state := range []string{"finished", "paused", "waiting", "running"} {
		r := store.Run{Task: fmt.Sprint("task", i%2), State: state, Trigger: "cron", Queued: noon.Add(time.Duration(i))}
		id, err := s.AddRun(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		r.ID = id
		runs = append(runs, r)
	}
	runs[1].Started, runs[1].Finished, runs[1].Active = noon, noon.Add(time.Hour), time.Minute
	runs[1].Reason, runs[1].Profile, runs[1].Progress, runs[1].Summary = "the user is back", "p", []byte(`{"files":1}`), []byte(`{}`)
	if err := s.UpdateRun(ctx, runs[1]); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		filter store.RunFilter
		want   []store.Run
	}{
		{"all", store.RunFilter{}, []store.Run{runs[3], runs[2], runs[1], runs[0]}},
		{"of a task", store.RunFilter{Task: "task1"}, []store.Run{runs[3], runs[1]}},
		{"in states", store.RunFilter{States: []string{"paused", "waiting"}}, []store.Run{runs[2], runs[1]}},
		{"of a task in a state", store.RunFilter{Task: "task1", States: []string{"paused"}}, []store.Run{runs[1]}},
		{"the last", store.RunFilter{Limit: 1}, []store.Run{runs[3]}},
		{"of no task", store.RunFilter{Task: "x"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := s.Runs(ctx, tt.filter)
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
	if err := s.AddRecord(ctx, runs[0].ID, store.KindStart, []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteRun(ctx, runs[0].ID); err != nil {
		t.Error(err)
	}
	if n := query(t, s, "SELECT count(*) FROM records")[0][0]; n != int64(0) {
		t.Errorf("%d records of a deleted run", n)
	}
	for _, err := range []error{
		s.DeleteRun(ctx, 99), s.UpdateRun(ctx, store.Run{ID: 99}),
		func() error { _, err := s.Run(ctx, runs[0].ID); return err }(),
	} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("error %v; want %v", err, store.ErrNotFound)
		}
	}
	// A number is never given again: somebody may remember the run by it.
	if err := s.DeleteRun(ctx, runs[3].ID); err != nil {
		t.Fatal(err)
	}
	if id := addRun(t, s); id <= runs[3].ID {
		t.Errorf("run %d after run %d", id, runs[3].ID)
	}
}

func TestRecordsAreInOrder(t *testing.T) {
	s := open(t)
	run, other := addRun(t, s), addRun(t, s)
	var want []string
	for i := range 300 {
		line := fmt.Sprintf(`{"n":%d,"text":"\u001b%s"}`, i, strings.Repeat("x", i*100))
		want = append(want, line)
		for _, id := range []int64{run, other} {
			if err := s.AddRecord(ctx, id, store.KindFinding, []byte(line)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var got []string
	for r, err := range s.Records(ctx, run) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(r.Line))
		if len(got) == 5 { // the store can be used meanwhile
			if err := s.DeleteRun(ctx, other); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !cmp.Equal(want, got) {
		t.Errorf("%d lines; want the %d that were added, in their order", len(got), len(want))
	}
	if err := s.AddRecord(ctx, 99, store.KindStart, []byte("{}")); err == nil {
		t.Error("a record was added to no run")
	}
}

func TestEventsAndState(t *testing.T) {
	s := open(t)
	var events []store.Event
	for i := range 3 {
		e := store.Event{Time: noon.Add(time.Duration(i) * time.Minute), ID: fmt.Sprint("E", i%2), Level: "info", Message: "m\n"}
		if i == 1 {
			e.Data = []byte(`{"path":"/x"}`)
		}
		events = append(events, e)
		if err := s.AddEvent(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name   string
		filter store.EventFilter
		want   []store.Event
	}{
		{"all", store.EventFilter{}, []store.Event{events[2], events[1], events[0]}},
		{"of a kind", store.EventFilter{ID: "E0"}, []store.Event{events[2], events[0]}},
		{"since", store.EventFilter{Since: events[1].Time}, []store.Event{events[2], events[1]}},
		{"the last", store.EventFilter{Limit: 1}, []store.Event{events[2]}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := s.Events(ctx, tt.filter)
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}

	if _, err := s.Get(ctx, "k"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("error %v; want %v", err, store.ErrNotFound)
	}
	for _, value := range []string{"a", "", "\x00\xff"} {
		if err := s.Set(ctx, "k", []byte(value)); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Get(ctx, "k"); err != nil || string(got) != value {
			t.Errorf("%q, %v; want %q", got, err, value)
		}
	}
	if err := s.Set(ctx, "k", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(ctx, "k"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("error %v; want %v", err, store.ErrNotFound)
	}
}

func TestPrune(t *testing.T) {
	s := open(t)
	old, fresh := noon.Add(-31*24*time.Hour), noon.Add(-time.Hour)
	for i, r := range []store.Run{
		{State: "finished", Finished: old}, {State: "finished", Finished: fresh}, {State: "cancelled", Queued: old},
		{State: "paused", Queued: old, Started: old}, {State: "interrupted", Queued: old}, {State: "waiting", Queued: old},
	} {
		r.Task = fmt.Sprint(i)
		id, err := s.AddRun(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.AddRecord(ctx, id, store.KindFinding, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1200 {
		at := old
		if i%2 == 0 {
			at = fresh
		}
		if err := s.AddEvent(ctx, store.Event{Time: at, ID: "e", Data: []byte(`"` + strings.Repeat("x", 500) + `"`)}); err != nil {
			t.Fatal(err)
		}
	}
	remember(t, s, options, wicked(object("/gone", 1)), wicked(object("/kept", 1)))
	session := s.Session(options)
	if _, err := session.Finish(ctx, []string{"/gone"}, func(string) bool { return false }); err != nil || session.Close() != nil {
		t.Fatal(err)
	}
	before := query(t, s, "PRAGMA page_count")[0][0].(int64)

	got, err := s.Prune(ctx, noon.Add(-30*24*time.Hour))
	if want := (store.Pruned{Runs: 2, Events: 600}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	got, err = s.Prune(ctx, noon.Add(time.Second))
	if want := (store.Pruned{Runs: 1, Events: 600, Gone: 1}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if diff := cmp.Diff([][]any{{int64(3), int64(3), int64(1), int64(1), int64(3), int64(3)}}, query(t, s, `SELECT (SELECT count(*) FROM runs),
		(SELECT count(*) FROM records), (SELECT count(*) FROM files), (SELECT count(*) FROM dirs), (SELECT count(*) FROM outcomes),
		(SELECT count(*) FROM hashes)`)); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
	if after := query(t, s, "PRAGMA page_count")[0][0].(int64); after > before/2 {
		t.Errorf("%d pages of %d are left; want the space to be given back", after, before)
	}
}

// What is stored can be made a report again, byte for byte.
func TestRecordsMakeAReport(t *testing.T) {
	s := open(t)
	o := options
	o.Run = addRun(t, s)
	r := wicked(object("/dir\xff", 1))
	remember(t, s, o, r)
	var want []string
	for i := range r.Findings {
		line, err := report.FindingLine(o.Report, &r.Findings[i])
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, string(line))
	}
	line, err := report.SkipLine(o.Report, r.Skips[0], r.Examined)
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, string(line))
	var got []string
	for r, err := range s.Records(ctx, o.Run) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(r.Line))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
