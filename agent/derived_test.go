package agent

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
	"tyto/quarantine"
)

// What has expired goes, and the oldest of what takes too much room.
func TestTidyFolder(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for name, file := range map[string]struct {
		days int
		size int
	}{"expired": {40, 1}, "oldest": {20, 60}, "older": {10, 60}, "new": {1, 30}} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, file.size), 0o600); err != nil {
			t.Fatal(err)
		}
		at := now.AddDate(0, 0, -file.days)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := tidyFolder(dir, now.AddDate(0, 0, -30), 100); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff([]string{"folder", "new", "older"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWriteWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "file")
	for _, content := range []string{"first, and longer", "second"} {
		if err := writeWhole(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%q, %v; want %q", got, err, content)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v: something is left", entries, err)
	}
}

// A report's word is no reason to move a file.
func TestUnproven(t *testing.T) {
	a := &Agent{data: t.TempDir()}
	derived := finding.Match{Source: filepath.Join(a.derivedDir(), "abc.ioc")}
	other := finding.Match{Source: "/etc/tyto/iocs/apt.ioc"}
	for name, test := range map[string]struct {
		matches []finding.Match
		want    bool
	}{
		"derived alone":     {[]finding.Match{derived, derived}, true},
		"with another":      {[]finding.Match{derived, other}, false},
		"another alone":     {[]finding.Match{other}, false},
		"beside the folder": {[]finding.Match{{Source: a.derivedDir() + "-mine/abc.ioc"}}, false},
	} {
		if got := a.unproven(&finding.Finding{Matches: test.matches}); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// What a sandbox judged needs no rule that finds it.
func TestJudgedIsNoFalseAlarm(t *testing.T) {
	a := &Agent{}
	if !a.judged(&quarantine.Entry{Reason: JudgedReason + "https://sandbox:443"}) {
		t.Error("what a verdict put into the quarantine would be told as a false alarm")
	}
	if a.judged(&quarantine.Entry{Reason: `found by task "weekly"`}) {
		t.Error("what a scan found would not be")
	}
}

// One at a time for each name, and nobody waits for another's.
func TestHeld(t *testing.T) {
	var h held
	first, err := h.hold(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan func())
	go func() {
		release, err := h.hold(t.Context(), "a")
		if err != nil {
			t.Error(err)
		}
		second <- release
	}()
	other, err := h.hold(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	other()
	select {
	case <-second:
		t.Fatal("two hold the same")
	case <-time.After(20 * time.Millisecond):
	}
	first()
	(<-second)()
	if len(h.names) != 0 {
		t.Errorf("%d names are left", len(h.names))
	}
}
