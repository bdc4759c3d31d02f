package worker

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"tyto/scanner/worker/internal/hog"
)

// workerVariable, in the environment, makes the test binary a worker.
const workerVariable = "TYTO_TEST_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(workerVariable) == "" {
		os.Exit(m.Run())
	}
	if err := Serve(&testHandler{}); err != nil {
		fmt.Fprintln(os.Stderr, "fatal error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// testHandler does what its requests say: a verb and an argument.
type testHandler struct {
	setup   string
	files   []*os.File
	handled int
}

func (h *testHandler) Setup(setup []byte, files []*os.File) error {
	h.setup, h.files = string(setup), files
	verb, arg, _ := strings.Cut(h.setup, " ")
	switch verb {
	case "refuse":
		return errors.New(arg)
	case "die":
		os.Exit(3)
	case "hang":
		time.Sleep(time.Hour)
	}
	return nil
}

func (h *testHandler) Handle(request []byte, f *os.File, respond func([]byte) error) error {
	verb, arg, _ := strings.Cut(string(request), " ")
	number, _ := strconv.Atoi(arg)
	defer func() { h.handled++ }()
	switch verb {
	case "echo":
		return respond([]byte(arg))
	case "fixed":
		return respond(make([]byte, 300))
	case "setup":
		return respond([]byte(h.setup))
	case "setup-file":
		return copyTo(respond, h.files[number])
	case "read":
		return copyTo(respond, f)
	case "sum":
		hash := sha256.New()
		if _, err := io.Copy(hash, io.NewSectionReader(f, 0, 1<<40)); err != nil {
			return err
		}
		return respond(fmt.Appendf(nil, "%x", hash.Sum(nil)))
	case "count":
		for i := range number {
			if err := respond([]byte(strconv.Itoa(i))); err != nil {
				return err
			}
		}
		return nil
	case "bytes":
		return respond(make([]byte, number))
	case "error":
		return errors.New(arg)
	case "sleep":
		d, err := time.ParseDuration(arg)
		time.Sleep(d)
		return err
	case "spin":
		d, err := time.ParseDuration(arg)
		for start := time.Now(); time.Since(start) < d; {
		}
		return err
	case "die": // after some responses
		for i := range number {
			if err := respond(fmt.Appendf(make([]byte, 0, maxOutput), "%d", i)); err != nil {
				return err
			}
		}
		os.Exit(3)
	case "die-unless-fresh": // after a response that is sent at once
		if err := respond(make([]byte, maxOutput)); err != nil {
			return err
		}
		if h.handled > 0 {
			os.Exit(3)
		}
		return nil
	case "exit":
		os.Exit(number)
	case "panic":
		panic(arg)
	case "segv":
		nowhere := uintptr(8)
		**(**byte)(unsafe.Pointer(&nowhere)) = 1
	case "hog-go":
		hog.Go()
	case "hog-c":
		hog.C()
	}
	return h.handleOS(verb, arg)
}

func copyTo(respond func([]byte) error, f *os.File) error {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, MaxFrame))
	if err != nil {
		return err
	}
	return respond(b)
}

// testConfig returns a configuration whose workers are this test binary.
func testConfig(t testing.TB) Config {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Config{Workers: 1, Command: []string{self}, Env: append(testEnvironment(), workerVariable+"=1")}
}

// startPool starts a pool that is closed at the end of the test.
func startPool(t testing.TB, config Config) *Pool {
	t.Helper()
	p, err := Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	t.Cleanup(func() {
		go func() { p.Close(); close(closed) }()
		select {
		case <-closed:
		case <-time.After(time.Minute):
			t.Error("Close hangs")
		}
	})
	return p
}

// answer is what became of a job.
type answer struct {
	Responses []string
	Restarts  int
	Err       string
}

// submit submits a job that records its answer, which is sent on the channel when it is done.
func submit(t testing.TB, e Examiner, job *Job) <-chan answer {
	t.Helper()
	var a answer
	done := make(chan answer, 1)
	job.Response = func(b []byte) { a.Responses = append(a.Responses, string(b)) }
	if job.Restart == nil {
		job.Restart = func() { a.Responses, a.Restarts = nil, a.Restarts+1 }
	}
	job.Done = func(err error) {
		if err != nil {
			a.Err = err.Error()
		}
		done <- a
	}
	if err := e.Submit(t.Context(), job); err != nil {
		t.Fatalf("submit %q: %v", job.Request, err)
	}
	return done
}

// ask submits a job and returns its answer.
func ask(t testing.TB, e Examiner, request string) answer {
	t.Helper()
	return <-submit(t, e, &Job{Request: []byte(request)})
}

// tempFile returns an open file with this content.
func tempFile(t testing.TB, content string) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "object")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	return f
}
