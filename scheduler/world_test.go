package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// world is a computer for the tests: a clock that can be set, somebody who comes and goes, scans that
// take as long as they are told to. It lives in a synctest bubble, where time passes only when all
// have nothing to do, and begins at midnight of Saturday, 1 January 2000.
type world struct {
	t     *testing.T
	clock *testClock
	store *plug
	runs  *scans
	zone  *time.Location

	s        *Scheduler
	stop     func()
	presence Presence
	sets     string

	mu   sync.Mutex
	told []Event
}

// newWorld returns a computer that nobody uses, with the agent running. It begins a day of tests in UTC.
func newWorld(t *testing.T, tasks ...string) *world {
	t.Helper()
	return newWorldOn(t, newMemory(), tasks...)
}

func newWorldOn(t *testing.T, on Store, tasks ...string) *world {
	t.Helper()
	w := &world{t: t, clock: &testClock{begun: time.Now()}, store: &plug{Store: on, left: -1}, zone: time.UTC, presence: Presence{Idle: true}}
	w.runs = &scans{world: w, work: map[string]time.Duration{}, done: map[int64]time.Duration{}}
	w.boot()
	for _, text := range tasks {
		w.add(text)
	}
	return w
}

// boot starts the agent.
func (w *world) boot() {
	w.t.Helper()
	s, err := New(w.t.Context(), Options{Store: w.store, Runner: w.runs, Clock: w.clock, Zone: w.zone, Machine: "owl",
		Event: func(e Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.told = append(w.told, e)
		}})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Run(ctx); err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}()
	w.s, w.stop = s, func() { cancel(); <-ended }
	s.PresenceChanged(w.presence)
	if w.sets != "" {
		s.SetsChanged(w.sets)
	}
	s.Ready()
	synctest.Wait()
}

// halt ends the agent in an orderly way.
func (w *world) halt() { w.stop() }

// crash ends it at once: nothing that it still does reaches the disk.
func (w *world) crash() {
	w.store.fail(0, nil)
	w.runs.crash()
	w.stop()
	w.store.fail(-1, nil)
	w.runs.off = false
}

// add stores a task written in YAML; its scope is given if it has none.
func (w *world) add(text string) {
	w.t.Helper()
	task := w.parse(text)
	if err := w.s.Add(w.t.Context(), task, FromUser); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

func (w *world) parse(text string) Task {
	w.t.Helper()
	if !strings.Contains(text, "scope:") {
		text = "{scope: {areas: [computer]}, " + strings.TrimPrefix(text, "{")
	}
	task, err := ParseYAML([]byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	return *task
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// until lets time pass until the clock shows a time of the first month, such as "2 03:30".
func (w *world) until(text string) {
	w.t.Helper()
	to, err := time.Parse("2006-01-2 15:04", "2000-01-"+text)
	if err != nil {
		w.t.Fatal(err)
	}
	w.pass(to.Sub(w.clock.Now()))
}

// set sets the clock forwards or back.
func (w *world) set(by time.Duration) { w.clock.set(by) }

// somebody comes or goes.
func (w *world) use()   { w.be(Presence{Detail: "session 3 of alice is active"}) }
func (w *world) leave() { w.be(Presence{Idle: true}) }
func (w *world) be(p Presence) {
	w.presence = p
	w.s.PresenceChanged(p)
	synctest.Wait()
}

// do calls the scheduler.
func (w *world) do(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

// log returns what was told since the last call, a line for each event; those of tasks are left out.
func (w *world) log() (lines []string) {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.told {
		if strings.HasPrefix(string(e.Kind), "task-added") {
			continue
		}
		line := e.Time.Format("2 15:04 ") + strings.TrimPrefix(string(e.Kind), "run-")
		if e.Task != "" {
			line += " " + e.Task
		}
		if e.Run != 0 {
			line += fmt.Sprintf(" %d", e.Run)
		}
		if e.Kind == RunPaused {
			line += fmt.Sprintf(" %v", codes(e.Waits))
		}
		if e.Kind == StartsMissed {
			line += fmt.Sprintf(" %d", e.Count)
		}
		lines = append(lines, line)
	}
	w.told = nil
	return lines
}

// testClock follows the bubble's time; what the wall shows can be set.
type testClock struct {
	begun time.Time
	mu    sync.Mutex
	ahead time.Duration
	rings int // timers that were set
}

func (c *testClock) set(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += by
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Round(0).Add(c.ahead)
}

// timers returns how many were set since the last call.
func (c *testClock) timers() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, c.rings = c.rings, 0
	return n
}

func (c *testClock) Elapsed() time.Duration { return time.Since(c.begun) }

func (c *testClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rings++
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// scans performs runs by letting time pass. It is strict: two at a time are an error.
type scans struct {
	world *world
	mu    sync.Mutex
	work  map[string]time.Duration // how long runs of a task take; default an hour
	fails map[string]int           // how many starts of a task still fail
	done  map[int64]time.Duration  // the checkpoints
	at    *scan                    // at work
	begun []string                 // "id task" or "id task again", in order
	count int                      // that came to their end
	off   bool                     // the power has failed
	// watch, if set, is called under the lock whenever one begins or ends to work.
	watch func(s *scan, works bool)
}

func (r *scans) Start(ctx context.Context, job Job) (Running, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.off {
		return nil, errPower
	}
	if r.at != nil {
		r.world.t.Errorf("run %d is started beside run %d", job.Run.ID, r.at.job.Run.ID)
	}
	line := fmt.Sprintf("%d %s", job.Run.ID, job.Task.ID)
	if job.Resume {
		line += " again"
	} else if r.done[job.Run.ID] > 0 {
		r.world.t.Errorf("run %d is started afresh, and was begun already", job.Run.ID)
	}
	r.begun = append(r.begun, line)
	if r.fails[job.Task.ID] > 0 {
		r.fails[job.Task.ID]--
		return nil, errors.New("no such folder")
	}
	s := &scan{scans: r, job: job, all: time.Hour, ended: make(chan struct{})}
	if all, ok := r.work[job.Task.ID]; ok {
		s.all = all
	}
	r.at = s
	s.start()
	return s, nil
}

// crash takes the scan at work off without a word.
func (r *scans) crash() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.off = true
	if r.at != nil {
		r.at.stop()
	}
}

// scan is a run at work.
type scan struct {
	*scans
	job     Job
	all     time.Duration
	since   time.Time
	timer   *time.Timer // nil while it does not work
	reasons []string
	result  Result
	ended   chan struct{}
	over    bool
}

func (s *scan) start() {
	if s.scans.off {
		return
	}
	s.since = time.Now()
	s.timer = time.AfterFunc(s.all-s.done[s.job.Run.ID], func() { s.end(nil) })
	if s.watch != nil {
		s.watch(s, true)
	}
}

func (s *scan) stop() {
	if s.timer == nil {
		return
	}
	s.timer.Stop()
	s.timer = nil
	s.done[s.job.Run.ID] += time.Since(s.since)
	if s.watch != nil {
		s.watch(s, false)
	}
}

func (s *scan) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.stop()
	s.over, s.at = true, nil
	s.result = Result{Err: err}
	if err == nil {
		s.count++
		s.result.Summary = []byte(`{}`)
	}
	close(s.ended)
}

func (s *scan) Pause(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.reasons, reason) {
		s.world.t.Errorf("paused twice for %q", reason)
	}
	s.reasons = append(s.reasons, reason)
	s.stop()
}

func (s *scan) Resume(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.reasons, reason)
	if i < 0 {
		s.world.t.Errorf("resumed from %q, for which it was not paused", reason)
		return
	}
	s.reasons = slices.Delete(s.reasons, i, i+1)
	if len(s.reasons) == 0 && !s.over {
		s.start()
	}
}

func (s *scan) Cancel(cause error)    { s.end(cause) }
func (s *scan) Done() <-chan struct{} { return s.ended }
func (s *scan) Result() Result        { return s.result }
func (s *scan) Progress() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return map[string]any{"done": s.done[s.job.Run.ID].String()}
}
