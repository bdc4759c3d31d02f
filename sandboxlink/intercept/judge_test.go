package intercept

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// file is the identity of a file with a size, changed an hour before start.
func file(number uint64, size int) Identity {
	hourAgo := start.Add(-time.Hour).UnixNano()
	return Identity{Device: 1, Inode: number, Size: int64(size), Modified: hourAgo, Changed: hourAgo}
}

func TestJudge(t *testing.T) {
	evil, good := []byte("evil"), []byte("good")
	memory := newBlacklist(evil)
	j := newJudge(memory)
	j.learn(file(1, 4), sha256.Sum256(evil))
	j.learn(file(2, 4), sha256.Sum256(good))
	j.learn(file(3, 4), sha256.Sum256(evil))
	j.unlearn(file(3, 4).inode())
	touched := file(1, 4)
	touched.Changed++
	for _, test := range []struct {
		name string
		id   Identity
		want ruling
	}{
		{"size of nothing malicious", file(9, 5), allow},
		{"unknown file of such a size", file(9, 4), hash},
		{"known malicious", file(1, 4), refuse},
		{"known harmless of the same size", file(2, 4), allow},
		{"changed since", touched, hash},
		{"forgotten", file(3, 4), hash},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, _ := j.rule(test.id); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
	memory.add(good)
	if got, sum := j.rule(file(2, 4)); got != refuse || sum != sha256.Sum256(good) {
		t.Error("a known content that has turned out to be malicious is not refused")
	}
}

func TestNews(t *testing.T) {
	clock := start
	n := newNews(time.Hour, func() time.Time { return clock })
	recent := file(2, 1)
	recent.Changed = start.UnixNano()
	changed := file(1, 1)
	changed.Modified++
	type step struct {
		name string
		at   time.Duration
		id   Identity
		exec bool
		want bool
	}
	for _, s := range []step{
		{"first", 0, file(1, 1), false, true},
		{"again", time.Minute, file(1, 1), false, false},
		{"executed", time.Minute, file(1, 1), true, true},
		{"executed again", time.Minute, file(1, 1), true, false},
		{"opened after it was executed", time.Minute, file(1, 1), false, false},
		{"changed", 2 * time.Minute, changed, false, true},
		{"long after", 3 * time.Hour, changed, false, true},
		{"clock set back", 0, changed, false, true},
		{"another file that has only just changed", 0, recent, false, true},
		{"at once again", settle / 2, recent, false, false},
		{"it may have changed unseen since", settle, recent, false, true},
		{"but not any more", 2 * settle, recent, false, false},
	} {
		clock = start.Add(s.at)
		if got := n.is(s.id, s.exec); got != s.want {
			t.Errorf("%s: news is %v", s.name, got)
		}
	}
	n.forget(recent.inode())
	if !n.is(recent, false) {
		t.Error("it was not forgotten")
	}
}

func TestTally(t *testing.T) {
	var y tally
	var got []uint64
	for _, s := range []struct {
		count uint64
		at    time.Duration
	}{{0, 0}, {3, time.Second}, {10, 2 * time.Second}, {12, time.Second + tellEvery}, {12, time.Hour}, {13, 2 * time.Hour}, {14, 0}} {
		got = append(got, y.due(s.count, start.Add(s.at)))
	}
	if diff := cmp.Diff([]uint64{0, 3, 0, 9, 0, 1, 1}, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// slowContent is read only after it was released.
type slowContent struct {
	*bytes.Reader
	started, release chan struct{}
	once             sync.Once
}

func newSlowContent(content []byte) *slowContent {
	return &slowContent{Reader: bytes.NewReader(content), started: make(chan struct{}), release: make(chan struct{})}
}

func (s *slowContent) ReadAt(p []byte, off int64) (int, error) {
	s.once.Do(func() { close(s.started) })
	<-s.release
	return s.Reader.ReadAt(p, off)
}

// While one file is hashed others wait: what is to be executed goes first, and each file is read once for all who wait.
func TestPool(t *testing.T) {
	p := newPool(3)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); p.run(ctx, 1) }()

	var mu sync.Mutex
	var answered []string
	var answers sync.WaitGroup
	ask := func(name string, number uint64, exec bool, content interface {
		ReadAt([]byte, int64) (int, error)
	}, size int) bool {
		answers.Add(1)
		ok := p.ask(question{identity: file(number, size), exec: exec, content: content, answer: func(sum [32]byte, err error) {
			defer answers.Done()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				name += ": " + err.Error()
			} else if sum != sha256.Sum256([]byte("content")) {
				name += ": wrong sum"
			}
			answered = append(answered, name)
		}})
		if !ok {
			answers.Done()
		}
		return ok
	}
	first := newSlowContent([]byte("content"))
	ask("running", 1, false, first, 7)
	<-first.started
	content := bytes.NewReader([]byte("content"))
	ask("running, too", 1, true, nil, 7)
	ask("opened", 2, false, content, 7)
	ask("opened, to be executed as well", 3, false, content, 7)
	ask("truncated", 4, false, content, 9)
	if ask("one too many", 5, false, content, 7) {
		t.Error("the lane has no bound")
	}
	ask("executed", 6, true, content, 7)
	ask("executed as well", 3, true, nil, 7)
	close(first.release)
	answers.Wait()
	want := []string{"running", "running, too", "executed", "opened, to be executed as well", "executed as well", "opened", "truncated: " + errTruncated.Error()}
	if diff := cmp.Diff(want, answered); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if n := p.hashed.Load(); n != 5 {
		t.Errorf("%d files were read", n)
	}

	// When it ends nobody is left without an answer.
	last := newSlowContent(make([]byte, 2*hashChunk))
	var errs []error
	end := func(_ [32]byte, err error) { mu.Lock(); defer mu.Unlock(); errs = append(errs, err) }
	p.ask(question{identity: file(7, 2*hashChunk), content: last, answer: end})
	<-last.started
	p.ask(question{identity: file(8, 7), content: content, answer: end})
	stop()
	close(last.release)
	<-done
	if len(errs) != 2 || !errors.Is(errs[0], errStopped) || !errors.Is(errs[1], errStopped) {
		t.Errorf("answers at the end: %v", errs)
	}
}

func TestSettling(t *testing.T) {
	s := newSettling()
	s.changed("written once", start)
	s.changed("restless", start)
	got := map[string]time.Duration{}
	for at := time.Duration(0); at < 2*restless; at += quiet / 2 {
		now := start.Add(at)
		for _, path := range s.ready(now) {
			got[path] = at
		}
		if _, done := got["restless"]; !done {
			s.changed("restless", now)
		}
	}
	if diff := cmp.Diff(map[string]time.Duration{"written once": quiet, "restless": restless}, got); diff != "" {
		t.Errorf("looked at (-want +got):\n%s", diff)
	}
	for i := range maxSettling + 1 {
		if ok := s.changed(string(rune(i+1)), start); ok != (i < maxSettling) {
			t.Fatalf("change %d is taken: %v", i, ok)
		}
	}
}

func TestOpenNeedsSomethingToDo(t *testing.T) {
	for _, o := range []Options{{}, {Memory: newBlacklist()}, {Exec: true}} {
		if _, err := Open(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
