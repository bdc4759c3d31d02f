package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"tyto/agent/control"
	"tyto/agent/events"
	"tyto/detect"
	"tyto/finding"
	"tyto/report"
	"tyto/scanner"
	"tyto/scheduler"
	"tyto/store"
)

// runner performs the scheduler's runs. It implements [scheduler.Runner].
type runner struct{ agent *Agent }

// Start implements [scheduler.Runner].
func (r runner) Start(ctx context.Context, job scheduler.Job) (scheduler.Running, error) {
	run := &run{
		agent: r.agent, job: job,
		gate: scanner.NewGate(time.Now),
		done: make(chan struct{}), begun: time.Now(),
		report: report.Run{
			// The same after each resumption: what it tells belongs to one run.
			ID:      fmt.Sprintf("%.16s-run-%d", r.agent.machine, job.Run.ID),
			Host:    r.agent.o.Host,
			Started: job.Run.Started,
			Version: r.agent.o.Version,
		},
	}
	var err error
	if run.cpu, err = scanner.CPUTime(); err != nil {
		return nil, err
	}
	run.progress.Store(&control.Progress{Phase: control.Loading})
	ctx, run.cancel = context.WithCancelCause(ctx)
	go run.work(ctx)
	return run, nil
}

// run is a run at work. It implements [scheduler.Running].
type run struct {
	agent  *Agent
	job    scheduler.Job
	gate   *scanner.Gate
	cancel context.CancelCauseFunc
	report report.Run
	begun  time.Time
	cpu    time.Duration // that this process had used then

	progress atomic.Pointer[control.Progress]
	done     chan struct{}
	result   scheduler.Result // once done is closed

	mu      sync.Mutex
	loading context.CancelCauseFunc // ends loading; nil while nothing is loaded
}

// errPausedLoading is why loading was given up.
var errPausedLoading = errors.New("paused while rules and indicators were loaded")

// Pause implements [scheduler.Running]. Loading cannot stand still, so it is given up; it begins anew when
// the run goes on.
func (r *run) Pause(reason string) {
	r.gate.Pause(reason)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loading != nil {
		r.loading(errPausedLoading)
	}
}

// Resume implements [scheduler.Running].
func (r *run) Resume(reason string) { r.gate.Resume(reason) }

// Cancel implements [scheduler.Running].
func (r *run) Cancel(cause error) { r.cancel(cause) }

// Progress implements [scheduler.Running].
func (r *run) Progress() any {
	p := *r.progress.Load()
	p.Paused = r.gate.Paused()
	return &p
}

// Done implements [scheduler.Running].
func (r *run) Done() <-chan struct{} { return r.done }

// Result implements [scheduler.Running].
func (r *run) Result() scheduler.Result { return r.result }

// work does the run.
func (r *run) work(ctx context.Context) {
	defer close(r.done)
	defer r.cancel(nil)
	if err := r.scan(ctx); err != nil {
		r.result.Err = fmt.Errorf("task %q: %w", r.job.Task.ID, err)
	}
}

// scan loads what to look for and looks for it.
func (r *run) scan(ctx context.Context) error {
	set, err := r.load(ctx)
	if err != nil {
		return err
	}
	defer set.Close()
	r.agent.tellSets(set)
	opts, err := r.options(set)
	if err != nil {
		return err
	}
	opts.Begun, opts.CPUBegun = r.begun, r.cpu
	r.report.Rules, r.report.Indicators = set.RuleSummary, set.IndicatorSummary
	r.result.Profile = scanner.Profile(set.RuleSummary.Version, set.IndicatorSummary.Version, &opts)

	session := r.agent.store.Session(store.SessionOptions{
		Run: r.job.Run.ID, Report: r.report, Profile: r.result.Profile, Since: r.since(),
		Gate: r.gate.Wait,
	})
	opts.Inventory = session
	r.record(store.KindStart, func() ([]byte, error) { return report.StartLine(r.report) })

	sink, err := r.respond(ctx)
	if err != nil {
		return errors.Join(err, session.Close())
	}
	summary, err := scanner.New(opts, sink).Run(ctx)
	sink.end()
	_ = r.gate.Wait(ctx) // closing the session is work; a run that is put aside does it all the same
	if closed := session.Close(); closed != nil {
		r.agent.hub.Send(events.StoreFailed, fmt.Sprintf("the state file failed under task %q: %v", r.job.Task.ID, closed),
			events.Data{"tyto.task": r.job.Task.ID, "tyto.run": r.job.Run.ID, "error.message": closed.Error()})
	}
	if err != nil {
		return err
	}
	return r.finish(ctx, summary, set)
}

// finish tells how the scan ended. A run that was interrupted has no summary: it is not over.
func (r *run) finish(ctx context.Context, summary *finding.Summary, set *detect.Set) error {
	summary.Started = r.job.Run.Started
	summary.Host, summary.Version, summary.Paths = r.agent.o.Host.Name, r.agent.o.Version, r.report.Paths
	summary.Problems = append(set.Problems, summary.Problems...)
	summary.Rules, summary.Indicators = set.RuleSummary, set.IndicatorSummary
	r.agent.remember(r.job.Run.ID, func(m *memory) { m.findings = summary.Findings })
	line, err := report.SummaryLine(r.report, summary, skipLines(summary))
	if err != nil {
		return err
	}
	r.result.Summary = line
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if summary.Stopped != "" {
		return errors.New(summary.Stopped)
	}
	r.record(store.KindSummary, func() ([]byte, error) { return line, nil })
	return nil
}

// skipLines returns how many skips of a run have lines of their own in its records.
func skipLines(s *finding.Summary) (n int64) {
	for reason, skips := range s.Skips {
		if reason.Matters() {
			n += min(skips.Count, report.MaxSkipLines)
		}
	}
	return n
}

// since is when what counts as done was done at the earliest: a full scan counts what it did itself.
func (r *run) since() time.Time {
	switch {
	case !r.job.Task.Scope.Full:
		return time.Time{}
	case r.job.Run.Started.IsZero():
		return time.Now()
	}
	return r.job.Run.Started
}

// load loads rules and indicators; when the run is paused meanwhile, again when it goes on.
func (r *run) load(ctx context.Context) (*detect.Set, error) {
	for {
		if err := r.gate.Wait(ctx); err != nil {
			return nil, err
		}
		loadCtx, cancel := context.WithCancelCause(ctx)
		r.mu.Lock()
		r.loading = cancel
		r.mu.Unlock()
		if r.gate.Paused() != "" { // since Wait, before Pause could see that we load
			cancel(errPausedLoading)
		}
		set, err := detect.Load(loadCtx, r.detection())
		r.mu.Lock()
		r.loading = nil
		r.mu.Unlock()
		paused := context.Cause(loadCtx) == errPausedLoading
		cancel(nil)
		switch {
		case err == nil:
			return set, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case !paused:
			if set != nil && len(set.Problems) > 0 {
				p := set.Problems[0]
				err = fmt.Errorf("%w: %s: %s", err, p.Place(), p.Message)
			}
			return nil, err
		}
	}
}

// record adds a line to the run's records.
func (r *run) record(kind store.Kind, line func() ([]byte, error)) {
	text, err := line()
	if err == nil {
		err = r.agent.store.AddRecord(context.Background(), r.job.Run.ID, kind, text)
	}
	if err != nil {
		r.agent.log.Error("keep a line of a run's report", "run", r.job.Run.ID, "kind", kind, "error", err)
	}
}
