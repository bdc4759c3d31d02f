package intercept

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// offered gives a backlog an item of a user, about a file of the same number.
func offered(b *backlog[int], p priority, user uint32, item int) (out int, f fate) {
	return b.offer(p, user, inode{1, uint64(item)}, item)
}

// takeAll takes what is there.
func takeAll(b *backlog[int]) (items []int) {
	b.drain(func(i int) { items = append(items, i) })
	return items
}

func TestBacklog(t *testing.T) {
	b := newBacklog[int](4)
	var accepted []int
	for i := range 6 {
		if _, f := offered(b, opens, 0, i); f == kept {
			accepted = append(accepted, i)
		}
	}
	offered(b, refusals, 0, 100)
	offered(b, starts, 0, 200)
	offered(b, starts, 0, 201)
	if diff := cmp.Diff([]int{0, 1, 2, 3}, accepted); diff != "" {
		t.Errorf("accepted (-want +got):\n%s", diff)
	}
	if n := b.missed(opens); n != 2 {
		t.Errorf("%d opens were missed", n)
	}

	ctx, stop := context.WithCancel(context.Background())
	taken := make(chan int)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.deliver(ctx, func(_ priority, i int) { taken <- i })
	}()
	receive := func(n int) (got []int) {
		for range n {
			got = append(got, <-taken)
		}
		return got
	}
	if diff := cmp.Diff([]int{100, 200, 201, 0, 1, 2, 3}, receive(7)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
	time.Sleep(3 * gather) // now the taker sleeps
	offered(b, opens, 0, 7)
	if diff := cmp.Diff([]int{7}, receive(1)); diff != "" {
		t.Errorf("delivered to a sleeper (-want +got):\n%s", diff)
	}
	stop()
	<-done
	offered(b, opens, 0, 8)
	if diff := cmp.Diff([]int{8}, takeAll(b)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// However many files are opened, what is started finds its place and goes first.
func TestOpensDoNotDisplaceStarts(t *testing.T) {
	b := newBacklog[int](8)
	offered(b, starts, 0, 1)
	for i := range 1000 {
		if out, _ := offered(b, opens, 1000, 100+i); out == 1 {
			t.Fatal("an open has displaced it")
		}
	}
	if _, f := offered(b, starts, 0, 2); f != kept {
		t.Error("there is no place for another start")
	}
	if got := takeAll(b); !cmp.Equal(got[:3], []int{1, 2, 100}) || b.missed(starts) != 0 || b.missed(opens) != 992 {
		t.Errorf("delivered %v; %d starts and %d opens were missed", got, b.missed(starts), b.missed(opens))
	}
}

// Nor can a flood of starts keep all opens waiting.
func TestStartsDoNotStarveOpens(t *testing.T) {
	b := newBacklog[int](4)
	offered(b, opens, 0, -1)
	for i := range 2 * patience {
		offered(b, starts, 1000, i)
		if item, _, ok := b.next(false); !ok || item == -1 {
			if i != patience {
				t.Errorf("the open is delivered after %d starts", i)
			}
			return
		}
	}
	t.Error("the open is still waiting")
}

// A user who fills a lane gives way to others, and does not delay them by more than one item each.
func TestUsersTakeTurns(t *testing.T) {
	b := newBacklog[int](8)
	const flood, other, third = 1000, 1001, 1002
	for i := range 8 {
		offered(b, opens, flood, 100+i)
	}
	type step struct {
		user      uint32
		item, out int
		fate      fate
	}
	for _, s := range []step{
		{flood, 108, 108, missed}, // the lane is full
		{other, 200, 107, missed}, // the newest of the flood gives way
		{other, 201, 106, missed},
		{third, 300, 105, missed},
		{other, 202, 104, missed},
		{other, 203, 203, missed}, // the flood has 4 left, and the other 3: as good as equal
		{third, 301, 103, missed},
		{flood, 109, 109, missed},
	} {
		if out, f := offered(b, opens, s.user, s.item); out != s.out || f != s.fate {
			t.Errorf("item %d: %d is out, fate %d; want %d, %d", s.item, out, f, s.out, s.fate)
		}
	}
	if diff := cmp.Diff([]int{100, 200, 300, 101, 201, 301, 102, 202}, takeAll(b)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

// A file that changes again and again waits once, where it stood, with what was seen last. Another user's access to it is
// that user's own: nobody can move it to the end of a line of theirs.
func TestSameFileWaitsOnce(t *testing.T) {
	b := newBacklog[int](8)
	file := inode{1, 1}
	b.offer(opens, 1000, file, 1)
	offered(b, opens, 1000, 10)
	for item := 2; item < 1000; item++ {
		if out, f := b.offer(opens, 1000, file, item); out != item-1 || f != replaced {
			t.Fatalf("item %d: %d is out, fate %d", item, out, f)
		}
	}
	if _, f := b.offer(opens, 0, file, 5000); f != kept {
		t.Errorf("another user's: fate %d", f)
	}
	if _, f := b.offer(starts, 1000, file, 6000); f != kept {
		t.Errorf("a start of it: fate %d", f)
	}
	if diff := cmp.Diff([]int{6000, 999, 5000, 10}, takeAll(b)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
	if n := b.missed(opens); n != 0 {
		t.Errorf("%d were missed", n)
	}
}

// Whatever comes, nothing is lost without being counted and nothing stays behind in the books.
func TestLaneKeepsItsBooks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const limit = 50
	l := newLane[int](limit)
	in := map[int]bool{}
	var turned uint64
	for i := range 20_000 {
		if l.n > 0 && random.IntN(5) == 0 {
			item := l.pop()
			if !in[item] {
				t.Fatalf("%d is delivered but was not in", item)
			}
			delete(in, item)
			continue
		}
		in[i] = true
		out, f := l.put(random.Uint32N(20), inode{1, random.Uint64N(100)}, i)
		if f != kept {
			if !in[out] {
				t.Fatalf("%d is out but was not in", out)
			}
			delete(in, out)
		}
		if f == missed {
			turned++
		}
		if l.n != len(in) || l.n > limit || l.missed != turned || len(l.places) != l.n || l.turns.Len() != len(l.lines) {
			t.Fatalf("%d items, %d places, %d lines, %d turns, %d missed; want %d items, %d missed",
				l.n, len(l.places), len(l.lines), l.turns.Len(), l.missed, len(in), turned)
		}
	}
	for l.n > 0 {
		delete(in, l.pop())
	}
	if len(in)+len(l.lines)+len(l.places)+l.turns.Len() != 0 || turned == 0 {
		t.Errorf("at the end: %d items, %d lines, %d places; %d turned away", len(in), len(l.lines), len(l.places), turned)
	}
}

// The price of one more access in the worst case: a full lane, and as many users as it has places.
func BenchmarkOffer(b *testing.B) {
	for _, users := range []uint32{1, 30, DefaultPending} {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			l := newBacklog[int](DefaultPending)
			for i := 0; b.Loop(); i++ {
				offered(l, opens, uint32(i)%users, i)
			}
		})
	}
}
