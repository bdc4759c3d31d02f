package sandboxlink

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/sandboxlink/queue"
	"tyto/sandboxlink/recall"
	"tyto/sandboxlink/submit"
	"tyto/store"
	"tyto/verdict"
)

// bench is a link on a store and a queue of its own, which notes what it is to act upon.
type bench struct {
	*Link
	queue   *queue.Queue
	cases   []Case
	refuse  error // what Act returns
	without []string
	trusted map[string]bool
	own     map[string]bool
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	cache, err := recall.Open(t.Context(), s, recall.Options{})
	if err != nil {
		t.Fatal(err)
	}
	q, err := queue.Open(filepath.Join(t.TempDir(), "queue"), queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	b := &bench{queue: q, trusted: map[string]bool{}, own: map[string]bool{}}
	b.Link = New(Options{
		Recall: cache, Queue: q,
		Trusted: func(sha256 string) bool { return b.trusted[sha256] },
		Own:     func(_ context.Context, sha256 string, _ int64) (bool, error) { return b.own[sha256], nil },
		Act: func(_ context.Context, c Case) ([]string, error) {
			b.cases = append(b.cases, c)
			return nil, b.refuse
		},
		NoVerdict: func(_ []Seen, why string) { b.without = append(b.without, why) },
	})
	return b
}

// wait queues a content that was met at some paths, and returns its item as the submitter gets it, and its hash.
func (b *bench) wait(t *testing.T, content string, paths ...string) (submit.Item, string) {
	t.Helper()
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(content)))
	for _, path := range paths {
		o := queue.Object{SHA256: sum, Size: int64(len(content)), Names: []queue.Name{{Path: path, By: "started by sh"}}}
		if _, err := b.queue.Add(t.Context(), o, strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	item, err := SubmitQueue(b.queue).Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(item.Release)
	return item, sum
}

func TestDeliver(t *testing.T) {
	b := newBench(t)
	item, sum := b.wait(t, "evil", "/home/ann/evil", "/tmp/evil\xff")
	other := strings.Repeat("0", 64)
	err := b.Deliver(t.Context(), submit.Delivery{
		Object: item.Object(), Item: item, Server: "https://sandbox:443",
		// The server speaks of another content: what it was asked about counts.
		Answer: submit.Answer{Verdict: &verdict.Verdict{SHA256: other, Level: verdict.Malicious, Score: 90}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(b.cases) != 1 {
		t.Fatalf("%d cases, want 1", len(b.cases))
	}
	want := []Seen{
		{Path: "/home/ann/evil", SHA256: sum, Size: 4, By: "started by sh"},
		{Path: "/tmp/evil\xff", SHA256: sum, Size: 4, By: "started by sh"},
	}
	c := b.cases[0]
	if diff := cmp.Diff(want, c.Seen); diff != "" || c.Verdict.SHA256 != sum || c.Verdict.Size != 4 || c.Known {
		t.Errorf("case %+v; places (-want +got):\n%s", c, diff)
	}
	if _, ok := b.Known(sum); !ok {
		t.Error("the verdict was not remembered")
	}
	if _, ok := b.Known(other); ok {
		t.Error("a verdict was remembered on what nobody asked about")
	}
	m := b.Memory()
	if !m.MaliciousSize(4) || !m.Malicious(sha256.Sum256([]byte("evil"))) || m.Malicious(sha256.Sum256([]byte("good"))) {
		t.Error("what stands in the way of the next access does not know it")
	}
	b.trusted[sum] = true
	if _, ok := b.Known(sum); ok || m.Malicious(sha256.Sum256([]byte("evil"))) {
		t.Error("what a person has vouched for is held against it")
	}
}

// Where the object is met after it was taken out to be asked about counts, too.
func TestDeliverToLaterPlaces(t *testing.T) {
	b := newBench(t)
	item, sum := b.wait(t, "evil", "/first")
	o := queue.Object{SHA256: sum, Size: 4, Names: []queue.Name{{Path: "/second"}}}
	if _, err := b.queue.Add(t.Context(), o, strings.NewReader("evil")); err != nil {
		t.Fatal(err)
	}
	d := submit.Delivery{Object: item.Object(), Item: item, Answer: submit.Answer{Verdict: &verdict.Verdict{Level: verdict.Malicious}}}
	if err := b.Deliver(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if seen := b.cases[0].Seen; len(seen) != 2 || seen[1].Path != "/second" {
		t.Errorf("told of %+v", seen)
	}
}

func TestDeliverAgainUntilItIsActedUpon(t *testing.T) {
	b := newBench(t)
	item, _ := b.wait(t, "evil", "/evil")
	d := submit.Delivery{Object: item.Object(), Item: item, Answer: submit.Answer{Verdict: &verdict.Verdict{Level: verdict.Malicious}}}
	b.refuse = errors.New("the disk is full")
	if err := b.Deliver(t.Context(), d); !errors.Is(err, b.refuse) {
		t.Errorf("error %v, want %v", err, b.refuse)
	}
	b.refuse = nil
	if err := b.Deliver(t.Context(), d); err != nil || len(b.cases) != 2 {
		t.Errorf("%v, told %d times", err, len(b.cases))
	}
}

// A sandbox that calls a part of the operating system malicious does not stop the computer.
func TestDeliverOwn(t *testing.T) {
	b := newBench(t)
	item, sum := b.wait(t, "the shell", "/tmp/copy-of-sh")
	b.own[sum] = true
	d := submit.Delivery{Object: item.Object(), Item: item, Answer: submit.Answer{Verdict: &verdict.Verdict{Level: verdict.Malicious, Score: 99}}}
	if err := b.Deliver(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if c := b.cases[0]; !c.IsOwn || c.Verdict.Level != verdict.Suspicious {
		t.Errorf("case %+v", c)
	}
	if b.Memory().Malicious(sha256.Sum256([]byte("the shell"))) {
		t.Error("access to it would be refused")
	}
}

// What is no verdict is not remembered, and told.
func TestNoVerdict(t *testing.T) {
	b := newBench(t)
	item, sum := b.wait(t, "huge", "/huge")
	d := submit.Delivery{
		Object: item.Object(), Item: item,
		Answer:   submit.Answer{Verdict: &verdict.Verdict{Level: verdict.Error}},
		Refusals: []submit.Refusal{{Server: "one", Reason: "too large"}, {Server: "two", Reason: "no such format"}},
	}
	if err := b.Deliver(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	d.Refusals, d.Answer.Verdict = nil, &verdict.Verdict{Level: "wonderful"}
	if err := b.Deliver(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one: too large; two: no such format", "the sandbox could not tell"}, b.without); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if _, ok := b.Known(sum); ok || len(b.cases) > 0 {
		t.Error("something that is no verdict was remembered or acted upon")
	}
}

// The state that the submitter wants remembered comes back as it was.
func TestStateSurvives(t *testing.T) {
	b := newBench(t)
	item, _ := b.wait(t, "some", `C:\Users\ann\some.exe`)
	moment := time.Now().Add(time.Minute).UTC().Round(time.Second)
	want := submit.State{Sent: moment.Add(-time.Hour), NotBefore: moment, Server: "https://sandbox:443", Task: "77", Attempts: 2, LastError: "it was busy", Forgotten: 1, Refusals: []submit.Refusal{{Server: "one", Reason: "too large"}}}
	if err := item.Update(want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, item.State()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if name := item.Object().Name; name != "some.exe" {
		t.Errorf("the sandbox is told the name %q", name)
	}
	// A person drops it meanwhile.
	if _, err := b.queue.Drop(item.Object().SHA256); err != nil {
		t.Fatal(err)
	}
	if err := item.Remove(); err != nil {
		t.Errorf("remove what a person has dropped: %v", err)
	}
}
