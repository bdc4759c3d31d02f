package submit

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/sandboxlink/submit/wire"
	"tyto/verdict"
)

// diff fails the test if two values differ.
func diff(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestNoServerNoNetwork(t *testing.T) {
	deliver := func(context.Context, Delivery) error { return nil }
	if _, err := New(Options{Deliver: deliver}); !errors.Is(err, ErrNoServer) {
		t.Errorf("New = %v; want %v", err, ErrNoServer)
	}
	for _, test := range []struct {
		servers []Server
		want    string
	}{
		{[]Server{{Address: "a.example", Kind: Tyto}, {Address: "https://A.example:443/", Kind: CAPE}}, "configured twice"},
		{[]Server{{Address: "a.example"}}, "write tyto, kaspersky or cape"},
		{[]Server{{Address: "a b", Kind: CAPE}}, "no name of a host"},
		{make([]Server, 65), "at most 64"},
	} {
		if _, err := New(Options{Servers: test.servers, Deliver: deliver}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("New = %v; want an error with %q", err, test.want)
		}
	}
	s, err := New(Options{Servers: []Server{{Address: "a.example", Kind: Tyto}, {Address: "[::1]:8000", Kind: CAPE}}, Deliver: deliver})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "status", []ServerStatus{{Name: "https://a.example:443", Kind: Tyto}, {Name: "https://[::1]:8000", Kind: CAPE}}, s.Status())
}

func TestTheWayOfAnObject(t *testing.T) {
	s := &fakeServer{}
	inWorld(t, []*fakeServer{s}, func(w *world) {
		w.queue.add("a")
		w.run(time.Minute)
		diff(t, "delivered", []string{"a clean s1"}, w.delivered)
		diff(t, "left", []string{}, w.queue.left())
		if s.calls[0] != "lookup a" || s.calls[1] != "submit a" || s.calls[2] != "poll a" || s.count("submit") != 1 {
			t.Errorf("calls = %q; want one look-up, one upload, then polls", s.calls)
		}
		diff(t, "events", []string(nil), w.events)
		if w.queue.updates != 1 {
			t.Errorf("the queue was written %d times; want once, for the task's id", w.queue.updates)
		}
	})
}

func TestWhatIsKnownIsNotUploaded(t *testing.T) {
	s := &fakeServer{lookup: func(o Object) (Answer, error) { return judged(o, verdict.Malicious), nil }}
	inWorld(t, []*fakeServer{s}, func(w *world) {
		w.queue.add("a")
		w.run(time.Minute)
		diff(t, "delivered", []string{"a malicious s1"}, w.delivered)
		diff(t, "calls", []string{"lookup a"}, s.calls)
	})
}

// Two dead servers cost each object nothing but at first, and make one event each, not one per object.
func TestFailover(t *testing.T) {
	dead, wrong, good := &fakeServer{lookup: fault(wire.Down, false)}, &fakeServer{lookup: fault(wire.Config, false)}, &fakeServer{}
	inWorld(t, []*fakeServer{dead, wrong, good}, func(w *world) {
		all := names(100)
		w.queue.add(all...)
		w.run(10 * time.Minute)
		diff(t, "left", []string{}, w.queue.left())
		if len(w.delivered) != len(all) {
			t.Errorf("%d delivered; want %d", len(w.delivered), len(all))
		}
		slices.Sort(w.events)
		diff(t, "events", []string{"server failed s1", "server failed s2"}, w.events)
		if n := dead.count("lookup"); n > 12 {
			t.Errorf("the dead server was asked %d times", n)
		}
	})
}

// A server that is away for a day is asked less and less, and when it is back everything is sent.
func TestBackOff(t *testing.T) {
	var back time.Time
	s := &fakeServer{}
	s.lookup = func(o Object) (Answer, error) {
		if time.Now().Before(back) {
			return fault(wire.Down, false)(o)
		}
		return Answer{}, wire.ErrUnknown
	}
	inWorld(t, []*fakeServer{s}, func(w *world) {
		back = time.Now().Add(24 * time.Hour)
		w.queue.add(names(50)...)
		w.run(24 * time.Hour)
		tries := s.count("lookup")
		// 5 minutes at the longest, 2.5 on the shorter side of chance.
		if tries < 24*60/5 || tries > 24*60*2/5+20 {
			t.Errorf("a server that is away for a day was asked %d times", tries)
		}
		if w.queue.updates > 3*tries {
			t.Errorf("the queue was written %d times for %d tries", w.queue.updates, tries)
		}
		diff(t, "events", []string{"server failed s1"}, w.events)
		if len(w.queue.left()) != 50 {
			t.Errorf("%d left; want all", len(w.queue.left()))
		}
		w.run(time.Hour)
		diff(t, "left", []string{}, w.queue.left())
	})
}

func TestServerBackIsTold(t *testing.T) {
	var back atomic.Bool
	s := &fakeServer{}
	s.lookup = func(o Object) (Answer, error) {
		if !back.Load() {
			return fault(wire.Down, false)(o)
		}
		return Answer{}, wire.ErrUnknown
	}
	inWorld(t, []*fakeServer{s}, func(w *world) {
		w.queue.add(names(5)...)
		timer := time.AfterFunc(30*time.Second, func() { back.Store(true) })
		defer timer.Stop()
		w.run(10 * time.Minute)
		diff(t, "events", []string{"server failed s1", "server back s1"}, w.events)
		status := w.submitter.Status()[0]
		if status.Err != nil || status.Uploads != 5 || status.Verdicts != 5 || status.Success.IsZero() {
			t.Errorf("status = %+v", status)
		}
	})
}

// A clock that is set back by days does not prolong a rest by days.
func TestClockSetBackInARest(t *testing.T) {
	var offset atomic.Int64
	s := &fakeServer{}
	s.lookup = func(o Object) (Answer, error) {
		if offset.Load() == 0 {
			return fault(wire.Down, false)(o)
		}
		return judged(o, verdict.Clean), nil
	}
	inWorld(t, []*fakeServer{s}, func(w *world) {
		// Without the monotonic reading, which would hide it.
		w.options.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())).Round(0) }
		w.queue.now = time.Now // the queue's own clock is the queue's business
		w.queue.add("a", "b")
		timer := time.AfterFunc(10*time.Minute, func() { offset.Store(int64(-48 * time.Hour)) })
		defer timer.Stop()
		w.run(30 * time.Minute)
		diff(t, "left", []string{}, w.queue.left())
	})
}

// What a server asks for is granted within bounds.
func TestRetryAfter(t *testing.T) {
	for _, test := range []struct {
		name       string
		retry      time.Duration
		from, upto time.Duration
	}{
		{"no wish", 0, 500 * time.Millisecond, 2 * time.Second},
		{"two minutes", 2 * time.Minute, 2 * time.Minute, 2*time.Minute + 2*time.Second},
		{"a year", 365 * 24 * time.Hour, restMax, restMax + 2*time.Second},
		{"negative", -time.Hour, 500 * time.Millisecond, 2 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			var asked []time.Time
			s := &fakeServer{lookup: func(Object) (Answer, error) {
				asked = append(asked, time.Now())
				return Answer{}, &wire.Error{Kind: wire.Busy, Reason: "later", Retry: test.retry, Answered: true}
			}}
			inWorld(t, []*fakeServer{s}, func(w *world) {
				w.queue.add("a")
				w.run(15 * time.Minute)
				if gap := asked[1].Sub(asked[0]); gap < test.from || gap > test.upto {
					t.Errorf("asked again after %v; want between %v and %v", gap, test.from, test.upto)
				}
			})
		})
	}
}

// A full queue is no reason not to fetch verdicts, and fetching them is no sign that there is room.
func TestFullQueueOfAServer(t *testing.T) {
	s := &fakeServer{}
	s.submit = func(o Object) (Answer, error) {
		if o.Name == "a" {
			return Answer{Task: "task-a", Pending: true}, nil
		}
		return fault(wire.Busy, true)(o)
	}
	s.poll = func(task string, _ Object) (Answer, error) { return Answer{Task: task, Pending: true}, nil }
	inWorld(t, []*fakeServer{s}, func(w *world) {
		w.queue.add("a")
		w.run(time.Second)
		w.queue.add("b")
		w.run(50 * time.Minute)
		if n := s.count("poll a"); n < 90 {
			t.Errorf("polled %d times; want that it goes on", n)
		}
		if n := s.count("submit b"); n < 10 || n > 30 {
			t.Errorf("handed in %d times; want back-off", n)
		}
		diff(t, "events", []string{"server failed s1"}, w.events)
	})
}

// An object on which a server breaks does not stand before the others.
func TestPoison(t *testing.T) {
	s := &fakeServer{}
	s.submit = func(o Object) (Answer, error) {
		if o.Name == "poison" {
			return fault(wire.Down, true)(o)
		}
		return judged(o, verdict.Clean), nil
	}
	inWorld(t, []*fakeServer{s}, func(w *world) {
		w.queue.add("poison")
		w.queue.add(names(50)...)
		w.run(10 * time.Minute)
		diff(t, "left", []string{"poison"}, w.queue.left())
		w.run(24 * time.Hour)
		if n := s.count("submit poison"); n < 10 || n > 24*4+20 {
			t.Errorf("the poison was handed in %d times", n)
		}
	})
}

func TestForgottenTasks(t *testing.T) {
	forgets := &fakeServer{poll: func(string, Object) (Answer, error) { return Answer{}, wire.ErrForgotten }}
	t.Run("once", func(t *testing.T) {
		s := &fakeServer{}
		first := true
		s.poll = func(_ string, o Object) (Answer, error) {
			if first {
				first = false
				return Answer{}, wire.ErrForgotten
			}
			return judged(o, verdict.Malicious), nil
		}
		inWorld(t, []*fakeServer{s, {}}, func(w *world) {
			w.queue.add("a")
			w.run(time.Minute)
			diff(t, "delivered", []string{"a malicious s1"}, w.delivered)
			diff(t, "events", []string(nil), w.events)
		})
	})
	t.Run("twice", func(t *testing.T) {
		inWorld(t, []*fakeServer{forgets}, func(w *world) {
			w.queue.add("a")
			w.run(time.Minute)
			diff(t, "delivered", []string{"a error"}, w.delivered)
			diff(t, "events", []string{"task forgotten s1"}, w.events)
			diff(t, "refusals", []Refusal{{"https://s1.example:443", "the server has forgotten the task twice"}}, w.last.Refusals)
			if n := forgets.count("submit"); n != 2 {
				t.Errorf("handed in %d times; want twice", n)
			}
		})
	})
	t.Run("twice and another server", func(t *testing.T) {
		inWorld(t, []*fakeServer{forgets, {}}, func(w *world) {
			w.queue.add("a")
			w.run(time.Minute)
			diff(t, "delivered", []string{"a clean s2"}, w.delivered)
		})
	})
}

func TestTasksThatNeverEnd(t *testing.T) {
	never := func(task string, _ Object) (Answer, error) { return Answer{Task: task, Pending: true}, nil }
	t.Run("another server judges", func(t *testing.T) {
		inWorld(t, []*fakeServer{{poll: never}, {}}, func(w *world) {
			w.queue.add("a")
			w.run(59 * time.Minute)
			diff(t, "delivered", []string(nil), w.delivered)
			w.run(2 * time.Minute)
			diff(t, "delivered", []string{"a clean s2"}, w.delivered)
			diff(t, "events", []string{"task overdue s1"}, w.events)
		})
	})
	t.Run("there is no other", func(t *testing.T) {
		inWorld(t, []*fakeServer{{poll: never}}, func(w *world) {
			w.queue.add("a")
			w.run(61 * time.Minute)
			diff(t, "delivered", []string{"a error"}, w.delivered)
		})
	})
	t.Run("the clock is set back", func(t *testing.T) {
		inWorld(t, []*fakeServer{{poll: never}}, func(w *world) {
			var offset atomic.Int64
			w.options.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
			w.queue.now = w.options.Now
			w.queue.add("a")
			timer := time.AfterFunc(30*time.Minute, func() { offset.Store(int64(-48 * time.Hour)) })
			defer timer.Stop()
			w.run(2 * time.Hour)
			diff(t, "delivered", []string{"a error"}, w.delivered)
		})
	})
}

// A task waits for its server, but not for ever if there is another.
func TestServerDiesWithTheTask(t *testing.T) {
	died := func(string, Object) (Answer, error) { return fault(wire.Down, false)(Object{}) }
	t.Run("another takes over after ten minutes", func(t *testing.T) {
		s := &fakeServer{poll: died}
		s.lookup = func(o Object) (Answer, error) {
			if s.count("poll") > 0 {
				return fault(wire.Down, false)(o)
			}
			return Answer{}, wire.ErrUnknown
		}
		inWorld(t, []*fakeServer{s, {}}, func(w *world) {
			w.queue.add("a")
			w.run(9 * time.Minute)
			diff(t, "delivered", []string(nil), w.delivered)
			w.run(30 * time.Minute)
			diff(t, "delivered", []string{"a clean s2"}, w.delivered)
		})
	})
	t.Run("there is no other and it comes back", func(t *testing.T) {
		s := &fakeServer{}
		var back time.Time
		s.poll = func(_ string, o Object) (Answer, error) {
			if time.Now().Before(back) {
				return died("", o)
			}
			return judged(o, verdict.Clean), nil
		}
		inWorld(t, []*fakeServer{s}, func(w *world) {
			back = time.Now().Add(7 * 24 * time.Hour)
			w.queue.add("a")
			w.run(7*24*time.Hour + 10*time.Minute)
			diff(t, "delivered", []string{"a clean s1"}, w.delivered)
			diff(t, "events", []string{"server failed s1", "server back s1"}, w.events)
			if n := s.count("submit"); n != 1 {
				t.Errorf("handed in %d times; want once", n)
			}
		})
	})
}

// After a restart a task is asked for where it is, and only there.
func TestRestart(t *testing.T) {
	first, second := &fakeServer{}, &fakeServer{}
	inWorld(t, []*fakeServer{first, second}, func(w *world) {
		w.queue.add("a")
		w.run(2 * time.Second)
		diff(t, "state", State{Server: "https://s1.example:443", Task: "task-a", Sent: w.queue.items[0].state.Sent}, w.queue.items[0].state)
		w.run(time.Minute)
		diff(t, "delivered", []string{"a clean s1"}, w.delivered)
		if n := first.count("submit"); n != 1 {
			t.Errorf("handed in %d times; want once", n)
		}
	})
	t.Run("the server is not configured any more", func(t *testing.T) {
		inWorld(t, []*fakeServer{{}}, func(w *world) {
			w.queue.add("a")
			w.queue.items[0].state = State{Server: "https://gone.example:443", Task: "7", Sent: time.Now()}
			w.run(time.Minute)
			diff(t, "delivered", []string{"a clean s1"}, w.delivered)
		})
	})
}

func TestRefusals(t *testing.T) {
	large := fault(wire.Refused, true)
	t.Run("another server may", func(t *testing.T) {
		s := &fakeServer{submit: large}
		inWorld(t, []*fakeServer{s, {}}, func(w *world) {
			w.queue.add("a")
			w.run(time.Minute)
			diff(t, "delivered", []string{"a clean s2"}, w.delivered)
			diff(t, "events", []string(nil), w.events)
			if n := s.count("submit"); n != 1 {
				t.Errorf("handed in %d times; want once", n)
			}
		})
	})
	t.Run("nobody can", func(t *testing.T) {
		failed := func(string, Object) (Answer, error) {
			return Answer{}, &wire.Error{Kind: wire.Refused, Reason: "the analysis failed", Answered: true}
		}
		inWorld(t, []*fakeServer{{submit: large}, {poll: failed}}, func(w *world) {
			w.queue.add("a")
			w.run(time.Minute)
			diff(t, "delivered", []string{"a error"}, w.delivered)
			diff(t, "refusals", []Refusal{{"https://s1.example:443", "it is refused"}, {"https://s2.example:443", "the analysis failed"}}, w.last.Refusals)
			diff(t, "left", []string{}, w.queue.left())
		})
	})
	t.Run("one cannot and the other is away", func(t *testing.T) {
		inWorld(t, []*fakeServer{{submit: large}, {lookup: fault(wire.Down, false)}}, func(w *world) {
			w.queue.add("a")
			w.run(time.Hour)
			diff(t, "delivered", []string(nil), w.delivered)
			diff(t, "left", []string{"a"}, w.queue.left())
		})
	})
}

// An outcome is delivered until somebody takes it.
func TestDeliveryIsRepeated(t *testing.T) {
	inWorld(t, []*fakeServer{{}}, func(w *world) {
		deliver, tries := w.options.Deliver, 0
		w.options.Deliver = func(ctx context.Context, d Delivery) error {
			if tries++; tries <= 12 {
				return errors.New("disk full")
			}
			return deliver(ctx, d)
		}
		w.queue.add("a")
		w.run(time.Hour)
		diff(t, "delivered", []string{"a clean s1"}, w.delivered)
		if w.events[0] != "delivery failed s1" || len(w.events) > 4 {
			t.Errorf("events = %q; want few", w.events)
		}
	})
}

// No server can speak about content that it was not asked about.
func TestVerdictsOfSomethingElse(t *testing.T) {
	for name, answer := range map[string]Answer{
		"other content": judged(objectNamed("b"), verdict.Malicious),
		"no hash":       judged(Object{}, verdict.Malicious),
		"no level":      judged(objectNamed("a"), "evil"),
		"error":         judged(objectNamed("a"), verdict.Error),
		"nothing":       {},
		"an odd id":     {Pending: true, Task: "../../x"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, []*fakeServer{{lookup: func(Object) (Answer, error) { return answer, nil }}, {}}, func(w *world) {
				w.queue.add("a")
				w.run(time.Minute)
				diff(t, "delivered", []string{"a clean s2"}, w.delivered)
				diff(t, "events", []string{"server failed s1"}, w.events)
			})
		})
	}
	t.Run("a report of another object and a time in the future", func(t *testing.T) {
		s := &fakeServer{lookup: func(o Object) (Answer, error) {
			a := judged(o, verdict.Clean)
			a.Verdict.Time, a.Verdict.Score = time.Now().Add(time.Hour), 1000
			a.Report = &verdict.Report{Object: verdict.Object{SHA256: objectNamed("b").SHA256}}
			return a, nil
		}}
		inWorld(t, []*fakeServer{s}, func(w *world) {
			w.queue.add("a")
			w.run(time.Minute)
			v := w.last.Answer.Verdict
			if w.last.Answer.Report != nil || v.Time.After(time.Now()) || v.Score != 100 {
				t.Errorf("delivered %+v, %+v", v, w.last.Answer.Report)
			}
			diff(t, "events", []string{"report missing s1"}, w.events)
		})
	})
}

// A verdict waits for its report for a while, not for ever.
func TestMissingReports(t *testing.T) {
	for _, test := range []struct {
		name  string
		kind  wire.Kind
		polls int
	}{{"it may come", wire.Down, 1 + maxReportTries}, {"it will not", wire.Garbage, 1}} {
		t.Run(test.name, func(t *testing.T) {
			s := &fakeServer{poll: func(task string, o Object) (Answer, error) {
				a := judged(o, verdict.Malicious)
				a.Task, a.NoReport = task, &wire.Error{Kind: test.kind, Reason: "no report"}
				return a, nil
			}}
			inWorld(t, []*fakeServer{s}, func(w *world) {
				w.queue.add("a")
				w.run(time.Minute)
				diff(t, "delivered", []string{"a malicious s1"}, w.delivered)
				diff(t, "events", []string{"report missing s1"}, w.events)
				if n := s.count("poll"); n != test.polls {
					t.Errorf("polled %d times; want %d", n, test.polls)
				}
			})
		})
	}
}

// Whatever is wrong with the queue, the other objects go on.
func TestTroubleWithTheQueue(t *testing.T) {
	t.Run("unreadable content", func(t *testing.T) {
		s := &fakeServer{}
		inWorld(t, []*fakeServer{s}, func(w *world) {
			w.queue.add("broken", "a")
			w.queue.items[0].openErr = errors.New("bad sector")
			w.run(10 * time.Minute)
			diff(t, "delivered", []string{"a clean s1"}, w.delivered)
			diff(t, "left", []string{"broken"}, w.queue.left())
			for _, e := range w.events {
				if e != "object unreadable" {
					t.Errorf("event %q; the server is not to blame", e)
				}
			}
			if n := s.count("lookup broken"); n > 6 {
				t.Errorf("tried %d times", n)
			}
		})
	})
	t.Run("state cannot be written", func(t *testing.T) {
		inWorld(t, []*fakeServer{{}}, func(w *world) {
			w.queue.add("a")
			w.queue.items[0].saveErr = errors.New("disk full")
			w.run(time.Minute)
			diff(t, "delivered", []string{"a clean s1"}, w.delivered)
			diff(t, "events", []string{"state not kept"}, w.events)
		})
	})
}

func TestParallelism(t *testing.T) {
	s := &fakeServer{slow: time.Second}
	inWorld(t, []*fakeServer{s}, func(w *world) {
		w.options.Parallel, w.options.Tasks = 3, 10
		w.queue.add(names(40)...)
		w.run(30 * time.Minute)
		diff(t, "left", []string{}, w.queue.left())
		if s.mostBusy > 6 {
			t.Errorf("%d calls at once; want 3 uploads and 3 polls at most", s.mostBusy)
		}
	})
}

// A server that fails each second time makes no flood.
func TestFlapping(t *testing.T) {
	s := &fakeServer{}
	var n atomic.Int64
	s.lookup = func(o Object) (Answer, error) {
		if n.Add(1)%2 == 0 {
			return fault(wire.Down, false)(o)
		}
		return judged(o, verdict.Clean), nil
	}
	inWorld(t, []*fakeServer{s}, func(w *world) {
		w.queue.add(names(500)...)
		w.run(10 * time.Minute)
		diff(t, "left", []string{}, w.queue.left())
		if len(w.events) > 2*11 {
			t.Errorf("%d events in ten minutes", len(w.events))
		}
		if last := w.events[len(w.events)-1]; last != "server back s1" {
			t.Errorf("the last event is %q; the server is well", last)
		}
	})
}

func TestDatabaseVersions(t *testing.T) {
	s := &fakeServer{database: "d1"}
	inWorld(t, []*fakeServer{s, {}}, func(w *world) {
		var told []string
		w.options.Database = func(_ context.Context, server, version string) { told = append(told, short(server)+" "+version) }
		timer := time.AfterFunc(90*time.Minute, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.database = "d2"
		})
		defer timer.Stop()
		w.run(3*time.Hour + time.Minute)
		diff(t, "told", []string{"s1 d1", "s1 d2"}, told)
		if got := w.submitter.Status()[0].Database; got != "d2" {
			t.Errorf("status has %q; want d2", got)
		}
	})
}

func TestUnprotectedServersAreTold(t *testing.T) {
	inWorld(t, []*fakeServer{{}}, func(w *world) {
		w.options.Servers[0].Address = "http://s1.example"
		w.run(time.Second)
		diff(t, "events", []string{"server unprotected http://s1.example:80"}, w.events)
		if status := w.submitter.Status()[0]; !status.Unprotected {
			t.Errorf("status = %+v; want unprotected", status)
		}
	})
}
