package queue

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// journal collects events.
type journal struct {
	mu   sync.Mutex
	list []Event
}

func (j *journal) add(e Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.list = append(j.list, e)
}

// kinds returns the kinds of the events so far, and forgets them.
func (j *journal) kinds() (kinds []EventKind) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.list {
		kinds = append(kinds, e.Kind)
	}
	j.list = nil
	return kinds
}

// open opens a queue in a folder.
func open(t testing.TB, dir string, o Options) (*Queue, *journal) {
	t.Helper()
	j := &journal{}
	o.Event = j.add
	q, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, q) })
	return q, j
}

func shut(t testing.TB, q *Queue) {
	t.Helper()
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}

// folder returns the path of a folder that does not exist yet.
func folder(t testing.TB) string { return filepath.Join(t.TempDir(), "queue") }

// object describes a content.
func object(content string, risk int) Object {
	return Object{SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(content))), Size: int64(len(content)), Risk: risk}
}

// add adds a content that is new.
func add(t testing.TB, q *Queue, content string, risk int) Object {
	t.Helper()
	o := object(content, risk)
	if outcome, err := q.Add(t.Context(), o, strings.NewReader(content)); outcome != Added || err != nil {
		t.Fatalf("add: %q, %v", outcome, err)
	}
	return o
}

func next(t testing.TB, q *Queue) *Item {
	t.Helper()
	item, err := q.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return item
}

// read returns the content of an item.
func read(item *Item) (string, error) {
	r, err := item.Open()
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	return string(b), errors.Join(err, r.Close())
}

// noise is text that cannot be compressed.
func noise(seed uint64, n int) string {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}).Read(b)
	return string(b)
}

// files returns the names in a folder but that of the lock.
func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if e.Name() != lockName {
			names = append(names, e.Name())
		}
	}
	return names
}

// onDisk returns what the files of a folder count for.
func onDisk(t testing.TB, dir string) (bytes int64) {
	t.Helper()
	for _, name := range files(t, dir) {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		bytes += (info.Size() + 4095) / 4096 * 4096
	}
	return bytes
}

func TestObjectsComeBackAsTheyWere(t *testing.T) {
	for _, test := range []struct{ name, content string }{
		{"empty", ""},
		{"a byte", "x"},
		{"text", strings.Repeat("all work and no play ", 1000)},
		{"noise", noise(1, 3<<20)},
		{"one more than a block", noise(2, 128<<10+1)},
		{"a long hole", strings.Repeat("\x00", 20<<20)},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := folder(t)
			q, events := open(t, dir, Options{})
			o := object(test.content, 3)
			o.Type, o.Why, o.Names = "PE", []string{"executable", "new"}, []Name{{Path: "/tmp/\xff\n", Seen: time.Unix(5, 6).UTC(), By: "exec"}}
			if outcome, err := q.Add(t.Context(), o, strings.NewReader(test.content)); outcome != Added || err != nil {
				t.Fatal(outcome, err)
			}
			shut(t, q)
			q, _ = open(t, dir, Options{})
			item := next(t, q)
			got := item.Object
			if got.Added.IsZero() {
				t.Error("it does not say when it was added")
			}
			got.Added = time.Time{}
			if diff := cmp.Diff(o, got); diff != "" {
				t.Errorf("the object (-want +got):\n%s", diff)
			}
			for range 2 { // it can be read again
				if content, err := read(item); content != test.content || err != nil {
					t.Errorf("%d bytes, %v; want %d", len(content), err, len(test.content))
				}
			}
			if used := q.Usage().Bytes; used != onDisk(t, dir) {
				t.Errorf("%d bytes are used and %d counted", onDisk(t, dir), used)
			}
			if err := item.Remove(); err != nil {
				t.Error(err)
			}
			if left := files(t, dir); left != nil || q.Usage() != (Usage{Limit: DefaultLimit}) {
				t.Errorf("%q is left, and %+v", left, q.Usage())
			}
			if kinds := events.kinds(); kinds != nil {
				t.Errorf("events %v", kinds)
			}
		})
	}
}

// Nothing in the folder shows what it is: no content, no name, and no form that a program would take.
func TestFilesAreInert(t *testing.T) {
	dir := folder(t)
	q, _ := open(t, dir, Options{})
	eicar := `X5O!P%@AP[4\PZX54(P^)7CC)7}` + `$EICAR-STANDARD-` + `ANTIVIRUS-TEST-FILE!$H+H*`
	o := object(eicar, 0)
	o.Names = []Name{{Path: "/tmp/" + eicar}}
	if _, err := q.Add(t.Context(), o, strings.NewReader(eicar)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{o.SHA256}, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	raw, err := os.ReadFile(filepath.Join(dir, o.SHA256))
	if err != nil {
		t.Fatal(err)
	}
	for _, telling := range []string{"EICAR", "X5O!", "\x28\xb5\x2f\xfd", "path", "/tmp"} {
		if bytes.Contains(raw, []byte(telling)) {
			t.Errorf("the file contains %q", telling)
		}
	}
}

func TestAddKnown(t *testing.T) {
	dir := folder(t)
	q, _ := open(t, dir, Options{})
	add(t, q, "other", 50)
	o := add(t, q, "content", 10)
	o.Risk, o.Why = 60, []string{"started"}
	for i := range 20 {
		o.Names = []Name{{Path: fmt.Sprint("/", i), By: "exec"}, {Path: fmt.Sprint("/", i), By: "exec", Seen: time.Unix(int64(i), 0).UTC()}}
		if outcome, err := q.Add(t.Context(), o, nil); outcome != Known || err != nil {
			t.Fatal(outcome, err)
		}
	}
	o.Names = []Name{{Path: strings.Repeat("x", MaxPath+1)}}
	o.Risk = 5
	if outcome, err := q.Add(t.Context(), o, nil); outcome != Known || err != nil {
		t.Fatal(outcome, err)
	}
	got := next(t, q).Object // before the other now
	want := Object{SHA256: o.SHA256, Size: o.Size, Risk: 60, Why: o.Why, MoreNames: 5, Added: got.Added}
	for i := range 20 {
		if i == 0 || i > 4 { // the first one, and the latest
			want.Names = append(want.Names, Name{Path: fmt.Sprint("/", i), By: "exec", Seen: time.Unix(int64(i), 0).UTC()})
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The longest names that there can be do not fit all; what is left out is counted.
func TestLongestNames(t *testing.T) {
	q, _ := open(t, folder(t), Options{})
	o := object("content", 1)
	for i := range MaxNames {
		o.Names = append(o.Names, Name{Path: fmt.Sprintf("%0*d", MaxPath, i), By: strings.Repeat("\x01", maxText)})
	}
	if _, err := q.Add(t.Context(), o, strings.NewReader("content")); err != nil {
		t.Fatal(err)
	}
	item := next(t, q)
	state := State{Server: strings.Repeat("s", maxText), Task: strings.Repeat("t", maxText), LastError: strings.Repeat("\x02", 10*maxError)}
	if err := item.Update(state); err != nil {
		t.Fatal(err)
	}
	got, err := q.Show(o.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.Names) + got.MoreNames; n != MaxNames || len(got.Names) < 8 || got.Names[0] != o.Names[0] || got.Names[len(got.Names)-1] != o.Names[MaxNames-1] {
		t.Errorf("%d names and %d more", len(got.Names), got.MoreNames)
	}
	if got.State.Task != state.Task || got.State.Server != state.Server {
		t.Error("a task is not whole")
	}
}

func TestAddRefuses(t *testing.T) {
	broken := errors.New("broken")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name    string
		object  Object
		content io.Reader
		ctx     context.Context
		want    error
	}{
		{"too large", Object{SHA256: strings.Repeat("0", 64), Size: 1001}, nil, t.Context(), ErrTooLarge},
		{"shorter", object("content", 0), strings.NewReader("conten"), t.Context(), ErrChanged},
		{"longer", object("content", 0), strings.NewReader("contents"), t.Context(), ErrChanged},
		{"endless", object("content", 0), rand.NewChaCha8([32]byte{}), t.Context(), ErrChanged},
		{"another", object("content", 0), strings.NewReader("CONTENT"), t.Context(), ErrChanged},
		{"unreadable", object("content", 0), io.MultiReader(strings.NewReader("con"), failing{broken}), t.Context(), broken},
		{"no time left", object("content", 0), strings.NewReader("content"), cancelled, context.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := folder(t)
			q, events := open(t, dir, Options{ObjectLimit: 1000})
			if _, err := q.Add(test.ctx, test.object, test.content); !errors.Is(err, test.want) {
				t.Errorf("%v; want %v", err, test.want)
			}
			if names := files(t, dir); names != nil || q.Usage().Bytes != 0 || events.kinds() != nil {
				t.Errorf("%q is left, %+v", names, q.Usage())
			}
			add(t, q, "content", 0)
		})
	}
	q, _ := open(t, folder(t), Options{})
	for _, sum := range []string{"", "x", strings.Repeat("A", 64), "../" + strings.Repeat("0", 61)} {
		if _, err := q.Add(t.Context(), Object{SHA256: sum}, nil); err == nil {
			t.Errorf("%q was added", sum)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A full queue is told once, and again after it has drained below nine tenths. The limit holds at each moment.
func TestFull(t *testing.T) {
	dir := folder(t)
	q, events := open(t, dir, Options{Limit: 1 << 20})
	fill := func() (added int) {
		t.Helper()
		for i := uint64(0); ; i++ {
			content := noise(i<<8|uint64(len(files(t, dir))), 50<<10) // about 60 KiB with its head
			o := object(content, 0)
			_, err := q.Add(t.Context(), o, strings.NewReader(content))
			if errors.Is(err, ErrFull) {
				return added
			}
			if err != nil {
				t.Fatal(err)
			}
			if added++; onDisk(t, dir) > 1<<20 || onDisk(t, dir) != q.Usage().Bytes {
				t.Fatalf("%d bytes, %+v", onDisk(t, dir), q.Usage())
			}
		}
	}
	if added := fill(); added != 17 {
		t.Errorf("%d objects fit", added)
	}
	fill()
	if diff := cmp.Diff([]EventKind{EventFull}, events.kinds()); diff != "" {
		t.Errorf("events of a full queue (-want +got):\n%s", diff)
	}
	if err := next(t, q).Remove(); err != nil {
		t.Fatal(err)
	}
	if fill() != 1 || events.kinds() != nil {
		t.Error("told again after little was removed")
	}
	for range 3 {
		if err := next(t, q).Remove(); err != nil {
			t.Fatal(err)
		}
	}
	fill()
	if diff := cmp.Diff([]EventKind{EventFull}, events.kinds()); diff != "" {
		t.Errorf("events after it has drained (-want +got):\n%s", diff)
	}
	if refused := q.Usage().Refused; refused != 4 {
		t.Errorf("%d were refused", refused)
	}
}

func TestEntriesAreLimited(t *testing.T) {
	q, events := open(t, folder(t), Options{Entries: 2})
	add(t, q, "a", 0)
	add(t, q, "b", 0)
	if _, err := q.Add(t.Context(), object("c", 0), strings.NewReader("c")); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	if diff := cmp.Diff([]EventKind{EventFull}, events.kinds()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestShowAndDrop(t *testing.T) {
	q, _ := open(t, folder(t), Options{})
	a, b := add(t, q, "a", 1), add(t, q, "b", 2) // ca97…, 3e23…
	list, err := q.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, e := range list {
		order = append(order, e.SHA256)
	}
	if diff := cmp.Diff([]string{b.SHA256, a.SHA256}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	for prefix, want := range map[string]error{"ca": nil, "CA97": nil, a.SHA256: nil, strings.ToUpper(a.SHA256): nil, "": ErrNotFound, "ff": ErrNotFound, strings.Repeat("0", 64): ErrNotFound} {
		if e, err := q.Show(prefix); !errors.Is(err, want) || err == nil && e.SHA256 != a.SHA256 {
			t.Errorf("%q: %v, %v", prefix, e.SHA256, err)
		}
	}
	add(t, q, "42", 3) // 7347…
	add(t, q, "12", 3) // 6b51…
	add(t, q, "d", 3)  // 18ac…
	add(t, q, "e", 3)  // 3f79…
	if _, err := q.Show("3"); !errors.Is(err, ErrAmbiguous) {
		t.Errorf("%v; want %v", err, ErrAmbiguous)
	}
	item := next(t, q)
	if _, err := q.Drop(item.Object.SHA256); err != nil { // also one that is in work
		t.Fatal(err)
	}
	if err := item.Update(State{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("update of what was dropped: %v", err)
	}
	item.Release()
	if _, err := q.Show(item.Object.SHA256); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v; want %v", err, ErrNotFound)
	}
	if got := q.Usage().Entries; got != 5 {
		t.Errorf("%d are left", got)
	}
}

func TestStateSurvives(t *testing.T) {
	dir := folder(t)
	q, _ := open(t, dir, Options{})
	add(t, q, "content", 1)
	item := next(t, q)
	var want State
	for i := range 5 {
		want = State{Server: "sandbox:443", Task: fmt.Sprint("task", i), Sent: time.Unix(1, 2).UTC(), Attempts: i, LastError: "busy"}
		if err := item.Update(want); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []State{{Task: strings.Repeat("x", maxText+1)}, {Server: "\xff"}} {
		if err := item.Update(s); err == nil {
			t.Errorf("%+v was taken", s)
		}
	}
	item.Release()
	item.Release()
	if _, err := item.Open(); !errors.Is(err, ErrReleased) {
		t.Error(err)
	}
	if err := errors.Join(item.Update(want), item.Remove()); !errors.Is(err, ErrReleased) {
		t.Error(err)
	}
	if diff := cmp.Diff(want, next(t, q).State); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	shut(t, q)
	q, _ = open(t, dir, Options{})
	if diff := cmp.Diff(want, next(t, q).State); diff != "" {
		t.Errorf("state after a restart (-want +got):\n%s", diff)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := folder(t)
	q, _ := open(t, dir, Options{})
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("%v; want %v", err, ErrInUse)
	}
	shut(t, q)
	if _, err := q.Next(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("next: %v", err)
	}
	if _, err := q.Add(t.Context(), object("x", 0), strings.NewReader("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("add: %v", err)
	}
	open(t, dir, Options{})
}

// Many add the same contents while others take them: all are taken, whole, and none by two at once.
func TestConcurrentUse(t *testing.T) {
	const contents, adders, takers = 60, 4, 3
	dir := folder(t)
	q, events := open(t, dir, Options{})
	var taken, inWork sync.Map
	var work sync.WaitGroup
	for adder := range adders {
		work.Go(func() {
			for i := range contents {
				content := noise(uint64(i), 1000+i)
				if _, err := q.Add(t.Context(), object(content, i%5+10*adder), strings.NewReader(content)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	for range takers {
		work.Go(func() {
			for {
				item, err := q.Next(ctx)
				if err != nil {
					return
				}
				if _, twice := inWork.LoadOrStore(item.Object.SHA256, true); twice {
					t.Error("an item was given out twice")
				}
				content, err := read(item)
				if err != nil {
					t.Error(err)
				}
				if err := item.Update(State{Attempts: item.State.Attempts + 1}); err != nil {
					t.Error(err)
				}
				inWork.Delete(item.Object.SHA256)
				if item.State.Attempts < 2 {
					item.Release()
					continue
				}
				taken.Store(content, true)
				if err := item.Remove(); err != nil {
					t.Error(err)
				}
				n := 0
				taken.Range(func(any, any) bool { n++; return true })
				if n == contents {
					enough()
				}
			}
		})
	}
	work.Wait()
	for i := range contents {
		if _, ok := taken.Load(noise(uint64(i), 1000+i)); !ok {
			t.Errorf("content %d was not taken", i)
		}
	}
	if used := q.Usage(); used.Bytes != onDisk(t, dir) || used.Entries != len(files(t, dir)) || events.kinds() != nil {
		t.Errorf("%+v, %d bytes in %q", used, onDisk(t, dir), files(t, dir))
	}
}

// The order is that of the simplest queue that there is, whatever happens to it.
func TestOrder(t *testing.T) {
	type known struct {
		content string
		risk, n int
	}
	r := rand.New(rand.NewPCG(5, 6))
	now := time.Unix(1_700_000_000, 0)
	q, _ := open(t, folder(t), Options{Now: func() time.Time { return now }})
	var naive []known
	var held []*Item
	for n := range 600 {
		now = now.Add(time.Second)
		switch k := r.IntN(10); {
		case k < 5:
			c := known{fmt.Sprint(n), r.IntN(8) * 10, n}
			add(t, q, c.content, c.risk)
			naive = append(naive, c)
		case k < 6 && len(naive) > 0: // met again, with another risk
			i := r.IntN(len(naive))
			risk := r.IntN(101)
			if _, err := q.Add(t.Context(), object(naive[i].content, risk), nil); err != nil {
				t.Fatal(err)
			}
			naive[i].risk = max(naive[i].risk, risk)
		case k < 9 && len(naive) > 0:
			best := slices.MinFunc(naive, func(a, b known) int {
				if a.risk != b.risk {
					return b.risk - a.risk
				}
				return a.n - b.n
			})
			item := next(t, q)
			if content, err := read(item); content != best.content || err != nil {
				t.Fatalf("step %d: %q with risk %d, %v; want %q with risk %d", n, content, item.Object.Risk, err, best.content, best.risk)
			}
			naive = slices.DeleteFunc(naive, func(k known) bool { return k.n == best.n })
			held = append(held, item)
		case len(held) > 0: // given back or done
			i := r.IntN(len(held))
			item := held[i]
			held = slices.Delete(held, i, i+1)
			if r.IntN(2) == 0 {
				if err := item.Remove(); err != nil {
					t.Fatal(err)
				}
				continue
			}
			content, err := read(item)
			if err != nil {
				t.Fatal(err)
			}
			item.Release()
			var added int
			if _, err := fmt.Sscan(content, &added); err != nil {
				t.Fatal(err)
			}
			naive = append(naive, known{content, item.Object.Risk, added})
		}
	}
	if len(naive) < 20 {
		t.Errorf("only %d are left: the test says little", len(naive))
	}
}
