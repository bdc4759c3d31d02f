package agent

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tyto/agent/control"
	"tyto/agent/place"
	"tyto/agent/policy"
	"tyto/scheduler"
)

// idleTask scans the tree slowly, and only while nobody is there.
const idleTask = `
tasks:
  - id: tree
    scope: {paths: [%TREE%], full: true}
    when: {at_start: true}
    while: {idle: true%LIMIT%}
`

func (m *machine) taskPolicy(text string) {
	m.t.Helper()
	m.policy(strings.NewReplacer("%TREE%", m.tree, "%LIMIT%", slowly).Replace(text))
}

// A run stands still while somebody is there, and finds everything in the end.
func TestPausesAndGoesOn(t *testing.T) {
	m := newMachine(t)
	planted := m.fill(3000)
	m.taskPolicy(idleTask)
	m.start()
	m.await("a run at work", func() bool { return m.progress("tree").Files > 50 })

	m.presence("active")
	m.awaitEvent("run-paused", 1)
	var paused control.Progress
	m.await("a standstill", func() bool { // the snapshot is a little behind
		paused = m.progress("tree")
		time.Sleep(500 * time.Millisecond)
		return m.progress("tree").Files == paused.Files
	})
	if paused.Paused == "" || paused.Files >= 3000 {
		t.Errorf("the run is paused, and its progress says %+v", paused)
	}
	view := m.task("tree")
	if view.Run == nil || !strings.Contains(view.Run.Why, "the computer is in use") {
		t.Errorf("the task does not say why its run waits: %+v", view.Run)
	}

	m.presence("idle")
	m.awaitEvent("run-finished", 1)
	if found := m.found(view.Run.ID); len(found) != planted {
		t.Errorf("found %d of %d planted files", len(found), planted)
	}
}

// A run that was under way when the agent ended goes on when it starts again: nothing is missed and
// nothing is told twice.
func TestGoesOnAfterARestart(t *testing.T) {
	m := newMachine(t)
	planted := m.fill(2000)
	time.Sleep(2100 * time.Millisecond) // until change times prove something
	m.taskPolicy(idleTask)
	var run int64
	for range 3 {
		m.start()
		m.await("a run that has examined some more", func() bool {
			p := m.progress("tree")
			return p.Files-p.Recalled > 50 || len(m.events("run-finished")) > 0
		})
		if r := m.task("tree").Run; r != nil {
			run = r.ID
		}
		m.halt()
	}
	m.start()
	m.awaitEvent("run-finished", 1)
	found := m.found(run)
	if len(found) != planted {
		t.Errorf("found %d of %d planted files", len(found), planted)
	}
	for path, n := range found {
		if n != 1 {
			t.Errorf("%q stands in the records %d times", path, n)
		}
	}
	if started := m.events("run-started"); len(started) != 1 {
		t.Errorf("one run was started %d times: %q", len(started), started)
	}
}

// What is found is taken away, and given back when a person wants it; then it is left in peace.
func TestQuarantines(t *testing.T) {
	m := newMachine(t)
	evil := m.write("tree/evil.txt", "this is "+needle)
	m.write("tree/good.txt", "this is hay")
	m.taskPolicy(`
tasks:
  - id: tree
    scope: {paths: [%TREE%]}
    actions: {quarantine: true}
`)
	m.start()
	run := func() {
		t.Helper()
		n := len(m.events("run-finished"))
		if _, err := m.client.StartTask(t.Context(), "tree", control.Start{}); err != nil {
			t.Fatal(err)
		}
		m.awaitEvent("run-finished", n+1)
	}
	run()
	m.awaitEvent("quarantined", 1)
	if _, err := os.Lstat(evil); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("what was quarantined is still there: %v", err)
	}
	q, err := m.client.Quarantine(t.Context())
	if err != nil || len(q.Objects) != 1 || q.Objects[0].Path != evil {
		t.Fatalf("the quarantine holds %+v, %v; want %q", q, err, evil)
	}
	rescanned, err := m.client.Rescan(t.Context(), nil)
	if err != nil || len(rescanned) != 1 || !slices.Equal(rescanned[0].Found, []string{"needle"}) {
		t.Errorf("examined again: %+v, %v; want the rule that found it", rescanned, err)
	}

	// Better rules make it a false alarm.
	m.write("rules.yar", `rule other { strings: $a = "something else" condition: $a }`)
	if _, err := m.client.ReloadPolicy(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.awaitEvent("false-alarm-likely", 1)

	if _, err := m.client.Restore(t.Context(), q.Objects[0].ID, control.Restoration{}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(evil)
	if err != nil || string(text) != "this is "+needle {
		t.Errorf("restored %q, %v", text, err)
	}

	// What a person gave back is found again, and left where it is.
	m.write("rules.yar", `rule needle { meta: score = 100 strings: $a = "`+needle+`" condition: $a }`)
	run()
	if _, err := os.Lstat(evil); err != nil {
		t.Errorf("what a person gave back was taken again: %v", err)
	}
}

// A dry run says what would be done.
func TestDryRun(t *testing.T) {
	m := newMachine(t)
	evil := m.write("tree/evil.txt", needle)
	m.taskPolicy(`
response: {quarantine: true, dry_run: true}
tasks:
  - id: tree
    scope: {paths: [%TREE%]}
    when: {at_start: true}
`)
	m.start()
	m.awaitEvent("run-finished", 1)
	if told := m.awaitEvent("response-dry-run", 1); !strings.Contains(told[0], "quarantine") {
		t.Errorf("the dry run says %q", told)
	}
	if _, err := os.Lstat(evil); err != nil {
		t.Errorf("a dry run took the file: %v", err)
	}
}

// A finding has the critical areas scanned, at once and once.
func TestScansCriticalAreas(t *testing.T) {
	m := newMachine(t)
	m.fill(300)
	m.taskPolicy(`
response: {scan_critical: true}
tasks:
  - id: tree
    scope: {paths: [%TREE%]}
    when: {at_start: true}
`)
	m.start()
	m.awaitEvent("critical-scan-queued", 1)
	m.awaitEvent("run-finished", 2)
	if queued := m.events("critical-scan-queued"); len(queued) != 1 {
		t.Errorf("asked for %d scans: %q", len(queued), queued)
	}
	v := m.task(responseTask)
	if v.Origin != scheduler.FromResponse || v.Last == nil || !strings.Contains(string(v.Last.Summary), "not-built") {
		t.Errorf("the scan of the critical areas: %+v", v)
	}
}

// A policy that cannot be used leaves the old one in force.
func TestKeepsTheLastGoodPolicy(t *testing.T) {
	m := newMachine(t)
	m.fill(10)
	m.taskPolicy("tasks:\n  - {id: tree, scope: {paths: [%TREE%]}}\n")
	m.start()
	m.policy("nonsense: true\n")
	if _, err := m.client.ReloadPolicy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if told := m.awaitEvent("policy-rejected", 1); !strings.Contains(told[0], "nonsense") {
		t.Errorf("the event does not name the setting: %q", told)
	}
	m.task("tree") // is still there
	status, err := m.client.Status(t.Context())
	if err != nil || len(status.Degraded) != 1 || !strings.Contains(status.Degraded[0], "policy") {
		t.Errorf("the status says %q, %v", status.Degraded, err)
	}

	m.taskPolicy("tasks:\n  - {id: other, scope: {paths: [%TREE%]}}\n")
	if _, err := m.client.ReloadPolicy(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.await("the new task", func() bool {
		_, err := m.client.Task(t.Context(), "other")
		return err == nil
	})
}

// A damaged state file is set aside, and the tasks of the policy run all the same.
func TestDamagedStateFile(t *testing.T) {
	m := newMachine(t)
	m.fill(100)
	if err := place.MakeDir(filepath.Join(m.dir, "data")); err != nil {
		t.Fatal(err)
	}
	m.write("data/"+StateFile, strings.Repeat("this is no database ", 1000))
	m.taskPolicy("tasks:\n  - {id: tree, scope: {paths: [%TREE%]}, when: {at_start: true}}\n")
	m.start()
	m.awaitEvent("run-finished", 1)
	if told := m.events("database-set-aside"); len(told) != 1 {
		t.Errorf("told of the damaged file: %q", told)
	}
	kept, err := filepath.Glob(filepath.Join(m.dir, "data", StateFile+".corrupt-*"))
	if err != nil || len(kept) != 1 {
		t.Errorf("the damaged file was not kept: %q, %v", kept, err)
	}
}

// Rules that cannot be loaded cost the run that needed them, and it is tried again.
func TestBrokenRules(t *testing.T) {
	m := newMachine(t)
	m.fill(100)
	m.write("rules.yar", "rule broken {")
	m.taskPolicy("tasks:\n  - {id: tree, scope: {paths: [%TREE%]}, when: {at_start: true}}\n")
	m.start()
	if told := m.awaitEvent("run-retried", 1); !strings.Contains(told[0], "rules.yar") {
		t.Errorf("the event does not say where the rule is broken: %q", told)
	}
}

// An agent that was killed says so when it starts again.
func TestTellsOfAnUncleanEnd(t *testing.T) {
	m := newMachine(t)
	m.policy("")
	m.start()
	m.halt()
	if told := m.events("agent-unclean-end"); len(told) > 0 {
		t.Errorf("an agent that ended properly was told as one that did not: %q", told)
	}
	m.start()
	if err := m.killed(); err != nil {
		t.Fatal(err)
	}
	m.start()
	m.awaitEvent("agent-unclean-end", 1)
}

// killed makes it look as if the agent had been killed.
func (m *machine) killed() error {
	copied, err := os.ReadFile(filepath.Join(m.dir, "data", StateFile))
	if err != nil {
		return err
	}
	wal, err := os.ReadFile(filepath.Join(m.dir, "data", StateFile+"-wal"))
	if err != nil {
		return err
	}
	m.halt()
	m.write("data/"+StateFile, string(copied))
	m.write("data/"+StateFile+"-wal", string(wal))
	return nil
}

// A person's task must not run programs that the policy does not name: who may talk to the agent is not
// necessarily root.
func TestTasksOfPeopleRunNoCommands(t *testing.T) {
	m := newMachine(t)
	m.policy("")
	m.start()
	_, err := m.client.AddTask(t.Context(), scheduler.Task{
		ID: "mine", Scope: scheduler.Scope{Paths: []string{m.tree}}, Actions: scheduler.Actions{Command: []string{os.Args[0]}},
	})
	if problem := (*control.Error)(nil); !errors.As(err, &problem) || problem.Status != 403 {
		t.Errorf("a task with a command: %v, want that it is refused", err)
	}
}

// A data folder that others can change is not used for anything, and that is told as an attack.
func TestUnsafeDataFolder(t *testing.T) {
	m := newMachine(t)
	m.fill(100)
	data := filepath.Join(m.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(data, 0o777); err != nil {
		t.Fatal(err)
	}
	m.taskPolicy("response: {quarantine: true}\ntasks:\n  - {id: tree, scope: {paths: [%TREE%]}, when: {at_start: true}}\n")
	m.start()
	m.await("a scan all the same", func() bool {
		last := m.task("tree").Last
		return last != nil && last.State == scheduler.Finished
	})
	left, err := os.ReadDir(data)
	if err != nil || len(left) > 0 {
		t.Errorf("the folder holds %v, %v; want that nothing was written to it", left, err)
	}
	told, err := m.client.Events(t.Context(), control.EventFilter{ID: "TY-150"})
	if err != nil || len(told) == 0 {
		t.Errorf("the events of self-protection are %v, %v", told, err)
	}
}

// What is shown as the policy in force is a policy file that means the same.
func TestPolicyInForceReadsBack(t *testing.T) {
	m := newMachine(t)
	m.policy("results: {keep: 10d}\nquarantine: {limit: 50MiB, object_limit: 20MiB}\n")
	m.start()
	shown, err := m.client.Policy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, problems := policy.Parse("shown.yaml", []byte(shown.YAML))
	if policy.Broken(problems) {
		t.Fatalf("what is shown cannot be used: %v\n%s", problems, shown.YAML)
	}
	if p.Results.Keep != 10*24*time.Hour || p.Quarantine.Limit != 50<<20 {
		t.Errorf("kept for %v, limit %d; the policy says 10 days and 50 MiB", p.Results.Keep, p.Quarantine.Limit)
	}
	if !strings.Contains(shown.YAML, "keep: 10d") {
		t.Errorf("not in the words of a policy:\n%s", shown.YAML)
	}
}
