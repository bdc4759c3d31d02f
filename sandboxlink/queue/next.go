package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Item is an object that its holder works on. Nobody else gets it until Release, Remove, or the end of the
// process. It is not for concurrent use.
type Item struct {
	Object Object
	State  State

	q    *Queue
	e    *entry
	once sync.Once
	over bool
}

// Next waits for an object that is due and returns it: the one with the highest risk, and of these the one that
// was added first. The error is that of ctx, or [ErrClosed].
func (q *Queue) Next(ctx context.Context) (*Item, error) {
	for {
		q.expire()
		e, changed, wait, err := q.lease()
		if err != nil {
			return nil, err
		}
		if e != nil {
			item, err := q.item(e)
			if err == nil {
				return item, nil
			}
			q.release(e, time.Minute) // set aside, removed, or the disk does not answer
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotFound) {
				q.opts.Log.Error("read an object of the sandbox queue", "sha256", e.name(), "error", err)
			}
			continue
		}
		if err := sleep(ctx, changed, wait); err != nil {
			return nil, err
		}
	}
}

// lease takes the next entry that is due. If there is none it returns what to wait for: a change, or some time, 0
// for as long as it takes.
func (q *Queue) lease() (e *entry, changed <-chan struct{}, wait time.Duration, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, nil, 0, ErrClosed
	}
	for q.delayed.Len() > 0 && q.isDue(q.delayed.list[0]) {
		q.ready.put(q.delayed.take(q.delayed.list[0]))
	}
	if q.ready.Len() > 0 {
		e = q.ready.take(q.ready.list[0])
		e.leased = true
		return e, nil, 0, nil
	}
	if q.delayed.Len() > 0 {
		wait = max(time.Until(q.delayed.list[0].due), 1)
	}
	if !q.sweepAt.IsZero() && (wait == 0 || time.Until(q.sweepAt) < wait) {
		wait = max(time.Until(q.sweepAt), 1)
	}
	return nil, q.changed, wait, nil
}

func sleep(ctx context.Context, changed <-chan struct{}, wait time.Duration) error {
	var over <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-changed:
	case <-over:
	}
	return nil
}

func (q *Queue) item(e *entry) (*Item, error) {
	h, err := q.head(e)
	if err != nil {
		return nil, err
	}
	return &Item{Object: h.meta.object, State: h.meta.state, q: q, e: e}, nil
}

// release gives an entry back, to be had again after some time at the earliest.
func (q *Queue) release(e *entry, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if wait > 0 {
		q.hold(e, q.opts.Now().Add(wait))
	}
	e.leased = false
	q.place(e)
}

// Open returns the original bytes. They are checked while they are read: whoever has read up to io.EOF has the
// content that the SHA-256 says, and the last bytes of another are never returned. A damaged file is set aside,
// and the error is [ErrDamaged]. It can be opened again; the caller closes it.
func (i *Item) Open() (io.ReadCloser, error) {
	if i.over {
		return nil, fmt.Errorf("open %s in the sandbox queue: %w", i.Object.SHA256, ErrReleased)
	}
	f, h, err := i.q.openEntry(i.e, os.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("open %s in the sandbox queue: %w", i.Object.SHA256, err)
	}
	c, err := i.q.codec.read(f, h, func(err error) { i.q.setAside(i.e, err) })
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s in the sandbox queue: %w", i.Object.SHA256, err), f.Close())
	}
	return c, nil
}

// Update remembers a state, on the disk when it returns. [State.NotBefore] counts from when the item is released,
// also if the disk has refused.
func (i *Item) Update(s State) error {
	if i.over {
		return fmt.Errorf("update %s in the sandbox queue: %w", i.Object.SHA256, ErrReleased)
	}
	err := s.check()
	if err == nil {
		s = s.bound()
		i.State = s
		i.q.mu.Lock()
		i.q.hold(i.e, s.NotBefore)
		i.q.mu.Unlock()
		err = i.q.change(i.e, func(m *meta) { m.state = s })
	}
	if err != nil {
		return fmt.Errorf("update %s in the sandbox queue: %w", i.Object.SHA256, err)
	}
	return nil
}

// Release gives the item back to the queue, to be had again when it is due. After Remove and after another
// Release it does nothing.
func (i *Item) Release() {
	i.once.Do(func() {
		i.over = true
		i.q.release(i.e, 0)
	})
}

// Remove removes the object from the queue, for good when it returns, and ends the lease, also if it fails.
func (i *Item) Remove() error {
	if i.over {
		return fmt.Errorf("remove %s from the sandbox queue: %w", i.Object.SHA256, ErrReleased)
	}
	err := i.q.remove(i.e)
	i.Release()
	if err != nil {
		return fmt.Errorf("remove %s from the sandbox queue: %w", i.Object.SHA256, err)
	}
	return nil
}
