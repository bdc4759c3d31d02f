// Package tyto_test holds the whole repository to the rules of the house: those of DESIGN.md and
// STYLE.md that a program can check. Each rule says why it is there.
package tyto_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// layers are the rooms from top to bottom. A room may import rooms of the layers below its own, and
// its own sub-packages; rooms of one layer do not know each other. A new room is entered here first.
var layers = [][]string{
	{"cmd", "bench"},
	{"agent"},
	{"sandboxlink", "sandbox", "scheduler", "idle", "quarantine", "detect"},
	{"scanner"},
	{"ioc", "rules", "store"},
	{"report", "verdict"},
	{"finding"},
	{"testdata"},
}

// judges are the packages of the scanner that hold what was read against indicators and rules. All
// others there are sources and formats: they yield objects and facts and know of neither, so that
// they can be used, tested and fuzzed alone.
var judges = []string{"scanner", "scanner/examine", "scanner/worker"}

// maxLines is more than a concept needs: a file that has more holds two.
const maxLines = 700

// file is one Go source file that is not a test.
type file struct {
	path  string // relative to the repository, with slashes
	lines int
	fset  *token.FileSet
	ast   *ast.File
}

// dir is the file's package folder, "." for the root.
func (f file) dir() string { return path.Dir(f.path) }

// room is the top-level folder.
func (f file) room() string { return room(f.dir()) }

func room(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}

// at says where a node stands.
func (f file) at(node ast.Node) string {
	return fmt.Sprintf("%s:%d", f.path, f.fset.Position(node.Pos()).Line)
}

// rules look at one file and return what is wrong with it, one sentence each.
var rules = []struct {
	name  string
	check func(file) []string
}{
	{"imports run downwards", importsDownwards},
	{"sources know no indicators", sourcesKnowNoIndicators},
	{"only commands print and exit", onlyCommandsPrintAndExit},
	{"no init", noInit},
	{"package names say something", packageNames},
	{"files are small", smallFiles},
}

func TestRulesOfTheHouse(t *testing.T) {
	files := repository(t)
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			for _, f := range files {
				for _, problem := range rule.check(f) {
					t.Error(problem)
				}
			}
		})
	}
}

// A newcomer learns a package from its comment.
func TestEveryPackageHasAComment(t *testing.T) {
	comments := map[string]int{}
	for _, f := range repository(t) {
		comments[f.dir()] += 0
		if f.ast.Doc != nil {
			comments[f.dir()]++
		}
	}
	for dir, n := range comments {
		if n == 0 {
			t.Errorf("package %q has no comment: say in the file that bears its name what it is for", dir)
		}
	}
}

// importsDownwards keeps the lower rooms usable, testable and readable without the upper ones.
func importsDownwards(f file) (problems []string) {
	own := layer(f.room())
	if own < 0 {
		return []string{fmt.Sprintf("%s: %q is not a room of DESIGN.md §3; enter it in layers", f.path, f.room())}
	}
	for _, spec := range f.ast.Imports {
		to := internal(spec)
		if to == "" || room(to) == f.room() {
			continue
		}
		if below := layer(room(to)); below <= own {
			problems = append(problems, fmt.Sprintf("%s: %q must not import %q: imports run downwards only", f.at(spec), f.dir(), to))
		}
	}
	return problems
}

func sourcesKnowNoIndicators(f file) (problems []string) {
	if f.room() != "scanner" || slices.Contains(judges, f.dir()) {
		return nil
	}
	for _, spec := range f.ast.Imports {
		switch to := internal(spec); {
		case room(to) == "ioc", room(to) == "rules", to == "scanner":
			problems = append(problems, fmt.Sprintf("%s: source %q must not import %q: it yields objects and facts, others judge them", f.at(spec), f.dir(), to))
		}
	}
	return problems
}

// printing is what only a command may use, by import path. A package that prints or exits cannot be
// used by the agent, and cannot be tested.
var printing = map[string][]string{
	"os":      {"Stdout", "Stderr", "Exit"},
	"syscall": {"Stdout", "Stderr", "Exit"},
	"fmt":     {"Print", "Printf", "Println"},
	"log":     {"Print", "Printf", "Println", "Fatal", "Fatalf", "Fatalln", "Default"},
}

func onlyCommandsPrintAndExit(f file) (problems []string) {
	if layer(f.room()) == 0 {
		return nil
	}
	imported := map[string]string{} // name in this file → import path
	for _, spec := range f.ast.Imports {
		to, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(to)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		imported[name] = to
	}
	ast.Inspect(f.ast, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.SelectorExpr:
			if x, ok := node.X.(*ast.Ident); ok && slices.Contains(printing[imported[x.Name]], node.Sel.Name) {
				problems = append(problems, fmt.Sprintf("%s: %s.%s is for cmd only: return an error or take an io.Writer or a logger", f.at(node), x.Name, node.Sel.Name))
			}
		case *ast.CallExpr:
			if x, ok := node.Fun.(*ast.Ident); ok && (x.Name == "print" || x.Name == "println") {
				problems = append(problems, fmt.Sprintf("%s: %s is for debugging only", f.at(node), x.Name))
			}
		}
		return true
	})
	return problems
}

// noInit, because what runs without being called cannot be left out, ordered or tested.
func noInit(f file) (problems []string) {
	for _, decl := range f.ast.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			problems = append(problems, fmt.Sprintf("%s: no init functions: let the caller construct what it needs", f.at(fn)))
		}
	}
	return problems
}

// packageNames, because a room without a purpose fills up with everything.
func packageNames(f file) []string {
	for _, name := range []string{f.ast.Name.Name, path.Base(f.dir())} {
		switch name {
		case "util", "utils", "common", "helper", "helpers", "misc", "shared", "lib", "base":
			return []string{fmt.Sprintf("%s: a package called %q has no purpose: name it for what it does", f.path, name)}
		}
	}
	return nil
}

func smallFiles(f file) []string {
	if f.lines <= maxLines {
		return nil
	}
	return []string{fmt.Sprintf("%s: %d lines, at most %d: give each concept its own file", f.path, f.lines, maxLines)}
}

// Each rule bites: a file that breaks it is reported, and the nearest one that keeps it is not.
func TestRulesBite(t *testing.T) {
	tests := []struct {
		name   string
		rule   func(file) []string
		path   string
		source string
		want   []string
	}{
		{"upward import", importsDownwards, "ioc/a.go", "package ioc\nimport _ \"tyto/scanner\"",
			[]string{`ioc/a.go:2: "ioc" must not import "scanner": imports run downwards only`}},
		{"sideward import", importsDownwards, "rules/a.go", "package rules\nimport _ \"tyto/ioc/openioc\"",
			[]string{`rules/a.go:2: "rules" must not import "ioc/openioc": imports run downwards only`}},
		{"downward import", importsDownwards, "scanner/a.go", "package scanner\nimport _ \"tyto/ioc\"", nil},
		{"import within a room", importsDownwards, "ioc/openioc/a.go", "package openioc\nimport _ \"tyto/ioc\"", nil},
		{"unknown room", importsDownwards, "attic/a.go", "package attic",
			[]string{`attic/a.go: "attic" is not a room of DESIGN.md §3; enter it in layers`}},
		{"source with indicators", sourcesKnowNoIndicators, "scanner/walk/a.go", "package walk\nimport _ \"tyto/ioc\"",
			[]string{`scanner/walk/a.go:2: source "scanner/walk" must not import "ioc": it yields objects and facts, others judge them`}},
		{"judge with indicators", sourcesKnowNoIndicators, "scanner/examine/a.go", "package examine\nimport _ \"tyto/ioc\"", nil},
		{"renamed os", onlyCommandsPrintAndExit, "ioc/a.go", "package ioc\nimport o \"os\"\nfunc f() { o.Exit(1) }",
			[]string{"ioc/a.go:3: o.Exit is for cmd only: return an error or take an io.Writer or a logger"}},
		{"printing", onlyCommandsPrintAndExit, "ioc/a.go", "package ioc\nimport \"fmt\"\nfunc f() { fmt.Println() }",
			[]string{"ioc/a.go:3: fmt.Println is for cmd only: return an error or take an io.Writer or a logger"}},
		{"builtin println", onlyCommandsPrintAndExit, "ioc/a.go", "package ioc\nfunc f() { println() }",
			[]string{"ioc/a.go:2: println is for debugging only"}},
		{"printing to a writer", onlyCommandsPrintAndExit, "ioc/a.go", "package ioc\nimport \"fmt\"\nfunc f() { fmt.Fprintln(nil) }", nil},
		{"printing command", onlyCommandsPrintAndExit, "cmd/tyto/a.go", "package main\nimport \"os\"\nfunc f() { os.Exit(1) }", nil},
		{"init function", noInit, "ioc/a.go", "package ioc\nfunc init() {}",
			[]string{"ioc/a.go:2: no init functions: let the caller construct what it needs"}},
		{"init method", noInit, "ioc/a.go", "package ioc\nfunc (t) init() {}", nil},
		{"name without purpose", packageNames, "ioc/util/a.go", "package util",
			[]string{`ioc/util/a.go: a package called "util" has no purpose: name it for what it does`}},
		{"longest file", smallFiles, "ioc/a.go", "package ioc" + strings.Repeat("\n", maxLines), nil},
		{"too long file", smallFiles, "ioc/a.go", "package ioc" + strings.Repeat("\n", maxLines) + "// one more",
			[]string{"ioc/a.go: 701 lines, at most 700: give each concept its own file"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := test.rule(parse(t, test.path, []byte(test.source)))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// layer is the index of a room's layer, or -1.
func layer(room string) int {
	return slices.IndexFunc(layers, func(rooms []string) bool { return slices.Contains(rooms, room) })
}

// internal is the imported folder of this module, "" for packages of others.
func internal(spec *ast.ImportSpec) string {
	to, _ := strconv.Unquote(spec.Path.Value)
	folder, ok := strings.CutPrefix(to, "tyto/")
	if !ok {
		return ""
	}
	return folder
}

// repository parses all Go files that are not tests and not fixtures.
func repository(t *testing.T) (files []file) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		slashed := filepath.ToSlash(name)
		if entry.IsDir() {
			hidden := name != "." && strings.HasPrefix(entry.Name(), ".")
			fixtures := entry.Name() == "testdata" && slashed != "testdata" // the one at the top is a package
			if hidden || fixtures || slashed == "bin" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		files = append(files, parse(t, slashed, source))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func parse(t *testing.T, name string, source []byte) file {
	t.Helper()
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Count(source, []byte("\n"))
	if !bytes.HasSuffix(source, []byte("\n")) {
		lines++
	}
	return file{path: name, lines: lines, fset: fset, ast: parsed}
}
