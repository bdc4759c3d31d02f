package response

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
)

// tellProgram is a path that is whole on this system.
var tellProgram = filepath.Join(rootDir(), "opt", "tell")

// everything is a policy that asks for each action.
var everything = Policy{Quarantine: true, ScanCritical: true, Command: []string{tellProgram}}

func alert(path string) *finding.Finding {
	return &finding.Finding{Level: finding.Alert, Object: finding.Object{Kind: finding.File, Path: path}}
}

func TestDecide(t *testing.T) {
	change := func(change func(*Policy)) Policy {
		p := everything
		change(&p)
		return p
	}
	object := func(change func(*finding.Object)) *finding.Finding {
		f := alert("/tmp/evil")
		change(&f.Object)
		return f
	}
	warning := &finding.Finding{Level: finding.Warning, Object: finding.Object{Kind: finding.File}}
	known := Known{
		Protected: func(o *finding.Object) bool { return o.Path == "/bin/sh" },
		Trusted:   func(h finding.Hashes) bool { return h.SHA256 == "known" },
	}
	type decided map[Action]Why
	all := func(why Why) decided { return decided{Quarantine: why, ScanCritical: why, Command: why} }
	tests := []struct {
		name    string
		finding *finding.Finding
		policy  Policy
		done    Done
		want    decided
	}{
		{"report only", alert("/tmp/evil"), Policy{}, Done{}, decided{}},
		{"everything", alert("/tmp/evil"), everything, Done{}, all("")},
		{"one action", alert("/tmp/evil"), Policy{ScanCritical: true}, Done{}, decided{ScanCritical: ""}},
		{"warning below alert", warning, everything, Done{}, all(BelowLevel)},
		{"warning is enough", warning, change(func(p *Policy) { p.Level = finding.Warning }), Done{}, all("")},
		{"alert is more than enough", alert("/a"), change(func(p *Policy) { p.Level = finding.Notice }), Done{}, all("")},
		{"harmless", object(func(o *finding.Object) { o.Hashes.SHA256 = "known" }), everything, Done{}, all(Trusted)},
		{"in an archive", object(func(o *finding.Object) { o.Kind = finding.Member }), everything, Done{}, decided{Quarantine: Inside, ScanCritical: "", Command: ""}},
		{"no file", object(func(o *finding.Object) { o.Kind = "process" }), everything, Done{}, decided{Quarantine: NoPath, ScanCritical: "", Command: ""}},
		{"deleted program", object(func(o *finding.Object) { o.Via = "/proc/8/exe" }), everything, Done{}, decided{Quarantine: NoPath, ScanCritical: "", Command: ""}},
		{"protected", alert("/bin/sh"), everything, Done{}, decided{Quarantine: Protected, ScanCritical: "", Command: ""}},
		{"last object", alert("/a"), everything, Done{Quarantined: DefaultQuarantineLimit - 1}, all("")},
		{"one object too many", alert("/a"), everything, Done{Quarantined: DefaultQuarantineLimit}, decided{Quarantine: OverLimit, ScanCritical: "", Command: ""}},
		{"limit of one's own", alert("/a"), change(func(p *Policy) { p.QuarantineLimit = 2 }), Done{Quarantined: 2}, decided{Quarantine: OverLimit, ScanCritical: "", Command: ""}},
		{"day is full", alert("/a"), everything, Done{DayIsFull: true}, decided{Quarantine: OverLimit, ScanCritical: "", Command: ""}},
		{"critical areas asked for", alert("/a"), everything, Done{Critical: true}, decided{Quarantine: "", ScanCritical: Once, Command: ""}},
		{"scan that is a response", alert("/a"), change(func(p *Policy) { p.IsResponse = true }), Done{}, decided{Quarantine: "", ScanCritical: Once, Command: ""}},
		{"one command too many", alert("/a"), everything, Done{Commands: DefaultCommandLimit}, decided{Quarantine: "", ScanCritical: "", Command: OverLimit}},
		{"dry run", alert("/a"), change(func(p *Policy) { p.DryRun = true }), Done{}, all(DryRun)},
		{"dry run says the true reason", alert("/bin/sh"), change(func(p *Policy) { p.DryRun = true }), Done{Critical: true}, decided{Quarantine: Protected, ScanCritical: Once, Command: DryRun}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := decided{}
			for _, d := range Decide(test.finding, test.policy, known, test.done) {
				got[d.Action] = d.Why
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecideNamesActionsInOrder(t *testing.T) {
	want := []Decision{{Action: Quarantine}, {Action: ScanCritical}, {Action: Command}}
	if diff := cmp.Diff(want, Decide(alert("/a"), everything, Known{}, Done{})); diff != "" {
		t.Error(diff)
	}
}

func TestPolicyCheck(t *testing.T) {
	tests := []struct {
		name   string
		policy Policy
		good   bool
	}{
		{"nothing", Policy{}, true},
		{"command without a whole path", Policy{Command: []string{"sh"}}, false},
		{"empty command", Policy{Command: []string{""}}, false},
		{"time", Policy{CommandTime: -1}, false},
		{"level", Policy{Level: 9}, false},
		{"limit", Policy{QuarantineLimit: -1}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := test.policy.Check(); (err == nil) != test.good {
				t.Errorf("error %v, good %v", err, test.good)
			}
		})
	}
}

func TestBudget(t *testing.T) {
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	b := NewBudget(2, time.Hour, func() time.Time { return now })
	steps := []struct {
		name string
		do   func() bool
		want bool
	}{
		{"first", b.take, true},
		{"second", func() bool { now = now.Add(30 * time.Minute); return b.take() }, true},
		{"third", b.take, false},
		{"full", b.full, true},
		{"given back", func() bool { b.give(); return b.take() }, true},
		{"first is forgotten", func() bool { now = now.Add(31 * time.Minute); return b.take() }, true},
		{"second is not", b.take, false},
		{"clock set back", func() bool { now = now.Add(-24 * time.Hour); return b.take() }, false},
	}
	for _, step := range steps {
		if got := step.do(); got != step.want {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
	var none *Budget
	if none.full() || !none.take() {
		t.Error("no budget is a limit")
	}
	none.give()
}
