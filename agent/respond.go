package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"tyto/agent/events"
	"tyto/agent/response"
	"tyto/finding"
	"tyto/quarantine"
	"tyto/scheduler"
)

// runSink takes what a run finds to events, to the response and to tasks that run after a detection. It
// implements [scanner.Sink]; the records are kept by the run's session.
type runSink struct {
	run      *run
	response *response.Run
	release  context.CancelFunc
}

// respondTime is how long the response may go on after its run was put aside: the next run waits for it.
const respondTime = 2 * time.Minute

// responding returns the context of a run's response. What was decided is also done when the run is put aside
// for another, even for the one that it asked for itself; it is left when the agent ends or a person wants that.
func (a *Agent) responding(run context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(run))
	var ended sync.WaitGroup
	ended.Go(func() {
		select {
		case <-run.Done():
		case <-ctx.Done():
			return
		}
		switch cause := context.Cause(run); cause {
		case scheduler.ErrShutdown, scheduler.ErrCancelled, scheduler.ErrDeleted:
			cancel(cause)
			return
		}
		late := time.NewTimer(respondTime)
		defer late.Stop()
		select {
		case <-late.C:
			cancel(context.Cause(run))
		case <-a.ending:
			cancel(scheduler.ErrShutdown)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel(nil)
		ended.Wait()
	}
}

// respond begins the response to what the run finds.
func (r *run) respond(ctx context.Context) (*runSink, error) {
	a, p := r.agent, r.agent.policy()
	actions := r.job.Task.Actions
	if reflect.ValueOf(actions).IsZero() {
		actions = p.Response.Actions()
	}
	level, err := finding.ParseLevel(p.Response.Level)
	if err != nil {
		return nil, err
	}
	ctx, release := a.responding(ctx)
	asked := false
	a.remember(r.job.Run.ID, func(m *memory) { asked = m.critical })
	o := response.Options{
		Policy: response.Policy{
			Quarantine: actions.Quarantine, ScanCritical: actions.ScanCritical, Command: actions.Command,
			CommandTime: p.Response.CommandTime, Level: level, DryRun: actions.DryRun || p.Response.DryRun,
			// A run that goes on has asked already.
			IsResponse: asked || slices.Contains(r.job.Task.Scope.Areas, scheduler.Critical),
		},
		Known:       response.Known{Trusted: a.released, Unproven: a.unproven},
		Quarantiner: quarantiner{agent: a, reason: fmt.Sprintf("found by task %q", r.job.Task.ID), run: r.report},
		Critical:    criticalScanner{a, r},
		Budget:      a.budget,
		Report:      r.report,
		Result: func(result response.Result) {
			r.responded(result)
			if ctx.Err() != nil {
				a.tellAgain(r.job.Run.ID, result)
			}
		},
		Now: a.o.Now,
		Log: a.log,
	}
	if len(actions.Command) > 0 {
		o.Commander = &response.Program{Args: actions.Command, Log: a.log}
	}
	begun, err := response.Begin(ctx, o)
	if err != nil {
		release()
		return nil, err
	}
	return &runSink{run: r, response: begun, release: release}, nil
}

// Finding implements [scanner.Sink].
func (s *runSink) Finding(f *finding.Finding) {
	a, job := s.run.agent, &s.run.job
	if !a.firstTold(job.Run.ID, f) {
		return
	}
	data := findingData(f)
	data["tyto.task"], data["tyto.run"] = job.Task.ID, job.Run.ID
	a.hub.Pass(events.Event{
		ID: events.Finding, Level: eventLevels[f.Level], Data: data,
		Message: fmt.Sprintf("%s: %q: %s", f.Level, f.Object.Path, bestMatch(f)),
	})
	s.response.Finding(f)
	if f.Level == finding.Alert {
		a.sched.Detection(detection(job.Run.ID, f))
	}
}

// Skip implements [scanner.Sink].
func (s *runSink) Skip(finding.Skip) {}

// end waits for the response.
func (s *runSink) end() {
	s.response.End()
	s.release()
}

var eventLevels = map[finding.Level]events.Level{
	finding.Notice: events.Notice, finding.Warning: events.Warning, finding.Alert: events.Error,
}

// findingData describes a finding in events.
func findingData(f *finding.Finding) events.Data {
	data := events.Data{
		"file.path": f.Object.Path, "file.size": f.Object.Size,
		"tyto.level": f.Level.String(), "tyto.score": f.Score,
		"rule.name": bestMatch(f),
	}
	if f.Object.Hashes.SHA256 != "" {
		data["file.hash.sha256"] = f.Object.Hashes.SHA256
	}
	return data
}

// bestMatch names what matched best.
func bestMatch(f *finding.Finding) string {
	if len(f.Matches) == 0 {
		return ""
	}
	return f.Matches[0].Name
}

func detection(run int64, f *finding.Finding) scheduler.Detection {
	return scheduler.Detection{
		Run: run, Time: f.Time, Level: f.Level.String(), Path: f.Object.Path, SHA256: f.Object.Hashes.SHA256, Name: bestMatch(f),
	}
}

// actionEvents are the events of actions that were taken, and of those that failed.
var actionEvents = map[response.Action]struct{ done, failed events.ID }{
	response.Quarantine:   {"", events.QuarantineFailed}, // the vault tells what it takes
	response.ScanCritical: {events.CriticalScanQueued, events.AgentDegraded},
	response.Command:      {events.CommandRun, events.CommandFailed},
}

// responded tells what became of an action.
func (r *run) responded(result response.Result) {
	r.agent.responded(result, events.Data{"tyto.task": r.job.Task.ID, "tyto.run": r.job.Run.ID})
}

// responded tells what became of an action; because says what it was taken for.
func (a *Agent) responded(result response.Result, because events.Data) {
	data := findingData(result.Finding)
	maps.Copy(data, because)
	data["tyto.action"] = string(result.Action)
	path := result.Finding.Object.Path
	kinds := actionEvents[result.Action]
	send := func(id events.ID, format string, args ...any) {
		a.hub.Send(id, fmt.Sprintf(format, args...), data)
	}
	if o := result.Outcome; o != nil {
		data["process.exit_code"], data["tyto.output"] = o.Exit, string(o.Output)
	}
	switch {
	case result.Why == response.DryRun:
		send(events.ResponseDryRun, "dry run: %s would be done about %q", result.Action, path)
	case errors.Is(result.Err, quarantine.ErrProtected), errors.Is(result.Err, quarantine.ErrFull):
		// The vault has told it.
	case result.Err != nil:
		data["error.message"] = result.Err.Error()
		send(kinds.failed, "%s about %q failed: %v", result.Action, path, result.Err)
	case result.Outcome != nil && result.Outcome.Exit != 0:
		send(kinds.failed, "%s about %q ended with %d", result.Action, path, result.Outcome.Exit)
	case result.Do() && result.Action == response.ScanCritical:
		send(kinds.done, "a scan of the critical areas was queued because of %q", path)
	case result.Do():
		if kinds.done != "" {
			send(kinds.done, "%s was done about %q", result.Action, path)
		}
	case result.Action == response.Command && result.Why == response.Stopped:
		send(kinds.failed, "%s about %q was not done: %s", result.Action, path, whyText(result.Decision))
	case result.Action == response.Quarantine && tellsWhy(result):
		data["tyto.reason"] = string(result.Why)
		send(events.QuarantineRefused, "%q was left where it is: %s", path, whyText(result.Decision))
	}
}

// tellsWhy reports whether an administrator wants to know that an action was not taken: what they asked for
// was not done, and not by a rule that they know.
func tellsWhy(r response.Result) bool {
	switch r.Why {
	case response.Protected, response.Inside, response.NoPath, response.Unable, response.Stopped:
		return true
	case response.OverLimit:
		return r.First
	}
	return false
}

func whyText(d response.Decision) string {
	if d.Detail != "" {
		return d.Detail
	}
	return string(d.Why)
}

// responseTask is the task by which the critical areas are scanned in response to a finding.
const responseTask = "response-critical-areas"

// criticalScanner asks for scans of the critical areas. It implements [response.CriticalScanner].
type criticalScanner struct {
	agent *Agent
	run   *run
}

// ScanCritical implements [response.CriticalScanner].
func (c criticalScanner) ScanCritical(ctx context.Context, f *finding.Finding) error {
	task := c.run.job.Task
	if err := c.agent.scanCritical(ctx, responseTask, task.Rules, task.Indicators, detection(c.run.job.Run.ID, f)); err != nil {
		return err
	}
	c.agent.remember(c.run.job.Run.ID, func(m *memory) { m.critical = true })
	return nil
}

// scanCritical has the critical areas scanned because of a detection, by a task that is made if it is not there.
func (a *Agent) scanCritical(ctx context.Context, id string, rules, indicators []string, d scheduler.Detection) error {
	err := a.sched.Add(ctx, scheduler.Task{
		ID: id, Name: "Critical areas, after a finding",
		Description: "made by Tyto itself",
		Scope:       scheduler.Scope{Areas: []scheduler.Area{scheduler.Critical}},
		Rules:       rules, Indicators: indicators,
		ExpireAfter: scheduler.ResponseExpiry,
	}, scheduler.FromResponse)
	if err != nil && !errors.Is(err, scheduler.ErrExists) {
		return err
	}
	_, err = a.sched.Respond(id, d)
	return err
}

// randomID returns a random text that nobody can guess.
func randomID() string { return rand.Text() }

// scheduled passes on what the scheduler tells.
func (a *Agent) scheduled(e scheduler.Event) {
	kind, ok := events.Named(string(e.Kind))
	if !ok {
		a.log.Error("the scheduler tells an event that has no kind", "kind", e.Kind, "message", e.Message)
		return
	}
	data := events.Data{}
	for key, value := range map[string]string{"tyto.task": e.Task, "tyto.trigger": string(e.Trigger), "error.message": e.Error} {
		if value != "" {
			data[key] = value
		}
	}
	if e.Run != 0 {
		data["tyto.run"] = e.Run
	}
	if e.Count != 0 {
		data["tyto.count"] = e.Count
	}
	if e.By != 0 {
		data["tyto.moved_seconds"] = e.By.Round(time.Millisecond).Seconds()
	}
	for i, w := range e.Waits {
		data[fmt.Sprintf("tyto.waits.%d", i)] = string(w.Code)
	}
	message := e.Message
	switch e.Kind {
	case scheduler.RunFinished, scheduler.RunCancelled, scheduler.RunFailed:
		message += foundBy(a.forget(e.Run), data)
	}
	a.hub.Pass(events.Event{Time: e.Time, ID: kind.ID, Level: kind.Level, Message: message, Data: data})
}

// foundBy says how much was found.
func foundBy(m memory, data events.Data) (text string) {
	for level, n := range m.findings {
		if n > 0 {
			data["tyto.findings."+level.String()] = n
		}
	}
	for _, level := range []finding.Level{finding.Alert, finding.Warning, finding.Notice} {
		if n, ok := data["tyto.findings."+level.String()]; ok {
			text += fmt.Sprintf(", %ss: %d", level, n)
		}
	}
	return text
}
