package worker

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
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
	pause := 20 * time.Millisecond
	if raceEnabled {
		pause *= 10 // since all takes so much longer
	}

	stop := make(chan struct{})
	kills := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				kills <- n
				return
			case <-time.After(rand.N(pause)):
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

// Descriptors that a hostile worker sends do not pile up in the broker.
func TestDescriptorsFromAWorkerAreDropped(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	before := descriptors(t)
	broker := osProcess{socket: pair[0]}
	for range 10 {
		if err := unix.Sendmsg(pair[1], []byte("x"), unix.UnixRights(0, 1, 2), nil, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := broker.read(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
	}
	if n := descriptors(t); n > before {
		t.Errorf("%d open descriptors, %d before", n, before)
	}
}

// descriptors counts the open descriptors of this process.
func descriptors(t *testing.T) int {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestNoLeaks(t *testing.T) {
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
	files, goroutines := descriptors(t), runtime.NumGoroutine()
	use()
	eventually(t, "as many goroutines as before", func() bool { return runtime.NumGoroutine() <= goroutines })
	if n := descriptors(t); n > files {
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

// TestContinuedWorkerIsStoppedAgain has somebody else continue a suspended worker in the middle of a job.
func TestContinuedWorkerIsStoppedAgain(t *testing.T) {
	p := startPool(t, testConfig(t))
	done := submit(t, p, &Job{Request: []byte("spin 2s")})
	pid := p.Processes()[0]
	eventually(t, "at work", func() bool { return processState(t, pid) == "R" })
	p.Suspend()
	for range 2 {
		eventually(t, "stopped", func() bool { return processState(t, pid) == "T" })
		if err := unix.Kill(pid, unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "stopped again", func() bool { return processState(t, pid) == "T" })
	p.Resume()
	if got := <-done; got.Err != "" {
		t.Error(got.Err)
	}
}

// TestSuspendedFromTheBeginning suspends workers that have not even been set up.
func TestSuspendedFromTheBeginning(t *testing.T) {
	p, err := Launch(t.Context(), testConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	p.Suspend()
	done := submit(t, p, &Job{Request: []byte("echo")})
	time.Sleep(50 * time.Millisecond)
	for _, pid := range p.Processes() {
		eventually(t, "stopped", func() bool { return processState(t, pid) == "T" })
	}
	select {
	case <-p.started:
		t.Error("a worker is ready although all are suspended")
	default:
	}
	p.Resume()
	if err := p.Ready(); err != nil {
		t.Error(err)
	}
	if got := <-done; got.Err != "" {
		t.Error(got.Err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
