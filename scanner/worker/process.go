package worker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// process is a worker process as the broker sees it. The part that depends on the system,
// osProcess, has these methods:
//
//	attach(buf, file)   has a file travel with the frame that buf ends with
//	send(buf)           sends frames and what was attached; fails if the worker is gone
//	read(buf)           reads from the worker; io.EOF at its end
//	hangUp()            tells the worker that there is no more to do
//	kill()              kills it and ends the connection; safe at any time before close
//	suspend(), resume() stop and continue it
//	hold()              stops it again after suspend, should somebody else have continued it
//	cpuTime()           processor time used so far
//	memory()            bytes used now, without mapped files
//	queued()            how long it has been waiting for a processor so far
//	reap()              waits for its end
//	close()             gives up all descriptors; nothing else may be called afterwards
type process struct {
	osProcess
	pid    int
	born   time.Time
	frames frameReader
	gone   chan struct{} // closed when end is set
	end    exit
	cpu    time.Duration // last known while it lives
	// What the broker did to confine the process, and what it could not do.
	measures, missing []string
}

// adopt makes a process of a started one.
func adopt(started osProcess, pid int) *process {
	w := &process{osProcess: started, pid: pid, born: time.Now(), gone: make(chan struct{})}
	w.frames.read = w.osProcess.read
	go func() {
		w.end = w.reap()
		close(w.gone)
	}()
	return w
}

// wait waits until the process has ended.
func (w *process) wait() exit {
	<-w.gone
	return w.end
}

// used returns the processor time that the process has used.
func (w *process) used() time.Duration {
	select {
	case <-w.gone:
		return w.end.cpu
	default:
	}
	if now, err := w.cpuTime(); err == nil {
		w.cpu = now // an error means that it has just ended
	}
	return w.cpu
}

// appendFrame appends a frame with files to buf, to be sent next.
func (w *process) appendFrame(buf []byte, f frame, files ...*os.File) ([]byte, error) {
	payload, start := f.payload, len(buf)
	f.payload = nil
	for _, file := range files {
		if file != nil {
			f.files++
		}
	}
	buf = appendFrame(buf, f)
	for _, file := range files {
		if file == nil {
			continue
		}
		var err error
		if buf, err = w.attach(buf, file); err != nil {
			return nil, fmt.Errorf("pass %q to a worker: %w", file.Name(), err)
		}
	}
	buf = append(buf, payload...)
	binary.LittleEndian.PutUint32(buf[start:], uint32(len(buf)-start-headerSize))
	return buf, nil
}

// hello is the first frame to a worker: what it needs to confine itself. It is sent before the
// worker sees anything hostile, and so is its answer, the report.
type hello struct {
	Parent      int   // process id of the broker
	Memory      int64 // as in Config
	Files       int   // descriptors that may be open at once, beside the worker's own
	LowPriority bool
	Probe       *probeTargets // have the worker probe its confinement, instead of working
}

// report says how a worker is confined.
type report struct {
	Measures []string
	Missing  []string
	Probe    []ProbeResult
}

// note enters a measure in the report, as applied or as missing.
func (r *report) note(measure string, err error) {
	if err != nil {
		r.Missing = append(r.Missing, fmt.Sprintf("%s (%v)", measure, err))
		return
	}
	r.Measures = append(r.Measures, measure)
}

func (r *report) add(measures, missing []string) {
	r.Measures = append(r.Measures, measures...)
	r.Missing = append(r.Missing, missing...)
}

// lines returns what [Pool.Confinement] tells.
func (r *report) lines() []string {
	lines := append([]string(nil), r.Measures...)
	for _, m := range r.Missing {
		lines = append(lines, "missing: "+m)
	}
	return lines
}

func (c *Config) hello() hello {
	return hello{
		Parent: os.Getpid(), Memory: c.Memory, LowPriority: c.LowPriority,
		Files: c.Window + len(c.SetupFiles),
	}
}

// introduce sends hello and returns what the worker reports.
func (w *process) introduce(h hello) (*report, error) {
	payload, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if err := w.send(appendFrame(nil, frame{kind: kindHello, payload: payload})); err != nil {
		return nil, fmt.Errorf("greet a worker: %w", err)
	}
	f, err := w.frames.next()
	if err != nil {
		return nil, err
	}
	if f.kind != kindReport {
		return nil, fmt.Errorf("%w: frame of kind %d instead of a report: is the worker of this version?", errProtocol, f.kind)
	}
	var r report
	if err := json.Unmarshal(f.payload, &r); err != nil {
		return nil, fmt.Errorf("%w: report: %v", errProtocol, err)
	}
	return &r, nil
}

// errRefused is wrapped by the error for a set-up that the handler refused.
var errRefused = errors.New("set up a worker")

// setUp sends the set-up and waits until the handler is ready.
func (w *process) setUp(setup []byte, files []*os.File) error {
	buf, err := w.appendFrame(nil, frame{kind: kindSetup, payload: setup}, files...)
	if err != nil {
		return fmt.Errorf("%w: %v", errRefused, err)
	}
	if err := w.send(buf); err != nil {
		return fmt.Errorf("send the set-up: %w", err)
	}
	f, err := w.frames.next()
	switch {
	case err != nil:
		return err
	case f.kind == kindReady:
		return nil
	case f.kind == kindRefused:
		return fmt.Errorf("%w: %s", errRefused, printable(f.payload))
	}
	return fmt.Errorf("%w: frame of kind %d instead of ready", errProtocol, f.kind)
}
