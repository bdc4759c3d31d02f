package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tyto/agent/control"
	"tyto/agent/events"
	"tyto/detect"
	"tyto/finding"
	"tyto/quarantine"
	"tyto/report"
	"tyto/scanner"
	"tyto/scheduler"
	"tyto/verdict"
)

// rescanCPU is how much of a core the agent takes to examine the quarantine by itself. It does not wait
// until nobody uses the computer: a false alarm is somebody's missing file.
const rescanCPU = 0.5

// Rescan implements [control.Backend].
func (b backend) Rescan(ctx context.Context, ids []string) ([]control.Rescanned, error) {
	results, damaged, summary, err := b.a.rescan(ctx, 0)
	if err != nil {
		return nil, vaultProblem(err)
	}
	list := []control.Rescanned{}
	wanted := func(id string) bool { return len(ids) == 0 || slices.Contains(ids, id) }
	for i := range results {
		if r := &results[i]; wanted(r.Entry.ID) {
			list = append(list, rescanned(r, summary))
		}
	}
	for _, d := range damaged {
		if wanted(d.ID) {
			list = append(list, control.Rescanned{ID: d.ID, Found: []string{}, Error: d.Err.Error()})
		}
	}
	return list, nil
}

// rescanned describes what was found in an entry to clients.
func rescanned(r *quarantine.Rescanned, summary *finding.Summary) control.Rescanned {
	c := control.Rescanned{ID: r.Entry.ID, Path: report.Safe(string(r.Entry.Path)), Found: []string{}}
	for i := range r.Findings {
		for _, m := range r.Findings[i].Matches {
			c.Found = append(c.Found, m.Name)
		}
	}
	switch {
	case len(r.Skips) > 0:
		c.Error = fmt.Sprintf("not all of it could be examined: %s: %s", r.Skips[0].Reason, r.Skips[0].Detail)
	case summary.Stopped != "":
		c.Error = "it was not examined: " + summary.Stopped
	}
	return c
}

// everything says to look for all that any task looks for: what is in the quarantine was found by one of them.
func (a *Agent) everything() detect.Options {
	p := a.policy()
	rules, indicators := slices.Clone(p.Detection.Rules), slices.Clone(p.Detection.Indicators)
	add := func(all *[]string, of []string) {
		for _, path := range of {
			if path != scheduler.Builtin && !slices.Contains(*all, path) { // which stands for the policy's
				*all = append(*all, path)
			}
		}
	}
	for _, t := range a.sched.List() {
		add(&rules, t.Task.Rules)
		add(&indicators, t.Task.Indicators)
	}
	return a.detection(rules, indicators)
}

// rescan examines what is in the quarantine again, with the rules and indicators of the policy and of all
// tasks. cpu is as scanner.Options.CPULimit.
func (a *Agent) rescan(ctx context.Context, cpu float64) (results []quarantine.Rescanned, damaged []quarantine.Damaged, summary *finding.Summary, err error) {
	set, err := detect.Load(ctx, a.everything())
	if err != nil {
		return nil, nil, nil, fmt.Errorf("examine the quarantine again: %w", err)
	}
	defer set.Close()
	o := a.scanOptions(set)
	o.CPULimit, o.MaxSize = cpu, 0 // what came in is to be examined
	if o.CPUBegun, err = scanner.CPUTime(); err != nil {
		return nil, nil, nil, err
	}
	err = a.vault.use(func(v *quarantine.Vault) error {
		results, damaged, summary, err = v.Rescan(ctx, o)
		return err
	})
	return results, damaged, summary, err
}

// tellFalseAlarms examines the quarantine again, as rules or indicators have changed, and tells of objects in
// which nothing is found any more. It reports whether it has come to its end: in what was not examined nothing
// was found either.
func (a *Agent) tellFalseAlarms(ctx context.Context) (done bool) {
	if !a.quarantineHolds(ctx) {
		return true
	}
	results, _, summary, err := a.rescan(ctx, rescanCPU)
	if err == nil && summary.Stopped != "" {
		err = errors.New(summary.Stopped)
	}
	if err != nil {
		if ctx.Err() == nil {
			a.log.Error("examine the quarantine again", "error", err)
		}
		return false
	}
	for i := range results {
		r := &results[i]
		if !r.FalseAlarm() || a.judged(&r.Entry) {
			continue
		}
		a.hub.Send(events.FalseAlarmLikely,
			fmt.Sprintf("nothing is found any more in quarantined %q: it was probably a false alarm", string(r.Entry.Path)),
			events.Data{"tyto.quarantine.id": r.Entry.ID, "file.path": string(r.Entry.Path), "file.hash.sha256": r.Entry.Hashes.SHA256})
	}
	return true
}

// quarantineHolds reports whether there is anything in the quarantine.
func (a *Agent) quarantineHolds(ctx context.Context) (any bool) {
	err := a.vault.use(func(v *quarantine.Vault) error {
		entries, _, err := v.List(ctx)
		any = len(entries) > 0
		return err
	})
	return any && err == nil
}

// scanOptions says how everything that the agent scans is scanned.
func (a *Agent) scanOptions(set *detect.Set) scanner.Options {
	r := a.policy().Resources
	return scanner.Options{
		Rules:         set.Rules,
		Indicators:    set.Indicators,
		MaxSize:       int64(r.MaxSize),
		ObjectTime:    r.MaxObjectTime,
		Examine:       scanner.DefaultLimits(),
		WorkerMemory:  int64(r.WorkerMemory),
		Workers:       r.Workers,
		WorkerCommand: a.o.Worker,
		CPULimit:      r.CPULimit / 100,
		Thresholds:    finding.DefaultThresholds,
		Log:           a.log,
	}
}

// JudgedReason begins the reason of what was quarantined because of a sandbox's verdict.
const JudgedReason = "judged malicious by "

// judged reports whether an object is in the quarantine because of a verdict that has not been taken back. No rule need
// find it, and a verdict that has ended is not taken back.
func (a *Agent) judged(e *quarantine.Entry) bool {
	if !strings.HasPrefix(e.Reason, JudgedReason) {
		return false
	}
	parts, release := a.sandbox.use()
	defer release()
	if parts == nil {
		return true
	}
	entry, ok := parts.cache.Get(e.Hashes.SHA256)
	return !ok || entry.Level != verdict.Clean
}
