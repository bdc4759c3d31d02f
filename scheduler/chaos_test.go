package scheduler

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"tyto/store"
)

// Whatever happens to the computer: people come and go, its plug is pulled, it sleeps, its clock is set,
// its power fails between any two writes. What must hold all the same is checked while it happens,
// and at the end, after some quiet days.
func TestChaos(t *testing.T) {
	// More are a matter of patience: TYTO_CHAOS=500.
	seeds, err := strconv.ParseUint(os.Getenv("TYTO_CHAOS"), 10, 64)
	if err != nil {
		seeds = 8
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newChaos(t, seed).run() })
		})
	}
}

type chaos struct {
	*world
	memory  *memory
	rand    *rand.Rand
	tasks   []Task
	highest time.Time // that the clock has ever shown
	diary   []string
}

func newChaos(t *testing.T, seed uint64) *chaos {
	c := &chaos{rand: rand.New(rand.NewPCG(seed, 7))}
	c.world = newWorld(t)
	c.memory = c.store.Store.(*memory)
	c.runs.watch = c.watch
	for i := range 2 + c.rand.IntN(4) {
		c.tasks = append(c.tasks, c.task(fmt.Sprintf("task-%d", i)))
	}
	c.tasks = append(c.tasks, Task{ID: "hunt", When: When{AfterDetection: true}})
	for i := range c.tasks {
		task := &c.tasks[i]
		task.Scope.Areas = []Area{Computer}
		c.do(c.s.Add(t.Context(), *task, FromUser))
		c.runs.work[task.ID] = time.Duration(1+c.rand.IntN(120)) * time.Minute
	}
	return c
}

// task makes one up.
func (c *chaos) task(id string) Task {
	pick := func(from ...string) string { return from[c.rand.IntN(len(from))] }
	maybe := func() bool { return c.rand.IntN(2) == 0 }
	t := Task{ID: id}
	t.When.Schedule = []string{pick("30 2 * * *", "0 */6 * * *", "@every 7h", "0 12 * * 1-5", "@weekly", "15 1,13 * * *")}
	t.When.TimeZone = pick("", "Europe/Berlin", "America/New_York")
	t.When.AfterUpdate, t.When.AtStart, t.When.SkipMissed = maybe(), maybe(), maybe()
	if maybe() {
		t.When.RandomDelay = Duration(2 * time.Hour)
	}
	if t.While.Idle = maybe(); t.While.Idle && maybe() {
		t.While.IdleOverride = Duration(3 * day)
	}
	t.While.OnBattery = maybe()
	t.While.Hours = pick("", "", "20:00-07:00", "09:00-17:00")
	return t
}

func (c *chaos) run() {
	defer func() {
		c.halt()
		if c.t.Failed() {
			for _, line := range append(c.diary, c.log()...) {
				c.t.Log(line)
			}
		}
	}()
	for range 200 {
		c.something()
		c.pass(time.Duration(c.rand.ExpFloat64() * float64(2*time.Hour)))
		c.check()
	}
	c.be(Presence{Idle: true})
	for _, task := range c.tasks {
		_ = c.s.Resume(task.ID) // if there is something to resume
	}
	calm := c.clock.Now()
	c.pass(10 * day)
	c.check()
	c.conclude(calm)
}

// something happens.
func (c *chaos) something() {
	task := c.tasks[c.rand.IntN(len(c.tasks))].ID
	p := c.presence
	note := func(format string, args ...any) {
		c.diary = append(c.diary, c.clock.Now().Format("2 15:04:05 ")+fmt.Sprintf(format, args...))
	}
	switch n := c.rand.IntN(100); {
	case n < 35:
		p.Idle = !p.Idle
		note("idle %v", p.Idle)
		c.be(p)
	case n < 45:
		p.OnBattery = !p.OnBattery
		note("battery %v", p.OnBattery)
		c.be(p)
	case n < 52:
		note("sleeps")
		p.Sleeping = true
		c.be(p)
		c.set(time.Duration(c.rand.Int64N(int64(20 * time.Hour))))
		p.Sleeping = false
		c.be(p)
	case n < 58:
		by := time.Duration(c.rand.Int64N(int64(3 * day)))
		note("clock %v", by)
		c.set(by)
		c.pass(11 * time.Minute) // that is when it is noticed
	case n < 64:
		// Never so far back that what the clock showed must have been wrong.
		c.see()
		by := min(0, c.highest.Add(-20*time.Hour).Sub(c.clock.Now())) * time.Duration(c.rand.IntN(100)) / 100
		note("clock %v", by)
		c.set(by)
		c.pass(11 * time.Minute)
	case n < 72:
		writes := c.rand.IntN(8)
		note("power fails after %d writes", writes)
		c.store.fail(writes, c.runs.crash)
		c.pass(time.Duration(c.rand.Int64N(int64(3 * time.Hour))))
		c.crash()
		c.down()
	case n < 76:
		note("restart")
		c.halt()
		c.down()
	case n < 82:
		o := RunOptions{Now: c.rand.IntN(2) == 0}
		note("run %s %v", task, o)
		_, err := c.s.RunTask(task, o)
		c.do(err)
	case n < 86:
		note("pause %s", task)
		_ = c.s.Pause(task)
		synctest.Wait()
	case n < 92:
		note("resume %s", task)
		_ = c.s.Resume(task)
		synctest.Wait()
	case n < 96:
		note("detection")
		c.s.Detection(Detection{Path: "/tmp/x"})
		synctest.Wait()
	default:
		c.sets = fmt.Sprint("version ", c.rand.IntN(1000))
		note("rules %s", c.sets)
		c.s.SetsChanged(c.sets)
		synctest.Wait()
	}
}

// down leaves the agent off for a while.
func (c *chaos) down() {
	c.pass(time.Duration(c.rand.ExpFloat64() * float64(5*time.Hour)))
	c.boot()
}

// see notes what the clock shows.
func (c *chaos) see() {
	if now := c.clock.Now(); now.After(c.highest) {
		c.highest = now
	}
}

// rows returns the stored runs, oldest first.
func (c *chaos) rows() (list []*run) {
	c.memory.mu.Lock()
	defer c.memory.mu.Unlock()
	for _, row := range c.memory.runs {
		list = append(list, c.read(row))
	}
	slices.SortFunc(list, func(a, b *run) int { return cmp.Compare(a.record.ID, b.record.ID) })
	return list
}

func (c *chaos) read(row store.Run) *run {
	r := &run{record: row}
	if err := json.Unmarshal(row.Detail, &r.detail); err != nil {
		c.t.Error(err)
	}
	return r
}

// watch is called when a scan begins or ends to work, with the lock of scans held.
func (c *chaos) watch(s *scan, works bool) {
	if !works {
		return
	}
	if s.at != nil && s.at != s {
		c.t.Errorf("run %d works beside run %d", s.job.Run.ID, s.at.job.Run.ID)
	}
	c.permitted(s)
}

// permitted checks that a scan at work may be.
func (c *chaos) permitted(s *scan) {
	c.memory.mu.Lock()
	r := c.read(c.memory.runs[s.job.Run.ID])
	c.memory.mu.Unlock()
	task, now := s.job.Task, c.clock.Now()
	complain := func(what string) {
		c.t.Errorf("%s: run %d of %s works %s", now.Format("2 15:04:05"), r.record.ID, task.ID, what)
	}
	if r.Held {
		complain("although a person paused it")
	}
	if c.presence.Sleeping {
		complain("in its sleep")
	}
	if r.Force {
		return
	}
	waited := now.Sub(r.record.Queued)
	if task.While.Idle && !c.presence.Idle && waited < span(task.While.IdleOverride) {
		complain("while the computer is in use")
	}
	if r.Class == scheduled && !task.While.OnBattery && c.presence.OnBattery {
		complain("on battery")
	}
}

// check looks at the computer at any time.
func (c *chaos) check() {
	c.see()
	c.runs.mu.Lock()
	s := c.runs.at
	works := s != nil && s.timer != nil
	if works {
		c.permitted(s)
	}
	c.runs.mu.Unlock()

	// A response that may work does. It has no conditions but these; one that a person holds keeps others
	// of its task from working.
	hunt, _ := c.s.Show("hunt")
	if works && hunt.Run != nil && !slices.Contains(codes(hunt.Run.Waits), WaitPerson) {
		for _, r := range c.rows() {
			if r.Class == response && r.record.Task == "hunt" && s.job.Task.ID != "hunt" && slices.Contains(unfinished, r.record.State) && !r.Held && !r.NotBefore.After(c.clock.Now()) {
				c.t.Fatalf("run %d works while response %d waits\n%+v\n%+v\n%+v", s.job.Run.ID, r.record.ID, r.record, r.detail, hunt.Run)
			}
		}
	}
	c.answers()
}

// answers checks that no start was answered twice: each run answers later ones than the run before.
func (c *chaos) answers() {
	last := map[string]*run{}
	for _, r := range c.rows() {
		if r.Occurrence.IsZero() {
			continue
		}
		before := last[r.record.Task]
		if before != nil && !r.Occurrence.After(before.Occurrence) {
			c.t.Errorf("run %d of %s answers %v, as run %d did", r.record.ID, r.record.Task, r.Occurrence, before.record.ID)
		}
		last[r.record.Task] = r
	}
}

// conclude checks, after quiet days, that nothing was forgotten.
func (c *chaos) conclude(calm time.Time) {
	answered := map[string]time.Time{}
	for _, r := range c.rows() {
		if r.record.State != Finished && r.record.Reason != ErrReplaced.Error() && r.record.Queued.Before(calm) {
			c.t.Errorf("run %d of %s was not finished: %s, %s", r.record.ID, r.record.Task, r.record.State, r.record.Reason)
		}
		if r.Occurrence.After(answered[r.record.Task]) {
			answered[r.record.Task] = r.Occurrence
		}
	}
	now := c.clock.Now()
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for _, e := range c.s.sorted() {
		due := latest(e.plan.due, calm, now)
		if !due.IsZero() && answered[e.task.ID].Before(due) {
			c.t.Errorf("task %s was due at %v, and answered up to %v", e.task.ID, due, answered[e.task.ID])
		}
	}
}
