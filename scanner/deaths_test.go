package scanner

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
	"tyto/scanner/examine"
	"tyto/scanner/worker"
)

// workerArgument makes this test binary a worker.
const workerArgument = "serve-as-a-worker"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == workerArgument {
		if err := worker.Serve(fragile{examine.New()}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// crashMark makes a worker die as it would of a fault in a parser. libyara has no such fault
// that is known, so the test has to bring one.
const crashMark = "make the worker crash"

// fragile is the real examiner with a fault.
type fragile struct{ *examine.Examiner }

func (x fragile) Handle(request []byte, f *os.File, respond func([]byte) error) error {
	head := make([]byte, len(crashMark))
	if _, err := f.ReadAt(head, 0); err == nil || err == io.EOF {
		if string(head) == crashMark {
			var nowhere *int
			*nowhere = 1
		}
	}
	return x.Examiner.Handle(request, f, respond)
}

// Rules that do to libyara what an attacker would: one that takes years, and one whose matches need
// more memory than there is. Both look at marked files only.
const deadlyRules = needleRule + `
rule Endless {
	strings: $mark = "take forever"
	condition:
		$mark at 0 and
		for all i in (0..1000000) : ( for all j in (0..1000000) : ( i + j != 2000001 ) )
}
rule Greedy {
	strings:
		$mark = "eat the memory"
		$m0 = { 00 00 00 }
		$m1 = { 00 00 00 00 }
		$m2 = { 00 00 00 00 00 }
		$m3 = { 00 00 00 00 00 00 }
		$m4 = { 00 00 00 00 00 00 00 }
		$m5 = { 00 00 00 00 00 00 00 00 }
	condition: $mark at 0 and for all of ($m*) : ( # > 1 )
}`

// TestDeadlyObjectsCostThemselvesOnly scans objects that crash a worker, hang it, and eat its memory,
// between others: each of the bad ones is a skip with its reason, all others are examined.
func TestDeadlyObjectsCostThemselvesOnly(t *testing.T) {
	files := map[string]string{
		"crash": crashMark,
		"hang":  "take forever",
		"eat":   "eat the memory" + strings.Repeat("\x00", 900_000),
	}
	for i := range 200 {
		files[fmt.Sprintf("good%d", i)] = fmt.Sprintf("%d: a needle in the hay", i)
	}
	dir := tree(t, files)
	opts := testOptions(t, dir, compiled(t, deadlyRules))
	opts.ObjectTime = 2 * time.Second
	opts.WorkerMemory = 256 << 20
	summary, got := runScan(t, t.Context(), opts)
	want := map[string]finding.Reason{
		filepath.Join(dir, "crash"): finding.Crashed,
		filepath.Join(dir, "hang"):  finding.Timeout,
		filepath.Join(dir, "eat"):   finding.OutOfMemory,
	}
	if diff := cmp.Diff(want, got.reasons()); diff != "" {
		t.Error(diff)
	}
	if len(got.findings) != 200 || summary.Files != 200 {
		t.Errorf("%d findings in %d files, want 200 in 200", len(got.findings), summary.Files)
	}
}

// TestWorkersKilledAtRandom kills workers all the while: nothing is lost and nothing is found twice.
func TestWorkersKilledAtRandom(t *testing.T) {
	if len(children(t)) > 0 {
		t.Fatal("there are child processes already")
	}
	files := map[string]string{}
	for i := range 3000 {
		content := strings.Repeat("hay ", i%500)
		if i%7 == 0 {
			content += "a needle in the hay"
		}
		files[fmt.Sprintf("d%d/f%d", i%30, i)] = content
	}
	opts := testOptions(t, tree(t, files), compiled(t, needleRule))
	_, undisturbed := runScan(t, t.Context(), opts)

	stop, stopped := make(chan struct{}), make(chan struct{})
	kills := 0
	go func() {
		defer close(stopped)
		rng := rand.New(rand.NewPCG(3, 4))
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(20+rng.IntN(40)) * time.Millisecond):
			}
			if pids := children(t); len(pids) > 0 {
				if p, err := os.FindProcess(pids[rng.IntN(len(pids))]); err == nil && p.Kill() == nil {
					kills++
				}
			}
		}
	}()
	summary, got := runScan(t, t.Context(), opts)
	close(stop)
	<-stopped
	if kills == 0 {
		t.Fatal("no worker was killed")
	}
	if diff := cmp.Diff(undisturbed.rulesByPath(), got.rulesByPath()); diff != "" {
		t.Errorf("after %d kills: %s", kills, diff)
	}
	if len(got.findings) != len(undisturbed.findings) || summary.Files != 3000 || summary.Incomplete() {
		t.Errorf("after %d kills: %d findings, want %d; %d files, want 3000; skips %v",
			kills, len(got.findings), len(undisturbed.findings), summary.Files, got.reasons())
	}
	t.Logf("%d workers were killed", kills)
}

// children returns the process ids of this process's children.
func children(t *testing.T) (pids []int) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || tasks == nil {
		t.Skip("needs /proc with the children of a process")
	}
	for _, task := range tasks {
		list, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		for _, field := range strings.Fields(string(list)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// processState returns the letter of a process's state, see proc_pid_stat(5).
func processState(t *testing.T, pid int) string {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[:1]
}
