package worker

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
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

// processState returns the state letter of a process; see proc_pid_stat(5).
func processState(t testing.TB, pid int) string {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[:1]
}

// eventually waits until a condition holds and returns how long it took.
func eventually(t testing.TB, what string, condition func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !condition() {
		if time.Since(start) > 10*time.Second {
			t.Fatalf("after 10 s still not: %s", what)
		}
		time.Sleep(100 * time.Microsecond)
	}
	return time.Since(start)
}

func TestSuspendStopsProcesses(t *testing.T) {
	config := testConfig(t)
	config.Workers = 2
	p := startPool(t, config)
	eventually(t, "two workers live", func() bool { return len(p.Processes()) == 2 })
	one := submit(t, p, &Job{Request: []byte("spin 100ms")})
	two := submit(t, p, &Job{Request: []byte("spin 100ms")})
	for range 10 {
		start := time.Now()
		p.Suspend()
		called := time.Since(start)
		for _, pid := range p.Processes() {
			eventually(t, "stopped", func() bool { return processState(t, pid) == "T" })
		}
		t.Logf("Suspend returned after %v, all workers stopped after %v", called, time.Since(start))
		p.Resume()
		for _, pid := range p.Processes() {
			eventually(t, "running", func() bool { return processState(t, pid) != "T" })
		}
	}
	<-one
	<-two
}

func TestNothingStartsWhileSuspended(t *testing.T) {
	p := startPool(t, testConfig(t))
	p.Suspend()
	for _, pid := range p.Processes() {
		unix.Kill(pid, unix.SIGKILL)
	}
	eventually(t, "the worker is gone", func() bool { return len(p.Processes()) == 0 })
	done := submit(t, p, &Job{Request: []byte("echo")})
	time.Sleep(300 * time.Millisecond)
	if pids := p.Processes(); len(pids) != 0 {
		t.Errorf("processes %v were started", pids)
	}
	p.Resume()
	if got := <-done; got.Err != "" {
		t.Error(got.Err)
	}
}

func TestIdleWorkerIsReplaced(t *testing.T) {
	p := startPool(t, testConfig(t))
	for range 3 {
		ask(t, p, "echo")
		old := p.Processes()
		unix.Kill(old[0], unix.SIGKILL)
		eventually(t, "another worker", func() bool {
			now := p.Processes()
			return len(now) == 1 && now[0] != old[0]
		})
	}
	if got := ask(t, p, "echo still here"); got.Err != "" {
		t.Error(got.Err)
	}
}

// A scan during which somebody kills workers at random gives the same results as an undisturbed one.
func TestRandomKills(t *testing.T) {
	const jobs = 5000
	dir := t.TempDir()
	want := make([]answer, jobs)
	for i := range want {
		content := fmt.Appendf(nil, "object %d", i)
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), content, 0o600); err != nil {
			t.Fatal(err)
		}
		want[i].Responses = []string{fmt.Sprintf("%x", sha256.Sum256(content))}
	}
	config := testConfig(t)
	config.Workers = 2
	p := startPool(t, config)

	stop := make(chan struct{})
	kills := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				kills <- n
				return
			case <-time.After(time.Duration(rand.IntN(20)) * time.Millisecond):
			}
			if pids := p.Processes(); len(pids) > 0 && unix.Kill(pids[rand.IntN(len(pids))], unix.SIGKILL) == nil {
				n++
			}
		}
	}()
	var answers []<-chan answer
	for i := range jobs {
		f, err := os.Open(filepath.Join(dir, strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, submit(t, p, &Job{Request: []byte("sum"), File: f, Size: 10}))
	}
	got := make([]answer, jobs)
	for i, done := range answers {
		got[i] = <-done
		got[i].Restarts = 0
	}
	close(stop)
	t.Logf("%d workers were killed", <-kills)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results (-want +got):\n%.3000s", diff)
	}
}

func TestStandardErrorCannotBlockAWorker(t *testing.T) {
	p := startPool(t, testConfig(t))
	if got := ask(t, p, "stderr"); got.Err != "" {
		t.Error(got.Err)
	}
}

func TestNoLeaks(t *testing.T) {
	descriptors := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	children := func() int {
		out, _ := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", os.Getpid()))
		return len(strings.Fields(string(out)))
	}
	use := func() {
		config := testConfig(t)
		config.Workers = 2
		p, err := Start(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		for _, request := range []string{"echo", "exit 1", "error no"} {
			<-submit(t, p, &Job{Request: []byte(request), File: tempFile(t, "x")})
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	use()
	files, goroutines := descriptors(), goroutineCount()
	use()
	eventually(t, "as many goroutines as before", func() bool { return goroutineCount() <= goroutines })
	if n := descriptors(); n > files {
		t.Errorf("%d open descriptors, %d before", n, files)
	}
	if n := children(); n > 0 {
		t.Errorf("%d children left", n)
	}
}

func TestWorkerDiesWithItsBroker(t *testing.T) {
	if os.Getenv("TYTO_TEST_BROKER") != "" {
		p := startPool(t, testConfig(t))
		fmt.Println("worker", p.Processes()[0])
		submit(t, p, &Job{Request: []byte("spin 1h")})
		p.Suspend() // even then
		time.Sleep(time.Hour)
	}
	broker := exec.Command(os.Args[0], "-test.run=^TestWorkerDiesWithItsBroker$")
	broker.Env = append(os.Environ(), "TYTO_TEST_BROKER=1")
	out, err := broker.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := broker.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscanf(out, "worker %d\n", &pid); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the worker has stopped", func() bool { return processState(t, pid) == "T" })
	broker.Process.Kill()
	broker.Wait()
	eventually(t, "the worker is gone", func() bool {
		state := processState(t, pid)
		return state == "" || state == "Z"
	})
}

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
