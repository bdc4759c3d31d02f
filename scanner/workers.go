package scanner

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"tyto/scanner/examine"
	"tyto/scanner/worker"
)

// latecomers are workers that are started when the first file needs one: a scan that knows every file
// spares itself the processes, and the rules that each of them loads.
type latecomers struct {
	// start starts the workers. It returns at once; ready tells whether they have come up.
	start func() (workers worker.Examiner, ready func() error, err error)

	mu        sync.Mutex
	workers   worker.Examiner // nil until they are needed
	suspended int
}

// workersError says that no worker can be started.
type workersError struct{ error }

func (e workersError) Unwrap() error { return e.error }

// Submit implements [worker.Examiner]. The error is a workersError if no worker can be started.
func (l *latecomers) Submit(ctx context.Context, job *worker.Job) error {
	workers, err := l.needed()
	if err != nil {
		job.File.Close()
		return workersError{err}
	}
	return workers.Submit(ctx, job)
}

// needed returns the workers.
func (l *latecomers) needed() (worker.Examiner, error) {
	if workers := l.started(); workers != nil {
		return workers, nil
	}
	ready, err := l.begin()
	if err == nil {
		err = ready()
	}
	return l.started(), err
}

// begin starts the workers, suspended if that is what they shall be.
func (l *latecomers) begin() (ready func() error, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.workers, ready, err = l.start(); err != nil {
		l.workers = nil
		return nil, err
	}
	for range l.suspended {
		l.workers.Suspend()
	}
	return ready, nil
}

// started returns the workers, or nil if none have been needed.
func (l *latecomers) started() worker.Examiner {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.workers
}

// Suspend implements [worker.Examiner].
func (l *latecomers) Suspend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.suspended++
	if l.workers != nil {
		l.workers.Suspend()
	}
}

// Resume implements [worker.Examiner].
func (l *latecomers) Resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.suspended--
	if l.workers != nil {
		l.workers.Resume()
	}
}

// CPUTime implements [worker.Examiner].
func (l *latecomers) CPUTime() (time.Duration, error) {
	if workers := l.started(); workers != nil {
		return workers.CPUTime()
	}
	return 0, nil
}

// Confinement implements [worker.Examiner].
func (l *latecomers) Confinement() []string {
	if workers := l.started(); workers != nil {
		return workers.Confinement()
	}
	return nil
}

// Close implements [worker.Examiner].
func (l *latecomers) Close() error {
	if workers := l.started(); workers != nil {
		return workers.Close()
	}
	return nil
}

// prepareWorkers says how workers are started, with what they have to look for. They live as long as ctx.
func (s *Scan) prepareWorkers(ctx context.Context) (worker.Examiner, error) {
	cfg, files := s.task()
	setup, err := json.Marshal(cfg)
	if err != nil {
		return nil, fmt.Errorf("describe the examination: %w", err)
	}
	return &latecomers{start: func() (worker.Examiner, func() error, error) {
		if s.opts.InProcess {
			workers, err := worker.InProcess(examine.New(), setup, files)
			return workers, func() error { return nil }, err
		}
		pool, err := worker.Launch(ctx, worker.Config{
			Workers:    s.opts.Workers,
			Command:    s.opts.WorkerCommand,
			Setup:      setup,
			SetupFiles: files,
			Memory:     s.opts.WorkerMemory,
			Deadline:   s.opts.ObjectTime,
			// Facts are small; an archive of ten thousand members makes a few MiB of them.
			ResponseBytes: 64 << 20,
			LowPriority:   !s.opts.Fast,
			Window:        window(mayOpen(), s.opts.Workers),
			Log:           s.log,
		})
		if err != nil {
			return nil, nil, err
		}
		return pool, pool.Ready, nil
	}}, nil
}

// window returns how many files may be on their way to one worker, where files may be open in all. A
// half is for files that wait or are being examined; the rest is for the walk and the estimate, which
// have directories open, and for what each worker takes.
func window(files, workers int) int {
	const perWorker = 4
	return max(1, min(worker.DefaultWindow, (files/2-perWorker*workers)/(workers+1)))
}

// task returns the workers' configuration and the files that belong to it.
func (s *Scan) task() (examine.Config, []*os.File) {
	needs := s.matcher.needs()
	// The inventory is asked for hashes that nobody looks for yet.
	kept := s.opts.Inventory != nil
	cfg := examine.Config{
		MD5: needs.MD5 || kept, SHA1: needs.SHA1 || kept, SHA256: needs.SHA256 || kept,
		Strings:   needs.Strings,
		Limits:    s.opts.Examine,
		KeepCache: s.opts.Fast,
	}
	if s.opts.Rules == nil {
		return cfg, nil
	}
	cfg.HasRules = true
	return cfg, []*os.File{s.opts.Rules.File()}
}
