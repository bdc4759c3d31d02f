package intercept

import (
	"context"
	"sync"
	"time"
)

// gather is how long the taker of a backlog lets items come together after it has found none. To wake it takes longer than
// to answer an access; so while many come, nobody wakes it.
const gather = 2 * time.Millisecond

// patience is how many items of better lanes are taken while one waits; then it is its turn. Without it, who starts one
// program after another would keep every open from being noticed.
const patience = 8

// priority is which lane of a backlog an item waits in. Lower ones go first, and none takes place from another.
type priority int

const (
	refusals priority = iota // delivered at once
	starts
	opens
	priorities // how many there are
)

// backlog is a bounded queue of several lanes with one taker. To offer costs about a microsecond and never waits.
type backlog[T any] struct {
	mu     sync.Mutex
	lanes  [priorities]*lane[T]
	asleep bool          // the taker waits for awake
	awake  chan struct{} // holds at most one
}

// newBacklog makes a backlog for as many opens as pending says, half as many starts and a quarter of refusals.
func newBacklog[T any](pending int) *backlog[T] {
	b := &backlog[T]{awake: make(chan struct{}, 1)}
	for p, limit := range [priorities]int{refusals: pending / 4, starts: pending / 2, opens: pending} {
		b.lanes[p] = newLane[T](max(limit, 1))
	}
	return b
}

// offer gives an item that is about a user's access to a file. What is returned, unless its fate is kept, is the giver's to
// drop: the item itself, or an older one that it has replaced or displaced.
func (b *backlog[T]) offer(p priority, user uint32, file inode, item T) (out T, f fate) {
	b.mu.Lock()
	out, f = b.lanes[p].put(user, file, item)
	wake := p == refusals || b.asleep
	if wake {
		b.asleep = false
	}
	b.mu.Unlock()
	if wake {
		select {
		case b.awake <- struct{}{}:
		default:
		}
	}
	return out, f
}

// next takes an item, if there is one.
func (b *backlog[T]) next(sleepy bool) (item T, p priority, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for other, l := range b.lanes {
		switch {
		case l.n == 0:
			continue
		case !ok:
			p, ok = priority(other), true
		case l.passed >= patience:
			p = priority(other)
		default:
			l.passed++
		}
	}
	if !ok {
		b.asleep = sleepy
		return item, 0, false
	}
	return b.lanes[p].pop(), p, true
}

// deliver gives items to their taker, one after another, until ctx ends. It is called once.
func (b *backlog[T]) deliver(ctx context.Context, take func(priority, T)) {
	gathering := time.NewTimer(gather)
	defer gathering.Stop()
	for sleepy := false; ctx.Err() == nil; {
		item, p, ok := b.next(sleepy)
		switch {
		case ok:
			take(p, item)
		case sleepy:
			select {
			case <-b.awake:
			case <-ctx.Done():
			}
		default:
			gathering.Reset(gather)
			select {
			case <-gathering.C:
			case <-b.awake:
			case <-ctx.Done():
			}
		}
		sleepy = !ok && !sleepy
	}
}

// drain gives what is left to drop. Nobody offers or takes any more.
func (b *backlog[T]) drain(drop func(T)) {
	for {
		item, _, ok := b.next(false)
		if !ok {
			return
		}
		drop(item)
	}
}

// missed is how many items found no place in a lane.
func (b *backlog[T]) missed(p priority) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lanes[p].missed
}
