// Package generations is a map that forgets: when as many entries have come as it may hold, those go that were
// neither asked for nor put since the last time that happened. So it holds at most twice its limit, and costs no bookkeeping
// for each entry. It is for what is remembered to be quicker, and may be forgotten.
package generations

import "sync"

// Map is such a map. Make it with [New]. It is safe for concurrent use.
type Map[K comparable, V any] struct {
	limit int

	mu         sync.Mutex
	young, old map[K]V
}

// New returns an empty map that holds limit entries, and at most twice as many.
func New[K comparable, V any](limit int) *Map[K, V] {
	return &Map[K, V]{limit: limit, young: map[K]V{}}
}

// Get returns the value of a key, if it is there, which makes it young again.
func (m *Map[K, V]) Get(key K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if value, ok := m.young[key]; ok {
		return value, true
	}
	value, ok := m.old[key]
	if ok {
		m.set(key, value)
	}
	return value, ok
}

// Put adds or replaces the value of a key.
func (m *Map[K, V]) Put(key K, value V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(key, value)
}

// set is Put for those who hold the lock.
func (m *Map[K, V]) set(key K, value V) {
	if len(m.young) >= m.limit {
		m.old, m.young = m.young, map[K]V{}
	}
	m.young[key] = value
}

// Remove forgets a key.
func (m *Map[K, V]) Remove(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.young, key)
	delete(m.old, key)
}

// Clear forgets everything.
func (m *Map[K, V]) Clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.young, m.old = map[K]V{}, nil
}
