package worker

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"tyto/finding"
)

// slot is a place for one worker. Its goroutine keeps a process in it: starts one, sets it up,
// takes its answers, and when it dies settles its jobs and starts the next.
type slot struct {
	pool *Pool

	// All of the following is guarded by pool.mu.
	wake     sync.Cond
	woken    bool       // has been told to look at the queue and has not yet done so
	process  *process   // nil between two processes
	ready    bool       // the process is set up and takes jobs
	verdict  *LostError // why the watchman killed the process
	inflight fifo[*Job] // sent and not answered, in the order in which the worker handles them
	bytes    int64      // sum of their sizes
	depth    int        // how many jobs are to be in flight
	pace     time.Duration
	since    time.Time     // when the oldest job's turn came
	ran      time.Duration // how long its turn has lasted, as far as deadlines count
	used     int64         // memory, when the watchman last looked
	nextLook time.Time
	queued   time.Duration // that the process has waited for a processor, at the last tick

	// delivering is set while callbacks run: the caller's time is not the worker's.
	delivering atomic.Bool
}

func newSlot(p *Pool) *slot {
	s := &slot{pool: p, depth: 1}
	s.wake.L = &p.mu
	return s
}

// run keeps a worker in the slot until the pool ends.
func (s *slot) run() {
	p := s.pool
	for p.mayStart(s) {
		w, err := s.start()
		if err == nil {
			err = s.serve(w)
		}
		s.bury(w, err)
	}
}

// start starts a process and sets it up.
func (s *slot) start() (*process, error) {
	p := s.pool
	w, err := p.launcher.launch()
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	s.process, s.ready, s.verdict, s.ran, s.used, s.queued = w, false, nil, 0, 0, 0
	s.nextLook = time.Now()
	if p.suspended > 0 {
		w.suspend()
	}
	if p.stopped != nil || p.ending {
		w.kill()
	}
	p.mu.Unlock()
	p.watchman.stir()

	report, err := w.introduce(p.config.hello())
	if err != nil {
		return w, err
	}
	if err := w.setUp(p.config.Setup, p.config.SetupFiles); err != nil {
		return w, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.report == nil {
		report.add(w.measures, w.missing)
		p.report = report
	}
	s.ready = true
	p.announce()
	return w, nil
}

// serve has a worker do jobs until it dies or breaks the protocol.
func (s *slot) serve(w *process) error {
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		s.feed(w)
	}()
	err := s.receive(w)

	s.pool.mu.Lock()
	s.ready = false
	s.wake.Broadcast()
	s.pool.mu.Unlock()
	w.kill()
	<-fed
	return err
}

// feed sends jobs to the worker while it lives.
func (s *slot) feed(w *process) {
	var batch []*Job
	var buf []byte
	for {
		batch = s.take(batch[:0])
		if len(batch) == 0 {
			return
		}
		buf, batch = s.pack(w, buf[:0], batch)
		if len(batch) == 0 {
			continue
		}
		err := w.send(buf)
		for _, job := range batch {
			s.pool.release(job)
		}
		if err != nil {
			w.kill() // it has closed the connection, or is about to die anyway
			return
		}
		if cap(buf) > keepBuffer {
			buf = nil
		}
	}
}

// take waits for jobs and returns those to be sent next; none if the worker is gone.
func (s *slot) take(batch []*Job) []*Job {
	p := s.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	for s.woken = false; s.ready && !s.mayTake(); s.woken = false {
		s.wake.Wait()
	}
	s.woken = false
	if !s.ready {
		return nil
	}
	if p.suspects.len() > 0 {
		job := p.suspects.pop()
		job.state.alone = true
		if p.suspects.len() == 0 {
			p.wakeAll()
		}
		return append(batch, job)
	}
	n, bytes := s.inflight.len(), s.bytes
	for n < s.depth && p.queue.len() > 0 && s.fits(n, bytes) {
		job := p.queue.pop()
		batch = append(batch, job)
		n++
		bytes += job.Size
	}
	if p.queue.len() <= p.config.Window/2 {
		p.room.Broadcast()
	}
	return batch
}

// mayTake reports whether the worker should be given a job now: when it has none, or when it has
// done half of what it was given and there is more. A suspect needs a worker without any.
// pool.mu is held.
func (s *slot) mayTake() bool {
	p := s.pool
	n := s.inflight.len()
	switch {
	case !s.ready || p.suspended > 0:
		return false
	case n == 0:
		return p.suspects.len()+p.queue.len() > 0
	case p.suspects.len() > 0 || p.queue.len() == 0 || s.inflight.peek().state.alone:
		return false
	}
	return n <= s.depth/2 && s.fits(n, s.bytes)
}

// fits reports whether the oldest queued job fits beside n jobs of so many bytes. pool.mu is held.
func (s *slot) fits(n int, bytes int64) bool {
	return n == 0 || bytes+s.pool.queue.peek().Size <= s.pool.config.WindowBytes
}

// pack appends the frames of a batch to buf and enters its jobs as in flight. Jobs whose file
// cannot be passed are ended and left out.
func (s *slot) pack(w *process, buf []byte, batch []*Job) ([]byte, []*Job) {
	p := s.pool
	packed := batch[:0]
	for _, job := range batch {
		job.state.id = p.lastID.Add(1)
		f := frame{kind: kindRequest, id: job.state.id, payload: job.Request}
		grown, err := w.appendFrame(buf, f, job.File)
		if err != nil {
			job.state.err = &LostError{finding.Unreadable, err.Error()}
			p.complete(job)
			continue
		}
		buf = grown
		packed = append(packed, job)
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	for _, job := range packed {
		job.state.holders.Store(2) // feed and receive
		if s.inflight.len() == 0 {
			s.since, s.ran = time.Now(), 0
		}
		s.inflight.push(job)
		s.bytes += job.Size
	}
	p.watchman.stir()
	return buf, packed
}

// receive takes the worker's answers until its connection ends.
func (s *slot) receive(w *process) error {
	for {
		f, err := w.frames.next()
		if err != nil {
			return err
		}
		if err := s.accept(f); err != nil {
			return err
		}
	}
}

// accept takes one frame. Jobs are answered in the order in which they were sent, so it must belong
// to the oldest one in flight.
func (s *slot) accept(f frame) error {
	job := s.oldest()
	if job == nil || job.state.id != f.id || f.files != 0 {
		return fmt.Errorf("%w: frame of kind %d for job %d, whose turn it is not", errProtocol, f.kind, f.id)
	}
	switch f.kind {
	case kindResponse:
		return s.respond(job, f.payload)
	case kindEnd:
		s.end(job, f.payload)
		return nil
	}
	return fmt.Errorf("%w: unexpected frame of kind %d", errProtocol, f.kind)
}

func (s *slot) oldest() *Job {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	if s.inflight.len() == 0 {
		return nil
	}
	return s.inflight.peek()
}

func (s *slot) respond(job *Job, response []byte) error {
	limit := s.pool.config.ResponseBytes
	job.state.responses += int64(headerSize + len(response)) // empty ones are not for free
	if limit > 0 && job.state.responses > limit {
		return fmt.Errorf("%w: more than %d bytes of responses to one job", errProtocol, limit)
	}
	if job.Response == nil {
		return nil
	}
	job.state.responded = true
	s.delivering.Store(true)
	defer s.delivering.Store(false)
	job.Response(response)
	return nil
}

// window is how much work, measured in time, is to be in flight in a worker: much more than the
// few microseconds that a job travels, much less than what should be done again after a crash.
const window = 2 * time.Millisecond

// end takes a job out of flight as handled.
func (s *slot) end(job *Job, message []byte) {
	if len(message) > 0 {
		job.state.err = &LostError{finding.ScanError, printable(message)}
	}
	p := s.pool
	p.mu.Lock()
	s.inflight.pop()
	s.bytes -= job.Size
	now := time.Now()
	s.pace += (now.Sub(s.since) - s.pace) / 8
	s.depth = int(min(max(window/max(s.pace, 1), 1), time.Duration(p.config.Window)))
	s.since, s.ran = now, 0
	p.failures = 0
	if s.mayTake() {
		s.rouse()
	}
	p.mu.Unlock()

	s.delivering.Store(true)
	defer s.delivering.Store(false)
	p.release(job)
}

// release gives up one hold on a job and completes it if that was the last.
func (p *Pool) release(job *Job) {
	if job.state.holders.Add(-1) == 0 {
		p.complete(job)
	}
}

// rouse has the slot look at the queue. pool.mu is held.
func (s *slot) rouse() {
	s.woken = true
	s.wake.Broadcast()
}
