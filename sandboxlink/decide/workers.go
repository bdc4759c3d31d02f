package decide

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"tyto/sandboxlink/decide/inspect"
	"tyto/scanner/worker"
)

// Limits of the worker.
const (
	workerMemory   = 512 << 20
	inspectionTime = 20 * time.Second
)

// workers is a pool of one worker process that is there only while there is work.
type workers struct {
	config worker.Config
	idle   time.Duration
	now    func() time.Time

	mu     sync.Mutex
	pool   *worker.Pool // nil while there is none
	users  int
	timer  *time.Timer // ends an idle pool
	closed bool
	// notBefore keeps a program that does not start from being tried for each object.
	notBefore time.Time
	endings   sync.WaitGroup // of pools that are ended
}

func newWorkers(o Options, roots [][]byte) (*workers, error) {
	setup, err := json.Marshal(inspect.Config{Roots: roots})
	if err != nil {
		return nil, fmt.Errorf("describe the inspection: %w", err)
	}
	command := o.WorkerCommand
	if len(command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find own executable: %w", err)
		}
		command = []string{self, "worker", "--inspect"}
	}
	return &workers{idle: o.Idle, now: o.Now, config: worker.Config{
		Workers: 1, Command: command, Setup: setup, Memory: workerMemory, Deadline: inspectionTime,
		ResponseBytes: inspect.MaxFacts + 64, LowPriority: true, Log: o.Log,
	}}, nil
}

// inspect has the worker look into a file. The error is a *[worker.LostError] if the object keeps the worker from it.
func (w *workers) inspect(ctx context.Context, f *os.File, size int64) (*inspect.Facts, error) {
	request, err := json.Marshal(inspect.Request{Size: size})
	if err != nil {
		return nil, fmt.Errorf("describe the inspection: %w", err)
	}
	mine, err := duplicate(f)
	if err != nil {
		return nil, fmt.Errorf("pass the file to a worker: %w", err)
	}
	pool, err := w.take()
	if err != nil {
		mine.Close()
		return nil, err
	}
	defer w.giveBack()
	if err := pool.Ready(); err != nil {
		w.discard(pool)
		mine.Close()
		return nil, err
	}
	var answer []byte
	done := make(chan error, 1)
	job := &worker.Job{
		File: mine, Request: request, Size: size,
		Response: func(response []byte) { answer = append(answer, response...) },
		Restart:  func() { answer = nil },
		Done:     func(err error) { done <- err },
	}
	if err := pool.Submit(ctx, job); err != nil {
		if errors.Is(err, worker.ErrClosed) {
			w.discard(pool)
		}
		return nil, fmt.Errorf("ask a worker: %w", err)
	}
	if err := <-done; err != nil { // it has a deadline of its own
		return nil, err
	}
	return inspect.ReadFacts(answer)
}

// take returns the pool, which it starts if there is none.
func (w *workers) take() (*worker.Pool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, errors.New("no more is decided: it was closed")
	}
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	if w.pool == nil {
		if left := w.notBefore.Sub(w.now()); left > 0 && left <= rest {
			return nil, errors.New("workers cannot be started at the moment")
		}
		pool, err := worker.Launch(context.Background(), w.config)
		if err != nil {
			return nil, err
		}
		w.pool = pool
	}
	w.users++
	return w.pool, nil
}

// rest is how long no worker is started after one could not be.
const rest = 30 * time.Second

// discard ends a pool that cannot work any more, so that a later one who asks tries with another.
func (w *workers) discard(pool *worker.Pool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pool == pool {
		w.notBefore = w.now().Add(rest)
		w.end()
	}
}

// giveBack has the pool ended after a while in which nobody takes it.
func (w *workers) giveBack() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.users--; w.users > 0 || w.closed || w.pool == nil {
		return
	}
	var mine *time.Timer
	mine = time.AfterFunc(w.idle, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.timer == mine {
			w.end()
		}
	})
	w.timer = mine
}

// end ends the pool. The lock is held.
func (w *workers) end() {
	pool := w.pool
	w.pool, w.timer = nil, nil
	if pool != nil {
		w.endings.Go(func() { _ = pool.Close() }) // what kept it from working was told to those who asked
	}
}

// close ends the pool for good and waits for it.
func (w *workers) close() error {
	w.mu.Lock()
	w.closed = true
	if w.timer != nil {
		w.timer.Stop()
	}
	w.end()
	w.mu.Unlock()
	w.endings.Wait()
	return nil
}
