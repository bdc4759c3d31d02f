package recall

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/store"
	"tyto/verdict"
)

const (
	day = 24 * time.Hour
	a   = "https://a:443"
	b   = "https://b:443"
)

// clock is a computer's clock that can be set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)} }

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// state opens a state file of the test's.
func state(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func open(t testing.TB, s *store.Store, o Options) *Cache {
	t.Helper()
	c, err := Open(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// entry is a verdict on the n-th content.
func entry(n int, level verdict.Level) Entry {
	return Entry{
		Verdict: verdict.Verdict{
			SHA256: fmt.Sprintf("%x", sum(n)), Level: level, Score: 50, Threats: []string{"Dropper", "x\x1b"}, Sandbox: "Tyto 1",
			Time: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
		},
		Server: a, Size: int64(1000 + n),
	}
}

func sum(n int) [32]byte { return sha256.Sum256([]byte(fmt.Sprint(n))) }

func put(t testing.TB, c *Cache, e Entry) {
	t.Helper()
	if err := c.Put(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

// remembered returns which of the first n contents have a fresh verdict, and fails if the ways to ask disagree.
func remembered(t testing.TB, c *Cache, n int) (list []int) {
	t.Helper()
	listed := map[string]Entry{}
	for e, err := range c.List(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		listed[e.SHA256] = e
	}
	for i := range n {
		want := entry(i, verdict.Clean).SHA256
		e, ok := c.Get(want)
		if diff := cmp.Diff(listed[want], e); diff != "" {
			t.Errorf("content %d (-list +get):\n%s", i, diff)
		}
		malicious := ok && e.Level == verdict.Malicious
		if c.Malicious(sum(i)) != malicious {
			t.Errorf("content %d is %q, and malicious: %v", i, e.Level, !malicious)
		}
		if malicious && !c.MaliciousSize(e.Size) {
			t.Errorf("content %d would not be looked at", i)
		}
		if ok {
			list = append(list, i)
		}
	}
	return list
}

func TestVerdictsComeBackAsTheyWere(t *testing.T) {
	s, clock := state(t), newClock()
	c := open(t, s, Options{Now: clock.read})
	want := entry(0, verdict.Malicious)
	want.Database = "2026-11-20"
	put(t, c, want)
	want.Learned, want.Expires = clock.read(), clock.read().Add(30*day)
	for _, c := range []*Cache{c, open(t, s, Options{Now: clock.read})} {
		got, ok := c.Get(want.SHA256)
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if !c.Malicious(sum(0)) || !c.MaliciousSize(want.Size) || c.MaliciousSize(1) || c.Malicious(sum(1)) {
			t.Error("the hot path disagrees")
		}
	}
	put(t, c, entry(0, verdict.Clean)) // another word on the same content
	if got, ok := c.Get(want.SHA256); !ok || got.Level != verdict.Clean || c.Malicious(sum(0)) || c.MaliciousSize(want.Size) {
		t.Errorf("after a newer word: %+v", got)
	}
	if err := c.Forget(t.Context(), want.SHA256); err != nil {
		t.Error(err)
	}
	if err := c.Forget(t.Context(), want.SHA256); err != nil {
		t.Errorf("what was not known: %v", err)
	}
	if list := remembered(t, c, 2); list != nil {
		t.Errorf("known: %v", list)
	}
}

func TestLifetimes(t *testing.T) {
	custom := map[verdict.Level]time.Duration{verdict.Clean: time.Hour, verdict.Malicious: 2 * time.Hour}
	for _, test := range []struct {
		name      string
		lifetimes map[verdict.Level]time.Duration
		level     verdict.Level
		want      time.Duration
	}{
		{"clean", nil, verdict.Clean, 7 * day},
		{"suspicious", nil, verdict.Suspicious, 7 * day},
		{"malicious", nil, verdict.Malicious, 30 * day},
		{"clean, set", custom, verdict.Clean, time.Hour},
		{"suspicious, not set", custom, verdict.Suspicious, 7 * day},
		{"malicious, set", custom, verdict.Malicious, 2 * time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			clock := newClock()
			c := open(t, state(t), Options{Lifetimes: test.lifetimes, Now: clock.read})
			put(t, c, entry(0, test.level))
			clock.add(test.want - 1)
			if len(remembered(t, c, 1)) != 1 {
				t.Errorf("it ended before %v", test.want)
			}
			clock.add(1)
			if len(remembered(t, c, 1)) != 0 {
				t.Errorf("it did not end after %v", test.want)
			}
		})
	}
}

func TestWhatIsNotRemembered(t *testing.T) {
	c := open(t, state(t), Options{})
	for _, level := range []verdict.Level{verdict.Error, "", "timeout", "unknown", "MALICIOUS"} {
		if err := c.Put(t.Context(), entry(0, level)); !errors.Is(err, ErrNotKnown) {
			t.Errorf("%q: %v; want %v", level, err, ErrNotKnown)
		}
	}
	bad := entry(0, verdict.Clean)
	for _, sha256 := range []string{"", "x", strings.Repeat("g", 64), strings.Repeat("0", 66)} {
		bad.SHA256 = sha256
		if err := c.Put(t.Context(), bad); err == nil {
			t.Errorf("%q was taken", sha256)
		}
		if _, ok := c.Get(sha256); ok {
			t.Errorf("%q is known", sha256)
		}
	}
	if list := remembered(t, c, 1); list != nil {
		t.Errorf("known: %v", list)
	}
}

// A server may say as much as it likes.
func TestLongWordsAreCut(t *testing.T) {
	c := open(t, state(t), Options{})
	long := entry(0, verdict.Malicious)
	long.Sandbox, long.Database = strings.Repeat("s", 1<<20), strings.Repeat("\xff", 1<<20)
	long.Threats = slices.Repeat([]string{strings.Repeat("t", 1<<20)}, 1000)
	put(t, c, long)
	got, ok := c.Get(long.SHA256)
	if !ok || len(got.Sandbox) > 1000 || len(got.Database) > 1000 || len(got.Threats) > 100 || len(got.Threats[0]) > 1000 {
		t.Errorf("%d, %d, %d", len(got.Sandbox), len(got.Database), len(got.Threats))
	}
}

func TestAnotherDatabaseEndsVerdicts(t *testing.T) {
	s := state(t)
	c := open(t, s, Options{})
	from := func(n int, server, database string) {
		e := entry(n, verdict.Malicious)
		e.Server, e.Database = server, database
		put(t, c, e)
	}
	database := func(server, version string) {
		t.Helper()
		if err := c.Database(t.Context(), server, version); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(what string, want ...int) {
		t.Helper()
		if diff := cmp.Diff(want, remembered(t, c, 10)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	from(0, a, "")
	database(a, "1") // nobody knows under which it was said
	expect("the first version")
	from(0, a, "1")
	from(1, a, "") // under the last known one
	from(2, b, "")
	from(3, b, "9")
	database(a, "1")
	expect("the same version", 0, 1, 3)
	database(a, "2")
	expect("another version", 3)
	from(4, a, "3") // the answer itself says it
	from(5, a, "3")
	expect("another version in an answer", 3, 4, 5)
	c = open(t, s, Options{})
	database(a, "3")
	expect("after a restart", 3, 4, 5)
	database(a, "4")
	expect("another after a restart", 3)
}

// Set back, a verdict from the future is as old as when that was noticed. Set ahead, it ends; and holds again.
func TestClockIsSet(t *testing.T) {
	const year = 365 * day
	for _, test := range []struct {
		name    string
		restart bool
	}{{"while it runs", false}, {"over a restart", true}} {
		t.Run(test.name, func(t *testing.T) {
			s, clock := state(t), newClock()
			c := open(t, s, Options{Now: clock.read})
			set := func(by time.Duration) {
				clock.add(by)
				if test.restart {
					c = open(t, s, Options{Now: clock.read})
				}
			}
			put(t, c, entry(0, verdict.Clean))
			put(t, c, entry(1, verdict.Malicious))
			expect := func(what string, want ...int) {
				t.Helper()
				if diff := cmp.Diff(want, remembered(t, c, 2)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
			set(-year)
			if !c.Malicious(sum(1)) { // the hot path may be the first to notice
				t.Error("set back: a malicious content is let through")
			}
			expect("set back", 0, 1)
			clock.add(7*day + time.Second)
			expect("set back, a week later", 1)
			clock.add(23 * day)
			expect("set back, a month later")
			put(t, c, entry(0, verdict.Clean))
			put(t, c, entry(1, verdict.Malicious))
			set(year)
			expect("set ahead")
			set(-year)
			expect("put right again", 0, 1)
		})
	}
}

// Of too many, those that ended go first, then clean ones, the oldest first, malicious last. A naive list says
// which.
func TestRowsAreBounded(t *testing.T) {
	const most, all = 100, 400
	s, clock := state(t), newClock()
	c := open(t, s, Options{MaxRows: most, Now: clock.read})
	levels := []verdict.Level{verdict.Clean, verdict.Suspicious, verdict.Malicious}
	rank := map[verdict.Level]int{verdict.Clean: 0, verdict.Suspicious: 1, verdict.Malicious: 2}
	type row struct {
		n     int
		level verdict.Level
		at    time.Time
	}
	var naive []row
	ended := func(r row) int {
		if clock.read().Sub(r.at) >= DefaultLifetimes()[r.level] {
			return 0
		}
		return 1
	}
	r := rand.New(rand.NewPCG(1, 2))
	for n := range all {
		clock.add(time.Duration(1+r.IntN(240)) * time.Minute)
		level := levels[min(r.IntN(5), 2)] // malicious ones alone are too many in the end
		put(t, c, entry(n, level))
		naive = append(naive, row{n, level, clock.read()})
		if len(naive) > most {
			slices.SortFunc(naive, func(a, b row) int {
				if x, y := ended(a), ended(b); x != y {
					return x - y
				}
				if x, y := rank[a.level], rank[b.level]; x != y {
					return x - y
				}
				return a.at.Compare(b.at)
			})
			naive = naive[len(naive)-(most-most/50):]
		}
		if rows, err := s.CountVerdicts(t.Context()); rows > most || err != nil {
			t.Fatalf("%d rows, %v", rows, err)
		}
	}
	var want []int
	for _, r := range naive {
		if ended(r) == 1 {
			want = append(want, r.n)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, remembered(t, c, all)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHotPathAllocatesNothing(t *testing.T) {
	c := open(t, state(t), Options{})
	put(t, c, entry(0, verdict.Malicious))
	hit, miss := sum(0), sum(1)
	if n := testing.AllocsPerRun(100, func() {
		if !c.MaliciousSize(1000) || !c.Malicious(hit) || c.Malicious(miss) || c.MaliciousSize(1) {
			t.Error("a wrong answer")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestConcurrentUse(t *testing.T) {
	clock := newClock()
	c := open(t, state(t), Options{Now: clock.read, MaxRows: 20})
	var work sync.WaitGroup
	for i := range 4 {
		work.Go(func() {
			for n := range 40 {
				if err := c.Put(t.Context(), entry(n, []verdict.Level{verdict.Clean, verdict.Malicious}[n%2])); err != nil {
					t.Error(err)
				}
				c.Get(entry(n, verdict.Clean).SHA256)
				c.Malicious(sum(n))
				c.MaliciousSize(int64(n))
				if i == 0 && n%10 == 9 {
					clock.add(-day)
				}
				if i == 1 && n%10 == 9 {
					if err := c.Database(t.Context(), a, fmt.Sprint(n)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	work.Wait()
	remembered(t, c, 40)
}

func BenchmarkHotPath(bench *testing.B) {
	s := state(bench)
	c := open(bench, s, Options{})
	for n := range 1000 {
		put(bench, c, entry(n, verdict.Malicious))
	}
	hit, miss := sum(0), sum(-1)
	for _, test := range []struct {
		name string
		ask  func() bool
	}{
		{"size of none", func() bool { return c.MaliciousSize(1) }},
		{"size of one", func() bool { return c.MaliciousSize(1000) }},
		{"not malicious", func() bool { return c.Malicious(miss) }},
		{"malicious", func() bool { return c.Malicious(hit) }},
	} {
		bench.Run(test.name, func(bench *testing.B) {
			bench.ReportAllocs()
			for bench.Loop() {
				test.ask()
			}
		})
	}
	bench.Run("get", func(bench *testing.B) {
		key := entry(0, verdict.Clean).SHA256
		for bench.Loop() {
			if _, ok := c.Get(key); !ok {
				bench.Fatal("it is not known")
			}
		}
	})
}
