package scanner

import (
	"context"
	"time"
)

// cpuBudget is the reason under which the gate is closed by the limit on processor time.
const cpuBudget = "processor budget used up"

const (
	// cpuTick is how often the limit compares what was used with what is allowed. Shorter means
	// smoother; each tick costs a few system calls per worker.
	cpuTick = 20 * time.Millisecond
	// cpuCredit bounds what a scan may save up while it waits for the disk, in wall time: after
	// a wait it may not run unbounded for longer than this.
	cpuCredit = 200 * time.Millisecond
)

// cpuLimit keeps the processor time of a scan at a share of one core by closing and opening the gate.
//
// It keeps an account: each moment of wall time pays in share × time, each moment of processor time
// takes out as much. When the account is overdrawn, the gate is closed for as long as it takes to
// fill again. Debts are never forgiven, so that the average over the scan holds, whatever
// loading the rules has cost; credit is, so that a wait is not followed by a burst.
type cpuLimit struct {
	share float64 // of one core; 0.2 for 20 %
	gate  *Gate
	// used returns the processor time of all processes of the scan, from their start.
	used func() time.Duration
	// started is when the processor time that used returns began to count.
	started time.Time
	now     func() time.Time
	sleep   func(context.Context, time.Duration)
}

// run keeps the limit until the context ends; it leaves the gate as open as the others want it. While
// somebody else keeps the gate closed there is nothing to limit, and it does not even look.
func (l *cpuLimit) run(ctx context.Context) {
	last, lastUsed := l.started, time.Duration(0)
	balance := 0.0 // seconds of processor time
	for l.gate.awaitWork(ctx) == nil {
		now, used := l.now(), l.used()
		balance += l.share*now.Sub(last).Seconds() - (used - lastUsed).Seconds()
		balance = min(balance, l.share*cpuCredit.Seconds())
		last, lastUsed = now, used
		if balance >= 0 {
			l.sleep(ctx, cpuTick)
			continue
		}
		l.gate.Pause(cpuBudget)
		l.sleep(ctx, time.Duration(-balance/l.share*float64(time.Second)))
		l.gate.Resume(cpuBudget)
		// Without a tick of work the scan would stand still whenever the broker's own
		// upkeep uses more than the share.
		l.sleep(ctx, cpuTick/4)
	}
}

// sleep waits for d or until the context ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
