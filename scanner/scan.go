package scanner

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"tyto/finding"
	"tyto/scanner/worker"
)

// drainTime is how long a cancelled scan waits for the objects that are being examined; what is not
// finished by then is a skip.
const drainTime = 2 * time.Second

// Scan is one scan. It runs once.
type Scan struct {
	opts    Options
	log     *slog.Logger
	now     func() time.Time // the clock by which files are opened
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
	if opts.Gate == nil {
		opts.Gate = NewGate(time.Now)
	}
	opts.Walk.Gate = opts.Gate.Wait
	return &Scan{
		opts:    opts,
		log:     opts.Log,
		now:     time.Now,
		gate:    opts.Gate,
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
	var err error
	if s.workers, err = s.prepareWorkers(workCtx); err != nil {
		return nil, err
	}
	defer s.gate.Hold(s.workers)()
	activeBefore := s.gate.Active()
	attended := s.attend(ctx)
	defer attended()

	walkErr := s.objects(ctx)
	closeErr := s.workers.Close()
	died := errors.Is(walkErr, worker.ErrClosed) // what was found until then is true all the same
	if walkErr != nil && ctx.Err() == nil && !died {
		return nil, walkErr
	}
	if closeErr != nil {
		s.log.Warn("end the workers", "error", closeErr)
	}

	summary := &finding.Summary{
		Started:     started,
		Confinement: s.workers.Confinement(),
		Problems:    s.matcher.undecided(),
	}
	switch {
	case ctx.Err() != nil:
		summary.Stopped = context.Cause(ctx).Error()
	case died:
		summary.Stopped = walkErr.Error()
	}
	s.closeInventory(ctx, summary)
	s.tally.fill(summary)
	summary.Finished, summary.Active = time.Now(), s.gate.Active()-activeBefore
	return summary, nil
}

// attend starts what goes along with the scan, until the returned function is called.
func (s *Scan) attend(ctx context.Context) (stop func()) {
	stops := []func(){s.limitCPU(), s.flushPauses(ctx), s.showProgress(ctx)}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// tell tells of an object that matched, unless its score is too low.
func (s *Scan) tell(f *finding.Finding) {
	s.tally.finding(f.Level)
	if f.Level == finding.None {
		return
	}
	s.deliver.Lock()
	defer s.deliver.Unlock()
	s.sink.Finding(f)
}

// leave tells of what a source left out.
func (s *Scan) leave(k finding.Skip) {
	s.skip(k)
	if s.opts.Inventory != nil && k.Reason.Matters() {
		s.opts.Inventory.Note(nil, []finding.Skip{k})
	}
}

func (s *Scan) skip(k finding.Skip) {
	s.tally.skip(k)
	s.deliver.Lock()
	defer s.deliver.Unlock()
	s.sink.Skip(k)
}
