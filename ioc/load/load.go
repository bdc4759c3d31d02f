// Package load reads indicator files of every format that Tyto knows and makes one [ioc.Set] of
// them.
//
// What a file is is told by its content; only the kind of a list is told by a word in its name
// (see package lists). A file that cannot be used is reported and stops nobody else.
package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tyto/finding"
	"tyto/ioc"
	"tyto/ioc/openioc"
)

// Options say what is loaded and how. The zero value is the default.
type Options struct {
	// Set says under which circumstances the indicators are evaluated.
	Set ioc.Options
	// OpenIOC bounds OpenIOC files.
	OpenIOC openioc.Limits
	// Extra are files that are not read from disk, such as those built in.
	Extra []Extra
	// MaxListBytes bounds a list; default 1 GiB.
	MaxListBytes int64
	// MaxFiles bounds the files found in folders; default 100,000.
	MaxFiles int
	// MaxDepth bounds the nesting of folders; default 32.
	MaxDepth int
}

// Extra is an indicator file in memory. Its name tells what kind of list it is, as that of a file does.
type Extra struct {
	Name    string
	Content []byte
}

func (o Options) withDefaults() Options {
	if o.MaxListBytes <= 0 {
		o.MaxListBytes = 1 << 30
	}
	if o.MaxFiles <= 0 {
		o.MaxFiles = 100_000
	}
	if o.MaxDepth <= 0 {
		o.MaxDepth = 32
	}
	return o
}

// Result is what was loaded.
type Result struct {
	Set   *ioc.Set
	Files []File
	// Problems are those of all files, in their order, and those that concern no single one.
	Problems []finding.Problem
	// Version is the SHA-256, in lower-case hexadecimal, of names and content of all files that
	// hold indicators. It depends neither on the order of files nor on their folders.
	Version string
}

// File says what one file held.
type File struct {
	Path   string
	Format Format
	// Indicators, Hashes, Trusted, Networks and Keywords count what was taken from it; rows of
	// file-name lists are indicators.
	Indicators, Hashes, Trusted, Networks, Keywords int
	// Broken is true if nothing of the file could be used.
	Broken bool
	// SHA256 identifies the content; empty for files that hold no indicators.
	SHA256 string
}

// Summary returns the counts that a scan's summary shows.
func (r *Result) Summary() finding.SetSummary {
	s := finding.SetSummary{Version: r.Version}
	for _, f := range r.Files {
		switch {
		case f.Broken:
			s.Broken++
		case f.Format != Unknown:
			s.Files++
			s.Entries += f.Indicators + f.Hashes + f.Trusted + f.Networks + f.Keywords
		}
	}
	return s
}

// Load reads the files, and all files in the folders, that paths name. Folders are read with
// their subfolders; symbolic links in them are not followed. The error is that of the context:
// everything else is among the result's problems.
func Load(ctx context.Context, paths []string, o Options) (*Result, error) {
	o = o.withDefaults()
	l := &loader{options: o, builder: ioc.NewBuilder(o.Set), seen: map[string]bool{}, ids: map[string]string{}}
	for _, path := range paths {
		l.collect(path)
	}
	for _, path := range l.paths {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("load indicators: %w", err)
		}
		l.file(path)
	}
	for _, e := range o.Extra {
		l.content(e.Name, bytes.NewReader(e.Content))
	}
	l.result.Problems = append(l.result.Problems, l.builder.Problems()...)
	l.result.Set = l.builder.Build()
	l.result.Version = version(l.result.Files)
	return &l.result, nil
}

type loader struct {
	options Options
	builder *ioc.Builder
	paths   []string
	seen    map[string]bool
	ids     map[string]string // of indicators, to the file that had it first
	result  Result
}

func (l *loader) problem(path string, line int, warning bool, format string, args ...any) {
	l.result.Problems = append(l.result.Problems, finding.Problem{File: path, Line: line, Warning: warning, Message: fmt.Sprintf(format, args...)})
}

// collect notes the files that a path names.
func (l *loader) collect(path string) {
	info, err := os.Stat(path)
	if err != nil {
		l.problem(path, 0, false, "%v", cause(err))
		return
	}
	if !info.IsDir() {
		l.add(path)
		return
	}
	root, err := filepath.EvalSymlinks(path) // the folder named may be a link; see below for others
	if err != nil {
		l.problem(path, 0, false, "%v", cause(err))
		return
	}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			l.problem(path, 0, false, "%v", cause(err))
			return nil
		}
		if len(l.paths) >= l.options.MaxFiles {
			return fmt.Errorf("more than %d files; the rest is not loaded", l.options.MaxFiles)
		}
		switch {
		case entry.IsDir() && path != root && entry.Name() == ".git":
			return filepath.SkipDir // of a clone of a public collection; holds no files of its own
		case entry.IsDir() && depth(root, path) > l.options.MaxDepth:
			l.problem(path, 0, true, "folder is nested deeper than %d and not read", l.options.MaxDepth)
			return filepath.SkipDir
		case entry.Type().IsRegular():
			l.add(path)
		case !entry.IsDir():
			l.problem(path, 0, true, "not a regular file; name it itself to load it")
		}
		return nil
	})
	if err != nil {
		l.problem(path, 0, false, "%v", err)
	}
}

// add notes a file unless it was named before.
func (l *loader) add(path string) {
	if !l.seen[path] {
		l.seen[path] = true
		l.paths = append(l.paths, path)
	}
}

func depth(root, path string) int {
	relative, err := filepath.Rel(root, path)
	if err != nil {
		return 0
	}
	return strings.Count(relative, string(filepath.Separator)) + 1
}

// cause drops the operation and path from an error of the os package; a problem names the file.
func cause(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
