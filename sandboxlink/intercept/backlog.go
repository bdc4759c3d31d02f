package intercept

import (
	"context"
	"sync/atomic"
)

// backlog is a bounded queue with one taker. What does not fit is the giver's to keep or drop; that it happens is told
// once, and again only after the queue was less than half full.
type backlog[T any] struct {
	items    chan T
	overflow func() // called once for each time that it is full
	full     atomic.Bool
	turned   atomic.Uint64 // away
}

func newBacklog[T any](size int, overflow func()) *backlog[T] {
	return &backlog[T]{items: make(chan T, size), overflow: overflow}
}

// offer takes an item, if there is place, and never waits.
func (b *backlog[T]) offer(item T) bool {
	select {
	case b.items <- item:
		return true
	default:
	}
	b.turned.Add(1)
	if !b.full.Swap(true) {
		b.overflow()
	}
	return false
}

// taken is called by the taker after it has received an item.
func (b *backlog[T]) taken() {
	if len(b.items) < (cap(b.items)+1)/2 && b.full.Load() {
		b.full.Store(false)
	}
}

// deliver gives all items of two backlogs to their takers, one after another, first having priority, until ctx ends.
// Then it gives what is left to drop.
func deliver[A, B any](ctx context.Context, first *backlog[A], second *backlog[B], takeFirst func(A), takeSecond func(B)) {
	for ctx.Err() == nil {
		select {
		case item := <-first.items:
			first.taken()
			takeFirst(item)
			continue
		default:
		}
		select {
		case item := <-first.items:
			first.taken()
			takeFirst(item)
		case item := <-second.items:
			second.taken()
			takeSecond(item)
		case <-ctx.Done():
		}
	}
}

// drain gives what is left to drop. Nobody offers any more.
func (b *backlog[T]) drain(drop func(T)) {
	for {
		select {
		case item := <-b.items:
			drop(item)
		default:
			return
		}
	}
}
