package rules

import (
	"bytes"
	"fmt"
	"path"
	"strings"

	"tyto/rules/source"
)

// maxIncludeDepth is how deep includes may be nested; libyara's own limit is 16.
const maxIncludeDepth = 16

// rewriteIncludes resolves the include directives of a rule file, reads what they name, and
// replaces the names by keys of [Sources.Included], so that libyara's callback finds them whatever
// folder the including file is in. Paths are relative to the including file and stay inside the
// folder that was named to Tyto.
//
// Problems are reported here; the error only says that the file cannot be used.
func (f *folder) rewriteIncludes(name string, text []byte, named bool) ([]byte, error) {
	in := includer{folder: f, top: f.display(name)}
	text, err := in.resolve(name, text, []string{name})
	if err != nil {
		f.problem(err.file, err.line, "%s", err.message)
		return nil, err
	}
	if !named && len(in.files) > 0 && onlyIncludes(text) {
		f.indexes = append(f.indexes, index{path: in.top, files: in.files})
	}
	return text, nil
}

// includer follows the includes of one rule file.
type includer struct {
	*folder
	top   string
	files []string // display paths of all included files
}

// includeError says where an include fails.
type includeError struct {
	file    string
	line    int
	message string
}

func (e *includeError) Error() string { return fmt.Sprintf("%s:%d: %s", e.file, e.line, e.message) }

// resolve rewrites the text of a file. chain holds the files that include it, and itself.
func (in *includer) resolve(name string, text []byte, chain []string) ([]byte, *includeError) {
	if !bytes.Contains(text, []byte("include")) {
		return text, nil
	}
	out, done := []byte(nil), 0
	for _, t := range source.Includes(text) {
		key, err := in.include(name, string(t.Value()), chain)
		if err != nil {
			if err.file == "" {
				err.file, err.line = in.display(name), t.Line
			}
			return nil, err
		}
		out = append(out, text[done:t.Pos]...)
		out = append(out, "include \""+key+"\""...)
		done = t.Pos + len(t.Raw)
	}
	return append(out, text[done:]...), nil
}

// include reads one included file, unless that has been done, and returns its key.
func (in *includer) include(from, given string, chain []string) (string, *includeError) {
	fail := func(format string, args ...any) (string, *includeError) {
		return "", &includeError{message: fmt.Sprintf("include %q: ", given) + fmt.Sprintf(format, args...)}
	}
	slashed := strings.ReplaceAll(given, `\`, "/")
	if path.IsAbs(slashed) || strings.Contains(slashed, ":") {
		return fail("absolute paths are not allowed: name the file relative to the including one")
	}
	name := path.Join(path.Dir(from), slashed)
	if name == ".." || strings.HasPrefix(name, "../") {
		return fail("it lies outside the folder %q: give tyto the folder that holds all of the rules", in.dir)
	}
	for _, c := range chain {
		if c == name {
			return fail("files include each other in a circle: %s", strings.Join(append(chain, name), " -> "))
		}
	}
	if len(chain) > maxIncludeDepth {
		return fail("includes are nested deeper than %d", maxIncludeDepth)
	}
	display := in.display(name)
	in.files = append(in.files, display)
	if key, ok := in.keys[display]; ok {
		return key, nil
	}
	text, err := in.text(name)
	if err != nil {
		return fail("%v", cause(err))
	}
	if line, message := unusable(text); message != "" {
		return "", &includeError{file: display, line: line, message: message}
	}
	if in.bytes += int64(len(text)); in.bytes > in.limits.Bytes {
		return fail("more than %d bytes of rules", in.limits.Bytes)
	}
	text, ierr := in.resolve(name, text, append(chain, name))
	if ierr != nil {
		return "", ierr
	}
	key := fmt.Sprintf("included-%d", len(in.keys))
	in.keys[display] = key
	in.sources.Included[key] = SourceFile{Path: display, Text: text}
	return key, nil
}

// index is a rule file in a folder that holds nothing but includes.
type index struct {
	path  string
	files []string
}

func onlyIncludes(text []byte) bool {
	f, err := source.Parse(text)
	return err == nil && len(f.Rules) == 0
}

// dropIndexes leaves out rule files that only include files which were loaded anyway: their rules
// would all be there twice, and clash with each other, since they share a namespace.
func (r *reader) dropIndexes() {
	loaded := make(map[string]bool)
	for _, f := range r.sources.Files {
		loaded[f.Path] = true
	}
	drop := make(map[string]bool)
	for _, i := range r.indexes {
		drop[i.path] = true
		for _, f := range i.files {
			if !loaded[f] {
				drop[i.path] = false
			}
		}
	}
	kept := r.sources.Files[:0]
	for _, f := range r.sources.Files {
		if !drop[f.Path] {
			kept = append(kept, f)
		}
	}
	r.sources.Files = kept
}
