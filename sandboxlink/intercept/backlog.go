package intercept

import (
	"context"
	"sync"
	"time"
)

// gather is how long the taker of a backlog lets items come together after it has found none. To wake it takes longer than
// to answer an access; so while many come, nobody wakes it.
const gather = 2 * time.Millisecond

// backlog is a bounded queue of two lanes with one taker. To offer costs well below a microsecond and never waits.
type backlog[T any] struct {
	mu               sync.Mutex
	urgent, ordinary lane[T]
	asleep           bool          // the taker waits for awake
	awake            chan struct{} // holds at most one
}

// lane is a ring. What does not fit is the giver's to keep or drop; that it happens is told once, and again only after the
// lane was less than half full.
type lane[T any] struct {
	ring     []T
	first, n int
	overflow func()
	full     bool
	turned   uint64 // away
}

func newBacklog[T any](urgent, ordinary int, urgentOverflow, overflow func()) *backlog[T] {
	return &backlog[T]{
		urgent:   lane[T]{ring: make([]T, urgent), overflow: urgentOverflow},
		ordinary: lane[T]{ring: make([]T, ordinary), overflow: overflow},
		awake:    make(chan struct{}, 1),
	}
}

// offer takes an ordinary item, if there is place. It is delivered within moments.
func (b *backlog[T]) offer(item T) bool { return b.put(&b.ordinary, item, false) }

// offerUrgent takes an item that is delivered at once, and before the ordinary ones.
func (b *backlog[T]) offerUrgent(item T) bool { return b.put(&b.urgent, item, true) }

func (b *backlog[T]) put(l *lane[T], item T, wake bool) bool {
	b.mu.Lock()
	fits, tell := l.put(item)
	wake = fits && (wake || b.asleep)
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
	if tell {
		l.overflow()
	}
	return fits
}

func (l *lane[T]) put(item T) (fits, tell bool) {
	if l.n == len(l.ring) {
		l.turned++
		tell, l.full = !l.full, true
		return false, tell
	}
	l.ring[(l.first+l.n)%len(l.ring)] = item
	l.n++
	return true, false
}

func (l *lane[T]) pop() (item T) {
	var none T
	item, l.ring[l.first] = l.ring[l.first], none
	l.first = (l.first + 1) % len(l.ring)
	if l.n--; l.n < (len(l.ring)+1)/2 {
		l.full = false
	}
	return item
}

// next takes an item, if there is one.
func (b *backlog[T]) next(sleepy bool) (item T, urgent, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.urgent.n > 0:
		return b.urgent.pop(), true, true
	case b.ordinary.n > 0:
		return b.ordinary.pop(), false, true
	}
	b.asleep = sleepy
	return item, false, false
}

// deliver gives items to their takers, one after another, until ctx ends. It is called once.
func (b *backlog[T]) deliver(ctx context.Context, takeUrgent, take func(T)) {
	gathering := time.NewTimer(gather)
	defer gathering.Stop()
	for sleepy := false; ctx.Err() == nil; {
		item, urgent, ok := b.next(sleepy)
		switch {
		case ok && urgent:
			takeUrgent(item)
		case ok:
			take(item)
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

// waiting is how many ordinary items there are, and turned how many found no place.
func (b *backlog[T]) waiting() (items int, turned uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ordinary.n, b.ordinary.turned
}
