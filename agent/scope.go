package agent

import (
	"path/filepath"
	"slices"
	"time"

	"tyto/agent/control"
	"tyto/detect"
	"tyto/report"
	"tyto/scanner"
	"tyto/scanner/critical"
	"tyto/scanner/walk"
	"tyto/scheduler"
)

// detection says what the run looks for. "builtin" in a task stands for what the policy says.
func (r *run) detection() detect.Options {
	p := r.agent.policy()
	expand := func(list, configured []string) (all []string) {
		for _, path := range list {
			if path == scheduler.Builtin {
				all = append(all, configured...)
			} else {
				all = append(all, path)
			}
		}
		return all
	}
	return r.agent.detection(expand(r.job.Task.Rules, p.Detection.Rules), expand(r.job.Task.Indicators, p.Detection.Indicators))
}

// detection says how rules and indicators are loaded.
func (a *Agent) detection(rules, indicators []string) detect.Options {
	return detect.Options{
		Rules:      rules,
		Indicators: indicators,
		CacheDir:   a.ruleCache(),
		Compile:    a.o.Compile,
		Now:        a.o.Now(),
		Log:        a.log,
	}
}

// ruleCache returns the folder for compiled rules; none if others could change it.
func (a *Agent) ruleCache() string {
	if a.unusable != nil {
		return ""
	}
	return filepath.Join(a.data, "rules")
}

// options says what the run scans and how.
func (r *run) options(set *detect.Set) (scanner.Options, error) {
	scope := &r.job.Task.Scope
	o := r.agent.scanOptions(set)
	o.Walk = walk.Options{
		Roots:         slices.Clone(scope.Paths),
		Exclude:       scope.Exclude,
		OneFileSystem: scope.OneFileSystem,
		Network:       scope.Network,
		USN:           true, // on Windows a change time can be set back
		Own:           append(set.Own(), r.own()...),
	}
	o.Gate, o.Progress = r.gate, r.showProgress
	o.Examine.Archives = !scope.NoArchives
	if scope.MaxSize != scheduler.DefaultMaxSize {
		o.MaxSize = int64(scope.MaxSize)
	}
	if limit := r.job.Task.While.CPULimit; limit > 0 {
		o.CPULimit = limit / 100
	}
	if err := r.areas(&o); err != nil {
		return o, err
	}
	r.report.Paths = slices.Clone(o.Walk.Roots)
	for _, area := range scope.Areas {
		r.report.Paths = append(r.report.Paths, "("+string(area)+")")
	}
	return o, nil
}

// areas adds the areas that the task names.
func (r *run) areas(o *scanner.Options) error {
	for _, area := range r.job.Task.Scope.Areas {
		var roots []string
		var err error
		switch area {
		case scheduler.Computer:
			roots, err = walk.Computer()
		case scheduler.SystemDrives:
			roots, err = walk.SystemDrives()
			o.Walk.OneFileSystem = true
		case scheduler.Critical:
			o.Sources = append(o.Sources, critical.New(critical.Options{
				Own: o.Walk.Own, Exclude: o.Walk.Exclude, Gate: r.gate.Wait, Log: r.agent.log,
			}))
		}
		if err != nil {
			return err
		}
		o.Walk.Roots = append(o.Walk.Roots, roots...)
	}
	return nil
}

// own returns the identities of what belongs to the agent and is not examined.
func (r *run) own() (ids []walk.FileID) {
	for _, path := range []string{r.agent.data, filepath.Dir(r.agent.store.Path())} {
		if id, err := walk.Identify(path); err == nil { // else it is not there to be met
			ids = append(ids, id)
		}
	}
	return ids
}

// showProgress is called by the scan.
func (r *run) showProgress(p scanner.Progress) {
	findings := map[string]int64{}
	for level, n := range p.Findings {
		findings[level.String()] = n
	}
	r.progress.Store(&control.Progress{
		Phase: control.Scanning, Objects: p.Objects, Files: p.Files, Bytes: p.Bytes, Recalled: p.Recalled,
		TotalFiles: p.TotalFiles, TotalBytes: p.TotalBytes, Findings: findings, Skips: p.Skips,
		Current: report.Safe(p.Current), Elapsed: time.Since(r.begun).Round(time.Millisecond).Seconds(),
		Active: p.Active.Round(time.Millisecond).Seconds(),
	})
}
