package jail

import (
	"context"
	"fmt"
	"io"
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
)

// stubborn never ends by itself, and leaves its first process behind.
const stubborn = `int main(void) { for (int i = 1; i < 65; i++) signal(i, SIG_IGN); for (int i = 0; i < 3; i++) if (!fork()) { setsid(); break; } for (;;); }`

// started runs a stubborn sample and returns when it is seen in the table of processes.
func started(t *testing.T, ctx context.Context, e *Engine) (name string, ended <-chan error) {
	t.Helper()
	name = fmt.Sprintf("stubborn%d", rand.Uint32())
	s := sample(t, name, compile(t, trying+stubborn))
	done := make(chan error, 1)
	go func() {
		_, err := e.Examine(ctx, s)
		done <- err
	}()
	waitFor(t, "the sample to run", func() bool { return len(samplesNamed(name)) >= 3 })
	return name, done
}

// samplesNamed leaves out bubblewrap, on whose command line the name stands too.
func samplesNamed(name string) []int {
	return slices.DeleteFunc(processesNamed(name), func(pid int) bool {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return !strings.HasPrefix(string(line), home)
	})
}

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// descendants returns the processes that come of one, itself not included.
func descendants(pid int) (list []int) {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	// Children belong to the thread that forked them.
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		more, _ := os.ReadFile(task)
		children = append(append(children, ' '), more...)
	}
	for _, c := range strings.Fields(string(children)) {
		child, _ := strconv.Atoi(c)
		if !slices.Contains(list, child) {
			list = append(append(list, child), descendants(child)...)
		}
	}
	return list
}

// tracers returns this process's tracers.
func tracers() (list []int) {
	for _, pid := range descendants(os.Getpid()) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.Contains(string(line), tracerWord) {
			list = append(list, pid)
		}
	}
	return list
}

// Whoever dies, nothing of the sample lives on.
func TestTracerIsKilled(t *testing.T) {
	e := newEngine(t, Options{Time: time.Minute})
	name, ended := started(t, t.Context(), e)
	for _, pid := range tracers() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "tracer") {
		t.Errorf("Examine returned %v, want an error about the tracer", err)
	}
	nothingLeft(t, name)
}

func TestBubblewrapIsKilled(t *testing.T) {
	e := newEngine(t, Options{Time: time.Minute})
	name, ended := started(t, t.Context(), e)
	// The outer one: with it the inner one must go.
	outer := descendants(tracers()[0])[0]
	if err := syscall.Kill(outer, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Examine returned %v", err)
	}
	nothingLeft(t, name)
}

func TestExaminationIsCancelled(t *testing.T) {
	e := newEngine(t, Options{Time: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	name, ended := started(t, ctx, e)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Examine returned %v, not what it had seen", err)
	}
	nothingLeft(t, name)
}

// serverWord makes the test's own program a server that examines one sample.
const serverWord = "jail-server"

// serveOne is that server.
func serveOne(path, name string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	e, err := New(context.Background(), Options{Tracer: []string{exe, tracerWord}, Time: time.Minute})
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = e.run(context.Background(), f, e.order(name, "", byKernel))
	return err
}

func TestServerIsKilled(t *testing.T) {
	newEngine(t, Options{}) // or skip
	name := fmt.Sprintf("stubborn%d", rand.Uint32())
	s := sample(t, name, compile(t, trying+stubborn))
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(exe, serverWord, s.Path, name)
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the sample to run", func() bool { return len(samplesNamed(name)) >= 3 })
	family := descendants(server.Process.Pid)
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	server.Wait()
	waitFor(t, "everything to end", func() bool {
		return len(samplesNamed(name)) == 0 && !slices.ContainsFunc(family, func(pid int) bool { return len(statFields(pid)) > 0 })
	})
	// The next engine sweeps its cgroups.
	newEngine(t, Options{})
	for _, pattern := range []string{cgroupRoot, cgroupRoot + "/memory", cgroupRoot + "/pids"} {
		if dirs, _ := filepath.Glob(fmt.Sprintf("%s/%s%d-*", pattern, groupPrefix, server.Process.Pid)); len(dirs) > 0 {
			t.Errorf("cgroups are left: %v", dirs)
		}
	}
}

// While it runs, a sample is nobody outside, can gain no rights, and is watched.
func TestSampleIsNobody(t *testing.T) {
	e := newEngine(t, Options{Time: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	name, ended := started(t, ctx, e)
	for _, pid := range samplesNamed(name) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			t.Fatal(err)
		}
		uid := strconv.Itoa(os.Getuid())
		if os.Getuid() == 0 {
			uid = strconv.Itoa(nobody)
		}
		for _, want := range []string{
			"Uid:\t" + uid + "\t" + uid + "\t" + uid + "\t" + uid + "\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n",
			"CapPrm:\t0000000000000000\n", "CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n", "CapAmb:\t0000000000000000\n",
		} {
			if !strings.Contains(string(status), want) {
				t.Errorf("%q is not in the status of process %d:\n%s", want, pid, status)
			}
		}
		for _, ns := range []string{"user", "pid", "net", "mnt", "ipc", "uts", "cgroup"} {
			inside, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, ns))
			outside, _ := os.Readlink("/proc/self/ns/" + ns)
			if inside == outside || inside == "" {
				t.Errorf("process %d shares the namespace %s", pid, inside)
			}
		}
	}
	cancel()
	<-ended
	nothingLeft(t, name)
}

// As an ordinary user the jail holds as well; without cgroups the watchman counts the memory.
func TestUnprivileged(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become somebody else, and the other tests have run as an ordinary user")
	}
	if testing.Short() {
		t.Skip("runs the other tests once more")
	}
	newEngine(t, Options{})
	dir, err := os.MkdirTemp("/tmp", "tyto-jail-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	exe, err := os.OpenFile(filepath.Join(dir, "jail.test"), os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(exe, self); err != nil {
		t.Fatal(err)
	}
	if err := exe.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe.Name(), "-test.v", "-test.run=Hostile|Greedy|Dropper|Nobody|TracerIsKilled")
	cmd.Dir = "/tmp"
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/tmp", "CI=" + os.Getenv("CI")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody - 1, Gid: nobody - 1}}
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, said)
	}
	if !strings.Contains(string(said), "--- PASS: TestHostileSamples") && !strings.Contains(string(said), "SKIP: TestHostileSamples") {
		t.Errorf("the tests did not run:\n%s", said)
	}
	if strings.Contains(string(said), "SKIP: TestHostileSamples") {
		t.Skipf("no jail for ordinary users here:\n%s", said)
	}
	t.Logf("%s", said)
}
