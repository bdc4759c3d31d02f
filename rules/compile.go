package rules

import (
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"

	yara "github.com/hillu/go-yara/v4"
	"golang.org/x/sync/errgroup"

	"tyto/finding"
	"tyto/rules/source"
)

// Compile compiles rules and writes what broker and workers need to w, in the format of package
// rules (see container.go). Files that libyara refuses are left out and reported in the result.
//
// It is a pure function of the sources and of this build, and takes some 50 MB of memory per
// processor for signature-base, which C's allocator does not always give back: a process that
// stays should let another one do it, see [Options.Compile].
func Compile(s *Sources, w io.WriterAt) error {
	c := compilation{sources: s}
	version, key := s.digest()
	out := newContainerWriter(w, cacheKey(key), firstBlob+len(classes())+1)
	whole, err := c.whole(out)
	if err != nil {
		return fmt.Errorf("compile rules: %w", err)
	}
	variants, err := c.variants(out)
	if err != nil {
		return fmt.Errorf("compile rules: %w", err)
	}
	return out.finish(&table{
		Rules:    c.rules,
		Files:    len(c.units),
		Problems: c.problems,
		Warnings: c.warnings,
		Version:  version,
		Uses:     c.uses(),
	}, &directory{Uses: c.uses(), Variants: append(variants, whole)})
}

// compilation is the state of one run of Compile.
type compilation struct {
	sources  *Sources
	units    []unit // the files that compile
	rules    []Rule
	problems []finding.Problem
	warnings []finding.Problem
}

// unit is one rule file, which makes up one namespace.
type unit struct {
	SourceFile
	first  int          // index of its first rule in the table
	count  int          // of its rules, included ones too
	parsed *source.File // nil if it must be kept in one piece
}

// whole compiles all files at once, and writes the result as the variant for any content. Files with
// errors are found and left out.
func (c *compilation) whole(w *containerWriter) (entry, error) {
	for _, f := range c.sources.Files {
		c.units = append(c.units, unit{SourceFile: f})
	}
	for {
		compiled, broken, err := c.compileUnits()
		if err != nil {
			return entry{}, err
		}
		if broken >= 0 {
			c.dropBroken(broken)
			continue
		}
		defer compiled.Destroy()
		if err := c.tabulate(compiled); err != nil {
			return entry{}, err
		}
		v := entry{Name: "any", Facts: source.Facts{MaxSize: math.MaxInt64}, Blob: firstBlob}
		for i := range c.rules {
			v.Rules = append(v.Rules, uint32(i))
		}
		return v, w.add(v.Blob, compiled.Write)
	}
}

// compileUnits compiles all units, or returns the index of the first that fails.
func (c *compilation) compileUnits() (compiled *yara.Rules, broken int, err error) {
	compiler, err := c.compiler()
	if err != nil {
		return nil, -1, err
	}
	defer compiler.Destroy()
	c.warnings = nil
	for i, u := range c.units {
		before := len(compiler.Warnings)
		if compiler.AddString(string(u.Text), u.Path) != nil {
			return nil, i, nil
		}
		for _, m := range compiler.Warnings[before:] {
			p := c.message(u.Path, m)
			p.Warning = true
			c.warnings = append(c.warnings, p)
		}
	}
	compiled, err = compiler.GetRules()
	return compiled, -1, err
}

// dropBroken removes all units that do not compile, given the first. A compiler is of no use after
// an error, so each of the rest is tried alone.
func (c *compilation) dropBroken(first int) {
	c.units = slices.Concat(c.units[:first], slices.DeleteFunc(c.units[first:], func(u unit) bool {
		p, ok := c.try(u)
		if !ok {
			c.problems = append(c.problems, p)
		}
		return !ok
	}))
}

// try compiles one unit alone.
func (c *compilation) try(u unit) (finding.Problem, bool) {
	compiler, err := c.compiler()
	if err != nil {
		return finding.Problem{File: u.Path, Message: err.Error()}, false
	}
	defer compiler.Destroy()
	err = compiler.AddString(string(u.Text), u.Path)
	if err == nil {
		return finding.Problem{}, true
	}
	if len(compiler.Errors) == 0 {
		return finding.Problem{File: u.Path, Message: err.Error()}, false
	}
	p := c.message(u.Path, compiler.Errors[0])
	p.Message += hint(compiler.Errors[0].Text)
	p.Message += "; the file is not used"
	if n := len(compiler.Errors) - 1; n > 0 {
		p.Message += fmt.Sprintf(" (errors after this one: %d)", n)
	}
	return p, false
}

// compiler returns a compiler that knows the external variables and the included files.
func (c *compilation) compiler() (*yara.Compiler, error) {
	compiler, err := yara.NewCompiler()
	if err != nil {
		return nil, err
	}
	for _, x := range externals {
		if err := compiler.DefineVariable(x.name, x.value(&Externals{})); err != nil {
			return nil, fmt.Errorf("define %q: %w", x.name, err)
		}
	}
	compiler.SetIncludeCallback(func(name, _, _ string) []byte { return c.sources.Included[name].Text })
	return compiler, nil
}

// message translates one of libyara's messages.
func (c *compilation) message(file string, m yara.CompilerMessage) finding.Problem {
	if f, ok := c.sources.Included[m.Filename]; ok {
		file = f.Path
	}
	return finding.Problem{File: file, Line: m.Line, Message: m.Text}
}

// hint says what to do about an error, where libyara's message leaves one guessing.
func hint(text string) string {
	switch {
	case strings.Contains(text, "undefined identifier"):
		names := make([]string, len(externals))
		for i, x := range externals {
			names[i] = x.name
		}
		return ": a module must be imported, a rule stand before its use in the same file, and the external variables are " + strings.Join(names, ", ")
	case strings.Contains(text, "unknown module"):
		return ": this build of libyara has " + strings.Join(Modules(), ", ")
	case strings.Contains(text, "non-ascii character"):
		return ": outside of quotes and comments YARA knows ASCII only"
	}
	return ""
}

// tabulate makes the table of rules, and parses the files in order to know their lines and whether
// they can be specialised.
func (c *compilation) tabulate(compiled *yara.Rules) error {
	all := compiled.GetRules()
	next := 0
	for i := range c.units {
		u := &c.units[i]
		u.first = next
		for next < len(all) && all[next].Namespace() == u.Path {
			c.rules = append(c.rules, newRule(&all[next]))
			next++
		}
		u.count = next - u.first
		u.parsed = c.understand(u)
	}
	if next != len(all) {
		return fmt.Errorf("rule %q of namespace %q is out of order", all[next].Identifier(), all[next].Namespace())
	}
	return nil
}

// understand parses a unit. It returns nil unless it finds exactly the rules that libyara found.
func (c *compilation) understand(u *unit) *source.File {
	f, err := source.Parse(u.Text)
	if err != nil || len(f.Includes) > 0 || len(f.Rules) != u.count {
		return nil
	}
	for i, r := range f.Rules {
		known := &c.rules[u.first+i]
		if r.Name != known.Name || r.Private != known.Private || r.Global != known.Global {
			return nil
		}
	}
	for i, r := range f.Rules {
		c.rules[u.first+i].Line = r.Line
	}
	return f
}

func newRule(r *yara.Rule) Rule {
	out := Rule{
		Name:    r.Identifier(),
		Source:  r.Namespace(),
		Tags:    r.Tags(),
		Private: r.IsPrivate(),
		Global:  r.IsGlobal(),
	}
	for _, m := range r.Metas() {
		value := m.Value
		if n, ok := value.(int); ok {
			value = int64(n)
		}
		out.Meta = append(out.Meta, finding.Meta{Key: m.Identifier, Value: value})
	}
	out.Score = score(out.Meta)
	return out
}

// uses returns the external variables that occur in the rules; all of them if a file could not be
// understood.
func (c *compilation) uses() []string {
	used := make(map[string]bool)
	for _, u := range c.units {
		if u.parsed == nil {
			for _, x := range externals {
				used[x.name] = true
			}
			break
		}
		for _, r := range u.parsed.Rules {
			for _, name := range r.References {
				used[name] = true
			}
		}
	}
	var out []string
	for _, x := range externals {
		if used[x.name] {
			out = append(out, x.name)
		}
	}
	return out
}

// variants compiles the rules for each class, on all processors, and writes them to w.
//
// Should a file that compiles as a whole fail to in part, then package source has misread it: it
// is kept in one piece, which costs time and no match, and the user is told.
func (c *compilation) variants(w *containerWriter) ([]entry, error) {
	for {
		out := make([]entry, len(classes()))
		var g errgroup.Group
		g.SetLimit(runtime.GOMAXPROCS(0))
		for i, class := range classes() {
			g.Go(func() (err error) {
				out[i], err = c.variant(class, firstBlob+1+i, w)
				return err
			})
		}
		err := g.Wait()
		var part *partError
		if !errors.As(err, &part) {
			return out, err
		}
		u := &c.units[part.unit]
		u.parsed = nil
		c.problems = append(c.problems, finding.Problem{
			File:    u.Path,
			Message: fmt.Sprintf("the file is used, but scans are slower than need be; please report this: %v", part.err),
			Warning: true,
		})
	}
}

// partError says that a unit does not compile when specialised.
type partError struct {
	unit int
	err  error
}

func (e *partError) Error() string { return fmt.Sprintf("unit %d in part: %v", e.unit, e.err) }

// variant compiles the rules for one class, and writes them as the section of that number unless
// no rule is left.
func (c *compilation) variant(class Class, section int, w *containerWriter) (entry, error) {
	v := entry{Name: class.Name, Facts: class.facts}
	compiler, err := c.compiler()
	if err != nil {
		return v, err
	}
	defer compiler.Destroy()
	for i, u := range c.units {
		text, kept := u.specialise(class)
		if len(kept) == 0 {
			continue
		}
		if err := compiler.AddString(string(text), u.Path); err != nil {
			if u.parsed == nil {
				return v, fmt.Errorf("%q: %w", u.Path, err)
			}
			return v, &partError{unit: i, err: err}
		}
		for _, k := range kept {
			v.Rules = append(v.Rules, uint32(u.first+k))
		}
	}
	if len(v.Rules) == 0 {
		return v, nil
	}
	compiled, err := compiler.GetRules()
	if err != nil {
		return v, err
	}
	defer compiled.Destroy()
	if err := c.check(compiled, v.Rules); err != nil {
		return v, err
	}
	v.Blob = section
	return v, w.add(section, compiled.Write)
}

// specialise returns the text of a unit for a class, and which of its rules are in it.
func (u *unit) specialise(class Class) (text []byte, kept []int) {
	if u.parsed != nil {
		return source.Specialise(u.Text, u.parsed, class.facts)
	}
	for i := range u.count {
		kept = append(kept, i)
	}
	return u.Text, kept
}

// check makes sure that the rules of a variant are those that the table indices say.
func (c *compilation) check(compiled *yara.Rules, indices []uint32) error {
	all := compiled.GetRules()
	if len(all) != len(indices) {
		return fmt.Errorf("%d rules where %d were expected", len(all), len(indices))
	}
	for i := range all {
		if want := &c.rules[indices[i]]; all[i].Identifier() != want.Name || all[i].Namespace() != want.Source {
			return fmt.Errorf("rule %q of %q where %q of %q was expected", all[i].Identifier(), all[i].Namespace(), want.Name, want.Source)
		}
	}
	return nil
}
