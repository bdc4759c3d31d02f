package scanner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tyto/finding"
	"tyto/store"
)

// activity is what the workers have done so far, by their files in /proc: processor time in clock ticks,
// and the system calls that read.
type activity struct {
	ticks string
	reads string
}

// activities looks at all workers.
func activities(t *testing.T) map[int]activity {
	t.Helper()
	all := map[int]activity{}
	for _, pid := range children(t) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		const userTime, systemTime = 11, 12 // behind the state, see proc_pid_stat(5)
		fields := strings.Fields(rest)
		// Who is not root may not see what a confined process reads.
		io, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
		all[pid] = activity{ticks: fields[userTime] + "+" + fields[systemTime], reads: string(io)}
	}
	return all
}

// standStill waits until all workers are stopped.
func standStill(t *testing.T) {
	t.Helper()
	for _, pid := range children(t) {
		for n := 0; processState(t, pid) != "T"; n++ {
			if n == 1000 {
				t.Fatalf("worker %d does not stop", pid)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// TestNothingHappensDuringAPause pauses scans in the middle of a large file, of many small ones, and of a slow
// rule: no worker uses its processor or reads, and nothing is examined until the scan goes on.
func TestNothingHappensDuringAPause(t *testing.T) {
	const slow = needleRule + ` rule Endless {
		strings: $mark = "take forever"
		condition: $mark at 0 and for all i in (0..1000000) : ( for all j in (0..1000000) : ( i + j != 2000001 ) )
	}`
	for _, test := range []struct {
		name  string
		files map[string]string
		size  int64 // of "large", with a hole for its content
		ends  bool  // whether the scan can come to its end
	}{
		{"a large file", map[string]string{"large": "hay"}, 1 << 30, true},
		{"small files", numbered(3000), 0, true},
		{"a slow rule", map[string]string{"slow": "take forever"}, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := tree(t, test.files)
			if test.size > 0 {
				if err := os.Truncate(filepath.Join(dir, "large"), test.size); err != nil {
					t.Fatal(err)
				}
			}
			opts := testOptions(t, dir, compiled(t, slow))
			opts.MaxSize, opts.ObjectTime = 0, time.Hour
			if !test.ends {
				opts.ObjectTime = 2 * time.Second
			}
			opts.Gate = NewGate(time.Now)
			s := New(opts, &record{})
			ended := make(chan *finding.Summary, 1)
			go func() {
				summary, err := s.Run(t.Context())
				if err != nil {
					t.Error(err)
				}
				ended <- summary
			}()
			for len(children(t)) == 0 {
				time.Sleep(time.Millisecond)
			}
			paused := 0
			for ; paused < 3; paused++ {
				time.Sleep(time.Duration(20+50*paused) * time.Millisecond)
				opts.Gate.Pause("the user is back")
				opts.Gate.Pause("battery")
				standStill(t)
				if len(children(t)) == 0 {
					opts.Gate.Resume("battery")
					opts.Gate.Resume("the user is back")
					break // the scan has ended before
				}
				time.Sleep(20 * time.Millisecond) // what is on its way to the broker arrives
				before, files := activities(t), s.tally.progress().Files
				time.Sleep(200 * time.Millisecond)
				for pid, now := range activities(t) {
					if now != before[pid] {
						t.Errorf("worker %d went on during the pause:\n%s\n%s", pid, before[pid], now)
					}
				}
				if now := s.tally.progress().Files; now != files {
					t.Errorf("%d files were examined during the pause", now-files)
				}
				opts.Gate.Resume("battery")
				if state := processState(t, children(t)[0]); state != "T" {
					t.Errorf("a worker is in state %q although one reason is left", state)
				}
				opts.Gate.Resume("the user is back")
			}
			if paused == 0 {
				t.Error("the scan has ended before it could be paused")
			}
			summary := <-ended
			if complete := !summary.Incomplete(); complete != test.ends || summary.Files+summary.Skips[finding.Timeout].Count != int64(len(test.files)) {
				t.Errorf("complete %v, %d files, skips %v; want %v", complete, summary.Files, summary.Skips, test.ends)
			}
		})
	}
}

func numbered(n int) map[string]string {
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("d%d/f%d", i%30, i)] = strings.Repeat("hay ", 1000)
	}
	return files
}

// TestClosedGateStartsNothing begins a scan behind a closed gate.
func TestClosedGateStartsNothing(t *testing.T) {
	opts := testOptions(t, tree(t, map[string]string{"a": "a needle in the hay"}), compiled(t, needleRule))
	opts.Gate = NewGate(time.Now)
	opts.Gate.Pause("the user has not left yet")
	ended := make(chan *record, 1)
	go func() {
		_, got := runScan(t, t.Context(), opts)
		ended <- got
	}()
	time.Sleep(200 * time.Millisecond)
	if pids := children(t); len(pids) > 0 {
		t.Errorf("processes %v were started", pids)
	}
	opts.Gate.Resume("the user has not left yet")
	if got := <-ended; len(got.findings) != 1 {
		t.Errorf("%d findings, want 1", len(got.findings))
	}
}

// flushes counts how often an inventory is flushed.
type flushes struct {
	*store.Session
	n atomic.Int64
}

func (f *flushes) Flush() error {
	f.n.Add(1)
	return f.Session.Flush()
}

// TestPauseFlushesTheInventory pauses a scan: whoever then switches the computer off loses nothing. The breaks
// that keep the limit on processor time do not count.
func TestPauseFlushesTheInventory(t *testing.T) {
	opts := testOptions(t, tree(t, numbered(2000)), compiled(t, needleRule))
	opts.Gate = NewGate(time.Now)
	r := newRemembering(t, opts)
	session := &flushes{Session: r.state.Session(store.SessionOptions{Profile: "p"})}
	opts.Inventory = session
	var examined atomic.Int64
	opts.Examined = func(*finding.Object) { examined.Add(1) }
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runScan(t, t.Context(), opts)
	}()
	for examined.Load() < 100 {
		time.Sleep(time.Millisecond)
	}
	opts.Gate.Pause(cpuBudget)
	opts.Gate.Resume(cpuBudget)
	opts.Gate.Pause("the user is back")
	for session.n.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	if n := session.n.Load(); n != 1 {
		t.Errorf("flushed %d times, want once", n)
	}
	opts.Gate.Resume("the user is back")
	<-ended
	if err := session.Close(); err != nil {
		t.Error(err)
	}
}
