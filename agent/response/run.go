package response

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"tyto/finding"
	"tyto/report"
)

// Options say how a run responds.
type Options struct {
	Policy Policy
	Known  Known
	// Quarantiner, Critical and Commander do what is decided. One that is nil makes its action Unable.
	Quarantiner Quarantiner
	Critical    CriticalScanner
	Commander   Commander
	// Budget is shared by all runs; nil is unlimited.
	Budget *Budget
	// Report names the run in the lines that commands get.
	Report report.Run
	// Result is told each decision and what became of it, one at a time. It must not call the Run.
	Result func(Result)
	// Commands is how many commands run at a time; 0 is DefaultCommands.
	Commands int
	// Now tells the time; nil is time.Now.
	Now func() time.Time
	// Log receives what is no result; nil discards it.
	Log *slog.Logger
}

// DefaultCommands is how many commands run at a time.
const DefaultCommands = 2

// Result is what became of one action on one finding.
type Result struct {
	Time    time.Time
	Finding *finding.Finding
	Decision
	// First is set on the first result of a run in which this action is over its limit: the one for an
	// event.
	First bool
	// Err says why an action that was tried failed.
	Err error
	// Entry is the id in the quarantine.
	Entry string
	// Outcome is of a command that ran.
	Outcome *Outcome
}

// Totals count the results of a run.
type Totals struct {
	// Taken and Failed count what was tried, NotTaken what was not, by its reason.
	Taken, Failed map[Action]int
	NotTaken      map[Action]map[Why]int
}

// Run responds to the findings of one scan.
type Run struct {
	opts Options
	ctx  context.Context

	// quarantines and commands are closed by End. They hold as much as the limits allow, so that
	// handing over never waits.
	quarantines        chan job
	commands           chan *finding.Finding
	moving, commanding sync.WaitGroup

	mu     sync.Mutex // of what follows, and of the calls of Result
	done   Done
	over   map[Action]bool // First was set
	totals Totals
}

// job is an object that is to be moved.
type job struct {
	finding *finding.Finding
	command bool // runs the command afterwards
}

// Begin begins to respond to the findings of a scan. When ctx ends, what is under way is ended and
// what waits is left. [Run.End] must be called.
func Begin(ctx context.Context, o Options) (*Run, error) {
	if err := o.Policy.Check(); err != nil {
		return nil, err
	}
	o.Policy = o.Policy.withDefaults()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Commands == 0 {
		o.Commands = DefaultCommands
	}
	r := &Run{
		opts: o, ctx: ctx,
		quarantines: make(chan job, o.Policy.QuarantineLimit),
		commands:    make(chan *finding.Finding, o.Policy.CommandLimit),
		over:        map[Action]bool{},
		totals:      Totals{Taken: map[Action]int{}, Failed: map[Action]int{}, NotTaken: map[Action]map[Why]int{}},
	}
	r.moving.Go(r.move)
	for range o.Commands {
		r.commanding.Go(r.startCommands)
	}
	return r, nil
}

// Finding decides what is done about f and has it done. It does not wait for quarantine and commands.
// f must not be changed any more. It may be called concurrently, and not after End.
func (r *Run) Finding(f *finding.Finding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.DayIsFull = r.opts.Budget.full()
	var todo job
	for _, d := range Decide(f, r.opts.Policy, r.opts.Known, r.done) {
		d = r.possible(d)
		if d.Do() || d.Why == DryRun { // so that a dry run meets the limits, too
			r.count(d.Action)
		}
		switch {
		case !d.Do():
			r.tell(Result{Finding: f, Decision: d})
		case d.Action == Quarantine:
			todo.finding = f
		case d.Action == ScanCritical:
			// Whether it works or not: asking once more for each finding would not help.
			r.tell(Result{Finding: f, Decision: d, Err: r.opts.Critical.ScanCritical(r.ctx, f)})
		case d.Action == Command:
			todo.command = true
		}
	}
	switch {
	case todo.finding != nil:
		r.quarantines <- todo
	case todo.command:
		r.commands <- f
	}
}

// possible changes a decision if nobody is there to carry it out, or if another run has just taken the
// last share of the budget. The caller has the lock.
func (r *Run) possible(d Decision) Decision {
	switch {
	case !d.Do():
	case d.Action == Quarantine && r.opts.Quarantiner == nil,
		d.Action == ScanCritical && r.opts.Critical == nil,
		d.Action == Command && r.opts.Commander == nil:
		d.Why = Unable
	case d.Action == Quarantine && !r.opts.Budget.take():
		d.Why = OverLimit
	}
	return d
}

// count notes that an action is taken. The caller has the lock.
func (r *Run) count(action Action) {
	switch action {
	case Quarantine:
		r.done.Quarantined++
	case ScanCritical:
		r.done.Critical = true
	case Command:
		r.done.Commands++
	}
}

// move moves objects until no more can come.
func (r *Run) move() {
	for j := range r.quarantines {
		result := r.quarantine(j.finding)
		r.mu.Lock()
		r.tell(result)
		r.mu.Unlock()
		if j.command {
			r.commands <- j.finding
		}
	}
}

// startCommands runs commands until no more can come.
func (r *Run) startCommands() {
	for f := range r.commands {
		result := r.command(f)
		r.mu.Lock()
		r.tell(result)
		r.mu.Unlock()
	}
}

func (r *Run) quarantine(f *finding.Finding) Result {
	result := Result{Finding: f, Decision: Decision{Action: Quarantine}}
	if r.ctx.Err() != nil {
		result.Why, result.Detail = Stopped, "the run ended before its turn"
	} else {
		result.Entry, result.Err = r.opts.Quarantiner.Quarantine(r.ctx, f)
	}
	if result.Err != nil || result.Why != "" { // nothing was moved, so another one may be
		r.opts.Budget.give()
		r.mu.Lock()
		r.done.Quarantined--
		r.mu.Unlock()
	}
	return result
}

func (r *Run) command(f *finding.Finding) Result {
	result := Result{Finding: f, Decision: Decision{Action: Command}}
	if r.ctx.Err() != nil {
		result.Why, result.Detail = Stopped, "the run ended before its turn"
		return result
	}
	line, err := report.FindingLine(r.opts.Report, f)
	if err != nil {
		result.Err = err
		return result
	}
	ctx, cancel := context.WithTimeoutCause(r.ctx, r.opts.Policy.CommandTime, ErrTimeUp)
	defer cancel()
	outcome, err := r.opts.Commander.Run(ctx, line)
	result.Outcome, result.Err = &outcome, err
	return result
}

// tell counts a result and hands it on. The caller has the lock.
func (r *Run) tell(result Result) {
	result.Time = r.opts.Now()
	switch {
	case result.Err != nil:
		r.totals.Failed[result.Action]++
	case result.Do():
		r.totals.Taken[result.Action]++
	default:
		if r.totals.NotTaken[result.Action] == nil {
			r.totals.NotTaken[result.Action] = map[Why]int{}
		}
		r.totals.NotTaken[result.Action][result.Why]++
	}
	if result.Why == OverLimit && !r.over[result.Action] {
		r.over[result.Action], result.First = true, true
	}
	if r.opts.Result != nil {
		r.opts.Result(result)
	}
}

// End waits until everything is done that was decided, and returns what that was.
func (r *Run) End() Totals {
	close(r.quarantines)
	r.moving.Wait() // which hands on to the commands
	close(r.commands)
	r.commanding.Wait()
	return r.totals
}
