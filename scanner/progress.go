package scanner

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"tyto/scanner/walk"
)

// total is what there is to scan, once it has been counted.
type total struct {
	files, bytes atomic.Int64
}

// showProgress reports progress until the returned function is called. Meanwhile it counts what
// there is to scan, by a walk of its own that opens nothing: an estimate of what is left that
// does not rest on a count would be a guess.
func (s *Scan) showProgress(ctx context.Context) (stop func()) {
	if s.opts.Progress == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		files, bytes, err := walk.Count(ctx, s.opts.Walk, s.opts.MaxSize)
		if err != nil {
			return // the progress goes on without an estimate
		}
		s.total.files.Store(files)
		s.total.bytes.Store(bytes)
	})
	done := make(chan struct{})
	running.Go(func() {
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p := s.progress()
				s.opts.Progress(p)
				if p.Paused != "" {
					_ = s.gate.awaitWork(ctx) // nothing happens meanwhile, not even here
				}
			case <-done:
				return
			}
		}
	})
	return func() {
		cancel()
		close(done)
		running.Wait()
	}
}

func (s *Scan) progress() Progress {
	p := s.tally.progress()
	p.TotalFiles, p.TotalBytes = s.total.files.Load(), s.total.bytes.Load()
	p.Paused, p.Active = s.gate.Paused(), s.gate.Active()
	return p
}

// CPUTime returns the processor time that this process has used, and those of its children that have ended.
func CPUTime() (time.Duration, error) {
	own, err := ownCPUTime()
	if err != nil {
		return 0, fmt.Errorf("measure the processor time: %w", err)
	}
	children, err := childrenCPUTime()
	if err != nil {
		return 0, fmt.Errorf("measure the processor time of children: %w", err)
	}
	return own + children, nil
}

// limitCPU keeps the limit on processor time, if there is one, until the returned function is called.
func (s *Scan) limitCPU() (stop func()) {
	if s.opts.CPULimit <= 0 {
		return func() {}
	}
	// Before the first worker has ended, that is what loading the rules took.
	before, err := childrenCPUTime()
	if err != nil {
		s.log.Warn("measure the processor time of loading the rules", "error", err)
	}
	limit := &cpuLimit{
		share:   s.opts.CPULimit,
		gate:    s.gate,
		started: s.opts.Begun,
		used: func() time.Duration {
			used, err := ownCPUTime()
			if err != nil {
				s.log.Warn("measure the processor time", "error", err)
			}
			workers, err := s.workers.CPUTime()
			if err != nil {
				s.log.Warn("measure the processor time of the workers", "error", err)
			}
			return before + used + workers - s.opts.CPUBegun
		},
		now:   time.Now,
		sleep: sleep,
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { limit.run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}
