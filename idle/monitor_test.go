package idle

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// scripted is a provider that a test drives: it reports what is sent, and fails when an error is sent.
type scripted struct {
	say  chan Report
	fail chan error
	fed  chan Event
}

func newScripted() *scripted {
	return &scripted{say: make(chan Report), fail: make(chan error), fed: make(chan Event, 8)}
}

func (*scripted) Name() string   { return "script" }
func (s *scripted) Feed(e Event) { s.fed <- e }

func (s *scripted) Watch(ctx context.Context, report func(Report)) error {
	for {
		select {
		case r := <-s.say:
			report(r)
		case err := <-s.fail:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// is is a report of one session that is locked or in use.
func is(p Presence) Report {
	return Report{Sessions: []Session{{Name: "1", Claims: []Claim{{Source: "test", About: Lock, Says: p}}}}}
}

// bubble runs a monitor on synthetic time. told holds each presence that was told, with the time since the
// start.
func bubble(t *testing.T, o Options, test func(s *scripted, m *Monitor, told func() []string)) {
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		o.Providers = []Provider{s}
		o.onBattery = func() bool { return false }
		var list []string
		start := time.Now()
		last := Presence("")
		o.Changed = func(s State) {
			if s.Presence != last {
				last = s.Presence
				list = append(list, string(s.Presence)+" after "+time.Since(start).String())
			}
		}
		m := New(o)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		synctest.Wait()
		test(s, m, func() []string { synctest.Wait(); return list })
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
}

// Idle is told when it has lasted, active at once.
func TestSettle(t *testing.T) {
	bubble(t, Options{}, func(s *scripted, _ *Monitor, told func() []string) {
		s.say <- is(Active)
		time.Sleep(time.Second)
		s.say <- is(Idle)
		time.Sleep(4 * time.Second)
		s.say <- is(Active) // before it has lasted 5 s
		time.Sleep(time.Second)
		s.say <- is(Idle) // at 6 s
		time.Sleep(10 * time.Second)
		s.say <- is(Active) // at 16 s
		want := []string{"active after 0s", "idle after 11s", "active after 16s"}
		if diff := cmp.Diff(want, told()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

// A provider that fails counts as unknown until it reports again; it is called again after 1, 2, 4 s.
func TestProviderFails(t *testing.T) {
	bubble(t, Options{Settle: -1}, func(s *scripted, m *Monitor, told func() []string) {
		s.say <- is(Idle)
		s.fail <- errors.New("the bus is gone")
		if told(); m.State().Presence != Unknown || m.State().Reason != "script: the bus is gone" {
			t.Errorf("state is %s because of %q", m.State().Presence, m.State().Reason)
		}
		s.fail <- errors.New("still")   // taken at 1 s
		s.fail <- errors.New("and yet") // taken at 3 s
		s.say <- is(Idle)               // taken at 7 s
		want := []string{"idle after 0s", "unknown after 0s", "idle after 7s"}
		if diff := cmp.Diff(want, told()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

// What the service manager says reaches providers, and sleep is told before Feed returns.
func TestFeed(t *testing.T) {
	bubble(t, Options{Settle: -1}, func(s *scripted, m *Monitor, _ func() []string) {
		s.say <- is(Idle)
		m.Feed(context.Background(), Event{Kind: SessionUnlock, Session: 3})
		if diff := cmp.Diff(Event{Kind: SessionUnlock, Session: 3}, <-s.fed); diff != "" {
			t.Errorf("the provider heard (-want +got):\n%s", diff)
		}
		m.Feed(context.Background(), Event{Kind: Suspend})
		if !m.State().Sleeping {
			t.Error("Feed returned before the sleep was told")
		}
		m.Feed(context.Background(), Event{Kind: Resume})
		if m.State().Sleeping {
			t.Error("Feed returned before the waking was told")
		}
	})
}

// The battery is looked at every half minute, and when the service manager says so.
func TestBattery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var onBattery atomic.Bool
		m := New(Options{Providers: []Provider{newScripted()}, onBattery: onBattery.Load})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		synctest.Wait()
		onBattery.Store(true)
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if !m.State().OnBattery {
			t.Error("the battery was not seen")
		}
		onBattery.Store(false)
		m.Feed(ctx, Event{Kind: PowerChange})
		synctest.Wait()
		if m.State().OnBattery {
			t.Error("the mains were not seen")
		}
		stop()
		<-done
	})
}

// The file that stands for a person in tests of the agent.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "presence")
	states := make(chan State, 100)
	m := New(Options{Providers: []Provider{File(path)}, Settle: -1, Changed: func(s State) { states <- s }})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	defer func() { stop(); <-done }()
	await := func(want Presence) State {
		t.Helper()
		for {
			select {
			case s := <-states:
				if s.Presence == want {
					return s
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("never told %s", want)
			}
		}
	}
	put := func(content string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	await(Unknown) // there is no file yet
	put("idle gone for lunch\n")
	if got, want := await(Idle).Reason, "session of the test: file: gone for lunch"; got != want {
		t.Errorf("reason %q, want %q", got, want)
	}
	put("active")
	await(Active)
	put("asleep")
	await(Unknown)
	put("idle")
	await(Idle)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	await(Unknown)
}
