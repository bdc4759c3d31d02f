package decide

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// documented reads the tables of docs/sandbox-decide.md: the first column's words in back quotes, and the whole row.
func documented(t *testing.T) map[string]string {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "sandbox-decide.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		first, _, _ := strings.Cut(line[1:], "|")
		for _, word := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(first, -1) {
			rows[word[1]] = strings.TrimSpace(line)
		}
	}
	return rows
}

// What users read about weights is what is added up.
func TestDocsHoldTheWeights(t *testing.T) {
	rows := documented(t)
	for code, n := range points {
		if n == 0 {
			continue
		}
		columns := strings.Split(rows[code], "|")
		if len(columns) < 3 || strings.TrimSpace(columns[2]) != strconv.Itoa(n) {
			t.Errorf("%q is worth %d; the row is %q", code, n, rows[code])
		}
	}
	for kind, n := range baseRisk {
		if !strings.HasSuffix(rows[string(kind)], "| "+strconv.Itoa(n)+" |") {
			t.Errorf("kind %q is worth %d; the row is %q", kind, n, rows[string(kind)])
		}
	}
}

// Each setting has a line in the document, and one for the policy's.
func TestDocsHoldTheSettings(t *testing.T) {
	rows := documented(t)
	for i := range reflect.TypeFor[Policy]().NumField() {
		f := reflect.TypeFor[Policy]().Field(i)
		key := f.Tag.Get("yaml")
		if rows[key] == "" || f.Tag.Get("doc") == "" {
			t.Errorf("setting %q (%s): the row is %q, the line for the policy %q", key, f.Name, rows[key], f.Tag.Get("doc"))
		}
	}
}
