//go:build linux

package peer

import (
	"context"
	"time"
)

// Allowance is how often a peer may do something: so often at once, and so often per second in the long
// run.
type Allowance struct {
	left, most, perSecond float64
	filled                time.Time
}

// NewAllowance returns a full one.
func NewAllowance(most, perSecond float64) *Allowance {
	return &Allowance{left: most, most: most, perSecond: perSecond, filled: time.Now()}
}

// Spend takes one off and reports whether there was one.
func (a *Allowance) Spend() bool {
	now := time.Now()
	a.left = min(a.most, a.left+a.perSecond*now.Sub(a.filled).Seconds())
	a.filled = now
	if a.left < 1 {
		return false
	}
	a.left--
	return true
}

// Wait takes one off, and waits a moment if there is none left.
func (a *Allowance) Wait(ctx context.Context) error {
	if a.Spend() {
		return nil
	}
	timer := time.NewTimer(time.Duration(float64(time.Second) / a.perSecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
