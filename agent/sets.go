package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tyto/agent/events"
	"tyto/agent/policy"
	"tyto/detect"
	"tyto/finding"
)

const (
	// setsEvery is how often the files of rules and indicators are looked at for changes.
	setsEvery = 5 * time.Minute
	// maxSetFiles bounds how many of them are looked at.
	maxSetFiles = 100_000
)

// watchSets tells the scheduler when rules or indicators have changed, and examines the quarantine with the new
// ones, until ctx ends.
func (a *Agent) watchSets(ctx context.Context) {
	ticker := time.NewTicker(setsEvery)
	defer ticker.Stop()
	for {
		version := a.setsVersion(a.policy())
		a.sched.SetsChanged(version)
		// What it was at the end of an earlier agent's life counts, too.
		examined := true
		if known, err := a.store.Get(ctx, vaultSetsKey); err == nil && string(known) != version {
			examined = a.tellFalseAlarms(ctx) // else it is tried again
		}
		if examined {
			if err := a.store.Set(ctx, vaultSetsKey, []byte(version)); err != nil && ctx.Err() == nil {
				a.log.Error("note with which rules the quarantine was examined", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-a.setsChanged:
		}
	}
}

// setsVersion identifies the rules and indicators of the policy and its tasks, without reading them: by the
// names, sizes and times of their files, and by Tyto's version for those that it ships.
func (a *Agent) setsVersion(p *policy.Policy) string {
	paths := slices.Concat(p.Detection.Rules, p.Detection.Indicators)
	for i := range p.Tasks {
		paths = append(paths, p.Tasks[i].Rules...)
		paths = append(paths, p.Tasks[i].Indicators...)
	}
	slices.Sort(paths)
	sum := sha256.New()
	fmt.Fprintf(sum, "%q\n", a.o.Version)
	files := 0
	for _, path := range slices.Compact(paths) {
		if detect.IsBuiltin(path) {
			continue
		}
		fmt.Fprintf(sum, "%q\n", path)
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real // a link itself does not change with what it leads to
		}
		// What cannot be read counts as not there; loading tells why.
		_ = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil
			}
			if files++; files > maxSetFiles {
				return fs.SkipAll
			}
			if info, err := os.Stat(name); err == nil {
				fmt.Fprintf(sum, "%q %d %d\n", name, info.Size(), info.ModTime().UnixNano())
			}
			return nil
		})
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// setsPart is the part of the agent that does not work when rules or indicators cannot be used.
const setsPart = "rules and indicators"

// loadedSets is what was loaded last, for people.
type loadedSets struct{ rules, indicators finding.SetSummary }

// tellSets tells what a run looks for, and what of it cannot be used, if that is news.
func (a *Agent) tellSets(set *detect.Set) {
	a.mu.Lock()
	now := loadedSets{set.RuleSummary, set.IndicatorSummary}
	news := a.sets != now
	a.sets = now
	a.mu.Unlock()
	if !news {
		return
	}
	a.hub.Send(events.DetectionLoaded,
		fmt.Sprintf("rules: %d, indicators: %d", now.rules.Entries, now.indicators.Entries),
		events.Data{
			"tyto.rules": now.rules.Entries, "tyto.rules.version": now.rules.Version,
			"tyto.indicators": now.indicators.Entries, "tyto.indicators.version": now.indicators.Version,
		})
	const most = 20 // problems that get an event each
	told := 0
	for _, p := range set.Problems {
		if p.Warning {
			continue
		}
		if told++; told == 1 {
			a.troubles.set(setsPart, fmt.Sprintf("not all can be used: %s: %s", p.Place(), p.Message))
		}
		if told > most {
			a.hub.Send(events.DetectionProblem, "more files of rules or indicators cannot be used: see tyto rules check and tyto ioc check", nil)
			return
		}
		a.hub.Send(events.DetectionProblem, fmt.Sprintf("%s: %s", p.Place(), p.Message), events.Data{"file.path": p.File})
	}
	if told == 0 {
		a.works(setsPart)
	}
}
