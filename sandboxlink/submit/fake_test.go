package submit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tyto/sandboxlink/submit/cape"
	"tyto/sandboxlink/submit/wire"
	"tyto/verdict"
)

// fakeQueue is a queue in memory, in which the order of adding is that of urgency.
type fakeQueue struct {
	mu      sync.Mutex
	items   []*fakeItem
	now     func() time.Time
	updates int
	// released wakes Next.
	released signal
}

type fakeItem struct {
	q       *fakeQueue
	object  Object
	content []byte
	openErr error
	saveErr error

	state   State
	leased  bool
	removed bool
}

func (q *fakeQueue) add(names ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, name := range names {
		q.items = append(q.items, &fakeItem{q: q, object: objectNamed(name), content: []byte(name)})
	}
}

// objectNamed makes an object whose content is its name.
func objectNamed(name string) Object {
	return Object{SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(name))), Size: int64(len(name)), Name: name}
}

func (q *fakeQueue) Next(ctx context.Context) (Item, error) {
	for {
		q.mu.Lock()
		for _, i := range q.items {
			if !i.leased && !i.removed && !q.now().Before(i.state.NotBefore) {
				i.leased = true
				q.mu.Unlock()
				return i, nil
			}
		}
		wait := time.Hour
		for _, i := range q.items {
			if !i.leased && !i.removed {
				wait = min(wait, i.state.NotBefore.Sub(q.now()))
			}
		}
		q.mu.Unlock()
		if err := q.released.wait(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// left are the names of what is in the queue.
func (q *fakeQueue) left() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	names := []string{}
	for _, i := range q.items {
		if !i.removed {
			names = append(names, i.object.Name)
		}
	}
	return names
}

func (i *fakeItem) Object() Object { return i.object }

func (i *fakeItem) State() State {
	i.q.mu.Lock()
	defer i.q.mu.Unlock()
	return i.state
}

func (i *fakeItem) Open() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(i.content)), i.openErr
}

func (i *fakeItem) Update(s State) error {
	i.q.mu.Lock()
	defer i.q.mu.Unlock()
	if i.saveErr != nil {
		return i.saveErr
	}
	s.Refusals = slices.Clone(s.Refusals)
	i.state = s
	i.q.updates++
	return nil
}

func (i *fakeItem) Release() {
	i.q.mu.Lock()
	defer i.q.mu.Unlock()
	i.leased = false
	i.q.released.signal()
}

func (i *fakeItem) Remove() error {
	i.q.mu.Lock()
	defer i.q.mu.Unlock()
	i.removed = true
	return nil
}

// fakeServer is a back end that answers as its functions say; those that are missing answer like a server
// that judges everything clean within ten seconds.
type fakeServer struct {
	lookup func(Object) (Answer, error)
	submit func(Object) (Answer, error)
	poll   func(string, Object) (Answer, error)
	slow   time.Duration // each call takes this long

	mu       sync.Mutex
	calls    []string // "lookup a", "submit a", "poll a"
	taken    map[string]time.Time
	busy     int
	mostBusy int
	database string
}

func (f *fakeServer) called(what string, o Object) func() {
	f.mu.Lock()
	f.calls = append(f.calls, what+" "+o.Name)
	f.busy++
	f.mostBusy = max(f.mostBusy, f.busy)
	f.mu.Unlock()
	return func() {
		f.mu.Lock()
		f.busy--
		f.mu.Unlock()
	}
}

// count counts calls that begin with a text.
func (f *fakeServer) count(prefix string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

func (f *fakeServer) Lookup(ctx context.Context, o Object) (Answer, error) {
	defer f.called("lookup", o)()
	if err := sleep(ctx, f.slow); err != nil {
		return Answer{}, err
	}
	if f.lookup != nil {
		return f.lookup(o)
	}
	return Answer{}, wire.ErrUnknown
}

func (f *fakeServer) Submit(ctx context.Context, o Object, content io.Reader) (Answer, error) {
	defer f.called("submit", o)()
	if err := sleep(ctx, f.slow); err != nil {
		return Answer{}, err
	}
	data, err := io.ReadAll(content)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", wire.ErrContent, err)
	}
	if string(data) != o.Name {
		return Answer{}, wire.Bad("content %q of %q", data, o.Name)
	}
	if f.submit != nil {
		return f.submit(o)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.taken == nil {
		f.taken = map[string]time.Time{}
	}
	f.taken["task-"+o.Name] = time.Now()
	return Answer{Task: "task-" + o.Name, Pending: true}, nil
}

func (f *fakeServer) Poll(ctx context.Context, task string, o Object) (Answer, error) {
	defer f.called("poll", o)()
	if err := sleep(ctx, f.slow); err != nil {
		return Answer{}, err
	}
	if f.poll != nil {
		return f.poll(task, o)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	at, known := f.taken[task]
	switch {
	case !known:
		return Answer{}, wire.ErrForgotten
	case time.Since(at) < 10*time.Second:
		return Answer{Task: task, Pending: true}, nil
	}
	return judged(o, verdict.Clean), nil
}

func (f *fakeServer) Database(context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.database, nil
}

func (f *fakeServer) Close() {}

// judged is the answer of a server that is done.
func judged(o Object, level verdict.Level) Answer {
	return Answer{Verdict: &verdict.Verdict{SHA256: o.SHA256, Level: level}}
}

// fault returns a function that always fails.
func fault(kind wire.Kind, answered bool) func(Object) (Answer, error) {
	return func(Object) (Answer, error) {
		return Answer{}, &wire.Error{Kind: kind, Reason: "it is " + string(kind), Answered: answered}
	}
}

// world is a submitter with fake servers, in fake time.
type world struct {
	t       *testing.T
	queue   *fakeQueue
	servers []*fakeServer
	options Options

	mu        sync.Mutex
	delivered []string // "a clean https://s1.example:443"
	last      Delivery
	events    []string // "server failed https://s1.example:443"
	submitter *Submitter
}

// inWorld runs a test in fake time: hours take no time, and goroutines that do not end fail the test.
func inWorld(t *testing.T, servers []*fakeServer, test func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, queue: &fakeQueue{now: time.Now, released: make(signal, 1)}, servers: servers}
		for i := range servers {
			w.options.Servers = append(w.options.Servers, Server{Address: fmt.Sprintf("s%d.example", i+1), Kind: Tyto})
		}
		w.options.Deliver = func(_ context.Context, d Delivery) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.delivered = append(w.delivered, strings.TrimSpace(fmt.Sprintf("%s %s %s", d.Object.Name, d.Answer.Verdict.Level, short(d.Server))))
			w.last = d
			return nil
		}
		w.options.Event = func(e Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, strings.TrimSpace(string(e.Kind)+" "+short(e.Server)))
		}
		test(w)
	})
}

// short is the number of a server: "s1".
func short(server string) string {
	return strings.TrimSuffix(strings.TrimPrefix(server, "https://"), ".example:443")
}

// run lets the submitter work for a time.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	s, err := newSubmitter(w.options, func(s Server, _ Limits, _ cape.Settings) (Backend, error) {
		var n int
		if _, err := fmt.Sscanf(strings.TrimPrefix(s.Address, "http://"), "s%d.example", &n); err != nil {
			return nil, err
		}
		return w.servers[n-1], nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.submitter = s
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	if err := s.Run(ctx, w.queue); !errors.Is(err, context.DeadlineExceeded) {
		w.t.Errorf("Run = %v; want the context's error", err)
	}
	w.queue.mu.Lock()
	defer w.queue.mu.Unlock()
	for _, i := range w.queue.items {
		if i.leased {
			w.t.Errorf("%q is still leased", i.object.Name)
		}
	}
}

// names makes object names.
func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("o%03d", i)
	}
	return all
}
