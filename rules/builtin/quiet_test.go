//go:build cgo && !windows

// Not under Windows: the files are the same there, and Wine needs a minute for them.

package builtin

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hillu/go-yara/v4"

	"tyto/testdata"
)

// Rules and names are quiet on what this repository holds: sources, tests, documents, built binaries. More
// trees can be named, to see how quiet they are on a whole clean system, and at what cost:
//
//	TYTO_QUIET_TREES=/usr:/etc go test -v -timeout 0 -run TestQuiet ./rules/builtin
func TestQuiet(t *testing.T) {
	rules, list := compile(t), names(t)
	trees := append([]string{testdata.Root(t)}, filepath.SplitList(os.Getenv("TYTO_QUIET_TREES"))...)
	for _, tree := range trees {
		t.Run(tree, func(t *testing.T) {
			var files, bytes int64
			start := time.Now()
			err := filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
				if err != nil || !entry.Type().IsRegular() {
					return nil // somebody else may be working here; what is gone does not disturb anybody
				}
				for _, n := range list {
					if n.matches(path) {
						t.Errorf("line %d of the list, %q, matches %s", n.line, n.row, path)
					}
				}
				info, err := entry.Info()
				if err != nil || info.Size() > 100<<20 {
					return nil
				}
				content, err := os.ReadFile(path)
				if err != nil {
					return nil
				}
				files++
				bytes += int64(len(content))
				for _, rule := range scan(t, rules, object{path, string(content)}) {
					t.Errorf("%s matches %s", rule, path)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d files, %d MiB, %s", files, bytes>>20, time.Since(start).Round(time.Millisecond))
		})
	}
}

// What this folder holds lies in every checkout and, packed, in the binary. It is no finding for the rules
// of others, such as the collection that "make scan" loads too; TestQuiet holds our own against it.
func TestOtherRulesAreQuiet(t *testing.T) {
	others := compileFolder(t, testdata.Shared(t, "signature-base", "yara"))
	objects := []object{{"tyto", packed}}
	for _, name := range folder(t) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object{"/src/rules/builtin/" + name, string(data)})
	}
	for _, o := range objects {
		if got := scan(t, others, o); got != nil {
			t.Errorf("%s is matched by %v", o.path, got)
		}
	}
}

// folder returns the names of all files in this folder and below it.
func folder(t *testing.T) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// compileFolder compiles a collection of others, each file in a namespace of its own.
func compileFolder(t *testing.T, dir string) *yara.Rules {
	t.Helper()
	compiler := newCompiler(t)
	defer compiler.Destroy()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddString(string(data), entry.Name()); err != nil {
			t.Fatalf("compile %q: %v", entry.Name(), err)
		}
	}
	rules, err := compiler.GetRules()
	if err != nil {
		t.Fatal(err)
	}
	return rules
}
