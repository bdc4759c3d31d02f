package intercept

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"
)

// stuck is a Memory that never answers, until it is released.
type stuck struct {
	asked   chan struct{} // closed when somebody has asked
	release chan struct{}
	once    sync.Once
}

func newStuck() *stuck { return &stuck{asked: make(chan struct{}), release: make(chan struct{})} }

func (s *stuck) MaliciousSize(int64) bool {
	s.once.Do(func() { close(s.asked) })
	<-s.release
	return false
}

func (s *stuck) Malicious([32]byte) bool { return false }

// responderVariable has the test's program intercept accesses in the named folder, and get stuck, instead of testing.
const responderVariable = "TYTO_TEST_RESPONDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(responderVariable); dir != "" {
		i, err := Open(Options{
			Open: true, Exec: true, FileSystems: []string{dir}, Memory: newStuck(), Wait: time.Hour,
			Event: func(e Event) { fmt.Println(e.Kind) },
		})
		if err == nil {
			err = i.Run(context.Background())
		}
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// When the process that answers is killed, all who wait go on.
func TestKilledWhileOthersWait(t *testing.T) {
	dir := mountMemory(t)
	if err := os.WriteFile(dir+"/document", []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	responder := exec.Command(os.Args[0])
	responder.Env = append(os.Environ(), responderVariable+"="+dir)
	out, err := responder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := responder.Start(); err != nil {
		t.Fatal(err)
	}
	defer responder.Wait()
	defer responder.Process.Kill()
	said := make([]byte, 100)
	if n, _ := out.Read(said); string(said[:n]) != string(Watching)+"\n" {
		t.Skipf("nobody intercepts: %q", said[:n])
	}
	const openers = 100
	var done sync.WaitGroup
	errs := make(chan error, openers)
	for range openers {
		done.Go(func() { errs <- runFor(t, time.Minute, "cat", dir+"/document") })
	}
	select {
	case err := <-errs:
		t.Errorf("an opener did not wait: %v", err)
	case <-time.After(time.Second):
	}
	if err := responder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	done.Wait()
	for range len(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// Whatever Go does, the time of an access is kept: here nothing is ever decided.
func TestAllowedInTimeThoughStuck(t *testing.T) {
	memory := newStuck()
	g := guard(t, Options{Open: true, Memory: memory, Wait: 100 * time.Millisecond})
	defer close(memory.release)
	path := g.write("document", []byte("x"))
	for range 3 {
		if err := g.run("cat", path); err != nil {
			t.Error(err)
		}
	}
	<-memory.asked
	if s := g.Stats(); s.Late < 3 {
		t.Errorf("%+v", s)
	}
}

// When run ends, nobody has to wait for what is still at work.
func TestReleasedWhenRunEnds(t *testing.T) {
	dir := mountMemory(t)
	if err := os.WriteFile(dir+"/document", []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	memory := newStuck()
	watching := make(chan struct{})
	i, err := Open(Options{Open: true, FileSystems: []string{dir}, Memory: memory, Wait: time.Hour, Event: func(e Event) {
		if e.Kind == Watching {
			close(watching)
		}
	}})
	if err != nil {
		t.Skip(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- i.Run(ctx) }()
	<-watching
	opened := make(chan error, 1)
	go func() { opened <- runFor(t, time.Minute, "cat", dir+"/document") }()
	<-memory.asked
	stop()
	if err := <-opened; err != nil {
		t.Error(err)
	}
	close(memory.release)
	if err := <-ran; err != nil {
		t.Error(err)
	}
	i.Recheck() // does no harm
	if s := i.Stats(); s.Refused != 0 {
		t.Errorf("%+v", s)
	}
}

// With a single thread for Go code, a fork would wait for us and we for it, if it were Go that answers.
func TestStartingProgramsOnOneThread(t *testing.T) {
	g := guard(t, Options{Exec: true, Open: true})
	program, _ := g.program("program")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	opener := make(chan error, 1)
	go func() { // keeps the reader in Go code
		opener <- runFor(t, time.Minute, "sh", "-c", "i=0; while [ $i -lt 2000 ]; do echo $i >$0; read x <$0; i=$((i+1)); done", g.path("document"))
	}()
	for range 100 {
		if err := exec.Command(program).Run(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-opener; err != nil {
		t.Error(err)
	}
	if s := g.Stats(); s.Late != 0 {
		t.Errorf("some had to wait: %+v", s)
	}
}
