package worker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"tyto/finding"
)

// A job is lost with the second death of a worker that was handling it. Deaths by somebody else's
// hand count less: who kills workers at random should not cost objects. But they count, since
// it may be the kernel that kills for want of memory, and a job must not go on forever.
const (
	maxDeaths = 2
	maxKills  = 5
)

// Starts of workers that come to nothing are repeated after a growing pause, and not forever. Again
// those that somebody else brought to nothing weigh less.
const (
	startFault  = 10
	startKill   = 1
	maxFailures = 50
	firstPause  = 50 * time.Millisecond
	// A worker that lived this long did not fail to start, though it may have done no job.
	longLife = 10 * time.Second
)

// bury takes a dead, or dying, process out of the slot and settles its jobs. err is why start or
// serve returned; w is nil if there was not even a process.
func (s *slot) bury(w *process, err error) {
	p := s.pool
	if w == nil {
		p.startFailed(err, startFault)
		return
	}
	w.kill()
	end := w.wait()

	p.mu.Lock()
	cause, byOther := end.cause(err, s.verdict, s.used, p.config.Memory)
	orphans := s.inflight.drain()
	s.process, s.ready, s.bytes, s.depth, s.pace = nil, false, 0, 1, 0
	p.deadCPU += end.cpu
	expected := p.ending || p.stopped != nil
	p.mu.Unlock()
	w.close()

	if !expected {
		p.log.Warn("a worker died", "pid", w.pid, "reason", cause.Reason, "detail", cause.Detail, "jobs", len(orphans))
		p.log.Debug("last words of a worker", "pid", w.pid, "stderr", printable(end.stderr))
	}
	switch {
	case len(orphans) > 0:
		p.settle(orphans, cause, byOther)
	case errors.Is(err, errRefused):
		p.stop(&LostError{finding.Crashed, err.Error()})
	case expected || time.Since(w.born) > longLife:
	case byOther:
		p.startFailed(cause, startKill)
	default:
		p.startFailed(cause, startFault)
	}
}

// settle decides what becomes of the jobs of a dead worker.
func (p *Pool) settle(orphans []*Job, cause *LostError, byOther bool) {
	for _, job := range orphans {
		job.state.count(byOther)
		if job.state.responded && job.Restart == nil || !job.state.deserves() {
			job.state.err = cause
			p.complete(job)
			continue
		}
		p.retry(job)
	}
}

// count counts a death of the job's worker.
func (state *jobState) count(byOther bool) {
	if byOther {
		state.kills++
	} else {
		state.deaths++
	}
}

// deserves reports whether the job may be tried again.
func (state *jobState) deserves() bool {
	return state.deaths < maxDeaths && state.deaths+state.kills < maxKills
}

// retry puts a job into the queue of those that are handled alone, unless the pool has stopped.
func (p *Pool) retry(job *Job) {
	if job.state.responded {
		job.Restart()
	}
	job.state.responded, job.state.responses, job.state.err = false, 0, nil

	p.mu.Lock()
	stopped := p.stopped
	if stopped == nil {
		p.suspects.push(job)
		p.wakeAll()
	}
	p.mu.Unlock()
	if stopped != nil {
		job.state.err = stopped
		p.complete(job)
	}
}

// startFailed counts a start that came to nothing and stops the pool when there were too many.
func (p *Pool) startFailed(err error, weight int) {
	p.mu.Lock()
	p.failures += weight
	pause := firstPause << (p.failures / startFault)
	p.notBefore = time.Now().Add(pause)
	tooMany := p.failures >= maxFailures
	expected := p.ending || p.stopped != nil
	p.mu.Unlock()
	if expected {
		return
	}
	if tooMany {
		p.stop(&LostError{finding.Crashed, fmt.Sprintf("no worker starts: %v", err)})
		return
	}
	p.log.Warn("a worker did not start", "error", err, "again in", pause)
}

// mayStart waits until a process may be started in the slot. It returns false when none is
// needed any more.
func (p *Pool) mayStart(s *slot) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		pause := time.Until(p.notBefore)
		switch {
		case p.stopped != nil || p.ending:
			return false
		case p.suspended == 0 && pause <= 0:
			return true
		case p.suspended == 0:
			timer := time.AfterFunc(pause, func() { p.mu.Lock(); defer p.mu.Unlock(); s.rouse() })
			defer timer.Stop()
		}
		s.wake.Wait()
	}
}

// exit is how a process ended.
type exit struct {
	state  string // in the words of os.ProcessState
	killed bool   // by a signal or call that cannot be caught
	cpu    time.Duration
	stderr []byte // the beginning of what it wrote to standard error
}

// cause says why a process died: first what the broker did to it (verdict, or err for a breach
// of the protocol), then what it left behind. byOther is true if somebody else killed it.
// used and limit tell how much memory it had at last.
func (e exit) cause(err error, verdict *LostError, used, limit int64) (cause *LostError, byOther bool) {
	switch {
	case verdict != nil:
		return verdict, false
	case errors.Is(err, errProtocol):
		return &LostError{finding.Crashed, err.Error()}, false
	case ranOutOfMemory(e.stderr):
		return &LostError{finding.OutOfMemory, lastWords(e.stderr)}, false
	}
	detail := e.state
	if name := caughtFault(e.stderr); name != "" {
		detail = name
	} else if words := lastWords(e.stderr); words != "" {
		detail += ": " + words
	} else if err != nil && !errors.Is(err, io.EOF) && !e.killed {
		detail += ": " + err.Error()
	}
	// C code that is refused memory often does not check, and dies of the null pointer.
	if limit > 0 && used > limit/4*3 {
		return &LostError{finding.OutOfMemory, fmt.Sprintf("%s after using %d of %d MiB", detail, used>>20, limit>>20)}, false
	}
	return &LostError{finding.Crashed, detail}, e.killed
}

// Marks by which Go's runtime and C++'s report that memory was refused.
var outOfMemory = [][]byte{
	[]byte("fatal error: runtime: out of memory"),
	[]byte("fatal error: runtime: cannot allocate memory"),
	[]byte("fatal error: out of memory"),
	[]byte("runtime: cannot allocate memory"),
	[]byte("runtime: failed to create new OS thread"),
	[]byte("std::bad_alloc"),
}

func ranOutOfMemory(stderr []byte) bool {
	for _, mark := range outOfMemory {
		if bytes.Contains(stderr, mark) {
			return true
		}
	}
	return false
}

// Go's runtime catches these signals and exceptions, also those of C code, reports them in its own
// words and exits.
var faults = []struct{ mark, name string }{
	{"SIGSEGV", "signal: segmentation fault"},
	{"SIGBUS", "signal: bus error"},
	{"SIGFPE", "signal: floating point exception"},
	{"SIGILL", "signal: illegal instruction"},
	{"SIGABRT", "signal: aborted"},
	{"SIGSYS", "signal: bad system call"},
	{"0xc0000005", "exception: access violation"},
	{"0xc0000374", "exception: heap corruption"},
	{"0xc00000fd", "exception: stack overflow"},
	{"0xc0000409", "exception: stack buffer overrun"},
}

// caughtFault returns the name of the signal or exception that the runtime reported, or "".
func caughtFault(stderr []byte) string {
	for _, f := range faults {
		if bytes.Contains(stderr, []byte(f.mark)) {
			return f.name
		}
	}
	return ""
}

// lastWords returns the line of a dead process's standard error that says why it died.
func lastWords(stderr []byte) string {
	var first []byte
	for line := range bytes.Lines(stderr) {
		line = bytes.TrimSpace(line)
		if bytes.HasPrefix(line, []byte("panic:")) || bytes.HasPrefix(line, []byte("fatal error:")) {
			return printable(line)
		}
		if first == nil && len(line) > 0 {
			first = line
		}
	}
	return printable(first)
}

// maxText bounds text that comes from a worker.
const maxText = 4 << 10

// printable returns text from a worker as valid UTF-8 in one line without control characters, and
// not too long.
func printable(text []byte) string {
	cut := text[:min(len(text), maxText)]
	clean := bytes.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, bytes.ToValidUTF8(cut, []byte("\ufffd")))
	return string(bytes.TrimSpace(clean))
}
