package intercept

import "sync"

// generations is a map that forgets: when limit entries have come, those go that were not asked for or put since the
// last limit entries came. So it holds at most twice limit, and costs no bookkeeping per entry.
type generations[K comparable, V any] struct {
	limit int

	mu         sync.Mutex
	young, old map[K]V
}

func newGenerations[K comparable, V any](limit int) *generations[K, V] {
	return &generations[K, V]{limit: limit, young: map[K]V{}}
}

func (g *generations[K, V]) get(key K) (V, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if value, ok := g.young[key]; ok {
		return value, true
	}
	value, ok := g.old[key]
	if ok {
		g.set(key, value)
	}
	return value, ok
}

func (g *generations[K, V]) put(key K, value V) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.set(key, value)
}

// set is put for those who hold the lock.
func (g *generations[K, V]) set(key K, value V) {
	if len(g.young) >= g.limit {
		g.old, g.young = g.young, map[K]V{}
	}
	g.young[key] = value
}

func (g *generations[K, V]) remove(key K) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.young, key)
	delete(g.old, key)
}

func (g *generations[K, V]) clear() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.young, g.old = map[K]V{}, nil
}
