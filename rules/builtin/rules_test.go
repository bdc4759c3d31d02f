//go:build cgo

package builtin

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hillu/go-yara/v4"
)

// externals are the variables that Tyto always defines.
var externals = []string{
	"filename", "filepath", "extension", "filetype", "owner", "md5", "id", "timezone", "language",
	"group", "filemode", "osversion", "unpack_parent", "unpack_source",
}

// newCompiler returns a compiler that knows the variables.
func newCompiler(t *testing.T) *yara.Compiler {
	t.Helper()
	compiler, err := yara.NewCompiler()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range externals {
		if err := compiler.DefineVariable(name, ""); err != nil {
			t.Fatal(err)
		}
	}
	return compiler
}

// compile compiles one shipped file alone, or all of them. Warnings are errors.
func compile(t *testing.T, names ...string) *yara.Rules {
	t.Helper()
	compiler := newCompiler(t)
	defer compiler.Destroy()
	files := shipped(t)
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(files))
	}
	for _, name := range names {
		if path.Ext(name) != ".yar" {
			continue
		}
		// One namespace for all, so that a name that is used twice is an error.
		err := compiler.AddString(files[name], "")
		for _, m := range slices.Concat(compiler.Errors, compiler.Warnings) {
			t.Errorf("%s:%d: %s", name, m.Line, m.Text)
		}
		if err != nil {
			t.Fatal(err)
		}
		compiler.Errors, compiler.Warnings = nil, nil
	}
	rules, err := compiler.GetRules()
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// split gives the values of filepath, filename and extension for a path of either system.
func split(p string) (folder, name, extension string) {
	cut := strings.LastIndexAny(p, `/\`)
	folder, name = p[:max(cut, 0)], p[cut+1:]
	return folder, name, strings.ToLower(path.Ext(name))
}

// scan returns the names of the rules that match, sorted.
func scan(t *testing.T, rules *yara.Rules, o object) []string {
	t.Helper()
	scanner, err := yara.NewScanner(rules)
	if err != nil {
		t.Fatal(err)
	}
	defer scanner.Destroy()
	folder, name, extension := split(o.path)
	for variable, value := range map[string]string{"filepath": folder, "filename": name, "extension": extension} {
		if err := scanner.DefineVariable(variable, value); err != nil {
			t.Fatal(err)
		}
	}
	var matches yara.MatchRules
	if err := scanner.SetCallback(&matches).SetTimeout(time.Minute).ScanMem([]byte(o.content)); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range matches {
		names = append(names, m.Rule)
	}
	slices.Sort(names)
	return names
}

func TestExamples(t *testing.T) {
	rules := compile(t)
	for _, e := range examples() {
		t.Run(e.rule, func(t *testing.T) {
			for _, o := range e.fires {
				if diff := cmp.Diff([]string{e.rule}, scan(t, rules, o)); diff != "" {
					t.Errorf("rules that match %q (-want +got):\n%s", o.path, diff)
				}
			}
			for _, o := range e.silent {
				if got := scan(t, rules, o); got != nil {
					t.Errorf("the look-alike %q is matched by %v", o.path, got)
				}
			}
		})
	}
}

// A rule that nothing shows to fire, or to keep quiet, is a claim.
func TestEveryRuleHasExamples(t *testing.T) {
	fires, silent := map[string]int{}, map[string]int{}
	for _, e := range examples() {
		fires[e.rule] += len(e.fires)
		silent[e.rule] += len(e.silent)
	}
	for _, rule := range compile(t).GetRules() {
		name := rule.Identifier()
		if fires[name] == 0 || silent[name] == 0 {
			t.Errorf("%s has %d examples that fire and %d look-alikes; both are needed", name, fires[name], silent[name])
		}
		delete(fires, name)
	}
	for name := range fires {
		t.Errorf("examples are given for %s, which does not exist", name)
	}
}

// The form of what an analyst reads, and of what other tools take from meta.
func TestMeta(t *testing.T) {
	form := map[string]*regexp.Regexp{
		"author":      regexp.MustCompile(`^Tyto project$`),
		"description": regexp.MustCompile(`^[A-Z.][^\n"]{20,110}[^.!: ]$`), // no full stop: reports add context
		"reference":   regexp.MustCompile(`^https://[a-z0-9.-]+/[^ ]*$`),
		"date":        regexp.MustCompile(`^20\d\d-[01]\d-[0-3]\d$`),
		"id":          regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`),
	}
	want := []string{"author", "description", "reference", "date", "score", "id"}
	name := regexp.MustCompile(`^Tyto_[A-Z][A-Za-z0-9]+(_[A-Z][A-Za-z0-9]+)+$`)
	ids, descriptions := map[any]string{}, map[any]string{}
	for _, rule := range compile(t).GetRules() {
		t.Run(rule.Identifier(), func(t *testing.T) {
			if !name.MatchString(rule.Identifier()) {
				t.Errorf("the name is not of the form Tyto_<Theme>_<What>")
			}
			var keys []string
			for _, m := range rule.Metas() {
				keys = append(keys, m.Identifier)
				if pattern := form[m.Identifier]; pattern != nil {
					if value, ok := m.Value.(string); !ok || !pattern.MatchString(value) {
						t.Errorf("%s is %q, wanted %s", m.Identifier, m.Value, pattern)
					}
				}
				switch m.Identifier {
				case "score":
					if score, ok := m.Value.(int); !ok || score < 40 || score > 100 {
						t.Errorf("score is %v, wanted 40 to 100", m.Value)
					}
				case "id":
					unique(t, ids, m.Value, rule.Identifier())
				case "description":
					unique(t, descriptions, m.Value, rule.Identifier())
				}
			}
			if diff := cmp.Diff(want, keys); diff != "" {
				t.Errorf("meta keys (-want +got):\n%s", diff)
			}
		})
	}
}

func unique(t *testing.T, seen map[any]string, value any, rule string) {
	t.Helper()
	if other, ok := seen[value]; ok {
		t.Errorf("shares %q with %s", value, other)
	}
	seen[value] = rule
}

// Users may copy one file out of the set.
func TestEachFileCompilesAlone(t *testing.T) {
	for name := range shipped(t) {
		if path.Ext(name) != ".yar" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if len(compile(t, name).GetRules()) == 0 {
				t.Error("no rules")
			}
		})
	}
}
