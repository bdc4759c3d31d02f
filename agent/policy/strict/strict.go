// Package strict reads YAML written by people into structs and says everything that is wrong with it:
// with the line, in the words of the file instead of Go's, and with what to do next.
//
// A key that the struct does not know, a key written twice, a value of the wrong kind: each is a problem,
// and reading goes on, so that all of them are told at once. What it leaves out of YAML on purpose:
//
//   - Anchors and aliases. Short files that unfold into gigabytes are made of them, and settings need none.
//   - More than one document, tags, and keys without a value. What they mean is a guess.
//   - Interpolation such as ${HOME}. A setting means what it says.
//
// It must not be used for files that machines write for machines: it is made to be helpful, not fast.
package strict

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"tyto/finding"
)

// The limits on a document. Each is far beyond what a person writes.
const (
	MaxSize  = 1 << 20 // bytes
	maxDepth = 32      // mappings and lists inside each other
	// maxProblems bounds what a file of garbage leads to.
	maxProblems = 100
)

// Lines says on which line a value stands, by its path such as "tasks[2].cron".
type Lines map[string]int

// Of returns the line of path, or of the nearest thing around it that is in the file; 0 if there is
// nothing.
func (l Lines) Of(path string) int {
	for {
		if line, ok := l[path]; ok || path == "" {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

// Decode reads a document into the struct that into points to, whose fields bear yaml tags and hold the
// defaults. A list in the document replaces the default. An empty document changes nothing.
//
// The problems are in the order of the file; file is how they call it. None is a warning.
func Decode(file string, document []byte, into any) (Lines, []finding.Problem) {
	d := &decoder{file: file, lines: Lines{}}
	if root := d.parse(document); root != nil {
		d.lines[""] = root.Line
		d.value(root, reflect.ValueOf(into).Elem(), "", 0)
	}
	return d.lines, d.problems
}

type decoder struct {
	file     string
	lines    Lines
	problems []finding.Problem
}

func (d *decoder) problem(line int, format string, args ...any) {
	if len(d.problems) < maxProblems {
		d.problems = append(d.problems, finding.Problem{File: d.file, Line: line, Message: fmt.Sprintf(format, args...)})
	}
}

// parse returns the document's root, nil if there is none.
func (d *decoder) parse(document []byte) *yaml.Node {
	if len(document) > MaxSize {
		d.problem(0, "the file has more than %d bytes: is it the right one?", MaxSize)
		return nil
	}
	reader := yaml.NewDecoder(bytes.NewReader(document))
	var root, more yaml.Node
	switch err := reader.Decode(&root); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		d.syntax(err)
		return nil
	}
	if err := reader.Decode(&more); !errors.Is(err, io.EOF) {
		if err != nil {
			d.syntax(err)
		} else {
			d.problem(more.Line, "a second document begins: put everything into one and remove the line \"---\"")
		}
		return nil
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) != 1 || isNull(root.Content[0]) {
		return nil
	}
	return root.Content[0]
}

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntax tells an error of the YAML library, whose text holds the line.
func (d *decoder) syntax(err error) {
	line, message := 0, err.Error()
	if m := yamlError.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = m[2]
	}
	d.problem(line, "this is not YAML: %s; mind the indentation, which is spaces only, and put text with special characters in quotes", message)
}

var (
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	durationType = reflect.TypeFor[time.Duration]()
)

// value reads n into v.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string, depth int) {
	d.lines[path] = n.Line
	switch {
	case depth > maxDepth:
		d.problem(n.Line, "too deep: nothing is nested more than %d times", maxDepth)
		return
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.problem(n.Line, "%s: anchors and aliases (& and *) are not supported: write the value out", called(path))
		return
	case n.Style&yaml.TaggedStyle != 0:
		d.problem(n.Line, "%s: tags such as %s are not supported: remove it", called(path), n.Tag)
		return
	case isNull(n):
		d.problem(n.Line, "%s has no value: leave the key out for the default", called(path))
		return
	case v.Type() == durationType:
		d.text(n, path, "a duration such as 90s, 2h30m or 30d", func(text string) error {
			duration, err := ParseDuration(text)
			if err == nil {
				v.SetInt(int64(duration))
			}
			return err
		})
		return
	case v.CanAddr() && v.Addr().Type().Implements(textType):
		d.text(n, path, "text", func(text string) error {
			return v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
		})
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		fresh := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			fresh.Elem().Set(v.Elem())
		}
		d.value(n, fresh.Elem(), path, depth)
		v.Set(fresh)
	case reflect.Struct:
		d.mapping(n, v, path, depth)
	case reflect.Map:
		d.dictionary(n, v, path, depth)
	case reflect.Slice:
		d.list(n, v, path, depth)
	default:
		d.scalar(n, v, path)
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string, depth int) {
	if n.Kind != yaml.MappingNode {
		d.problem(n.Line, "%s must be a group of keys, not %s: see docs/policy.md", called(path), kind(n))
		return
	}
	fields := fieldsOf(v)
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		inner := join(path, key.Value)
		field, known := fields[key.Value]
		switch first, twice := seen[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			d.problem(key.Line, "%s: a key must be a word", called(path))
		case twice:
			d.problem(key.Line, "%q is set a second time, first on line %d: remove one", inner, first)
		case !known:
			d.problem(key.Line, "unknown key %q: %s", inner, suggest(key.Value, fields))
		default:
			seen[key.Value] = key.Line
			d.value(value, field, inner, depth+1)
			d.lines[inner] = key.Line
		}
	}
}

// mostKeys bounds what a map of the file's own keys may hold.
const mostKeys = 1000

func (d *decoder) dictionary(n *yaml.Node, v reflect.Value, path string, depth int) {
	if n.Kind != yaml.MappingNode {
		d.problem(n.Line, "%s must be a group of keys, not %s", called(path), kind(n))
		return
	}
	if len(n.Content) > 2*mostKeys {
		d.problem(n.Line, "%s has more than %d keys", called(path), mostKeys)
		return
	}
	all := reflect.MakeMap(v.Type())
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := reflect.ValueOf(key.Value).Convert(v.Type().Key())
		if all.MapIndex(name).IsValid() {
			d.problem(key.Line, "%q is set a second time: remove one", join(path, key.Value))
			continue
		}
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(value, element, join(path, key.Value), depth+1)
		all.SetMapIndex(name, element)
	}
	v.Set(all)
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string, depth int) {
	if n.Kind != yaml.SequenceNode {
		d.problem(n.Line, "%s must be a list, not %s: write it as [a, b] or in lines that begin with \"- \"", called(path), kind(n))
		return
	}
	all := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, element := range n.Content {
		d.value(element, all.Index(i), fmt.Sprintf("%s[%d]", path, i), depth+1)
	}
	v.Set(all)
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	var target any
	var want string
	switch v.Kind() {
	case reflect.String:
		d.text(n, path, "text", func(text string) error { v.SetString(text); return nil })
		return
	case reflect.Bool:
		target, want = new(bool), "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		target, want = new(int64), "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		target, want = new(uint64), "a whole number that is not negative"
	case reflect.Float32, reflect.Float64:
		target, want = new(float64), "a number"
	default: // a mistake of the program, which a test of its policy finds
		d.problem(n.Line, "%s cannot be set in a file: it is a %s", called(path), v.Type())
		return
	}
	if n.Kind != yaml.ScalarNode || n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 || n.Decode(target) != nil {
		d.problem(n.Line, "%s must be %s, not %s", called(path), want, kind(n))
		return
	}
	got := reflect.ValueOf(target).Elem()
	if overflows(v, got) {
		d.problem(n.Line, "%s: %s is out of range", called(path), n.Value)
		return
	}
	v.Set(got.Convert(v.Type()))
}

func overflows(v, got reflect.Value) bool {
	switch {
	case got.CanInt():
		return v.OverflowInt(got.Int())
	case got.CanUint():
		return v.OverflowUint(got.Uint())
	case got.CanFloat():
		f := got.Float()
		return f != f || v.OverflowFloat(f) // not a number fits nowhere
	}
	return false
}

// text reads a scalar that set makes something of. Numbers are their text, so that "max_size: 4096"
// needs no quotes.
func (d *decoder) text(n *yaml.Node, path, want string, set func(string) error) {
	if n.Kind != yaml.ScalarNode {
		d.problem(n.Line, "%s must be %s, not %s", called(path), want, kind(n))
		return
	}
	if err := set(n.Value); err != nil {
		d.problem(n.Line, "%s: %v", called(path), err)
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// kind says what n is, in a person's words.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a group of keys"
	case yaml.SequenceNode:
		return "a list"
	}
	const most = 60
	if len(n.Value) > most {
		return fmt.Sprintf("%q…", n.Value[:most])
	}
	return strconv.Quote(n.Value)
}

func called(path string) string {
	if path == "" {
		return "the file"
	}
	return strconv.Quote(path)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
