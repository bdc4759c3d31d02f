package sandbox

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"tyto/finding"
	"tyto/verdict"
)

// The scores from which a content is malicious or suspicious. They are those of an alert and of a notice
// ([finding.DefaultThresholds]): what a scan would raise an alarm for, a sandbox does too.
const (
	MaliciousFrom  = 80
	SuspiciousFrom = 40
)

// maxThreats is how many names of threats a verdict bears.
const maxThreats = 10

// databaseVersion identifies everything that judges. With another version verdicts may come out otherwise.
func databaseVersion(product string, engines []Engine) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", product)
	for _, e := range engines {
		fmt.Fprintf(h, "%q %q\n", e.Name(), e.Version())
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// levelOf returns the level for a score.
func levelOf(score float64) verdict.Level {
	switch {
	case score >= MaliciousFrom:
		return verdict.Malicious
	case score >= SuspiciousFrom:
		return verdict.Suspicious
	}
	return verdict.Clean
}

// scoreOf combines behaviours as findings are combined.
func scoreOf(behaviours []verdict.Behaviour) float64 {
	subs := make([]int, len(behaviours))
	for i, b := range behaviours {
		subs[i] = b.Score
	}
	return finding.Score(subs)
}

// judge has all engines look at a sample and puts together what they saw. It fails only if ctx ended: what
// an engine could not do stands in the report.
func (s *Sandbox) judge(ctx context.Context, t *task) (*verdict.Report, error) {
	sample := Sample{Path: s.folder.sample(t.SHA256), Name: t.Name, Size: t.Size, SHA256: t.SHA256}
	limited, cancel := context.WithTimeout(ctx, s.limits.SampleTime)
	defer cancel()
	if s.options.Identify != nil {
		kind, err := s.options.Identify(limited, sample.Path)
		if err != nil {
			s.log.Warn("the type of a sample is not known", "sha256", t.SHA256, "error", err)
		}
		sample.Type = kind
	}
	r := &verdict.Report{Format: verdict.Format, Object: t.object(sample.Type)}
	var threats []string
	failed := false
	for _, e := range s.options.Engines {
		begun := time.Now()
		seen, err := s.examine(limited, e, sample)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			failed = true
			s.log.Error("an engine failed", "engine", e.Name(), "sha256", t.SHA256, "error", err)
			if errors.Is(err, context.DeadlineExceeded) {
				err = fmt.Errorf("it took longer than %v", s.limits.SampleTime)
			}
			seen = &Seen{Engine: verdict.Engine{Failed: err.Error(), Level: verdict.Error}}
		}
		seen.Engine.Seconds = math.Round(time.Since(begun).Seconds()*1000) / 1000
		merge(r, e, seen)
		threats = append(threats, seen.Threats...)
	}
	score := scoreOf(r.Behaviours)
	r.Verdict = verdict.Verdict{
		SHA256: t.SHA256, Level: levelOf(score), Score: int(score), Threats: firstOf(threats),
		Sandbox: s.options.Product, Database: s.database, Time: s.now().UTC(),
	}
	// What was seen stands, whoever did not look. But nothing is clean that an engine could not look at.
	if failed && r.Verdict.Level == verdict.Clean {
		r.Verdict.Level = verdict.Error
	}
	return r, nil
}

// examine calls an engine; one that panics has failed on this sample only.
func (s *Sandbox) examine(ctx context.Context, e Engine, sample Sample) (seen *Seen, err error) {
	defer func() {
		if v := recover(); v != nil {
			s.log.Error("an engine has a mistake in it", "engine", e.Name(), "sha256", sample.SHA256, "panic", v, "stack", string(debug.Stack()))
			seen, err = nil, errors.New("the engine has a mistake in it: the sandbox's log says more")
		}
	}()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	seen, err = e.Examine(ctx, sample)
	if err == nil && seen == nil {
		err = errors.New("the engine said nothing")
	}
	return seen, err
}

// merge adds what an engine saw to the report. Lists are cut to the report's limits when it is written.
func merge(r *verdict.Report, e Engine, seen *Seen) {
	engine := seen.Engine
	engine.Name, engine.Version = e.Name(), e.Version()
	for i := range seen.Behaviours {
		seen.Behaviours[i].Engine = engine.Name
	}
	if engine.Failed == "" {
		score := scoreOf(seen.Behaviours)
		engine.Score, engine.Level = int(score), levelOf(score)
	}
	r.Engines = append(r.Engines, engine)
	r.Platform = cmp.Or(r.Platform, seen.Platform)
	r.Computer = cmp.Or(r.Computer, seen.Computer)
	r.Users = append(r.Users, seen.Users...)
	r.Behaviours = append(r.Behaviours, seen.Behaviours...)
	r.Dropped = append(r.Dropped, seen.Dropped...)
	r.Files = append(r.Files, seen.Files...)
	r.Processes = append(r.Processes, seen.Processes...)
	r.Registry = append(r.Registry, seen.Registry...)
	r.Services = append(r.Services, seen.Services...)
	r.Mutexes = append(r.Mutexes, seen.Mutexes...)
	r.Domains = append(r.Domains, seen.Domains...)
	r.URLs = append(r.URLs, seen.URLs...)
	r.Connections = append(r.Connections, seen.Connections...)
	slices.SortStableFunc(r.Behaviours, func(a, b verdict.Behaviour) int { return b.Score - a.Score })
}

// firstOf returns the first of several names, each once.
func firstOf(threats []string) []string {
	var names []string
	for _, name := range threats {
		name = strings.TrimSpace(name)
		if name != "" && !slices.Contains(names, name) && len(names) < maxThreats {
			names = append(names, name)
		}
	}
	return names
}
