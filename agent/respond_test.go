package agent

import (
	"fmt"
	"path/filepath"
	"testing"

	"tyto/agent/control"
	"tyto/finding"
)

// A response scan puts the run that asked for it aside. What that run has decided to move is moved all the same.
func TestPutAsideRunStillResponds(t *testing.T) {
	m := newMachine(t)
	const files = 30
	for i := range files {
		m.write(fmt.Sprintf("tree/evil-%d.txt", i), fmt.Sprintf("%d: this is %s", i, needle))
	}
	m.taskPolicy(`
tasks:
  - id: tree
    scope: {paths: [%TREE%]}
    actions: {quarantine: true, scan_critical: true}
`)
	m.start()
	if _, err := m.client.StartTask(t.Context(), "tree", control.Start{}); err != nil {
		t.Fatal(err)
	}
	m.awaitEvent("run-finished", 2) // the response, and then the task
	m.await("the end of the task", func() bool { return m.task("tree").Run == nil })
	left, err := filepath.Glob(filepath.Join(m.tree, "evil-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("%d of %d files were found and not moved: %q (%v)", len(left), files, left, err)
	}
}

// Another content under the same name is another finding, also within one run.
func TestTellsOtherContentOfAPath(t *testing.T) {
	a := &Agent{runs: map[int64]*memory{}}
	told := func(path, sha256 string) bool {
		return a.firstTold(1, &finding.Finding{Object: finding.Object{Path: path, Hashes: finding.Hashes{SHA256: sha256}}})
	}
	for _, step := range []struct {
		path, sha256 string
		want         bool
	}{
		{"/a", "11", true},
		{"/a", "11", false},
		{"/a", "22", true},
		{"/b", "11", true},
		{"/a", "22", false},
	} {
		if got := told(step.path, step.sha256); got != step.want {
			t.Errorf("%s with content %s counts as told for the first time: %v, want %v", step.path, step.sha256, got, step.want)
		}
	}
}

// What a task found with rules of its own is no false alarm because the policy's rules do not know it.
func TestRescanLooksForWhatTasksLookFor(t *testing.T) {
	m := newMachine(t)
	m.write("tree/evil.txt", "only one task looks for this")
	own := m.write("own/own.yar", `rule own { meta: score = 100 strings: $a = "only one task looks for this" condition: $a }`)
	m.taskPolicy(fmt.Sprintf(`
tasks:
  - id: tree
    scope: {paths: [%%TREE%%]}
    rules: [%q]
    actions: {quarantine: true}
`, own))
	m.start()
	if _, err := m.client.StartTask(t.Context(), "tree", control.Start{}); err != nil {
		t.Fatal(err)
	}
	m.awaitEvent("quarantined", 1)
	rescanned, err := m.client.Rescan(t.Context(), nil)
	if err != nil || len(rescanned) != 1 || len(rescanned[0].Found) != 1 || rescanned[0].Found[0] != "own" {
		t.Errorf("examined again: %+v, %v; want the task's own rule", rescanned, err)
	}
}
