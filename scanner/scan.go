package scanner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"tyto/finding"
	"tyto/scanner/examine"
	"tyto/scanner/walk"
	"tyto/scanner/worker"
)

// drainTime is how long a cancelled scan waits for the objects that are being examined; what is not
// finished by then is a skip.
const drainTime = 2 * time.Second

// Scan is one scan. It runs once.
type Scan struct {
	opts    Options
	log     *slog.Logger
	gate    *Gate
	tally   *tally
	total   total
	matcher *matcher
	workers worker.Examiner

	deliver sync.Mutex // serialises sink
	sink    Sink
}

// New prepares a scan that will tell sink what it finds.
func New(opts Options, sink Sink) *Scan {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Workers == 0 {
		opts.Workers = max(1, runtime.NumCPU()-1)
	}
	return &Scan{
		opts:    opts,
		log:     opts.Log,
		gate:    NewGate(time.Now),
		tally:   newTally(),
		matcher: newMatcher(&opts),
		sink:    sink,
	}
}

// Gate returns the scan's gate, by which it can be paused.
func (s *Scan) Gate() *Gate { return s.gate }

// Run scans until everything was examined or the context ends, and returns what was done. An error
// means that the scan could not begin. When the context ends early, that is no error: its cause is
// named in the summary.
func (s *Scan) Run(ctx context.Context) (*finding.Summary, error) {
	started := s.opts.Begun
	if started.IsZero() {
		started = time.Now()
		s.opts.Begun = started
	}
	// The workers outlive ctx by drainTime, so that what is being examined can be finished.
	workCtx, stopWork := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopWork(nil)
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(drainTime, func() { stopWork(context.Cause(ctx)) })
	})()
	if err := s.startWorkers(workCtx); err != nil {
		return nil, err
	}
	defer s.gate.Hold(s.workers)()
	stopLimit := s.limitCPU()
	stopProgress := s.showProgress(ctx)

	walkErr := s.objects(ctx)
	closeErr := s.workers.Close()
	stopLimit()
	stopProgress()
	died := errors.Is(walkErr, worker.ErrClosed) // what was found until then is true all the same
	if walkErr != nil && ctx.Err() == nil && !died {
		return nil, walkErr
	}
	if closeErr != nil {
		s.log.Warn("end the workers", "error", closeErr)
	}

	summary := &finding.Summary{
		Started:     started,
		Finished:    time.Now(),
		Active:      s.gate.Active(),
		Confinement: s.workers.Confinement(),
		Problems:    s.matcher.undecided(),
	}
	s.tally.fill(summary)
	switch {
	case ctx.Err() != nil:
		summary.Stopped = context.Cause(ctx).Error()
	case died:
		summary.Stopped = walkErr.Error()
	}
	return summary, nil
}

// startWorkers starts the worker processes with what they have to look for.
func (s *Scan) startWorkers(ctx context.Context) error {
	cfg, files := s.examination()
	setup, err := json.Marshal(cfg)
	if err != nil {
		return fmt.Errorf("describe the examination: %w", err)
	}
	if s.opts.InProcess {
		s.workers, err = worker.InProcess(examine.New(), setup, files)
		return err
	}
	s.workers, err = worker.Start(ctx, worker.Config{
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
	return err
}

// window returns how many files may be on their way to one worker, where files may be open in all. A
// half is for files that wait or are being examined; the rest is for the walk and the estimate, which
// have directories open, and for what each worker takes.
func window(files, workers int) int {
	const perWorker = 4
	return max(1, min(worker.DefaultWindow, (files/2-perWorker*workers)/(workers+1)))
}

// examination returns the workers' configuration and the files that belong to it.
func (s *Scan) examination() (examine.Config, []*os.File) {
	needs := s.matcher.needs()
	cfg := examine.Config{
		MD5: needs.MD5, SHA1: needs.SHA1, SHA256: needs.SHA256,
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

// visit takes one file from the walk: it decides what has to be done with it, opens it and hands it
// to a worker. It blocks while the workers have enough to do.
func (s *Scan) visit(ctx context.Context, e *walk.Entry) error {
	if err := s.gate.Wait(ctx); err != nil {
		return err
	}
	object := e.Object
	s.tally.starting(object.Path)
	switch {
	case e.SeenBefore:
		// The content has been examined under another name; this name has not.
		s.match(&object, nil)
		return nil
	case s.opts.MaxSize > 0 && object.Size > s.opts.MaxSize:
		s.skip(finding.Skip{Path: object.Path, Reason: finding.TooLarge,
			Detail: fmt.Sprintf("%d bytes, --max-size is %d", object.Size, s.opts.MaxSize)})
		s.match(&object, nil)
		return nil
	}
	f, err := e.Open()
	if err != nil {
		s.skip(finding.Skip{Path: object.Path, Reason: walk.Reason(err), Detail: err.Error()})
		s.match(&object, nil)
		return nil
	}
	return s.submit(ctx, e.Object, f)
}

// submit hands an open file to a worker; what comes back is matched on the pool's goroutines.
func (s *Scan) submit(ctx context.Context, object finding.Object, f *os.File) error {
	request, err := json.Marshal(requestFor(&object))
	if err != nil {
		return fmt.Errorf("describe %q: %w", object.Path, err)
	}
	var answers [][]byte // as they came: decoded they take more memory
	err = s.workers.Submit(ctx, &worker.Job{
		File:     f,
		Request:  request,
		Size:     object.Size,
		Response: func(line []byte) { answers = append(answers, bytes.Clone(line)) },
		Restart:  func() { answers = nil },
		Done:     func(err error) { s.done(&object, answers, err) },
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	s.match(&object, nil)
	s.skip(finding.Skip{Path: object.Path, Reason: finding.Stopped, Detail: err.Error()})
	return err
}

// done takes what a worker said of one file and its members, or why it could not.
func (s *Scan) done(object *finding.Object, answers [][]byte, err error) {
	members := 0
	var outer *examine.Facts
	for _, line := range answers {
		facts, bad := s.matcher.decode(line)
		if bad == nil && outer != nil {
			bad = errors.New("it goes on behind its end") // the object's own facts come last
		}
		if bad != nil {
			// The worker is not trusted; from what it does not say properly on, nothing was said.
			s.skip(finding.Skip{Path: object.Path, Reason: finding.ScanError,
				Detail: fmt.Sprintf("the worker's answer cannot be used: %v", bad)})
			break
		}
		s.match(object, facts)
		if facts.Member != nil {
			members++
		} else {
			outer = facts
		}
		for _, skip := range facts.Skips {
			s.skip(finding.Skip{Path: memberPath(object.Path, skip.Member), Reason: skip.Reason, Detail: skip.Detail})
		}
	}
	if outer == nil {
		s.match(object, nil)
	}
	switch {
	case err == nil && outer == nil:
		err = errors.New("the worker said nothing of it")
	case err == nil:
		s.tally.file(members, object.Size)
		if s.opts.Examined != nil {
			examined := withFacts(*object, outer)
			s.opts.Examined(&examined)
		}
		return
	}
	lost := &worker.LostError{Reason: finding.ScanError, Detail: err.Error()}
	errors.As(err, &lost)
	s.skip(finding.Skip{Path: object.Path, Reason: lost.Reason, Detail: lost.Detail})
}

// match holds an object, or a member of it, against indicators and rules; facts is nil if its content
// was not examined.
func (s *Scan) match(object *finding.Object, facts *examine.Facts) {
	o := *object
	if facts != nil {
		o = withFacts(o, facts)
	}
	f, trusted := s.matcher.match(&o, facts)
	switch {
	case trusted:
		s.tally.trust()
		return
	case f == nil:
		return
	}
	s.tally.finding(f.Level)
	if f.Level == finding.None {
		return
	}
	s.deliver.Lock()
	defer s.deliver.Unlock()
	s.sink.Finding(f)
}

func (s *Scan) skip(k finding.Skip) {
	s.tally.skip(k)
	s.deliver.Lock()
	defer s.deliver.Unlock()
	s.sink.Skip(k)
}
