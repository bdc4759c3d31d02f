// Package agent is Tyto as a service: it keeps the rooms below it together.
//
//	policy ──► tasks ──► scheduler ──► run (scan) ──► findings ──► response ──► quarantine, command,
//	                         ▲           │                                      critical areas
//	presence ────────────────┘           └──► store: inventory, records        everything ──► events
//
//	accesses ──► sandboxlink ──► verdicts ──► response, indicators, tasks
//
// It decides little itself. When runs start, pause and go on is the scheduler's to say; whether somebody
// is there, package idle's; what is done about a finding, package response's; what an administrator is
// told, package events'. This package opens and closes them in the right order, translates between
// them, and holds what only the whole can know: a [scheduler.Runner] that scans.
//
// # What still works when something does not
//
// The agent goes on with whatever it has. A policy that cannot be used leaves the last good one in force,
// or the defaults; a state file that is damaged is set aside; where none can be opened at all, a temporary
// one serves until the next start; a vault that cannot be opened costs the quarantine; rules
// that cannot be loaded cost the run that needed them, which is tried again. Each is told as an event, and
// shown by `tyto agent status` until it is over.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"tyto/agent/events"
	"tyto/agent/place"
	"tyto/agent/policy"
	"tyto/agent/response"
	"tyto/finding"
	"tyto/idle"
	"tyto/report"
	"tyto/scheduler"
	"tyto/store"
)

// Options say how the agent runs.
type Options struct {
	// Places are where it keeps its things. The data folder of the policy counts where Places has none.
	Places place.Places
	// Default are the places that count where neither Places nor the policy has one.
	Default place.Places
	// Version is Tyto's version.
	Version string
	// Host describes this computer in reports.
	Host report.Host
	// Worker and Compile are the commands that examine content and compile rules; see
	// [scanner.Options] and [detect.Options].
	Worker, Compile []string
	// Inspect is the command that looks into objects to tell whether a sandbox is asked about them; see
	// [decide.Options].
	Inspect []string
	// Reload makes the agent read its policy again; nil: only when the file changes or somebody asks.
	Reload <-chan struct{}
	// Ready is called once the agent answers; nil for nobody.
	Ready func()
	// System, if set, is called once with the function that takes what the system tells its services about
	// sessions and power. It returns when that has been acted on: sleep may wait for it.
	System func(feed func(context.Context, idle.Event))
	// Now is the clock for what is told to people; default time.Now.
	Now func() time.Time
	// Log receives what is no event; default is to discard it.
	Log *slog.Logger
}

// Agent is a running agent.
type Agent struct {
	o   Options
	log *slog.Logger

	data     string
	unusable error // why nothing may be written to data; nil if it may
	// temporary is the folder of a state file that lasts until the agent ends; empty if it has its own.
	temporary string
	release   func() // lets another agent into the data folder; nil if this one does not hold it
	machine   string // identifies this computer among all
	keeper    *policy.Keeper
	hub       *events.Hub
	store     *store.Store
	sched     *scheduler.Scheduler
	budget    *response.Budget
	// verdictBudget is for responses to verdicts: who has many things judged malicious does not use up that of scans.
	verdictBudget *response.Budget
	began         time.Time
	changed       chan struct{} // the policy has; holds one
	// setsChanged has the files of rules and indicators looked at; holds one.
	setsChanged chan struct{}
	troubles    troubles
	// ending is closed when the agent is told to end.
	ending <-chan struct{}

	vault vaultHolder
	watch presenceHolder
	// sandbox is the link to sandboxes.
	sandbox sandboxHolder
	mu      sync.Mutex
	runs    map[int64]*memory // of runs that have not ended
	sets    loadedSets
	// acting keeps two responses to one content apart, by its SHA-256.
	acting held
	// withoutVerdict says why no sandbox could judge a content, by its SHA-256; at most maxTold.
	withoutVerdict map[string]string
	// toldVerdicts is when it was told last that a content was met of which a verdict is known.
	toldVerdicts map[toldVerdict]time.Time
	// lastRefused is when it was told last that somebody may not command the agent.
	lastRefused time.Time
}

// Run runs an agent until ctx ends. It returns an error only if the agent cannot work at all.
func Run(ctx context.Context, o Options) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &Agent{
		o: o, log: o.Log, began: o.Now(),
		changed: make(chan struct{}, 1), setsChanged: make(chan struct{}, 1),
		runs:   map[int64]*memory{},
		budget: response.NewBudget(0, 0, o.Now), verdictBudget: response.NewBudget(0, 0, o.Now),
		ending: ctx.Done(),
	}
	a.hub = events.NewHub(events.Options{Now: o.Now, Log: o.Log})
	a.holdEvents()
	a.keeper = policy.NewKeeper(policy.KeeperOptions{
		File: o.Places.Or(o.Default).Policy, Now: o.Now, Loaded: a.policyLoaded, Rejected: a.policyRejected,
	})
	_ = a.keeper.Reload() // told as an event
	if err := a.open(ctx); err != nil {
		return err
	}
	defer a.close()
	return a.work(ctx)
}

// open opens what the agent works with.
func (a *Agent) open(ctx context.Context) error {
	places := a.o.Places.Or(place.Places{Data: a.policy().Data}).Or(a.o.Default)
	a.data = places.Data
	if err := place.MakeDir(a.data); err != nil {
		next := ""
		if errors.Is(err, fs.ErrPermission) {
			next = "; run the agent as root, or name another folder with --data"
		}
		a.unusable = fmt.Errorf("the data folder cannot be used: %w%s", err, next)
		a.degraded("data folder", a.unusable)
	}
	if err := a.openStore(ctx, filepath.Join(a.data, StateFile)); err != nil {
		return fmt.Errorf("start the agent: %w", err)
	}
	a.setOutputs(a.policy())
	a.machine = a.machineID(ctx)
	a.openVault(a.policy())
	var err error
	a.sched, err = scheduler.New(ctx, scheduler.Options{
		Store: a.store, Runner: runner{a}, Machine: a.machine, Event: a.scheduled, Log: a.log,
	})
	if err != nil {
		a.close()
		return fmt.Errorf("start the agent: %w", err)
	}
	return nil
}

// close gives back what open opened. The agent's events have been written by then.
func (a *Agent) close() {
	a.vault.close(a.log)
	if err := a.store.Close(); err != nil {
		a.log.Error("close the state file", "error", err)
	}
	if a.temporary != "" {
		if err := os.RemoveAll(a.temporary); err != nil {
			a.log.Error("remove the temporary state file", "error", err)
		}
	}
	if a.release != nil {
		a.release()
	}
}

// work runs everything until ctx ends.
func (a *Agent) work(ctx context.Context) error {
	// The hub outlives the others by what they have to tell of their end.
	hubCtx, stopHub := context.WithCancel(context.WithoutCancel(ctx))
	var hub sync.WaitGroup
	hub.Go(func() { a.hub.Run(hubCtx) })
	defer hub.Wait()
	defer stopHub()

	a.noticeUncleanEnd(ctx)
	select {
	case <-a.changed: // the policy that open used
	default:
	}
	a.apply(ctx)
	var parts sync.WaitGroup
	for _, part := range []func(context.Context){
		func(ctx context.Context) { a.keeper.Run(ctx, a.o.Reload) },
		a.followPolicy,
		a.watchSets,
		a.tidyDaily,
		a.serve,
	} {
		parts.Go(func() { part(ctx) })
	}
	if a.o.System != nil {
		a.o.System(a.watch.feed)
	}
	a.sched.Ready()
	a.hub.Send(events.AgentStarted, fmt.Sprintf("Tyto %s is ready", a.o.Version), events.Data{"tyto.version": a.o.Version})
	if a.o.Ready != nil {
		a.o.Ready()
	}
	err := a.sched.Run(ctx)
	a.watch.stop()
	a.sandbox.stop(a)
	parts.Wait()
	a.hub.Send(events.AgentStopped, "the agent was told to stop", nil)
	a.endedProperly()
	return err
}

// policy returns the policy in force.
func (a *Agent) policy() *policy.Policy { return a.keeper.State().Policy }

// policyLoaded is called by the keeper.
func (a *Agent) policyLoaded(_ *policy.Policy, warnings []finding.Problem) {
	data := events.Data{}
	message := "the policy has come into force"
	if len(warnings) > 0 {
		data["tyto.warnings"] = policy.Plain(warnings)
		message += ", with warnings: see tyto policy check"
	}
	a.hub.Send(events.PolicyLoaded, message, data)
	select {
	case a.changed <- struct{}{}:
	default: // it will be applied anyway
	}
}

// policyRejected is called by the keeper.
func (a *Agent) policyRejected(err error) {
	stays := "the policy in force stays"
	if a.keeper.State().Loaded.IsZero() {
		stays = "the defaults are in force"
	}
	a.log.Error("the policy file is not used; "+stays, "error", err)
	if unsafe := (*place.Unsafe)(nil); errors.As(err, &unsafe) {
		a.hub.Send(events.SelfProtection, unsafe.Error(), events.Data{"file.path": unsafe.Path})
	}
	a.hub.Send(events.PolicyRejected, fmt.Sprintf("the policy file cannot be used, and %s: %v", stays, err),
		events.Data{"error.message": err.Error()})
}

// followPolicy applies each new policy until ctx ends.
func (a *Agent) followPolicy(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.changed:
			a.setOutputs(a.policy())
			a.openVault(a.policy())
			a.apply(ctx)
			select {
			case a.setsChanged <- struct{}{}:
			default: // they will be
			}
		}
	}
}

// apply makes the parts that run do what the policy says.
func (a *Agent) apply(ctx context.Context) {
	p := a.policy()
	a.watch.set(ctx, a, p)
	a.sandbox.set(ctx, a, p)
	if err := a.sched.Sync(ctx, scheduler.FromPolicy, p.Tasks); err != nil {
		a.degraded("tasks", fmt.Errorf("not all tasks of the policy can be used: %w", err))
	} else {
		a.works("tasks")
	}
}

// tidyEvery is how often what is too old is removed from the state file, beside the scheduler's results.
const tidyEvery = 24 * time.Hour

// tidyDaily removes old events and files that are gone, until ctx ends.
func (a *Agent) tidyDaily(ctx context.Context) {
	const afterStart = 10 * time.Minute
	timer := time.NewTimer(afterStart)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if _, err := a.store.Prune(ctx, a.o.Now().Add(-a.policy().Results.Keep)); err != nil && ctx.Err() == nil {
			a.log.Error("remove what is old from the state file", "error", err)
		}
		a.tidyDerived()
		timer.Reset(tidyEvery)
	}
}

// presenceOf translates what package idle knows into the scheduler's words.
func presenceOf(s idle.State, p *policy.Policy) scheduler.Presence {
	return scheduler.Presence{
		Idle:      s.Presence == idle.Idle,
		Detail:    s.Reason,
		OnBattery: s.OnBattery && p.Resources.OnBattery != policy.Run,
		Sleeping:  s.Sleeping,
	}
}
