package worker

import (
	"fmt"
	"sync"
	"time"

	"tyto/finding"
)

// watchman kills workers that take too long or too much memory. It looks at them at every tick
// while there is something to watch, and sleeps otherwise. While the pool is suspended it only sees to it, once
// a second, that the workers stand still.
//
// Deadlines are counted in ticks. So they stand still by themselves while the pool is suspended, while
// the caller's callbacks run, and while the machine sleeps or does not let the broker run: a tick
// counts no more than twice its nominal length. Time that a worker spends waiting for a processor does not
// count either, where the system tells it: on a busy machine a worker of low priority may wait for
// long, and what is lost should not depend on that.
type watchman struct {
	signal chan struct{}
	done   chan struct{}
	ended  sync.WaitGroup
}

const (
	tick = 20 * time.Millisecond
	// A process does not fill memory faster than this, in bytes per second. It tells
	// how long a worker can be left alone with the memory that it may still take.
	fillRate = 4 << 30
	maxLook  = 200 * time.Millisecond
	holdTick = time.Second
)

func (g *watchman) start(p *Pool) {
	g.signal = make(chan struct{}, 1)
	g.done = make(chan struct{})
	g.ended.Go(func() { g.watch(p) })
}

func (g *watchman) end() {
	close(g.done)
	g.ended.Wait()
}

// stir tells the watchman that there is something to watch.
func (g *watchman) stir() {
	select {
	case g.signal <- struct{}{}:
	default:
	}
}

func (g *watchman) watch(p *Pool) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-g.done:
			return
		case now := <-ticker.C:
			if p.inspect(now, min(now.Sub(last), 2*tick)) {
				last = now
				continue
			}
		}
		ticker.Stop()
		if !g.sleep(p) {
			return
		}
		ticker.Reset(tick)
		last = time.Now()
	}
}

// sleep returns when there is something to watch, or false at the end.
func (g *watchman) sleep(p *Pool) bool {
	for {
		var again <-chan time.Time
		if p.holdAll() {
			again = time.After(holdTick)
		}
		select {
		case <-g.done:
			return false
		case <-g.signal:
			return true
		case <-again:
		}
	}
}

// inspect looks at all workers and reports whether any was busy.
func (p *Pool) inspect(now time.Time, passed time.Duration) (busy bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.suspended > 0 {
		return false
	}
	for _, s := range p.slots {
		if s.process == nil || s.ready && s.inflight.len() == 0 {
			continue
		}
		busy = true
		if s.verdict != nil {
			continue // dying
		}
		if s.verdict = s.judge(now, passed); s.verdict != nil {
			s.process.kill()
		}
	}
	return busy
}

// judge returns why a busy worker must die, or nil. pool.mu is held.
func (s *slot) judge(now time.Time, passed time.Duration) *LostError {
	if !s.delivering.Load() {
		s.ran += passed - s.queuedFor(passed)
	}
	if limit := s.deadline(); limit > 0 && s.ran > limit {
		if !s.ready {
			return &LostError{finding.Timeout, fmt.Sprintf("set-up takes longer than %v", limit)}
		}
		return &LostError{finding.Timeout, fmt.Sprintf("takes longer than %v", limit)}
	}
	limit := s.pool.config.Memory
	if limit < 0 || now.Before(s.nextLook) {
		return nil
	}
	used, err := s.process.memory()
	if err != nil {
		return nil // it is ending, or hidden; then its own limit must do
	}
	s.used = used
	if used > limit {
		return &LostError{finding.OutOfMemory, fmt.Sprintf("needs more than %d MiB of memory", limit>>20)}
	}
	s.nextLook = now.Add(min(time.Duration(float64(limit-used)/fillRate*float64(time.Second)), maxLook))
	return nil
}

// queuedFor returns how much of the time that has passed the worker has been waiting for a processor.
func (s *slot) queuedFor(passed time.Duration) time.Duration {
	queued, err := s.process.queued()
	if err != nil {
		return 0
	}
	since := queued - s.queued
	s.queued = queued
	return min(max(since, 0), passed)
}

// deadline returns the limit for what the worker does now; zero or negative is none.
func (s *slot) deadline() time.Duration {
	if !s.ready {
		return s.pool.config.SetupDeadline
	}
	if own := s.inflight.peek().Deadline; own != 0 {
		return own
	}
	return s.pool.config.Deadline
}
