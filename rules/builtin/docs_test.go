//go:build cgo

package builtin

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/testdata"
)

// The table of docs/builtin-rules.md tells the truth about each rule.
func TestDocumentation(t *testing.T) {
	const begin, end = "<!-- rules: made by go generate ./rules/builtin -->\n", "<!-- end of rules -->\n"
	file := filepath.Join(testdata.Root(t), "docs", "builtin-rules.md")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	before, rest, ok := strings.Cut(text, begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has lost the marks %q and %q", file, begin, end)
	}
	want := table(t)
	if *update {
		if err := os.WriteFile(file, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table is not up to date, run the command in the document (-rules +document):\n%s", diff)
	}
}

// table lists the rules, file by file in the order of the files.
func table(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(shipped(t))) {
		if path.Ext(name) != ".yar" {
			continue
		}
		fmt.Fprintf(&b, "\n`%s`\n\n| rule | score | what it finds |\n|---|---:|---|\n", name)
		for _, rule := range compile(t, name).GetRules() {
			meta := map[string]any{}
			for _, m := range rule.Metas() {
				meta[m.Identifier] = m.Value
			}
			fmt.Fprintf(&b, "| [%s](%s) | %d | %s |\n", rule.Identifier(), meta["reference"], meta["score"], meta["description"])
		}
	}
	return b.String() + "\n"
}
