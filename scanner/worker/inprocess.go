package worker

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"tyto/finding"
)

// inProcess is the [Examiner] without workers.
type inProcess struct {
	handler Handler

	work sync.Mutex // held while a job is handled

	mu        sync.Mutex // guards the following
	resumed   sync.Cond
	suspended int
	closed    bool
	used      time.Duration
}

// InProcess returns an Examiner that calls h in this process, one job at a time, inside Submit.
// Nothing protects from what the handler does: a crash is a crash of the caller, there is no
// limit of time or memory, and Suspend takes effect before the next job only. CPUTime is the time
// that the handler took.
func InProcess(h Handler, setup []byte, files []*os.File) (Examiner, error) {
	if err := h.Setup(setup, files); err != nil {
		return nil, fmt.Errorf("set up in this process: %w", err)
	}
	e := &inProcess{handler: h}
	e.resumed.L = &e.mu
	return e, nil
}

func (e *inProcess) Submit(ctx context.Context, job *Job) error {
	e.work.Lock()
	defer e.work.Unlock()
	if err := e.await(ctx); err != nil {
		closeFile(job)
		return err
	}
	start := time.Now()
	err := e.handle(job)
	e.mu.Lock()
	e.used += time.Since(start)
	e.mu.Unlock()
	closeFile(job)
	job.Done(err)
	return nil
}

// await waits until work may go on.
func (e *inProcess) await(ctx context.Context) error {
	defer context.AfterFunc(ctx, e.wake)()
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.suspended > 0 && ctx.Err() == nil && !e.closed {
		e.resumed.Wait()
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case e.closed:
		return ErrClosed
	}
	return nil
}

func (e *inProcess) handle(job *Job) error {
	respond := func(response []byte) error {
		if len(response) > MaxFrame {
			return fmt.Errorf("response of %d bytes: the limit is %d", len(response), MaxFrame)
		}
		if job.Response != nil {
			job.Response(response)
		}
		return nil
	}
	if err := e.handler.Handle(job.Request, job.File, respond); err != nil {
		return &LostError{finding.ScanError, printable(message(err))}
	}
	return nil
}

func closeFile(job *Job) {
	if job.File != nil {
		job.File.Close()
	}
}

func (e *inProcess) wake() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.resumed.Broadcast()
}

func (e *inProcess) Suspend() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.suspended++
}

func (e *inProcess) Resume() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.suspended = max(0, e.suspended-1)
	e.resumed.Broadcast()
}

func (e *inProcess) CPUTime() (time.Duration, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.used, nil
}

func (e *inProcess) Confinement() []string {
	return []string{"missing: everything (in-process)"}
}

func (e *inProcess) Close() error {
	e.mu.Lock()
	e.closed = true
	e.resumed.Broadcast()
	e.mu.Unlock()

	e.work.Lock() // wait for the job at hand
	defer e.work.Unlock()
	return nil
}
