package rules

import (
	"fmt"
	"os"

	"tyto/finding"
)

// Options say how rules are loaded.
type Options struct {
	Limits Limits
	// Extra are rules that are not read from disk, such as those built in. Their paths must
	// differ from each other and from those that are loaded.
	Extra []SourceFile
	// CacheDir is the folder for compiled rules. It is made if it does not exist. Without one,
	// rules are compiled anew and nothing stays on disk.
	CacheDir string
	// Compile writes the compiled form of the sources to out. The default is [Compile] in this
	// process. A process that stays, or that is privileged, better has a child do it:
	// [Sources.Encode] and [DecodeSources] carry the sources there, the child calls Compile,
	// and its standard output may be out itself.
	Compile func(s *Sources, out *os.File) error
}

// Load reads the rules in files and folders (see [Read]), takes their compiled form from the cache
// or compiles them, and returns the set. What could not be used is in [Set.Problems].
func Load(paths []string, o Options) (*Set, error) {
	sources, problems, err := Read(paths, o.Limits)
	if err != nil {
		return nil, err
	}
	sources.Files = append(sources.Files, o.Extra...)
	if o.Compile == nil {
		o.Compile = func(s *Sources, out *os.File) error { return Compile(s, out) }
	}
	set, warnings, err := o.load(sources)
	if err != nil {
		return nil, fmt.Errorf("load rules: %w", err)
	}
	set.Problems = append(append(problems, set.Problems...), warnings...)
	return set, nil
}

// load returns the set, and warnings about the cache.
func (o *Options) load(s *Sources) (*Set, []finding.Problem, error) {
	_, digest := s.digest()
	key := cacheKey(digest)
	if o.CacheDir == "" {
		set, err := o.withoutCache(s, key)
		return set, nil, err
	}
	c := cache{dir: o.CacheDir}
	set, err := c.open(key)
	if set != nil {
		return set, nil, nil
	}
	var warnings []finding.Problem
	warn := func(err error) {
		if err != nil {
			warnings = append(warnings, finding.Problem{File: c.path(key), Message: err.Error(), Warning: true})
		}
	}
	warn(err)
	set, err = c.fill(key, func(out *os.File) error { return o.Compile(s, out) })
	if set != nil {
		return set, warnings, nil
	}
	// The cache is a convenience; the scan goes on without it.
	warn(err)
	set, err = o.withoutCache(s, key)
	return set, warnings, err
}

func (o *Options) withoutCache(s *Sources, key [32]byte) (*Set, error) {
	out, err := anonymousFile()
	if err != nil {
		return nil, err
	}
	if err := o.Compile(s, out); err != nil {
		out.Close()
		return nil, err
	}
	if err := makeReadOnly(out); err != nil {
		out.Close()
		return nil, err
	}
	return openSet(out, key)
}

// openSet reads the table of compiled rules, and verifies the whole file. It takes over the file,
// also when it fails.
func openSet(f *os.File, key [32]byte) (*Set, error) {
	set, err := readSet(f, key)
	if err != nil {
		f.Close()
		return nil, err
	}
	return set, nil
}

func readSet(f *os.File, key [32]byte) (*Set, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	c, err := openContainer(f, info.Size())
	if err != nil {
		return nil, err
	}
	if c.key != key {
		return nil, damaged("they were compiled from other sources")
	}
	if err := c.verify(); err != nil {
		return nil, err
	}
	var t table
	if err := c.decode(sectionTable, &t); err != nil {
		return nil, err
	}
	return &Set{
		Rules:    t.Rules,
		Files:    t.Files,
		Problems: t.Problems,
		Warnings: t.Warnings,
		Version:  t.Version,
		Uses:     t.Uses,
		file:     f,
	}, nil
}
