package response

import (
	"sync"
	"time"
)

// Defaults of a [Budget].
const (
	DefaultBudget       = 200
	DefaultBudgetPeriod = 24 * time.Hour
)

// Budget bounds what all runs together do in some time, as a task that runs each hour could otherwise
// move its fifty objects each hour. It lives as long as the agent; a restart empties it. It is safe for
// concurrent use.
type Budget struct {
	limit  int
	period time.Duration
	now    func() time.Time

	mu    sync.Mutex
	taken []time.Time // within the period, oldest first; at most limit
}

// NewBudget allows limit objects in any period; 0 stands for the defaults. Now tells the time; nil is
// [time.Now].
func NewBudget(limit int, period time.Duration, now func() time.Time) *Budget {
	if limit == 0 {
		limit = DefaultBudget
	}
	if period == 0 {
		period = DefaultBudgetPeriod
	}
	if now == nil {
		now = time.Now
	}
	return &Budget{limit: limit, period: period, now: now}
}

// full reports whether nothing more may be done now. A nil budget is never full.
func (b *Budget) full() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used() >= b.limit
}

// take takes a share, if there is one, which give returns.
func (b *Budget) take() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used() >= b.limit {
		return false
	}
	b.taken = append(b.taken, b.now())
	return true
}

// give returns the share that was taken last: whose it was makes no difference within one period.
func (b *Budget) give() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.taken); n > 0 {
		b.taken = b.taken[:n-1]
	}
}

// used forgets what is longer ago than a period and returns how much is left. What lies in the future,
// as the clock was set back, counts.
func (b *Budget) used() int {
	oldest := b.now().Add(-b.period)
	for len(b.taken) > 0 && b.taken[0].Before(oldest) {
		b.taken = b.taken[1:]
	}
	return len(b.taken)
}
