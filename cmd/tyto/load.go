package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tyto/detect"
)

// load loads the rules and indicators that the flags name; without any, the built-in rules.
func load(ctx context.Context, flags *scanFlags, log *slog.Logger) (*detect.Set, error) {
	o := detect.Options{
		Rules:      flags.rules,
		Indicators: flags.ioc,
		CacheDir:   flags.ruleCache(),
		Compile:    compileCommandLine(),
		Now:        time.Now(),
		Log:        log,
	}
	if len(o.Rules)+len(o.Indicators) == 0 {
		o.Rules = []string{detect.Builtin}
	}
	return loadSet(ctx, o)
}

// loadSet loads rules and indicators, and makes what is wrong with them usage errors.
func loadSet(ctx context.Context, o detect.Options) (*detect.Set, error) {
	if err := readable(slices.DeleteFunc(append(slices.Clone(o.Indicators), o.Rules...), detect.IsBuiltin)); err != nil {
		return nil, err
	}
	set, err := detect.Load(ctx, o)
	var bad *detect.RuleError
	switch {
	case errors.As(err, &bad):
		return nil, usageError{err: bad, hint: "check them with \"tyto rules check\""}
	case errors.Is(err, detect.ErrNothing):
		return nil, usageError{err: detect.ErrNothing, hint: firstProblem(set.Problems)}
	}
	return set, err
}

// compileCommandLine is the command by which rules are compiled in a process of its own; none where no
// program finds itself, as without /proc.
func compileCommandLine() []string {
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	return []string{self, compileCommand}
}

// ruleCache returns the folder for compiled rules; empty for none.
func (f *scanFlags) ruleCache() string {
	switch {
	case f.noCache:
		return ""
	case f.cacheDir != "":
		return f.cacheDir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "" // no home: compile anew
	}
	return filepath.Join(dir, "tyto", "rules")
}
