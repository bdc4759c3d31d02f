package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tyto/store"
	"tyto/verdict"
)

func said(n int, level verdict.Level, learned time.Time) store.Verdict {
	return store.Verdict{
		Verdict: verdict.Verdict{SHA256: fmt.Sprintf("%064x", n), Level: level, Score: n, Sandbox: "Tyto 1", Database: "1", Time: noon},
		Server:  "sandbox:443", Size: int64(n), Learned: learned,
	}
}

func putVerdicts(t *testing.T, s *store.Store, list ...store.Verdict) {
	t.Helper()
	for _, v := range list {
		if err := s.PutVerdict(ctx, v); err != nil {
			t.Fatal(err)
		}
	}
}

// verdicts returns those of a level.
func verdicts(t *testing.T, s *store.Store, level verdict.Level) (list []store.Verdict) {
	t.Helper()
	for v, err := range s.Verdicts(ctx, level) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
	return list
}

func TestVerdicts(t *testing.T) {
	s := open(t)
	clean := said(1, verdict.Clean, noon)
	bad := said(2, verdict.Malicious, noon.Add(time.Hour))
	bad.Threats, bad.Time = []string{"Dropper\x1b", "'; DROP TABLE verdicts"}, time.Time{}
	putVerdicts(t, s, clean, said(2, verdict.Clean, noon), bad)
	if diff := cmp.Diff([]store.Verdict{bad, clean}, verdicts(t, s, "")); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]store.Verdict{bad}, verdicts(t, s, verdict.Malicious)); diff != "" {
		t.Errorf("malicious (-want +got):\n%s", diff)
	}
	got, err := s.Verdict(ctx, strings.ToUpper(bad.SHA256))
	if diff := cmp.Diff(bad, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := s.DeleteVerdict(ctx, bad.SHA256); err != nil {
		t.Error(err)
	}
	if _, err := s.Verdict(ctx, bad.SHA256); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("error %v; want %v", err, store.ErrNotFound)
	}
	if err := s.DeleteVerdict(ctx, bad.SHA256); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("error %v; want %v", err, store.ErrNotFound)
	}
	if _, err := s.Verdict(ctx, "short"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("error %v; want one that says what is wrong", err)
	}
	if n, err := s.CountVerdicts(ctx); n != 1 || err != nil {
		t.Error(n, err)
	}
}

func TestSetSandbox(t *testing.T) {
	s := open(t)
	other := said(1, verdict.Clean, noon)
	other.Server = "other:443"
	putVerdicts(t, s, other, said(2, verdict.Clean, noon), said(3, verdict.Malicious, noon))
	for _, step := range []struct {
		version string
		ended   int64
	}{{"1", 0}, {"2", 2}, {"2", 0}} {
		if ended, err := s.SetSandbox(ctx, "sandbox:443", step.version, noon); ended != step.ended || err != nil {
			t.Errorf("version %q ended %d verdicts, %v; want %d", step.version, ended, err, step.ended)
		}
	}
	if diff := cmp.Diff([]store.Verdict{other}, verdicts(t, s, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got, err := s.Sandboxes(ctx)
	if diff := cmp.Diff(map[string]string{"sandbox:443": "2"}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestRewindVerdicts(t *testing.T) {
	s := open(t)
	putVerdicts(t, s, said(1, verdict.Clean, noon.Add(-time.Hour)), said(2, verdict.Clean, noon.Add(time.Hour)))
	if err := s.RewindVerdicts(ctx, noon); err != nil {
		t.Fatal(err)
	}
	want := []store.Verdict{said(2, verdict.Clean, noon), said(1, verdict.Clean, noon.Add(-time.Hour))}
	if diff := cmp.Diff(want, verdicts(t, s, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPruneVerdicts(t *testing.T) {
	ago := func(hours int) time.Time { return noon.Add(-time.Duration(hours) * time.Hour) }
	for _, test := range []struct {
		keep int
		want []int
	}{{9, []int{1, 2, 3, 4, 5}}, {5, []int{1, 2, 3, 4, 5}}, {4, []int{1, 2, 4, 5}}, {3, []int{1, 4, 5}}, {2, []int{4, 5}}, {1, []int{4}}, {0, nil}} {
		t.Run(fmt.Sprint(test.keep), func(t *testing.T) {
			s := open(t)
			putVerdicts(t, s,
				said(1, verdict.Clean, ago(1)), said(2, verdict.Clean, ago(2)), said(3, verdict.Malicious, ago(50)), // of no use
				said(4, verdict.Malicious, ago(4)), said(5, verdict.Suspicious, ago(5)))
			stale := map[verdict.Level]time.Time{verdict.Clean: ago(48), verdict.Malicious: ago(48)}
			if err := s.PruneVerdicts(ctx, test.keep, stale); err != nil {
				t.Fatal(err)
			}
			var got []int
			for _, v := range verdicts(t, s, "") {
				got = append(got, v.Score)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.SortSlices(func(a, b int) bool { return a < b })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
