package intercept

import (
	"context"
	"time"
)

func (l *linux) stats() Stats {
	l.open.RLock()
	defer l.open.RUnlock()
	s := Stats{
		Allowed: l.allowed.Load(), Excluded: l.passed.Load(), Refused: l.denied.Load(), Hashed: l.pool.hashed.Load(),
		Late: l.unjudged.Load(), Noticed: l.noticed.Load(), Repeated: l.repeated.Load(),
		Lost: l.lost.Load(), NotNoticed: l.backlog.missed(starts) + l.backlog.missed(opens),
	}
	c := l.final
	if !l.ended {
		c = l.responder.Counts()
	}
	s.Excluded += c.Own
	s.Late += c.Late + c.Full
	s.Failed += c.Failed
	return s
}

// tell reports what goes wrong, and has everything looked at again from time to time: a verdict does not last for ever.
func (l *linux) tell(ctx context.Context) {
	var late, lost, notNoticed, untold tally
	second := time.NewTicker(time.Second)
	defer second.Stop()
	again := time.NewTicker(l.o.Remember)
	defer again.Stop()
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
			l.recheck()
		case <-minute.C:
			l.excluded.refresh(l.o.Log)
		case <-second.C:
			s, now := l.stats(), l.o.Now()
			if n := late.due(s.Late, now); n > 0 {
				l.o.Event(Event{Kind: Late, Reason: "access was allowed before it was known whether the file is malicious", Count: n})
			}
			if n := lost.due(s.Lost, now); n > 0 {
				l.o.Event(Event{Kind: Lost, Reason: "the kernel's queue was full", Count: n})
			}
			if notNoticed.due(s.NotNoticed, now) > 0 {
				l.o.Event(Event{Kind: NotNoticed, Reason: "more files are opened than can be looked at; they are looked at when they are opened again", Count: s.NotNoticed})
			}
			if n := untold.due(l.backlog.missed(refusals), now); n > 0 {
				l.o.Log.Warn("more accesses are refused than are taken note of", "count", n)
			}
		}
	}
}
