package intercept

import (
	"crypto/sha256"
	"sync"
	"testing"
	"time"
)

// blacklist is a Memory in the simplest form.
type blacklist struct {
	mu    sync.Mutex
	sums  map[[32]byte]bool
	sizes map[int64]bool
}

func newBlacklist(contents ...[]byte) *blacklist {
	b := &blacklist{sums: map[[32]byte]bool{}, sizes: map[int64]bool{}}
	for _, content := range contents {
		b.add(content)
	}
	return b
}

func (b *blacklist) add(content []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sums[sha256.Sum256(content)] = true
	b.sizes[int64(len(content))] = true
}

func (b *blacklist) MaliciousSize(size int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sizes[size]
}

func (b *blacklist) Malicious(sum [32]byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sums[sum]
}

// until waits for a condition.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
