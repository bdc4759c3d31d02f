package worker

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// Nothing that the broker's parent left open reaches a worker.
func TestWorkerHasOnlyItsOwnFiles(t *testing.T) {
	f := tempFile(t, "secret")
	inherited, err := unix.Dup(int(f.Fd())) // without close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(inherited)
	p := startPool(t, testConfig(t))
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Processes()[0]))
	if err != nil {
		t.Skipf("cannot look: %v", err)
	}
	for _, fd := range fds {
		target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", p.Processes()[0], fd.Name()))
		if strings.HasPrefix(target, "/") && target != "/dev/null" {
			t.Errorf("descriptor %s is %s", fd.Name(), target)
		}
	}
}

func TestLowPriority(t *testing.T) {
	config := testConfig(t)
	config.LowPriority = true
	p := startPool(t, config)
	pid := p.Processes()[0]
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		tid, _ := strconv.Atoi(thread.Name())
		nice, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
		if err != nil || 20-nice != 19 {
			t.Errorf("thread %d has nice %d, %v", tid, 20-nice, err)
		}
		const schedIdle = 5
		policy, _, errno := unix.Syscall(unix.SYS_SCHED_GETSCHEDULER, uintptr(tid), 0, 0)
		if errno != 0 || policy != schedIdle {
			t.Errorf("thread %d has scheduling policy %d, %v", tid, policy, errno)
		}
		const whoProcess, classIdle = 1, 3
		priority, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, whoProcess, uintptr(tid), 0)
		if errno != 0 || priority>>13 != classIdle {
			t.Errorf("thread %d has I/O priority %#x, %v", tid, priority, errno)
		}
	}
}

// Every thread of a worker is confined, not only the one that asked for it.
func TestEveryThreadIsConfined(t *testing.T) {
	p := startPool(t, testConfig(t))
	statuses, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.Processes()[0]))
	if err != nil || len(statuses) < 2 {
		t.Fatalf("threads %v, %v", statuses, err)
	}
	want := map[string]string{"NoNewPrivs": "1", "Seccomp": "2", "CapEff": "0000000000000000", "CapPrm": "0000000000000000"}
	if os.Geteuid() == 0 {
		want["Uid"], want["Gid"], want["Groups"] = "65534 65534 65534 65534", "65534 65534 65534 65534", ""
	}
	for _, file := range statuses {
		status, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for line := range strings.Lines(string(status)) {
			key, value, _ := strings.Cut(line, ":")
			if _, ok := want[key]; ok {
				got[key] = strings.Join(strings.Fields(value), " ")
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestConfinement(t *testing.T) {
	p := startPool(t, testConfig(t))
	lines := p.Confinement()
	t.Log("\n" + strings.Join(lines, "\n"))
	want := []string{"no new privileges", "no core dumps", "memory watch", "memory closed to other processes"}
	if os.Geteuid() == 0 {
		want = append(want, "uid and gid 65534, no groups, no capabilities")
	}
	for _, w := range want {
		if !slices.Contains(lines, w) {
			t.Errorf("%q is missing", w)
		}
	}
}

func TestProbe(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	results, err := RunProbe(ctx, testConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(results) < 20 {
		t.Errorf("only %d attempts", len(results))
	}
	for _, r := range results {
		t.Logf("%-45s %v", r.Action, r.Detail)
		metadata := strings.HasPrefix(r.Action, "ask for the size of a file by fstatat")
		if !r.Refused && !(metadata && os.Geteuid() != 0) {
			t.Errorf("%s: not refused: %s", r.Action, r.Detail)
		}
	}
}

// The same attempts succeed, or fail for other reasons, in a process that is not confined: the probe is
// able to fail.
func TestProbeSeesWhatIsAllowed(t *testing.T) {
	targets, cleanUp, err := makeTargets()
	if err != nil {
		t.Fatal(err)
	}
	defer cleanUp()
	for _, a := range attemptsAnywhere(*targets) {
		if err := a.do(); err != nil {
			t.Errorf("%s: %v", a.action, err)
		}
	}
}

// All of this must hold for people who are not root, too.
func TestAsNobody(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("is not root, so all other tests show it")
	}
	dir, err := os.MkdirTemp("", "tyto-nobody-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "worker.test")
	content, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	scratch := filepath.Join(dir, "tmp")
	if err := os.WriteFile(program, content, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(scratch, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(scratch, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	tests := exec.Command(program, "-test.v", "-test.run=^(TestJobs|TestDeaths|TestProbe|TestConfinement|TestEveryThreadIsConfined|TestSuspend.*|TestNoLeaks|TestLowPriority)$")
	tests.Dir = scratch
	tests.Env = []string{"TMPDIR=" + scratch}
	tests.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := tests.CombinedOutput()
	if err != nil {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
	t.Logf("%s", out)
}
