// Package scheduler decides when scans run: it holds the tasks, starts a run of a task when something
// asks for it, lets it work only under the task's conditions, and keeps count so that nothing is
// forgotten and nothing is done twice, whatever happens to the computer.
//
//	triggers ─► queue ─► conditions ─► the one run at work ─► Runner
//	person        │      idle, battery,       ▲
//	schedule      │      hours, held, …     valve ◄── presence
//	start         ▼
//	update      store
//	detection
//
// [docs/tasks.md] tells administrators what it does; the promises there are those of this package.
//
// # One run at a time
//
// Of all runs that could work now the most urgent works: first responses to detections, then what a
// person asked for, then the rest; among equals the one that has begun, then the oldest. A run that
// must not work (its conditions do not hold) never keeps another from working. A run that gives way
// is ended with its checkpoint and resumed later.
//
// # What survives
//
// A start is answered by a run that is stored before anything else happens, so a crash between two writes
// neither loses it nor doubles it. Runs that wait or were interrupted are taken up again by the next
// [New] on the same store.
//
// # Time
//
// Everything runs on a [Clock] that tests replace. While nothing is due, nothing happens: there is one
// timer, for the next thing. Since no system tells a program portably that the clock was set, that timer
// is never longer than ten minutes while a time of day is awaited.
package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	// Windows has no zones of its own by their IANA names.
	_ "time/tzdata"

	"tyto/store"
)

// Options are what a scheduler works with. Store and Runner are needed.
type Options struct {
	Store  Store
	Runner Runner
	// Clock is the time. Default: the computer's.
	Clock Clock
	// Zone is the machine's time zone. Default: time.Local.
	Zone *time.Location
	// Machine identifies the computer, for the random delay. Two with the same one start together.
	Machine string
	// ParkAfter is how long a run may stand still in memory before it is put aside. Default: 10 minutes.
	ParkAfter time.Duration
	// Event, if set, is called for each event, in order, from the goroutine of [Scheduler.Run].
	Event func(Event)
	// Log receives what went wrong; nil discards it.
	Log *slog.Logger
}

// Fixed intervals.
const (
	parkAfter = 10 * time.Minute
	// grace is how late a start may be before it counts as missed. It is longer than recheck.
	grace = 15 * time.Minute
	// wrongBy is how far ahead of the clock an answered start may lie. One further ahead was answered
	// while the clock was wrong.
	wrongBy = 25 * time.Hour
	// clockStep is the least change of the clock that is worth an event.
	clockStep = time.Minute
	// saveEvery is how often the progress of a run is stored.
	saveEvery = time.Minute
	// pruneEvery is how often results are looked through for old ones.
	pruneEvery = 24 * time.Hour
	// storeRetry is the pause after the store has failed to take a new run.
	storeRetry = time.Minute
	// responseRest is the least time from the end of a run that a detection started to the start
	// of the next of the same task: a scan with a thousand findings must not be interrupted a thousand times.
	responseRest = 15 * time.Minute
)

// backOff is how long a failed run waits before the next attempt; after the last it has failed.
var backOff = [...]time.Duration{time.Minute, 10 * time.Minute, time.Hour}

// Scheduler holds the tasks of one machine. Its methods may be called concurrently.
type Scheduler struct {
	o     Options
	log   *slog.Logger
	valve *valve
	kick  chan struct{} // something has changed; holds one

	mu       sync.Mutex
	tasks    map[string]*entry
	current  *execution // nil while no run is at work
	ready    bool
	readyAt  time.Duration // on the stopwatch
	sets     string        // version of rules and indicators; "" until it is known
	seen     moment        // when the clock was looked at last
	pruneAt  time.Duration // on the stopwatch
	pending  []Event       // not yet delivered
	troubled bool          // the store failed last time
	closing  bool          // Run's context has ended

	ctx context.Context // for the store, and what executions come from; set by Run
	wg  sync.WaitGroup  // the execution's goroutine
}

// New returns a scheduler with the tasks and unfinished runs that are in the store. Nothing runs before
// [Scheduler.Run] and [Scheduler.Ready]. A stored task that cannot be used is told as an event and left
// where it is.
func New(ctx context.Context, o Options) (*Scheduler, error) {
	if o.Clock == nil {
		o.Clock = NewSystemClock()
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.ParkAfter <= 0 {
		o.ParkAfter = parkAfter
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Scheduler{
		o: o, log: o.Log, kick: make(chan struct{}, 1),
		tasks: map[string]*entry{}, valve: &valve{elapsed: o.Clock.Elapsed},
		ctx: context.WithoutCancel(ctx),
	}
	s.seen = s.now()
	if err := s.load(ctx); err != nil {
		return nil, fmt.Errorf("loading tasks and runs: %w", err)
	}
	return s, nil
}

// Run works until ctx ends. Then the run at work is interrupted, to be resumed by the next scheduler on the
// same store; Run returns once it has stopped.
func (s *Scheduler) Run(ctx context.Context) error {
	for {
		ring := s.step()
		s.deliver()
		var fired <-chan time.Time
		stop := func() {}
		if ring.set {
			fired, stop = s.o.Clock.Timer(ring.in)
		}
		select {
		case <-fired:
		case <-s.kick:
		case <-ctx.Done():
			stop()
			s.shutdown()
			return nil
		}
		stop()
	}
}

// Ready lets runs start: rules are loaded, the presence is known. The delay after the agent's start counts
// from here.
func (s *Scheduler) Ready() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready {
		s.ready, s.readyAt = true, s.o.Clock.Elapsed()
		s.wake()
	}
}

// PresenceChanged tells what is now known of the person at the computer. When it returns, a run that must
// not work any more has been paused.
func (s *Scheduler) PresenceChanged(p Presence) {
	s.valve.observe(p)
	s.wake()
}

// wake makes Run look at everything again.
func (s *Scheduler) wake() {
	select {
	case s.kick <- struct{}{}:
	default: // it will anyway
	}
}

func (s *Scheduler) now() moment {
	return moment{s.o.Clock.Now().UTC(), s.o.Clock.Elapsed()}
}

// step does all that is to be done now, and returns when to look again.
func (s *Scheduler) step() alarm {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	ring := &alarm{now: now}
	s.watchClock(now)
	for _, e := range s.sorted() {
		s.correct(e, now)
		if !s.expire(e, now, ring) && s.ready {
			s.answer(e, ring)
		}
	}
	s.steer(now, ring)
	s.prune(now, ring)
	return *ring
}

// sorted returns the tasks in the order of their IDs, so that the same always happens in the same order.
func (s *Scheduler) sorted() (list []*entry) {
	for _, id := range slices.Sorted(maps.Keys(s.tasks)) {
		list = append(list, s.tasks[id])
	}
	return list
}

// watchClock notices that the clock on the wall was set, or that the computer slept: it then shows
// another time than the stopwatch leads to expect.
func (s *Scheduler) watchClock(now moment) {
	by := now.wall.Sub(s.seen.wall) - (now.elapsed - s.seen.elapsed)
	s.seen = now
	if by.Abs() >= clockStep {
		s.tell(Event{Kind: ClockChanged, By: by, Message: fmt.Sprintf("the clock has moved by %v: it was set, or the computer slept", by.Round(time.Second))})
	}
}

// correct mends times that lie in the future because the clock was wrong when they were noted: nothing
// may have to wait for that future.
func (s *Scheduler) correct(e *entry, now moment) {
	if e.state.Schedule.Sub(now.wall) > wrongBy {
		e.state.Schedule = now.wall
		s.saveState(e)
	}
	if e.created.Sub(now.wall) > wrongBy {
		e.created = now.wall
		s.saveTask(e)
	}
	for _, r := range e.runs() {
		if r.record.Queued.Sub(now.wall) > wrongBy || r.NotBefore.Sub(now.wall) > wrongBy {
			r.record.Queued, r.NotBefore = now.wall, time.Time{}
			s.save(r)
		}
	}
	if e.rest.Sub(now.wall) > wrongBy {
		e.rest = time.Time{}
	}
}

// tell notes an event for delivery.
func (s *Scheduler) tell(e Event) {
	e.Time = s.now().wall
	s.pending = append(s.pending, e)
	s.wake()
}

// deliver hands out what was told, without the lock, so that the receiver may call the scheduler.
func (s *Scheduler) deliver() {
	s.mu.Lock()
	events := s.pending
	s.pending = nil
	s.mu.Unlock()
	if s.o.Event == nil {
		return
	}
	for _, e := range events {
		s.o.Event(e)
	}
}

// shutdown ends the run at work and waits for it.
func (s *Scheduler) shutdown() {
	s.mu.Lock()
	s.closing = true
	if s.current != nil {
		s.stop(s.current, ErrShutdown)
	}
	s.mu.Unlock()
	s.wg.Wait()
	s.deliver()
}

// load reads tasks and unfinished runs.
func (s *Scheduler) load(ctx context.Context) error {
	rows, err := s.o.Store.Tasks(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		e, err := s.read(ctx, row)
		if err != nil {
			s.log.Error("a stored task cannot be used", "task", row.ID, "error", err)
			s.tell(Event{Kind: TaskBroken, Task: row.ID, Error: err.Error(), Message: fmt.Sprintf("the stored task %q cannot be used: %v", row.ID, err)})
			continue
		}
		s.tasks[row.ID] = e
	}
	runs, err := s.o.Store.Runs(ctx, store.RunFilter{States: unfinished})
	if err != nil {
		return err
	}
	slices.Reverse(runs) // oldest first
	for _, row := range runs {
		s.recover(row)
	}
	return nil
}

// read turns a stored task into an entry.
func (s *Scheduler) read(ctx context.Context, row store.Task) (*entry, error) {
	e := &entry{origin: row.Origin, created: row.Created, updated: row.Updated}
	if err := json.Unmarshal(row.Spec, &e.task); err != nil {
		return nil, err
	}
	var err error
	if e.plan, err = e.task.plan(e.created, s.o.Zone); err != nil {
		return nil, err
	}
	text, err := s.o.Store.Get(ctx, stateKey(row.ID))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	// A task whose state was never stored, or is damaged, has nothing to make up for.
	e.state.Schedule = s.seen.wall
	if err == nil {
		if err := json.Unmarshal(text, &e.state); err != nil {
			s.log.Error("the state of a task is damaged; it begins anew", "task", row.ID, "error", err)
		}
	}
	last, err := s.o.Store.Runs(ctx, store.RunFilter{Task: row.ID, States: ended, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(last) > 0 {
		e.last = &last[0]
	}
	return e, nil
}

// recover takes up a run that had not ended when the last scheduler did.
func (s *Scheduler) recover(row store.Run) {
	e := s.tasks[row.Task]
	if e == nil {
		s.abandon(row, ErrDeleted)
		return
	}
	r, err := readRun(e, row)
	if err == nil && (r.Begun && e.begun != nil || !r.Begun && e.waiting != nil) {
		err = errors.New("a second unfinished run of its task")
	}
	if err != nil {
		s.abandon(row, err)
		return
	}
	// It answers its start, also if the note of that is missing: it is written after the run. It is now
	// made up for, because the run will end.
	if r.Occurrence.After(e.state.Schedule) {
		e.state.Schedule = r.Occurrence
		s.saveState(e)
	}
	if !r.Begun {
		e.waiting = r
		return
	}
	e.begun = r
	if row.State != Interrupted {
		r.record.State, r.record.Reason = Interrupted, "the agent or the computer stopped"
		s.save(r)
		s.tellRun(RunRecovered, r, Event{Message: "was interrupted when the agent or the computer stopped; it goes on"})
	}
}

// abandon ends a stored run that nothing can be done with.
func (s *Scheduler) abandon(row store.Run, cause error) {
	row.State, row.Reason, row.Finished = Cancelled, cause.Error(), s.seen.wall
	s.kept(s.o.Store.UpdateRun(s.ctx, row))
	s.tell(Event{Kind: RunCancelled, Task: row.Task, Run: row.ID, Error: cause.Error(), Message: fmt.Sprintf("run %d of task %q was given up: %v", row.ID, row.Task, cause)})
}
