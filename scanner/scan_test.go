package scanner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
	"tyto/rules"
	"tyto/scanner/walk"
)

// A record is a sink that keeps everything.
type record struct {
	findings []*finding.Finding
	skips    []finding.Skip
}

func (r *record) Finding(f *finding.Finding) { r.findings = append(r.findings, f) }
func (r *record) Skip(s finding.Skip)        { r.skips = append(r.skips, s) }

// rulesByPath returns the names of the rules and indicators that matched, by path.
func (r *record) rulesByPath() map[string][]string {
	found := map[string][]string{}
	for _, f := range r.findings {
		for _, m := range f.Matches {
			found[f.Object.Path] = append(found[f.Object.Path], m.Name)
		}
		slices.Sort(found[f.Object.Path])
	}
	return found
}

// reasons returns the reasons of all skips that matter, by path.
func (r *record) reasons() map[string]finding.Reason {
	reasons := map[string]finding.Reason{}
	for _, s := range r.skips {
		if s.Reason.Matters() {
			reasons[s.Path] = s.Reason
		}
	}
	return reasons
}

// compiled returns rules from text.
func compiled(t testing.TB, text string) *rules.Set {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.yar")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := rules.Load([]string{path}, rules.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Problems) > 0 {
		t.Fatal(set.Problems)
	}
	t.Cleanup(func() { set.Close() })
	return set
}

// testOptions returns options for a scan of dir by workers that are this test binary.
func testOptions(t testing.TB, dir string, set *rules.Set) Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Walk:          walk.Options{Roots: []string{dir}},
		Rules:         set,
		MaxSize:       100 << 20,
		ObjectTime:    time.Minute,
		Examine:       DefaultLimits(),
		WorkerMemory:  768 << 20,
		Workers:       2,
		WorkerCommand: []string{self, workerArgument},
		Thresholds:    finding.DefaultThresholds,
		Fast:          true,
	}
}

func runScan(t testing.TB, ctx context.Context, opts Options) (*finding.Summary, *record) {
	t.Helper()
	sink := &record{}
	summary, err := New(opts, sink).Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return summary, sink
}

// tree writes files below a new folder and returns it. Names end in a slash for folders.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const needleRule = `rule Needle { strings: $a = "a needle in the hay" condition: $a }`

func TestScan(t *testing.T) {
	dir := tree(t, map[string]string{
		"clean.txt":     "nothing",
		"sub/dirty.txt": "there is a needle in the hay",
		"empty":         "",
	})
	set := compiled(t, needleRule)
	examined := map[string]bool{}
	var mu sync.Mutex
	opts := testOptions(t, dir, set)
	opts.Examined = func(o *finding.Object) {
		mu.Lock()
		defer mu.Unlock()
		examined[o.Path] = true
	}
	summary, got := runScan(t, t.Context(), opts)
	want := map[string][]string{filepath.Join(dir, "sub", "dirty.txt"): {"Needle"}}
	if diff := cmp.Diff(want, got.rulesByPath()); diff != "" {
		t.Error(diff)
	}
	if summary.Files != 3 || summary.Objects != 3 || summary.Incomplete() || len(examined) != 3 {
		t.Errorf("%d files, %d objects, incomplete %v, %d told as examined; want 3, 3, false, 3",
			summary.Files, summary.Objects, summary.Incomplete(), len(examined))
	}
	if len(summary.Confinement) == 0 {
		t.Error("the summary does not say how the workers were confined")
	}

	opts.InProcess = true
	_, oracle := runScan(t, t.Context(), opts)
	if diff := cmp.Diff(oracle.rulesByPath(), got.rulesByPath()); diff != "" {
		t.Errorf("workers and one process differ: %s", diff)
	}
}

func TestTooLargeIsSkippedButItsNameIsNot(t *testing.T) {
	dir := tree(t, map[string]string{"large": strings.Repeat("x", 2000) + "a needle in the hay", "small": "a needle in the hay"})
	opts := testOptions(t, dir, compiled(t, needleRule))
	opts.MaxSize = 1000
	summary, got := runScan(t, t.Context(), opts)
	if diff := cmp.Diff(map[string]finding.Reason{filepath.Join(dir, "large"): finding.TooLarge}, got.reasons()); diff != "" {
		t.Error(diff)
	}
	if len(got.findings) != 1 || !summary.Incomplete() {
		t.Errorf("%d findings, incomplete %v; want 1, true", len(got.findings), summary.Incomplete())
	}
	opts.MaxSize = 0
	opts.Examine.Whole = 1000
	summary, got = runScan(t, t.Context(), opts)
	if len(got.findings) != 2 || summary.Incomplete() {
		t.Errorf("without a limit: %d findings, incomplete %v; want 2, false", len(got.findings), summary.Incomplete())
	}
}

// TestCancelledScanTellsWhatWasDone ends a scan in its middle: it returns soon, says that it was
// stopped, and everything it took up is either examined or skipped.
func TestCancelledScanTellsWhatWasDone(t *testing.T) {
	files := map[string]string{}
	for i := range 2000 {
		files[fmt.Sprintf("d%d/f%d", i%20, i)] = strings.Repeat("hay ", 5000)
	}
	opts := testOptions(t, tree(t, files), compiled(t, needleRule))
	ctx, cancel := context.WithCancelCause(t.Context())
	var once sync.Once
	opts.Examined = func(*finding.Object) { once.Do(func() { cancel(ErrTimeUp) }) }
	summary, _ := runScan(t, ctx, opts)
	if summary.Stopped != ErrTimeUp.Error() {
		t.Errorf("stopped: %q, want %q", summary.Stopped, ErrTimeUp)
	}
	if summary.Files == 0 || summary.Files == 2000 {
		t.Errorf("%d files examined, want some, not all", summary.Files)
	}
}

func TestPausedScanStandsStillAndGoesOn(t *testing.T) {
	files := map[string]string{}
	for i := range 300 {
		files[fmt.Sprintf("f%d", i)] = strings.Repeat("hay ", 1000)
	}
	opts := testOptions(t, tree(t, files), compiled(t, needleRule))
	sink := &record{}
	s := New(opts, sink)
	first := make(chan struct{})
	var once sync.Once
	s.opts.Examined = func(*finding.Object) { once.Do(func() { close(first) }) }
	go func() {
		<-first
		s.Gate().Pause("the user is back")
		if runtime.GOOS == "linux" {
			// The signals have been sent when Pause returns; a process that is running on another
			// processor stops when that one takes notice.
			for _, pid := range children(t) {
				state := processState(t, pid)
				for range 100 {
					if state == "T" {
						break
					}
					time.Sleep(10 * time.Millisecond)
					state = processState(t, pid)
				}
				if state != "T" {
					t.Errorf("worker %d is in state %q while paused, want T (stopped)", pid, state)
				}
			}
		}
		before := s.tally.progress().Files
		time.Sleep(50 * time.Millisecond)
		if after := s.tally.progress().Files; after > before+int64(opts.Workers) {
			t.Errorf("%d files were examined during the pause", after-before)
		}
		s.Gate().Resume("the user is back")
	}()
	summary, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if summary.Files != 300 || summary.Incomplete() {
		t.Errorf("%d files, incomplete %v; want 300, false", summary.Files, summary.Incomplete())
	}
}
