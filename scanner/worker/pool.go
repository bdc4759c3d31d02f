package worker

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tyto/finding"
)

// Pool runs jobs in worker processes. All its methods may be called concurrently.
type Pool struct {
	config   Config
	log      *slog.Logger
	launcher *launcher
	slots    []*slot
	running  sync.WaitGroup // the goroutines of the slots
	started  chan struct{}  // closed when the first worker is ready, or the pool has stopped
	watchman watchman
	lastID   atomic.Uint64 // of the jobs
	closer   sync.Once
	unhook   func() bool // from the context of Start

	mu        sync.Mutex
	room      sync.Cond     // the queue has room, or nothing more is taken
	idle      sync.Cond     // pending has become 0
	queue     fifo[*Job]    // not yet with a worker
	suspects  fifo[*Job]    // a worker died with them: to be tried again, each alone
	pending   int           // accepted and not yet done
	suspended int           // calls of Suspend minus calls of Resume
	closing   bool          // Close has been called
	ending    bool          // all jobs are done, workers are sent home
	stopped   *LostError    // why no more jobs are taken and those that were are lost
	failures  int           // to start, weighed, since a job was last done
	notBefore time.Time     // no start until then
	deadCPU   time.Duration // used by processes that are gone
	report    *report       // of the first worker
}

// jobState is what the pool keeps of a job.
type jobState struct {
	id        uint64
	err       error
	responses int64 // bytes
	responded bool
	deaths    int // of workers that had not answered this job
	kills     int // of workers, by somebody else
	alone     bool
	// holders counts who still uses the file: the goroutine that sends the job and the one that
	// takes its answers. A hostile worker may answer a job before it has been sent.
	holders atomic.Int32
}

// Start is [Launch], and then waits until the first of the workers is ready. It fails if none can be
// started or set up.
func Start(ctx context.Context, config Config) (*Pool, error) {
	p, err := Launch(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := p.Ready(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Launch begins to start workers and returns at once, so that whoever may have to suspend them can do
// so from the first moment. Jobs may be submitted; [Pool.Ready] tells whether any worker comes up. When
// ctx ends, workers are killed and all jobs that are not done are lost with finding.Stopped; Close must be
// called all the same.
func Launch(ctx context.Context, config Config) (*Pool, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("start workers: %w", err)
	}
	launcher, err := newLauncher(&config)
	if err != nil {
		return nil, fmt.Errorf("start workers: %w", err)
	}
	p := &Pool{config: config, log: config.Log, launcher: launcher, started: make(chan struct{})}
	p.room.L, p.idle.L = &p.mu, &p.mu
	for range config.Workers {
		p.slots = append(p.slots, newSlot(p))
	}
	p.watchman.start(p)
	for _, s := range p.slots {
		p.running.Go(s.run)
	}
	p.unhook = context.AfterFunc(ctx, func() {
		p.stop(&LostError{finding.Stopped, context.Cause(ctx).Error()})
	})
	return p, nil
}

// Ready returns when the first worker is ready to work, or with an error if none can be started or set
// up, or the context of [Launch] has ended.
func (p *Pool) Ready() error {
	<-p.started
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped != nil {
		return fmt.Errorf("start workers: %s", p.stopped.Detail)
	}
	return nil
}

// Submit implements [Examiner]. It returns ErrClosed after Close or when no worker can be
// started any more, and the cause of ctx when that ends.
func (p *Pool) Submit(ctx context.Context, job *Job) error {
	err := p.submit(ctx, job)
	if err != nil {
		closeFile(job)
	}
	return err
}

func (p *Pool) submit(ctx context.Context, job *Job) error {
	if len(job.Request) > MaxFrame {
		return fmt.Errorf("submit a request of %d bytes: the limit is %d", len(job.Request), MaxFrame)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.awaitRoom(ctx); err != nil {
		return err
	}
	job.state = jobState{}
	p.pending++
	p.queue.push(job)
	p.wakeOne()
	return nil
}

// awaitRoom waits until a job may be queued. p.mu is held.
func (p *Pool) awaitRoom(ctx context.Context) error {
	if p.queue.len() >= p.config.Window && p.accepts() == nil && ctx.Err() == nil {
		// Taking the lock makes sure that the waiter is in Wait, not before it.
		wake := func() { p.mu.Lock(); defer p.mu.Unlock(); p.room.Broadcast() }
		defer context.AfterFunc(ctx, wake)()
		for p.queue.len() >= p.config.Window && p.accepts() == nil && ctx.Err() == nil {
			p.room.Wait()
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return p.accepts()
}

// accepts returns why no job is taken any more, or nil. p.mu is held.
func (p *Pool) accepts() error {
	switch {
	case p.stopped != nil:
		return fmt.Errorf("%w: %s", ErrClosed, p.stopped.Detail)
	case p.closing:
		return ErrClosed
	}
	return nil
}

// wakeOne has a worker look at the queue, an idle one if there is one. p.mu is held.
func (p *Pool) wakeOne() {
	var chosen *slot
	for _, s := range p.slots {
		if s.woken || !s.mayTake() {
			continue
		}
		chosen = s
		if s.inflight.len() == 0 {
			break
		}
	}
	if chosen != nil {
		chosen.rouse()
	}
}

// wakeAll has all workers look at the queue. p.mu is held.
func (p *Pool) wakeAll() {
	for _, s := range p.slots {
		s.rouse()
	}
}

// complete ends a job. The caller must be the last to use it.
func (p *Pool) complete(job *Job) {
	closeFile(job)
	job.Done(job.state.err)

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending--; p.pending == 0 {
		p.idle.Broadcast()
	}
}

// stop ends the pool before its jobs are done: they are lost for that reason.
func (p *Pool) stop(why *LostError) {
	p.mu.Lock()
	var lost []*Job
	if p.stopped == nil && !p.ending {
		p.stopped = why
		lost = append(p.suspects.drain(), p.queue.drain()...)
		for _, s := range p.slots {
			if s.process != nil {
				s.process.kill()
			}
		}
		p.wakeAll()
		p.room.Broadcast()
		p.announce()
	}
	p.mu.Unlock()

	for _, job := range lost {
		job.state.err = why
		p.complete(job)
	}
}

// announce lets Start return. p.mu is held.
func (p *Pool) announce() {
	select {
	case <-p.started:
	default:
		close(p.started)
	}
}

// Suspend stops all workers as processes and starts nothing new until Resume has been called as
// often. The clocks of all deadlines stand still. It returns when the signals have been sent, which
// is when workers stop, unless the kernel is busy reading from a disk for them. Workers that somebody else
// continues are stopped again within a second.
func (p *Pool) Suspend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.suspended++; p.suspended > 1 || p.ending { // those who go home have nothing left to do
		return
	}
	for _, s := range p.slots {
		if s.process != nil {
			s.process.suspend()
		}
	}
}

// Resume takes back one call of Suspend. It does nothing if there is none.
func (p *Pool) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.suspended == 0 {
		return
	}
	if p.suspended--; p.suspended > 0 {
		return
	}
	now := time.Now()
	for _, s := range p.slots {
		if s.process != nil {
			s.process.resume()
		}
		s.since = now // a pause says nothing about the pace of the work
	}
	p.wakeAll()
	p.watchman.stir()
}

// holdAll stops the workers once more. Nobody but the pool should continue one that it has suspended, but
// debuggers, shells and process managers do. It reports whether the pool is suspended.
func (p *Pool) holdAll() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.suspended == 0 || p.ending {
		return false
	}
	for _, s := range p.slots {
		if s.process != nil {
			s.process.hold()
		}
	}
	return true
}

// CPUTime implements [Examiner].
func (p *Pool) CPUTime() (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	total := p.deadCPU
	for _, s := range p.slots {
		if s.process != nil {
			total += s.process.used()
		}
	}
	return total, nil
}

// Confinement says how workers are confined: a line for each measure, then a line that begins with
// "missing: " for each that this system lacks. All workers are confined alike. Before the first of them has
// come up nothing is known.
func (p *Pool) Confinement() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.report == nil {
		return nil
	}
	return p.report.lines()
}

// Processes returns the process ids of the workers that live now.
func (p *Pool) Processes() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	var pids []int
	for _, s := range p.slots {
		if s.process != nil {
			pids = append(pids, s.process.pid)
		}
	}
	return pids
}

// farewell is how long workers have to end by themselves.
const farewell = 5 * time.Second

// Close waits until all jobs are done and ends the workers. While the pool is suspended it waits
// too; end the context of Start to stop at once. It returns an error if the pool
// could not go on because workers could not be started. Further calls return the same.
func (p *Pool) Close() error {
	p.closer.Do(p.end)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped != nil && p.stopped.Reason != finding.Stopped {
		return p.stopped
	}
	return nil
}

// end does what Close promises.
func (p *Pool) end() {
	p.mu.Lock()
	p.closing = true
	p.room.Broadcast()
	for p.pending > 0 {
		p.idle.Wait()
	}
	p.ending = true
	for _, s := range p.slots {
		if s.process != nil {
			s.process.hangUp()
			s.process.resume()
		}
	}
	p.wakeAll()
	p.mu.Unlock()

	deadline := time.AfterFunc(farewell, p.killAll)
	p.running.Wait()
	deadline.Stop()
	p.unhook()
	p.watchman.end()
	p.launcher.close()
}

func (p *Pool) killAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.slots {
		if s.process != nil {
			s.process.kill()
		}
	}
}
