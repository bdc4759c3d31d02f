package detect_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tyto/detect"
	"tyto/scanner/walk"
)

const hashes = "44d88612fea8a8f36de82e1278abb02f;EICAR\n"

// write makes a file in a folder of the test.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, o detect.Options) *detect.Set {
	t.Helper()
	o.Now = time.Now()
	set, err := detect.Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	})
	return set
}

func TestLoad(t *testing.T) {
	rule := write(t, "a.yar", "rule a { condition: true }")
	list := write(t, "hash-iocs.txt", hashes)
	broken := write(t, "b.yar", "rule b {")
	set := load(t, detect.Options{Rules: []string{rule, broken}, Indicators: []string{list}})
	if set.RuleSummary.Entries != 1 || set.IndicatorSummary.Entries != 1 {
		t.Errorf("loaded %d rules and %d indicators, want 1 and 1", set.RuleSummary.Entries, set.IndicatorSummary.Entries)
	}
	if len(set.Problems) != 1 || set.Problems[0].File != broken {
		t.Errorf("problems are %v, want one of %q", set.Problems, broken)
	}
	own := map[walk.FileID]bool{}
	for _, id := range set.Own() {
		own[id] = true
	}
	for _, path := range []string{rule, list} {
		if id, err := walk.Identify(path); err != nil || !own[id] {
			t.Errorf("%q would be examined although it holds what is looked for (%v)", path, err)
		}
	}
}

func TestLoadBuiltin(t *testing.T) {
	set := load(t, detect.Options{Rules: []string{detect.Builtin}})
	if set.RuleSummary.Entries < 100 || set.IndicatorSummary.Entries < 10 {
		t.Errorf("loaded %d rules and %d indicators, want those that Tyto ships", set.RuleSummary.Entries, set.IndicatorSummary.Entries)
	}
}

// A scan for nothing would look like a clean computer.
func TestLoadNothing(t *testing.T) {
	broken := write(t, "b.yar", "rule b {")
	set, err := detect.Load(t.Context(), detect.Options{Rules: []string{broken}})
	if !errors.Is(err, detect.ErrNothing) {
		t.Fatalf("the error is %v, want %v", err, detect.ErrNothing)
	}
	if set == nil || len(set.Problems) != 1 {
		t.Errorf("the set is %+v, want one that tells the problem", set)
	}
}

// Another process compiles, and what it says when it fails is told.
func TestLoadCompileFails(t *testing.T) {
	rule := write(t, "a.yar", "rule a { condition: true }")
	_, err := detect.Load(t.Context(), detect.Options{Rules: []string{rule}, Compile: []string{filepath.Join(t.TempDir(), "missing")}})
	if bad := (*detect.RuleError)(nil); !errors.As(err, &bad) {
		t.Errorf("the error is %v, want a RuleError", err)
	}
}
