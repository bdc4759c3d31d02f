package events

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder is a sink that can be told to fail.
type recorder struct {
	mu     sync.Mutex
	err    error
	said   []string
	closed bool
}

func (r *recorder) Write(e Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	r.said = append(r.said, string(e.ID)+" "+e.Message)
	return nil
}

func (r *recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return nil
}

func (r *recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.said, "\n")
}

// await waits until the condition holds, as long as a slow machine may need.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 30000 {
		if holds() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("waited in vain: %s", what)
}

func running(t *testing.T, h *Hub) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

func TestHubPassesInOrder(t *testing.T) {
	var a, b recorder
	h := NewHub(Options{Least: Notice})
	h.SetOutputs(Output{"a", &a}, Output{"b", &b})
	h.Send(AgentStopped, "before the hub runs", nil)
	stop := running(t, h)
	h.Send(RunStarted, "too little to tell", nil) // info
	h.Pass(Event{ID: Finding, Message: "always told", Level: Info})
	for i := range 100 {
		h.Send(RunFailed, fmt.Sprint(i), nil)
	}
	stop()
	lines := strings.Split(a.text(), "\n")
	if len(lines) != 102 || lines[0] != "TY-102 before the hub runs" || lines[1] != "TY-401 always told" || lines[101] != "TY-311 99" {
		t.Errorf("%d lines: %q", len(lines), lines)
	}
	if a.text() != b.text() || !a.closed || !b.closed {
		t.Error("the outputs differ, or are not closed")
	}
}

// A sink that fails costs the others nothing. It gets what fits into its queue, and in the place of the
// rest the number of what is missing.
func TestHubKeepsEventsForASinkThatFails(t *testing.T) {
	var good, bad recorder
	bad.fail(errors.New("disk full"))
	h := NewHub(Options{Queue: 5, Retry: time.Millisecond})
	h.SetOutputs(Output{"good", &good}, Output{"bad", &bad})
	stop := running(t, h)
	h.Send(RunStarted, "0", nil)
	await(t, "the failure is told", func() bool { return strings.Contains(good.text(), "TY-131 events cannot be written to bad: disk full") })
	for i := 1; i < 20; i++ { // one at a time, as the good output's queue is short too
		h.Send(RunStarted, fmt.Sprint(i), nil)
		await(t, "the good output", func() bool { return strings.Contains(good.text(), fmt.Sprintf("TY-303 %d", i)) })
	}
	for _, s := range h.Status() {
		if s.Name == "bad" && (s.Error == nil || s.Waiting != 5 || s.Dropped == 0) {
			t.Errorf("status of the bad output: %+v", s)
		}
	}
	bad.fail(nil)
	await(t, "the bad output is back", func() bool { return strings.Contains(good.text(), "TY-132") })
	h.Send(RunStarted, "the end", nil)
	await(t, "the end", func() bool { return strings.Contains(bad.text(), "the end") })
	stop()
	lines := strings.Split(bad.text(), "\n")
	// 0, the event about the failure itself, 1, 2, 3, the count of what is missing, and so on.
	want := []string{"TY-303 0", "TY-131", "TY-303 1", "TY-303 2", "TY-303 3", "TY-130 missing here: 16 since"}
	for i, w := range want {
		if i >= len(lines) || !strings.HasPrefix(lines[i], w) {
			t.Fatalf("line %d is not %q:\n%s", i, w, strings.Join(lines, "\n"))
		}
	}
	if strings.Count(good.text(), "TY-131") != 1 {
		t.Errorf("one failure was told more than once:\n%s", good.text())
	}
}

// What a sink could not write goes to the one that takes its place.
func TestSetOutputsLosesNothing(t *testing.T) {
	var broken, mended, other recorder
	broken.fail(errors.New("no"))
	h := NewHub(Options{Retry: time.Hour})
	h.SetOutputs(Output{"file", &broken})
	stop := running(t, h)
	h.Send(RunStarted, "1", nil)
	await(t, "the failure is noticed", func() bool { return h.Status()[0].Error != nil })
	h.Send(RunStarted, "2", nil)
	h.SetOutputs(Output{"file", &mended}, Output{"other", &other})
	h.Send(RunStarted, "3", nil)
	stop()
	if got := mended.text(); !strings.HasPrefix(got, "TY-303 1\n") || !strings.HasSuffix(got, "TY-303 2\nTY-303 3") {
		t.Errorf("the new output got %q", got)
	}
	if !broken.closed || other.text() != "TY-303 3" {
		t.Errorf("closed %v, other %q", broken.closed, other.text())
	}
}

func TestHubIsSafeForConcurrentUse(t *testing.T) {
	h := NewHub(Options{Queue: 10})
	stop := running(t, h)
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			for range 200 {
				h.Send(RunStarted, "x", Data{"tyto.run": 1})
			}
		})
	}
	for range 20 {
		h.SetOutputs(Output{"a", new(recorder)}, Output{"b", new(recorder)})
		h.SetLeast(Info)
		h.Status()
	}
	senders.Wait()
	stop()
}
