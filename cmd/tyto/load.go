package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tyto/finding"
	"tyto/ioc"
	iocload "tyto/ioc/load"
	"tyto/rules"
	"tyto/rules/builtin"
	"tyto/scanner/walk"
)

// builtinName stands for what Tyto ships, where a file or folder of rules is named.
const builtinName = "builtin"

// loaded is what a scan looks for.
type loaded struct {
	rules      *rules.Set // nil: none
	indicators *ioc.Set   // nil: none
	problems   []finding.Problem

	ruleSummary, indicatorSummary finding.SetSummary
	files                         []string        // that were read
	shipped                       map[string]bool // names that stand for content of Tyto's own, and for no file
}

// load loads the rules and indicators that the flags name. Files that cannot be used are problems;
// it is an error if nothing at all can be used.
func load(ctx context.Context, flags *scanFlags, log *slog.Logger) (*loaded, error) {
	l := &loaded{}
	rulePaths, iocPaths := slices.Clone(flags.rules), flags.ioc
	if len(rulePaths) == 0 && len(iocPaths) == 0 {
		rulePaths = []string{builtinName}
	}
	if err := readable(slices.DeleteFunc(append(slices.Clone(iocPaths), rulePaths...), isBuiltin)); err != nil {
		return nil, err
	}
	var extraLists []iocload.Extra
	if slices.ContainsFunc(rulePaths, isBuiltin) {
		var err error
		if l.shipped, err = builtinNames(); err != nil {
			return nil, err
		}
	}
	if len(rulePaths) > 0 {
		begun := time.Now()
		set, lists, err := loadRules(ctx, rulePaths, flags.ruleCache())
		if err != nil {
			return nil, usageError{err: err, hint: "check them with \"tyto rules check\""}
		}
		log.Debug("rules loaded", "rules", len(set.Rules), "files", set.Files, "cached", set.Cached, "took", time.Since(begun))
		l.rules, extraLists = set, lists
		l.ruleSummary = set.Summary()
		l.problems = append(l.problems, set.Problems...)
	}
	if len(iocPaths)+len(extraLists) > 0 {
		result, err := loadIndicators(ctx, iocPaths, extraLists)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		l.indicators = result.Set
		l.indicatorSummary = result.Summary()
		l.problems = append(l.problems, result.Problems...)
		for _, f := range result.Files {
			l.files = append(l.files, f.Path)
		}
	}
	if l.ruleSummary.Entries+l.indicatorSummary.Entries == 0 {
		err := usagef(firstProblem(l.problems), "no rule and no indicator could be used")
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func isBuiltin(path string) bool { return path == builtinName }

// loadRules compiles rules, or takes them from the cache. For the built-in rules it also returns the lists
// that come with them.
func loadRules(ctx context.Context, paths []string, cacheDir string) (*rules.Set, []iocload.Extra, error) {
	opts := rules.Options{CacheDir: cacheDir, Compile: compileInChild(ctx)}
	var lists []iocload.Extra
	if slices.ContainsFunc(paths, isBuiltin) {
		paths = slices.DeleteFunc(slices.Clone(paths), isBuiltin)
		var err error
		if opts.Extra, lists, err = builtinFiles(); err != nil {
			return nil, nil, err
		}
	}
	set, err := rules.Load(paths, opts)
	return set, lists, err
}

// builtinFiles returns the rules and lists that Tyto ships.
func builtinFiles() (ruleFiles []rules.SourceFile, lists []iocload.Extra, err error) {
	shipped, err := builtin.FS()
	if err != nil {
		return nil, nil, err
	}
	err = fs.WalkDir(shipped, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(shipped, path)
		if err != nil {
			return err
		}
		name := builtinName + "/" + path
		if strings.HasSuffix(path, ".yar") {
			ruleFiles = append(ruleFiles, rules.SourceFile{Path: name, Text: text})
		} else {
			lists = append(lists, iocload.Extra{Name: name, Content: text})
		}
		return nil
	})
	return ruleFiles, lists, err
}

// builtinNames returns the names under which findings tell of what Tyto ships.
func builtinNames() (map[string]bool, error) {
	ruleFiles, lists, err := builtinFiles()
	names := map[string]bool{}
	for _, f := range ruleFiles {
		names[f.Path] = true
	}
	for _, l := range lists {
		names[l.Name] = true
	}
	return names, err
}

// compileInChild compiles in a process of its own: libyara's compiler takes much memory and does not
// give it back, and what it may do wrong with a rule file from afar costs the scan nothing.
func compileInChild(ctx context.Context) func(*rules.Sources, *os.File) error {
	return func(s *rules.Sources, out *os.File) error {
		self, err := os.Executable()
		if err != nil {
			return rules.Compile(s, out) // without /proc no program finds itself
		}
		var sources, stderr bytes.Buffer
		if err := s.Encode(&sources); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, self, compileCommand)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = &sources, out, &stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%w: %s", err, bytes.TrimSpace(stderr.Bytes()))
		}
		return nil
	}
}

func loadIndicators(ctx context.Context, paths []string, extra []iocload.Extra) (*iocload.Result, error) {
	return iocload.Load(ctx, paths, iocload.Options{
		Extra: extra,
		Set:   ioc.Options{Now: time.Now(), Available: ioc.Only(ioc.FileTerms()...)},
	})
}

// own returns the identities of what must not be examined because it holds what is looked for: the files
// of rules and indicators of this scan, and Tyto itself.
func (l *loaded) own() []walk.FileID {
	paths := slices.Clone(l.files)
	if l.rules != nil {
		for _, r := range l.rules.Rules {
			if len(paths) == 0 || paths[len(paths)-1] != r.Source {
				paths = append(paths, r.Source)
			}
		}
		paths = append(paths, l.rules.File().Name())
	}
	if self, err := os.Executable(); err == nil {
		paths = append(paths, self)
	}
	var ids []walk.FileID
	for _, path := range paths {
		if l.shipped[path] {
			continue // a file of that name would be somebody else's, who wants it to be left out
		}
		// What has no identity is gone; it cannot be met on the walk either.
		if id, err := walk.Identify(path); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// Close gives the compiled rules back. There may be none.
func (l *loaded) Close() error {
	if l == nil || l.rules == nil {
		return nil
	}
	return l.rules.Close()
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
