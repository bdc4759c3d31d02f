package agent

import (
	"context"
	"sync"
)

// held lets one goroutine at a time work on the thing of a name. The zero value is ready.
type held struct {
	mu    sync.Mutex
	names map[string]chan struct{} // closed when the name is free again
}

// hold waits until nobody else holds the name. Whoever gets it calls release.
func (h *held) hold(ctx context.Context, name string) (release func(), err error) {
	for {
		h.mu.Lock()
		free, taken := h.names[name]
		if !taken {
			if h.names == nil {
				h.names = map[string]chan struct{}{}
			}
			free = make(chan struct{})
			h.names[name] = free
			h.mu.Unlock()
			return func() {
				h.mu.Lock()
				delete(h.names, name)
				h.mu.Unlock()
				close(free)
			}, nil
		}
		h.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
