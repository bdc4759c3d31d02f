package scanner

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// recorder is a suspender that remembers what was asked of it.
type recorder struct{ calls []string }

func (r *recorder) Suspend() { r.calls = append(r.calls, "suspend") }
func (r *recorder) Resume()  { r.calls = append(r.calls, "resume") }

func TestGateOpensWhenTheLastReasonIsGone(t *testing.T) {
	g, r := NewGate(time.Now), &recorder{}
	release := g.Hold(r)
	g.Pause("the user is back")
	g.Pause("battery")
	g.Pause("battery") // twice is once
	g.Resume("the user is back")
	if got := g.Paused(); got != "battery" {
		t.Errorf("Paused() = %q, want battery", got)
	}
	g.Resume("battery")
	g.Resume("battery")
	release()
	if diff := cmp.Diff([]string{"suspend", "resume"}, r.calls); diff != "" {
		t.Error(diff)
	}
	if got := g.Paused(); got != "" {
		t.Errorf("Paused() = %q, want an open gate", got)
	}
}

// What is to be quiet during a pause, and what has to be done at its beginning, tells the short breaks of
// the limit on processor time from pauses that last.
func TestGateTellsPausesFromBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(time.Now)
		var seen []string
		go func() {
			for g.awaitPause(t.Context()) == nil {
				seen = append(seen, "paused: "+g.Paused())
				if g.awaitWork(t.Context()) != nil {
					return
				}
				seen = append(seen, "at work: "+g.Paused())
			}
		}()
		for _, step := range []func(string){g.Pause, g.Resume, g.Pause} {
			step(cpuBudget)
			synctest.Wait()
		}
		g.Pause("the user is back")
		synctest.Wait()
		g.Pause("battery")
		synctest.Wait()
		g.Resume("the user is back")
		synctest.Wait()
		g.Resume("battery")
		synctest.Wait()
		want := []string{"paused: the user is back", "at work: " + cpuBudget}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Error(diff)
		}
	})
}

func TestGateSuspendsWhoComesLater(t *testing.T) {
	g, r := NewGate(time.Now), &recorder{}
	g.Pause("battery")
	release := g.Hold(r)
	release() // who leaves a closed gate is not left behind suspended
	if diff := cmp.Diff([]string{"suspend", "resume"}, r.calls); diff != "" {
		t.Error(diff)
	}
}

func TestGateHoldsUpWaitersAndStopsTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(time.Now)
		time.Sleep(time.Second)
		g.Pause("battery")
		passed := make(chan error)
		go func() { passed <- g.Wait(t.Context()) }()
		time.Sleep(time.Hour)
		select {
		case err := <-passed:
			t.Fatalf("Wait returned %v through a closed gate", err)
		default:
		}
		if got := g.Active(); got != time.Second {
			t.Errorf("Active() = %v while paused, want 1s", got)
		}
		g.Resume("battery")
		if err := <-passed; err != nil {
			t.Errorf("Wait() = %v", err)
		}
		time.Sleep(2 * time.Second)
		if got := g.Active(); got != 3*time.Second {
			t.Errorf("Active() = %v, want 3s", got)
		}
	})
}

func TestGateWaitEndsWithTheContext(t *testing.T) {
	cause := errors.New("time is up")
	g := NewGate(time.Now)
	g.Pause("battery")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := g.Wait(ctx); !errors.Is(err, cause) {
		t.Errorf("Wait() = %v, want %v", err, cause)
	}
}

// TestCPULimit simulates a scan that uses a whole core whenever the gate is open.
func TestCPULimit(t *testing.T) {
	for _, test := range []struct {
		name  string
		share float64
		cores float64       // that the work would use
		debt  time.Duration // used before the limit starts
	}{
		{"a fifth of a core", 0.2, 1, 0},
		{"half a core with four workers", 0.5, 4, 0},
		{"more than a core", 1.5, 4, 0},
		{"loading the rules counts", 0.2, 1, 600 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				g := NewGate(time.Now)
				l := &cpuLimit{
					share: test.share, gate: g, started: start, now: time.Now, sleep: sleep,
					used: func() time.Duration {
						return test.debt + time.Duration(float64(g.Active())*test.cores)
					},
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { l.run(ctx); close(done) }()
				time.Sleep(30 * time.Second)
				cancel()
				<-done
				got := l.used().Seconds() / time.Since(start).Seconds()
				if got < 0.9*test.share || got > 1.1*test.share {
					t.Errorf("used %.3f of a core, want %.2f ± 10 %%", got, test.share)
				}
				if g.Paused() != "" {
					t.Errorf("the gate is still closed: %s", g.Paused())
				}
			})
		})
	}
}
