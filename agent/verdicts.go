package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tyto/agent/events"
	"tyto/agent/policy"
	"tyto/agent/response"
	"tyto/finding"
	"tyto/quarantine"
	"tyto/report"
	"tyto/sandboxlink"
	"tyto/sandboxlink/recall"
	"tyto/scheduler"
	"tyto/verdict"
)

// act does what the policy says about a verdict: it tells of it, makes indicators of the report, looks into the
// inventory, moves the object into the quarantine, has the critical areas scanned and makes a task. Some of it may be
// done twice, if the agent ends in between. It implements [sandboxlink.Options.Act].
//
// What a sandbox says is believed of the content that it was asked about, and of nothing else: the paths
// here are those at which this computer met that content, and each is read again before it is moved.
func (a *Agent) act(ctx context.Context, c sandboxlink.Case, parts *sandboxParts) (actions []string, err error) {
	if !a.toldLately(&c) {
		a.tellVerdict(&c)
	}
	if c.Verdict.Level != verdict.Malicious {
		return nil, nil
	}
	if !c.Known {
		parts.recheck()
	}
	// One after the other: two that move the same file would be in each other's way.
	release, err := a.acting.hold(ctx, c.Verdict.SHA256)
	if err != nil {
		return nil, err
	}
	defer release()
	// What is contained does no more harm; all else takes longer and may fail.
	same, err := a.places(ctx, &c)
	if err != nil {
		return nil, err
	}
	actions, err = a.respondTo(ctx, &c, same)
	if err != nil || c.Known {
		return actions, err
	}
	task, err := a.followTraces(ctx, &c)
	if task != "" {
		actions = append(actions, fmt.Sprintf("task %q was made", task))
	}
	if err != nil {
		return actions, err
	}
	scan, err := a.scanAfterVerdict(ctx, &c)
	if scan != "" {
		actions = append(actions, scan)
	}
	return actions, err
}

// followTraces makes indicators of a verdict's report, looks into the inventory for what it tells of, and has a task look
// for it, whose id it returns.
func (a *Agent) followTraces(ctx context.Context, c *sandboxlink.Case) (task string, err error) {
	made, err := a.derive(ctx, c)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		// The object itself has been dealt with; telling it again would not mend the disk.
		a.degraded("sandbox indicators", err)
		return "", nil
	}
	a.works("sandbox indicators")
	if err := a.tellKnown(ctx, c, made); err != nil || made.openIOC == "" {
		return "", err
	}
	return a.makeTask(ctx, c, made)
}

// tellEvery is how often it is told that access to one content was refused or that it was met again.
const tellEvery = time.Minute

// toldLately reports whether the same was told within the last minute.
func (a *Agent) toldLately(c *sandboxlink.Case) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.o.Now()
	key := toldVerdict{c.Verdict.SHA256, c.Verdict.Level, c.Known, wasRefused(c)}
	last, ok := a.toldVerdicts[key]
	if ok && now.Sub(last).Abs() < tellEvery {
		return true
	}
	if len(a.toldVerdicts) >= maxTold || a.toldVerdicts == nil {
		a.toldVerdicts = map[toldVerdict]time.Time{} // at worst something is told twice in a minute
	}
	a.toldVerdicts[key] = now
	return false
}

// toldVerdict is what was told: a verdict, that a content was met of which it is known, or that access was refused.
type toldVerdict struct {
	sha256         string
	level          verdict.Level
	known, refused bool
}

// wasRefused reports whether a case is about an access that was refused.
func wasRefused(c *sandboxlink.Case) bool { return len(c.Seen) > 0 && c.Seen[0].Refused }

// tellVerdict tells of a verdict, or that an object is met of which it is known.
func (a *Agent) tellVerdict(c *sandboxlink.Case) {
	v := &c.Verdict
	data := events.Data{
		"file.hash.sha256": v.SHA256, "file.size": v.Size, "tyto.verdict": string(v.Level), "tyto.score": v.Score,
		"tyto.sandbox": v.Sandbox, "tyto.sandbox.server": v.Server, "tyto.sandbox.database": v.Database,
	}
	name := ""
	if len(v.Threats) > 0 {
		data["threat.names"] = v.Threats
	}
	if len(v.Threats) > 0 || v.Level == verdict.Malicious {
		name = ": " + threat(v)
	}
	path, by := "", ""
	if len(c.Seen) > 0 {
		path, by = c.Seen[0].Path, c.Seen[0].By
		data["file.path"], data["tyto.seen_by"] = path, by
	}
	if c.Report != nil {
		var reasons []string
		for _, b := range c.Report.Behaviours {
			reasons = append(reasons, b.Detail)
		}
		data["tyto.reasons"] = reasons
	}
	level := events.Info
	switch v.Level {
	case verdict.Malicious:
		level = events.Error
	case verdict.Suspicious:
		level = events.Warning
	}
	if wasRefused(c) {
		data["process.executable"] = by
		a.hub.Send(events.AccessRefused, fmt.Sprintf("access to %q was refused: %s", path, threat(v)), data)
		return
	}
	known := ""
	switch {
	case c.Known:
		known = ", which is known"
	case c.IsOwn:
		known = ", and means malicious; but a package of this computer's system delivered this content, so nothing is done"
	}
	a.hub.Pass(events.Event{ID: events.Verdict, Level: level, Data: data,
		Message: fmt.Sprintf("%q is %s (%s says %d of 100%s)%s", path, v.Level, v.Server, v.Score, known, name)})
}

// threat names what was found, as package derive does.
func threat(v *recall.Entry) string {
	if len(v.Threats) > 0 {
		return v.Threats[0]
	}
	return fmt.Sprintf("unnamed %.12s", v.SHA256)
}

// maxPlaces bounds how many files are acted upon because of one verdict; a [response.Budget] bounds them too.
const maxPlaces = 1000

// places returns the paths at which this computer has met the content: those of the accesses, and if the verdict is news
// those that the inventory knows.
func (a *Agent) places(ctx context.Context, c *sandboxlink.Case) (paths []string, err error) {
	add := func(path string) {
		if filepath.IsAbs(path) && len(paths) < maxPlaces && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	for _, s := range c.Seen {
		add(s.Path)
	}
	if c.Known {
		return paths, nil
	}
	for known, err := range a.store.FilesByHash(ctx, []string{c.Verdict.SHA256}) {
		if err != nil {
			return paths, fmt.Errorf("look for a malicious object in the inventory: %w", err)
		}
		if known.Object.Via == "" && known.Gone.IsZero() {
			add(known.Object.Path)
		}
	}
	return paths, nil
}

// tellKnown tells of the files in the inventory that belong to a verdict: those with the content itself, also such that
// are gone, and those with another content of the report. What a report says of other contents is no verdict on them:
// nothing is done about those.
func (a *Agent) tellKnown(ctx context.Context, c *sandboxlink.Case, made *derived) error {
	hashes := append([]string{c.Verdict.SHA256}, made.hashes[:min(len(made.hashes), maxPlaces)]...)
	slices.Sort(hashes)
	var files []string
	for known, err := range a.store.FilesByHash(ctx, slices.Compact(hashes)) {
		if err != nil {
			return fmt.Errorf("look for a verdict's files in the inventory: %w", err)
		}
		if path := known.Object.Path; !slices.ContainsFunc(c.Seen, func(s sandboxlink.Seen) bool { return s.Path == path }) {
			files = append(files, path)
		}
		if len(files) == maxPlaces {
			break
		}
	}
	if len(files) > 0 {
		const most = 50
		a.hub.Send(events.KnownElsewhere, fmt.Sprintf("the inventory knows other files that belong to %q: %d, such as %q", threat(&c.Verdict), len(files), files[0]),
			events.Data{"file.hash.sha256": c.Verdict.SHA256, "tyto.files": files[:min(len(files), most)], "tyto.count": len(files)})
	}
	return nil
}

// respondTo does what the policy says about the files themselves.
func (a *Agent) respondTo(ctx context.Context, c *sandboxlink.Case, paths []string) (actions []string, err error) {
	p := a.policy().Sandbox.Response
	because := events.Data{"tyto.sandbox.server": c.Verdict.Server}
	var gone []string
	begun, err := response.Begin(ctx, response.Options{
		Policy:      response.Policy{Quarantine: p.Quarantine, DryRun: p.DryRun},
		Known:       response.Known{Trusted: a.released},
		Quarantiner: quarantiner{agent: a, reason: JudgedReason + c.Verdict.Server, run: a.verdictRun()},
		Budget:      a.verdictBudget,
		Report:      a.verdictRun(),
		Result: func(r response.Result) {
			switch {
			case errors.Is(r.Err, context.Canceled):
				return // it is done when the verdict is told again
			case errors.Is(r.Err, quarantine.ErrGone):
				gone = append(gone, report.Safe(r.Finding.Object.Path)+" is not there any more")
				return
			}
			a.responded(r, because)
			if text := actionText(&r); text != "" {
				actions = append(actions, text)
			}
		},
		Now: a.o.Now,
		Log: a.log,
	})
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			// It has gone, or is what a process in a container calls it.
			gone = append(gone, report.Safe(path)+" is not there any more")
			continue
		}
		begun.Finding(a.findingOf(&c.Verdict, path))
	}
	begun.End()
	return append(actions, gone...), context.Cause(ctx)
}

// actionText says what became of an action in words; empty if nothing did.
func actionText(r *response.Result) string {
	path := report.Safe(r.Finding.Object.Path)
	switch {
	case r.Why == response.DryRun:
		return fmt.Sprintf("dry run: %s of %s", r.Action, path)
	case r.Err != nil:
		return fmt.Sprintf("%s of %s failed: %v", r.Action, path, r.Err)
	case r.Do() && r.Action == response.Quarantine:
		return fmt.Sprintf("%s is in the quarantine as %s", path, r.Entry)
	case r.Action == response.Quarantine && tellsWhy(*r):
		return fmt.Sprintf("%s was left where it is: %s", path, whyText(r.Decision))
	}
	return ""
}

// findingOf makes a verdict a finding on one path, of the content that was judged.
func (a *Agent) findingOf(v *recall.Entry, path string) *finding.Finding {
	score := min(max(v.Score, int(finding.DefaultThresholds.Alert)), 100)
	return &finding.Finding{
		Time:   a.o.Now(),
		Object: finding.Object{Kind: finding.File, Path: path, Size: v.Size, Hashes: finding.Hashes{SHA256: v.SHA256}},
		Score:  float64(score), Level: finding.Alert,
		Matches: []finding.Match{{
			Kind: finding.Indicator, Name: threat(v), ID: v.SHA256, Source: v.Server, Score: score,
			Description: strings.TrimSpace(fmt.Sprintf("judged malicious by %s %s", v.Server, v.Sandbox)),
			Evidence:    []finding.Evidence{{Term: "FileItem/Sha256sum", Expected: fmt.Sprintf("is %q", v.SHA256), Offset: -1, Data: []byte(v.SHA256)}},
		}},
	}
}

// verdictRun names what is found by verdicts and by no run, in the lines of reports.
func (a *Agent) verdictRun() report.Run {
	return report.Run{ID: fmt.Sprintf("%.16s-sandbox", a.machine), Host: a.o.Host, Started: a.began, Version: a.o.Version}
}

// verdictCriticalTask is the task by which the critical areas are scanned because of a verdict.
const verdictCriticalTask = verdictTask + "critical-areas"

// scanAfterVerdict has the critical areas scanned, if the policy says so, for the traces that are known by now too. It
// returns what was done in words.
func (a *Agent) scanAfterVerdict(ctx context.Context, c *sandboxlink.Case) (action string, err error) {
	p := a.policy().Sandbox.Response
	if !p.ScanCritical {
		return "", nil
	}
	data := events.Data{"file.hash.sha256": c.Verdict.SHA256, "tyto.sandbox.server": c.Verdict.Server}
	if p.DryRun {
		a.hub.Send(events.ResponseDryRun, fmt.Sprintf("dry run: the critical areas would be scanned because of %q", threat(&c.Verdict)), data)
		return "dry run: scan of the critical areas", nil
	}
	indicators := []string{scheduler.Builtin}
	if _, err := os.Stat(a.derivedDir()); err == nil {
		indicators = append(indicators, a.derivedDir())
	}
	if err := a.scanCritical(ctx, verdictCriticalTask, []string{scheduler.Builtin}, indicators, detection(0, a.findingOf(&c.Verdict, ""))); err != nil {
		return "", err
	}
	a.hub.Send(events.CriticalScanQueued, fmt.Sprintf("a scan of the critical areas was queued because of %q", threat(&c.Verdict)), data)
	return "a scan of the critical areas was queued", nil
}

// verdictTask begins the ids of the tasks that are made because of verdicts; maxVerdictTasks is how many there may be for
// one object each.
const (
	verdictTask     = "sandbox-"
	maxVerdictTasks = 20
)

// verdictTasks counts those that there are.
func (a *Agent) verdictTasks() (n int) {
	for _, t := range a.sched.List() {
		if strings.HasPrefix(t.Task.ID, verdictTask) {
			n++
		}
	}
	return n
}

// makeTask makes the task that looks for what a report tells of, and starts it as the policy says. It returns the
// task's id, or nothing if the policy wants none.
func (a *Agent) makeTask(ctx context.Context, c *sandboxlink.Case, made *derived) (id string, err error) {
	p := a.policy().Sandbox.Response
	if p.Task.Run == policy.RunNone {
		return "", nil
	}
	task := scheduler.Task{
		ID:          fmt.Sprintf("%s%.32s", verdictTask, c.Verdict.SHA256),
		Name:        "Traces of " + report.Safe(threat(&c.Verdict)),
		Description: "made by Tyto itself, from the verdict of " + report.Safe(c.Verdict.Server),
		Scope:       scheduler.Scope{Areas: p.Task.Areas, Paths: p.Task.Paths},
		Indicators:  []string{made.openIOC},
		Actions:     scheduler.Actions{Quarantine: p.Task.Quarantine, ScanCritical: p.Task.ScanCritical, DryRun: p.DryRun},
		While:       scheduler.While{Idle: p.Task.Run == policy.RunIdle},
		ExpireAfter: scheduler.Duration(p.Task.Expire),
	}
	if !p.Task.Quarantine && !p.Task.ScanCritical {
		task.Actions = scheduler.Actions{ReportOnly: true}
	}
	if a.verdictTasks() >= maxVerdictTasks {
		// Somebody makes malicious objects by the hundred; one task looks for the traces of all.
		task.ID, task.Name, task.Indicators = verdictTask+"traces", "Traces of many verdicts", []string{a.derivedDir()}
	}
	switch err = a.sched.Add(ctx, task, scheduler.FromResponse); {
	case errors.Is(err, scheduler.ErrExists):
		// The verdict was told before.
	case err != nil:
		return "", fmt.Errorf("make a task from a verdict: %w", err)
	default:
		a.hub.Send(events.SandboxTaskMade, fmt.Sprintf("task %q looks for traces of %q", task.ID, threat(&c.Verdict)),
			events.Data{"tyto.task": task.ID, "file.hash.sha256": c.Verdict.SHA256, "tyto.run_mode": p.Task.Run})
	}
	switch p.Task.Run {
	case policy.RunNow:
		_, err = a.sched.Respond(task.ID, detection(0, a.findingOf(&c.Verdict, "")))
	case policy.RunIdle:
		_, err = a.sched.RunTask(task.ID, scheduler.RunOptions{})
	}
	return task.ID, err
}
