package decide

import (
	"sync"
	"time"
)

// maxRemembered is how many decisions are remembered, and how many contents; at most twice as many are held. A
// decision takes about a kilobyte.
const maxRemembered = 2048

// Times of remembering. See the package comment.
const (
	rememberFor = 10 * time.Minute
	settled     = time.Minute
)

// key is by what a decision is remembered.
type key struct {
	identity identity
	path     string
	exec     bool
}

// identity tells one state of one file from all others.
type identity struct {
	device, inode           uint64
	size, modified, changed int64  // times in nanoseconds since 1970
	version                 uint64 // counts or dates changes in a way that programs cannot set, 0 where there is none
}

// remembered is a decision that was taken.
type remembered struct {
	decision Decision
	until    time.Time
}

// memory holds the latest entries: a full generation becomes the older one, and what was in that is forgotten unless it
// was asked for in between.
type memory[K comparable, V any] struct {
	size int

	mu         sync.Mutex
	young, old map[K]V
}

func newMemory[K comparable, V any](size int) *memory[K, V] {
	return &memory[K, V]{size: size, young: map[K]V{}}
}

func (m *memory[K, V]) get(k K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.young[k]; ok {
		return v, true
	}
	v, ok := m.old[k]
	if ok {
		m.put(k, v)
	}
	return v, ok
}

func (m *memory[K, V]) set(k K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(k, v)
}

// put needs the lock.
func (m *memory[K, V]) put(k K, v V) {
	if len(m.young) >= m.size {
		m.old, m.young = m.young, make(map[K]V)
	}
	m.young[k] = v
}
