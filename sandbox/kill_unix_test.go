//go:build unix

package sandbox

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// serveVariable, in the environment, makes the test binary a sandbox server in that folder.
const serveVariable = "TYTO_TEST_SANDBOX"

func TestMain(m *testing.M) {
	dir := os.Getenv(serveVariable)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := serveForTest(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serveForTest serves until it is killed, and tells its address on standard output. Each look takes a moment, so that
// kills meet it.
func serveForTest(dir string) error {
	box, err := Open(Options{Dir: dir, Engines: []Engine{unhurried{}}, Product: "Tyto test"})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return box.Serve(context.Background(), l, nil)
}

type unhurried struct{}

func (unhurried) Name() string    { return "unhurried" }
func (unhurried) Version() string { return "1" }
func (unhurried) Examine(context.Context, Sample) (*Seen, error) {
	time.Sleep(5 * time.Millisecond)
	return &Seen{}, nil
}

// process is a server in a process of its own.
type process struct {
	cmd *exec.Cmd
	url string
}

func startProcess(t *testing.T, dir string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(self)}
	p.cmd.Env = append(os.Environ(), serveVariable+"="+dir)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server does not start: %v", err)
	}
	p.url = "http://" + strings.TrimSpace(line)
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// No task that a client was told of is lost, whenever the server is killed, and no sample stays behind. One that
// met several kills may end as an error: the server cannot know that it was not the sample's doing.
func TestKilled(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	dir := t.TempDir()
	promised := map[string]bool{}
	for round := range rounds {
		p := startProcess(t, dir)
		killer := time.AfterFunc(time.Duration(10+round*7%60)*time.Millisecond, func() { _ = p.cmd.Process.Kill() })
		for i := 0; ; i++ {
			kind, body := form(t, [3]string{"sample", "x", fmt.Sprint("content ", round, " ", i)})
			response, err := http.Post(p.url+"/sandbox/v1/tasks", kind, body)
			if err != nil {
				break
			}
			id, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil {
				break
			}
			if response.StatusCode == 201 {
				promised[string(id)] = true
			}
		}
		killer.Stop()
		p.kill()
	}
	if len(promised) == 0 {
		t.Fatal("no task was taken before the kills")
	}
	s := start(t, Options{Dir: dir, Engines: []Engine{unhurried{}}, Product: "Tyto test"})
	for id := range promised {
		if got := s.judged(id); got != "200 Not found" && got != "200 Error" {
			t.Errorf("task %s: %s", id, got)
		}
	}
	for _, d := range []string{incomingDir, samplesDir, tasksDir} {
		// The last task may be one whose answer the kill cut off.
		eventually(t, d+" is empty", func() bool { return s.files(d) == nil })
	}
	t.Logf("%d tasks survived %d kills", len(promised), rounds)
}
