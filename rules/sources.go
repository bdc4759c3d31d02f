package rules

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"tyto/finding"
)

// Limits bound what is read from folders of rules. The zero value of a field means its default.
type Limits struct {
	FileSize int64 // bytes of one rule file; default 16 MiB
	Files    int   // rule files; default 100,000
	Bytes    int64 // of all rule files; default 512 MiB
	Depth    int   // of folders in folders; default 32
}

func (l Limits) withDefaults() Limits {
	l.FileSize = cmp.Or(l.FileSize, 16<<20)
	l.Files = cmp.Or(l.Files, 100_000)
	l.Bytes = cmp.Or(l.Bytes, 512<<20)
	l.Depth = cmp.Or(l.Depth, 32)
	return l
}

// Sources are rule files as they were read: the input of [Compile], complete and serialisable.
type Sources struct {
	Files []SourceFile
	// Included are the files behind include directives, by the name that the directives in
	// the texts of this struct give them. See rewriteIncludes.
	Included map[string]SourceFile
}

// SourceFile is one rule file.
type SourceFile struct {
	Path string // as it was named to Tyto, or below the folder that was named
	Text []byte
}

// Read reads rule files and all rule files in folders. Rule files in folders end in ".yar" or
// ".yara", in whatever case. Links in a folder are followed to files inside that folder, never to
// folders, and never out of it. Files that cannot be used are reported and left out.
//
// It is an error if one of the paths does not exist, or the limits on all files are exceeded.
func Read(paths []string, limits Limits) (*Sources, []finding.Problem, error) {
	r := reader{
		limits:  limits.withDefaults(),
		sources: &Sources{Included: make(map[string]SourceFile)},
		seen:    make(map[string]bool),
		keys:    make(map[string]string),
	}
	for _, p := range paths {
		if err := r.read(p); err != nil {
			return nil, nil, fmt.Errorf("read rules: %w", err)
		}
	}
	r.dropIndexes()
	return r.sources, r.problems, nil
}

type reader struct {
	limits   Limits
	sources  *Sources
	problems []finding.Problem
	bytes    int64
	seen     map[string]bool // absolute paths, so that a file named twice is loaded once
	indexes  []index
	keys     map[string]string // of included files, by display path
}

func (r *reader) problem(file string, line int, format string, args ...any) {
	r.problems = append(r.problems, finding.Problem{File: file, Line: line, Message: fmt.Sprintf(format, args...)})
}

func (r *reader) read(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	dir := name
	if !info.IsDir() {
		dir = filepath.Dir(name)
	}
	// Whatever is read below goes through this root, which lets no link and no "../" out.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	f := folder{reader: r, root: root, dir: dir}
	if info.IsDir() {
		return f.walk()
	}
	return f.file(filepath.Base(name), true)
}

// folder is a folder that rules are read from.
type folder struct {
	*reader
	root *os.Root
	dir  string // as it was named
}

// display is the path of a file of the folder as the user would write it.
func (f *folder) display(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

func (f *folder) walk() error {
	return fs.WalkDir(f.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			f.problem(f.display(name), 0, "cannot be read: %v", cause(err))
			return nil
		}
		if d.IsDir() {
			if strings.Count(name, "/") >= f.limits.Depth {
				f.problem(f.display(name), 0, "folders deeper than %d are not searched for rules", f.limits.Depth)
				return fs.SkipDir
			}
			return nil
		}
		if isRuleFile(name) {
			return f.file(name, false)
		}
		return nil
	})
}

func isRuleFile(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return ext == ".yar" || ext == ".yara"
}

// file reads one rule file. Only exceeded limits are errors.
func (f *folder) file(name string, named bool) error {
	display := f.display(name)
	if abs, err := filepath.Abs(display); err == nil {
		if f.seen[abs] {
			return nil
		}
		f.seen[abs] = true
	}
	text, err := f.text(name)
	if err != nil {
		f.problem(display, 0, "cannot be read: %v", cause(err))
		return nil
	}
	if line, message := unusable(text); message != "" {
		f.problem(display, line, "%s", message)
		return nil
	}
	text, err = f.rewriteIncludes(name, text, named)
	if err != nil {
		return nil // reported
	}
	if f.bytes += int64(len(text)); f.bytes > f.limits.Bytes {
		return fmt.Errorf("%q: more than %d bytes of rules", display, f.limits.Bytes)
	}
	if len(f.sources.Files) >= f.limits.Files {
		return fmt.Errorf("%q: more than %d rule files", display, f.limits.Files)
	}
	f.sources.Files = append(f.sources.Files, SourceFile{Path: display, Text: text})
	return nil
}

// text reads a regular file of the folder, within the limit on its size.
func (f *folder) text(name string) ([]byte, error) {
	info, err := f.root.Stat(filepath.FromSlash(name)) // before open: opening a pipe would wait
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	if info.Size() > f.limits.FileSize {
		return nil, fmt.Errorf("%d bytes are more than the limit of %d for one rule file", info.Size(), f.limits.FileSize)
	}
	file, err := f.root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text := make([]byte, info.Size())
	n, err := file.ReadAt(text, 0)
	if n < len(text) {
		return nil, fmt.Errorf("changed while it was read: %w", err)
	}
	return text, nil
}

// cause strips an error of the path, which the problem names already.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// unusable recognises text that libyara would misread or answer with a riddle.
func unusable(text []byte) (line int, message string) {
	switch {
	case bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")):
		return 1, "the file is UTF-16; YARA reads ASCII and UTF-8 only: save it as UTF-8 without byte-order mark"
	case bytes.HasPrefix(text, []byte("\xef\xbb\xbf")):
		return 1, "the file begins with a byte-order mark, which YARA refuses: save it as UTF-8 without one"
	}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return 1 + bytes.Count(text[:i], []byte("\n")), "the file contains a zero byte: it is no rule source (compiled rules cannot be loaded, give their source)"
	}
	return 0, ""
}

// digest identifies the texts: version is the same for the same rules in whatever folder, key also
// covers how the files are called.
func (s *Sources) digest() (version string, key [sha256.Size]byte) {
	texts, names := sha256.New(), sha256.New()
	add := func(name string, text []byte) {
		sum := sha256.Sum256(text)
		texts.Write(sum[:])
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(name)))
		names.Write(n[:])
		names.Write([]byte(name))
	}
	for _, f := range s.Files {
		add(f.Path, f.Text)
	}
	add("", nil) // the included files begin
	for _, key := range slices.Sorted(maps.Keys(s.Included)) {
		add(s.Included[key].Path, s.Included[key].Text)
	}
	sum := texts.Sum(nil)
	names.Write(sum)
	names.Sum(key[:0])
	return hex.EncodeToString(sum), key
}

// Encode writes the sources for a process that compiles them.
func (s *Sources) Encode(w io.Writer) error {
	if err := gob.NewEncoder(w).Encode(s); err != nil {
		return fmt.Errorf("encode rule sources: %w", err)
	}
	return nil
}

// DecodeSources reads what [Sources.Encode] wrote.
func DecodeSources(r io.Reader) (*Sources, error) {
	var s Sources
	if err := gob.NewDecoder(r).Decode(&s); err != nil {
		return nil, fmt.Errorf("decode rule sources: %w", err)
	}
	return &s, nil
}
