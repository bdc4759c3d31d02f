package response

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
)

// doer does everything and keeps in which order.
type doer struct {
	mu   sync.Mutex
	did  []string
	fail func(path string) error
	hold chan struct{} // commands wait for it, if there is one
}

func (d *doer) note(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.did = append(d.did, what)
}

func (d *doer) Quarantine(_ context.Context, f *finding.Finding) (string, error) {
	if d.fail != nil {
		if err := d.fail(f.Object.Path); err != nil {
			return "", err
		}
	}
	d.note("quarantine " + f.Object.Path)
	return "id of " + f.Object.Path, nil
}

func (d *doer) ScanCritical(_ context.Context, f *finding.Finding) error {
	d.note("scan after " + f.Object.Path)
	return nil
}

func (d *doer) Run(ctx context.Context, line []byte) (Outcome, error) {
	if d.hold != nil {
		select {
		case <-d.hold:
		case <-ctx.Done():
			return Outcome{Exit: -1}, context.Cause(ctx)
		}
	}
	_, rest, _ := strings.Cut(string(line), `"path":"`)
	path, _, _ := strings.Cut(rest, `"`)
	d.note("command for " + path)
	return Outcome{Exit: 3}, nil
}

// begin begins a run with d, and returns where its results are told.
func begin(t *testing.T, ctx context.Context, p Policy, d *doer, change func(*Options)) (*Run, *[]Result) {
	t.Helper()
	results := new([]Result)
	o := Options{
		Policy: p, Quarantiner: d, Critical: d, Commander: d,
		Result: func(r Result) { *results = append(*results, r) },
	}
	if change != nil {
		change(&o)
	}
	run, err := Begin(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return run, results
}

func TestRunTakesEachAction(t *testing.T) {
	d := &doer{}
	run, results := begin(t, t.Context(), everything, d, nil)
	run.Finding(alert("/tmp/evil"))
	totals := run.End()
	want := []string{"scan after /tmp/evil", "quarantine /tmp/evil", "command for /tmp/evil"}
	if diff := cmp.Diff(want, d.did); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[Action]int{Quarantine: 1, ScanCritical: 1, Command: 1}, totals.Taken); diff != "" {
		t.Error(diff)
	}
	if entry := (*results)[1].Entry; entry != "id of /tmp/evil" {
		t.Errorf("entry %q", entry)
	}
	if outcome := (*results)[2].Outcome; outcome == nil || outcome.Exit != 3 {
		t.Errorf("outcome %+v", outcome)
	}
}

// A bad rule hits everything.
func TestRunKeepsWithinItsLimits(t *testing.T) {
	const findings = 10_000
	d := &doer{}
	run, results := begin(t, t.Context(), everything, d, nil)
	for i := range findings {
		run.Finding(alert(fmt.Sprint("/srv/", i)))
	}
	totals := run.End()
	want := Totals{
		Taken:  map[Action]int{Quarantine: DefaultQuarantineLimit, ScanCritical: 1, Command: DefaultCommandLimit},
		Failed: map[Action]int{},
		NotTaken: map[Action]map[Why]int{
			Quarantine:   {OverLimit: findings - DefaultQuarantineLimit},
			ScanCritical: {Once: findings - 1},
			Command:      {OverLimit: findings - DefaultCommandLimit},
		},
	}
	if diff := cmp.Diff(want, totals); diff != "" {
		t.Error(diff)
	}
	first := map[Action]int{}
	for _, r := range *results {
		if r.First {
			first[r.Action]++
		}
	}
	if diff := cmp.Diff(map[Action]int{Quarantine: 1, Command: 1}, first); diff != "" {
		t.Errorf("results for an event (-want +got):\n%s", diff)
	}
}

// A dry run calls nobody, and says the limits as a true one would.
func TestDryRunDoesNothing(t *testing.T) {
	d := &doer{}
	p := everything
	p.DryRun, p.QuarantineLimit = true, 2
	run, _ := begin(t, t.Context(), p, d, nil)
	for i := range 5 {
		run.Finding(alert(fmt.Sprint("/srv/", i)))
	}
	totals := run.End()
	want := map[Action]map[Why]int{
		Quarantine: {DryRun: 2, OverLimit: 3}, ScanCritical: {DryRun: 1, Once: 4}, Command: {DryRun: 5},
	}
	if diff := cmp.Diff(want, totals.NotTaken); diff != "" {
		t.Error(diff)
	}
	if len(d.did) > 0 {
		t.Errorf("it did %q", d.did)
	}
}

// What could not be moved does not count, and the command hears of it all the same.
func TestFailedQuarantine(t *testing.T) {
	busy := errors.New("busy")
	d := &doer{fail: func(path string) error {
		if path == "/busy" {
			return busy
		}
		return nil
	}}
	p := everything
	p.QuarantineLimit = 1
	budget := NewBudget(1, 0, nil)
	failed := make(chan struct{})
	run, results := begin(t, t.Context(), p, d, func(o *Options) {
		o.Budget = budget
		tell := o.Result
		o.Result = func(r Result) {
			tell(r)
			if r.Err != nil {
				close(failed)
			}
		}
	})
	run.Finding(alert("/busy"))
	<-failed
	run.Finding(alert("/tmp/evil"))
	totals := run.End()
	if diff := cmp.Diff(map[Action]int{Quarantine: 1}, totals.Failed); diff != "" {
		t.Error(diff)
	}
	if !slices.Contains(d.did, "quarantine /tmp/evil") || !slices.Contains(d.did, "command for /busy") {
		t.Errorf("it did %q", d.did)
	}
	if !slices.ContainsFunc(*results, func(r Result) bool { return errors.Is(r.Err, busy) }) {
		t.Error("nobody was told")
	}
}

func TestBudgetOfAllRuns(t *testing.T) {
	d := &doer{}
	budget := NewBudget(3, 0, nil)
	for range 2 {
		run, _ := begin(t, t.Context(), Policy{Quarantine: true}, d, func(o *Options) { o.Budget = budget })
		for i := range 2 {
			run.Finding(alert(fmt.Sprint("/srv/", i)))
		}
		run.End()
	}
	if len(d.did) != 3 {
		t.Errorf("it did %q", d.did)
	}
}

func TestEndOfTheContextEndsTheRun(t *testing.T) {
	d := &doer{hold: make(chan struct{})}
	ctx, cancel := context.WithCancelCause(t.Context())
	run, _ := begin(t, ctx, Policy{Command: []string{tellProgram}}, d, nil)
	const findings = 20
	for i := range findings {
		run.Finding(alert(fmt.Sprint("/srv/", i)))
	}
	cancel(errors.New("enough"))
	totals := run.End()
	if n := totals.Failed[Command] + totals.NotTaken[Command][Stopped]; n != findings || len(d.did) > 0 {
		t.Errorf("%+v; it did %q", totals, d.did)
	}
}

func TestNobodyIsThereToDoIt(t *testing.T) {
	run, _ := begin(t, t.Context(), everything, nil, func(o *Options) { o.Quarantiner, o.Critical, o.Commander = nil, nil, nil })
	run.Finding(alert("/tmp/evil"))
	want := map[Action]map[Why]int{Quarantine: {Unable: 1}, ScanCritical: {Unable: 1}, Command: {Unable: 1}}
	if diff := cmp.Diff(want, run.End().NotTaken); diff != "" {
		t.Error(diff)
	}
}

func TestBeginRefusesABadPolicy(t *testing.T) {
	if _, err := Begin(t.Context(), Options{Policy: Policy{Level: -1}}); err == nil {
		t.Error("no error")
	}
}
