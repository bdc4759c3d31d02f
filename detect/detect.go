// Package detect loads what a scan looks for: YARA rules and indicators from files and folders, and those
// that Tyto ships.
//
//	set, err := detect.Load(ctx, detect.Options{Rules: []string{detect.Builtin, "rules/"}})
//	…
//	defer set.Close()
//
// The commands and the agent load through it, so that a task finds what a scan by hand would find.
//
// A file that cannot be used costs only itself: it is a problem in [Set.Problems], to be shown to
// whoever brought it. It is an error ([ErrNothing]) when nothing at all can be used, as a scan for nothing
// would look like a clean computer.
package detect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"tyto/finding"
	"tyto/ioc"
	"tyto/ioc/load"
	"tyto/rules"
	"tyto/scanner/walk"
)

// Options say what is loaded.
type Options struct {
	// Rules are files and folders of YARA rules, or [Builtin].
	Rules []string
	// Indicators are files and folders of OpenIOC files and lists.
	Indicators []string
	// CacheDir is the folder for compiled rules; empty compiles anew and leaves nothing on disk.
	CacheDir string
	// Compile is the command that compiles rules in a process of its own: it gets the sources
	// ([rules.DecodeSources]) on standard input and writes the compiled form to standard output. libyara's
	// compiler takes much memory and does not give it back, and what it may do wrong with a rule file
	// from afar then costs the caller nothing. Empty compiles in this process.
	Compile []string
	// Now decides which indicators have expired.
	Now time.Time
	// Log is told how long loading took; nil discards it.
	Log *slog.Logger
}

// Set is what a scan looks for.
type Set struct {
	Rules      *rules.Set // nil: none
	Indicators *ioc.Set   // nil: none
	// Problems are the rules and indicators that cannot be used, and why.
	Problems []finding.Problem

	RuleSummary, IndicatorSummary finding.SetSummary

	files   []string        // of indicators
	shipped map[string]bool // names that stand for content of Tyto's own, and for no file
}

// ErrNothing says that no rule and no indicator could be used. It comes with the set that holds the
// problems; the set is closed.
var ErrNothing = errors.New("no rule and no indicator could be used")

// A RuleError says that the rules could not be loaded at all.
type RuleError struct{ Err error }

func (e *RuleError) Error() string { return e.Err.Error() }
func (e *RuleError) Unwrap() error { return e.Err }

// Load loads rules and indicators. Whoever gets a set closes it.
func Load(ctx context.Context, o Options) (*Set, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Set{}
	own, err := readShipped(o.Rules)
	if err != nil {
		return nil, err
	}
	s.shipped = own.names()
	if len(o.Rules) > 0 {
		begun := time.Now()
		set, err := loadRules(ctx, o, own.rules)
		if err != nil {
			return nil, &RuleError{err}
		}
		o.Log.Debug("rules loaded", "rules", len(set.Rules), "files", set.Files, "cached", set.Cached, "took", time.Since(begun))
		s.Rules = set
		s.RuleSummary = set.Summary()
		s.Problems = append(s.Problems, set.Problems...)
	}
	if len(o.Indicators)+len(own.lists) > 0 {
		result, err := loadIndicators(ctx, o, own.lists)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.Indicators = result.Set
		s.IndicatorSummary = result.Summary()
		s.Problems = append(s.Problems, result.Problems...)
		for _, f := range result.Files {
			s.files = append(s.files, f.Path)
		}
	}
	if s.RuleSummary.Entries+s.IndicatorSummary.Entries == 0 {
		return s, errors.Join(ErrNothing, s.Close())
	}
	return s, nil
}

// Rules loads the rules alone.
func Rules(ctx context.Context, o Options) (*rules.Set, error) {
	own, err := readShipped(o.Rules)
	if err != nil {
		return nil, err
	}
	return loadRules(ctx, o, own.rules)
}

func loadRules(ctx context.Context, o Options, own []rules.SourceFile) (*rules.Set, error) {
	opts := rules.Options{CacheDir: o.CacheDir, Extra: own}
	if len(o.Compile) > 0 {
		opts.Compile = compileIn(ctx, o.Compile)
	}
	return rules.Load(slices.DeleteFunc(slices.Clone(o.Rules), IsBuiltin), opts)
}

// Indicators loads the indicators alone.
func Indicators(ctx context.Context, o Options) (*load.Result, error) {
	return loadIndicators(ctx, o, nil)
}

func loadIndicators(ctx context.Context, o Options, own []load.Extra) (*load.Result, error) {
	result, err := load.Load(ctx, o.Indicators, load.Options{
		Extra: own,
		Set:   ioc.Options{Now: o.Now, Available: ioc.Only(ioc.FileTerms()...)},
	})
	if err != nil {
		return nil, fmt.Errorf("load indicators: %w", err)
	}
	return result, nil
}

// Own returns the identities of what must not be examined because it holds what is looked for: the files
// of rules and indicators, and this very program.
func (s *Set) Own() []walk.FileID {
	paths := slices.Clone(s.files)
	if s.Rules != nil {
		for _, r := range s.Rules.Rules {
			if len(paths) == 0 || paths[len(paths)-1] != r.Source {
				paths = append(paths, r.Source)
			}
		}
		paths = append(paths, s.Rules.File().Name())
	}
	if self, err := os.Executable(); err == nil {
		paths = append(paths, self)
	}
	var ids []walk.FileID
	for _, path := range paths {
		if s.shipped[path] {
			continue // a file of that name would be somebody else's, who wants it to be left out
		}
		// What has no identity is gone; it cannot be met on the walk either.
		if id, err := walk.Identify(path); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// Close gives the compiled rules back. There may be none, and no set either.
func (s *Set) Close() error {
	if s == nil || s.Rules == nil {
		return nil
	}
	return s.Rules.Close()
}
