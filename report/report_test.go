package report_test

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"tyto/finding"
	"tyto/report"
)

// A sink that fails costs only itself.
func TestMultiGoesOn(t *testing.T) {
	full := errors.New("disk full")
	var good bytes.Buffer
	m := report.Multi(report.NewJSONL(failingWriter{full}, nil), report.NewJSONL(&good, nil))
	if err := m.Start(sampleRun()); !errors.Is(err, full) {
		t.Errorf("Start: %v; want %v", err, full)
	}
	if err := m.Finding(webShell()); err != nil {
		t.Errorf("Finding: %v; the failure was told already", err)
	}
	if err := m.Close(); !errors.Is(err, full) {
		t.Errorf("Close: %v; want %v", err, full)
	}
	if n := strings.Count(good.String(), "\n"); n != 2 {
		t.Errorf("the other sink has %d lines; want 2", n)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestMultiMayBeUsedConcurrently(t *testing.T) {
	var buf bytes.Buffer
	m := report.Multi(report.NewJSONL(&buf, nil))
	if err := m.Start(sampleRun()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				if err := m.Finding(webShell()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(readAll(t, buf.String())); n != 101 {
		t.Errorf("%d lines; want 101", n)
	}
}

func TestEventsNeedARun(t *testing.T) {
	sinks := map[string]report.Sink{
		"jsonl": report.NewJSONL(&bytes.Buffer{}, nil), "csv": report.NewCSV(&bytes.Buffer{}), "html": report.NewHTML(&bytes.Buffer{}),
	}
	for name, s := range sinks {
		if s.Finding(webShell()) == nil || s.Summary(sampleSummary()) == nil {
			t.Errorf("%s took events before Start", name)
		}
	}
}

// Each reason has words for people here and a line in docs/skips.md that agrees on whether it
// matters.
func TestReasonsAreExplained(t *testing.T) {
	doc, err := os.ReadFile("../docs/skips.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range reasons(t) {
		if report.Meaning(reason) == string(reason) {
			t.Errorf("reason %q has no meaning", reason)
		}
		matters := "| no |"
		if reason.Matters() {
			matters = "| **yes** |"
		}
		if want := "| `" + string(reason) + "` " + matters; !strings.Contains(string(doc), want) {
			t.Errorf("docs/skips.md has no line that begins with %q", want)
		}
	}
}

// reasons returns all constants of type Reason, from the source of package finding.
func reasons(t *testing.T) []finding.Reason {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../finding/skip.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var list []finding.Reason
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Reason" {
			name, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, finding.Reason(name))
		}
		return true
	})
	if len(list) < 20 {
		t.Fatalf("found only %d reasons in the source", len(list))
	}
	return list
}
