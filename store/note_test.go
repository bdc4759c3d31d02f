package store_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
	"tyto/report"
	"tyto/store"
)

// What cannot be remembered is told again by a run that goes on, and stands in its records once.
func TestNote(t *testing.T) {
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run, err := s.AddRun(t.Context(), store.Run{Task: "t", State: "running"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second goes on
		session := s.Session(store.SessionOptions{Run: run, Profile: "p"})
		session.Note([]finding.Finding{{Object: finding.Object{Path: "/locked/evil.exe"}, Level: finding.Alert}}, nil)
		session.Note(nil, []finding.Skip{
			{Path: "/locked", Reason: finding.Unreadable},
			{Path: "/link", Reason: finding.Symlink}, // which nobody misses
		})
		if err := session.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for r, err := range s.Records(t.Context(), run) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := report.ParseLine(r.Line)
		switch {
		case err != nil:
			t.Fatal(err)
		case e.Finding != nil:
			got = append(got, string(r.Kind)+" "+e.Finding.Object.Path)
		case e.Skip != nil:
			got = append(got, string(r.Kind)+" "+e.Skip.Path)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"finding /locked/evil.exe", "skip /locked"}, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
