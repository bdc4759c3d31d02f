package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
)

func TestJobs(t *testing.T) {
	config := testConfig(t)
	config.Setup = []byte("the set-up")
	p := startPool(t, config)
	for _, e := range []struct {
		name string
		Examiner
	}{
		{"pool", p},
		{"in process", inThisProcess(t, "the set-up")},
	} {
		t.Run(e.name, func(t *testing.T) {
			tests := []struct {
				name, request, file string
				want                answer
			}{
				{"echo", "echo owl", "", answer{Responses: []string{"owl"}}},
				{"empty response", "echo ", "", answer{Responses: []string{""}}},
				{"set up once", "setup", "", answer{Responses: []string{"the set-up"}}},
				{"file", "read", "content", answer{Responses: []string{"content"}}},
				{"several responses", "count 3", "", answer{Responses: []string{"0", "1", "2"}}},
				{"no response", "count 0", "", answer{}},
				{"error", "error bad luck", "", answer{Err: "scan-error: bad luck"}},
				{"hostile error", "error a\nb\x1b[31m\xff", "", answer{Err: "scan-error: a b [31m\ufffd"}},
				{"largest response", fmt.Sprintf("bytes %d", MaxFrame), "", answer{Responses: []string{string(make([]byte, MaxFrame))}}},
				{"too large a response", fmt.Sprintf("bytes %d", MaxFrame+1), "",
					answer{Err: fmt.Sprintf("scan-error: response of %d bytes: the limit is %d", MaxFrame+1, MaxFrame)}},
			}
			for _, test := range tests {
				t.Run(test.name, func(t *testing.T) {
					job := &Job{Request: []byte(test.request)}
					if test.file != "" {
						job.File = tempFile(t, test.file)
					}
					got := <-submit(t, e, job)
					if diff := cmp.Diff(test.want, got); diff != "" {
						t.Errorf("answer (-want +got):\n%.2000s", diff)
					}
					if job.File != nil && job.File.Close() == nil {
						t.Error("the file has been left open")
					}
				})
			}
		})
	}
}

func inThisProcess(t *testing.T, setup string) Examiner {
	e, err := InProcess(&testHandler{}, []byte(setup), nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSetupFilesAreSharedByAllWorkers(t *testing.T) {
	config := testConfig(t)
	config.Workers = 2
	config.SetupFiles = append(config.SetupFiles, tempFile(t, "zero"), tempFile(t, "one"))
	t.Cleanup(func() { closeAll(config.SetupFiles) })
	p := startPool(t, config)
	for range 20 {
		if got := ask(t, p, "setup-file 1"); len(got.Responses) != 1 || got.Responses[0] != "one" {
			t.Fatalf("second file is %q, want one", got.Responses)
		}
	}
}

func TestLargeRequest(t *testing.T) {
	p := startPool(t, testConfig(t))
	text := strings.Repeat("x", MaxFrame-len("echo "))
	if got := ask(t, p, "echo "+text); len(got.Responses) != 1 || got.Responses[0] != text {
		t.Errorf("a request of %d bytes came back as %d responses, %s", MaxFrame, len(got.Responses), got.Err)
	}
	f := tempFile(t, "")
	err := p.Submit(t.Context(), &Job{File: f, Request: make([]byte, MaxFrame+1)})
	if err == nil || f.Close() == nil {
		t.Errorf("Submit of too large a request = %v; it must fail and close the file", err)
	}
}

// Whatever a worker dies of, its job alone is lost, with the right reason, and those before and after
// it are done.
func TestDeaths(t *testing.T) {
	config := testConfig(t)
	config.Memory = 200 << 20
	config.ResponseBytes = 1 << 20
	p := startPool(t, config)
	tests := []struct{ name, request, reason, detail string }{
		{"exit", "exit 0", "crashed", "exit status 0"},
		{"exit with an error", "exit 7", "crashed", "exit status 7"},
		{"panic", "panic at the disco", "crashed", "exit status 2: panic: at the disco"},
		{"null pointer", "segv", "crashed", nullPointer},
		{"hang", "sleep 1h", "timeout", "takes longer than 300ms"},
		{"endless loop", "spin 1h", "timeout", "takes longer than 300ms"},
		{"memory of go", "hog-go", "out-of-memory", "needs more than 200 MiB of memory"},
		{"memory of c", "hog-c", "out-of-memory", "needs more than 200 MiB of memory"},
		{"too many responses", "bytes 2000000", "crashed", "protocol violation: more than 1048576 bytes of responses to one job"},
	}
	for _, test := range append(tests, deathsOS...) {
		t.Run(test.name, func(t *testing.T) {
			deadline := time.Minute
			if test.reason == "timeout" {
				deadline = 300 * time.Millisecond
			}
			before := submit(t, p, &Job{Request: []byte("echo before")})
			victim := submit(t, p, &Job{Request: []byte(test.request), Deadline: deadline})
			after := submit(t, p, &Job{Request: []byte("echo after")})

			if got := <-before; got.Err != "" || got.Responses[0] != "before" {
				t.Errorf("the job before: %+v", got)
			}
			if got, want := (<-victim).Err, test.reason+": "+test.detail; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if got := <-after; got.Err != "" || got.Responses[0] != "after" {
				t.Errorf("the job after: %+v", got)
			}
		})
	}
}

func TestJobIsTriedAgainAlone(t *testing.T) {
	p := startPool(t, testConfig(t))
	ask(t, p, "echo first")
	got := ask(t, p, "die-unless-fresh")
	want := answer{Responses: []string{string(make([]byte, maxOutput))}, Restarts: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%.500s", diff)
	}
}

// What a caller has seen and cannot take back must not be sent to it twice.
func TestWithoutRestartNoSecondTry(t *testing.T) {
	p := startPool(t, testConfig(t))
	ask(t, p, "echo first")
	var responses int
	done := make(chan error)
	err := p.Submit(t.Context(), &Job{
		Request:  []byte("die-unless-fresh"),
		Response: func([]byte) { responses++ },
		Done:     func(err error) { done <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	var lost *LostError
	if err := <-done; !errors.As(err, &lost) || lost.Reason != finding.Crashed || responses != 1 {
		t.Errorf("%d responses, error %v; want 1 and crashed", responses, err)
	}
}

func TestStartFails(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no such program", func(c *Config) { c.Command = []string{"/no/such/program"} }, "/no/such/program"},
		{"refused set-up", func(c *Config) { c.Setup = []byte("refuse no rules") }, "start workers: set up a worker: no rules"},
		{"set-up dies", func(c *Config) { c.Setup = []byte("die") }, "start workers: no worker starts: crashed: exit status 3"},
		{"set-up hangs", func(c *Config) { c.Setup, c.SetupDeadline = []byte("hang"), 300*time.Millisecond },
			"start workers: no worker starts: timeout: set-up takes longer than 300ms"},
		{"too large a set-up", func(c *Config) { c.Setup = make([]byte, MaxFrame+1) }, "start workers: set-up of"},
		{"too wide a window", func(c *Config) { c.Window = MaxWindow + 1 }, "start workers: window of"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			config := testConfig(t)
			config.Workers = 2
			test.change(&config)
			p, err := Start(t.Context(), config)
			if err == nil {
				p.Close()
				t.Fatal("Start succeeded")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q does not contain %q", err, test.want)
			}
		})
	}
}

func TestSubmitWaitsForRoom(t *testing.T) {
	config := testConfig(t)
	config.Window = 4
	p := startPool(t, config)
	p.Suspend()
	var answers []<-chan answer
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	for {
		done := make(chan answer, 1)
		err := p.Submit(ctx, &Job{Request: []byte("echo"), Done: func(error) { done <- answer{} }})
		if err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Submit = %v, want deadline exceeded", err)
			}
			break
		}
		answers = append(answers, done)
	}
	if len(answers) < 4 || len(answers) > 8 {
		t.Errorf("%d jobs were taken, want the queue and at most one window", len(answers))
	}
	p.Resume()
	for _, done := range answers {
		<-done
	}
}

func TestEndOfContextStopsAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	p, err := Start(ctx, testConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	running := submit(t, p, &Job{Request: []byte("sleep 1h")})
	queued := submit(t, p, &Job{Request: []byte("echo")})
	cancel(errors.New("ctrl-c"))
	for _, done := range []<-chan answer{running, queued} {
		if got := (<-done).Err; got != "stopped: ctrl-c" {
			t.Errorf("error %q, want stopped: ctrl-c", got)
		}
	}
	if err := p.Submit(t.Context(), &Job{Done: func(error) {}}); !errors.Is(err, ErrClosed) {
		t.Errorf("Submit = %v, want ErrClosed", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}

func TestCloseWaitsForJobs(t *testing.T) {
	p := startPool(t, testConfig(t))
	first := submit(t, p, &Job{Request: []byte("sleep 100ms")})
	second := submit(t, p, &Job{Request: []byte("echo done")})
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for _, done := range []<-chan answer{first, second} {
		select {
		case got := <-done:
			if got.Err != "" {
				t.Error(got.Err)
			}
		default:
			t.Error("Close returned before a job was done")
		}
	}
	if err := p.Submit(t.Context(), &Job{Done: func(error) {}}); !errors.Is(err, ErrClosed) {
		t.Errorf("Submit = %v, want ErrClosed", err)
	}
}

// A broker that is slow to take responses is no reason to kill the worker.
func TestSlowCallbackIsNotTheWorkersTime(t *testing.T) {
	config := testConfig(t)
	config.Deadline = 200 * time.Millisecond
	p := startPool(t, config)
	done := make(chan error)
	responses := 0
	err := p.Submit(t.Context(), &Job{
		Request: []byte("count 5"),
		Response: func([]byte) {
			responses++
			time.Sleep(150 * time.Millisecond)
		},
		Done: func(err error) { done <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || responses != 5 {
		t.Errorf("%d responses, error %v; want 5 and none", responses, err)
	}
}

func TestJobsOwnDeadline(t *testing.T) {
	config := testConfig(t)
	config.Deadline = 50 * time.Millisecond
	p := startPool(t, config)
	if got := <-submit(t, p, &Job{Request: []byte("sleep 300ms"), Deadline: -1}); got.Err != "" {
		t.Error(got.Err)
	}
}

func TestDeadlineStandsStillWhileSuspended(t *testing.T) {
	config := testConfig(t)
	config.Deadline = 400 * time.Millisecond
	p := startPool(t, config)
	done := submit(t, p, &Job{Request: []byte("sleep 100ms")})
	p.Suspend()
	p.Suspend() // counted
	time.Sleep(400 * time.Millisecond)
	p.Resume()
	time.Sleep(400 * time.Millisecond)
	select {
	case got := <-done:
		t.Errorf("done while suspended: %+v", got)
	default:
	}
	p.Resume()
	if got := <-done; got.Err != "" {
		t.Error(got.Err)
	}
}

func TestCPUTimeOutlivesWorkers(t *testing.T) {
	p := startPool(t, testConfig(t))
	start, err := p.CPUTime()
	if err != nil || start <= 0 {
		t.Errorf("CPUTime = %v, %v after the start", start, err)
	}
	// On a busy machine spinning for a while may get no processor at all, and clocks are coarse.
	before := start
	for tries := 0; before <= start && tries < 50; tries++ {
		ask(t, p, "spin 100ms")
		if before, err = p.CPUTime(); err != nil {
			t.Fatal(err)
		}
	}
	if before <= start {
		t.Errorf("CPUTime = %v after spinning, %v before", before, start)
	}
	ask(t, p, "exit 0")
	if after, err := p.CPUTime(); err != nil || after < before {
		t.Errorf("CPUTime fell from %v to %v, %v", before, after, err)
	}
}
