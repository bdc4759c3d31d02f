package load

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
	"tyto/ioc"
	"tyto/testdata"
)

func mustLoad(t testing.TB, o Options, paths ...string) *Result {
	t.Helper()
	r, err := Load(context.Background(), paths, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func write(t testing.TB, folder, name, content string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSignatureBase(t *testing.T) {
	r := mustLoad(t, Options{}, testdata.Shared(t, "signature-base", "iocs"))
	want := ioc.Counts{Indicators: 3828, Evaluated: 3828, Hashes: 3224, Networks: 1844, Keywords: 14}
	if diff := cmp.Diff(want, r.Set.Counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	for _, p := range r.Problems {
		if !p.Warning || filepath.Base(p.File) != "README.txt" {
			t.Errorf("%s:%d: %s", p.File, p.Line, p.Message)
		}
	}
	needs := r.Set.Needs()
	if !needs.MD5 || !needs.SHA1 || !needs.SHA256 || needs.TrustedMD5 || len(needs.Strings) > 0 {
		t.Errorf("needs: %+v", needs)
	}
}

func TestOpenIOCFiles(t *testing.T) {
	r := mustLoad(t, Options{}, testdata.Shared(t, "openioc"))
	files := 0
	for _, f := range r.Files {
		if f.Format == OpenIOC {
			files++
			if f.Indicators != 1 {
				t.Errorf("%s has %d indicators, want 1", f.Path, f.Indicators)
			}
		}
	}
	if files != 23 {
		t.Errorf("%d OpenIOC files, want 23", files)
	}
	items, statuses := map[string]int{}, map[ioc.Status]int{}
	for _, c := range r.Set.Check() {
		for _, term := range c.Terms {
			items[term.Term.Path]++
			statuses[term.Status]++
			if term.Term.Line == 0 {
				t.Errorf("%s: term %s has no line", c.Indicator.Source, term.Term.ID)
			}
			if term.Status != ioc.Evaluated {
				t.Logf("%s:%d: %s %s %q: %s: %s", filepath.Base(c.Indicator.Source), term.Term.Line, term.Term.Path, term.Term.Condition, term.Term.Value, term.Status, term.Detail)
			}
		}
		if !c.CanMatch {
			t.Logf("%s cannot match: %s", c.Indicator.Source, c.Detail)
		}
	}
	t.Log(statuses)
	_ = strings.ToLower
	_ = time.Now
	_ = finding.Problem{}
}
