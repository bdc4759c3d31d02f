package queue

import (
	"fmt"
	"time"
)

const (
	// doubt is how long an object is kept at least after the queue was opened, whatever the computer's clock says.
	doubt = time.Hour
	// sweepEvery is how often expired objects are looked for at most.
	sweepEvery = time.Minute
)

// mature sets when an entry expires. The caller holds q.mu.
func (q *Queue) mature(e *entry) {
	left := q.opts.Expire - max(q.opts.Now().Sub(e.added), 0)
	e.doubtful = left < doubt && left < q.opts.Expire
	if e.doubtful {
		left = min(doubt, q.opts.Expire)
	}
	e.expires = time.Now().Add(left)
	if q.sweepAt.IsZero() || e.expires.Before(q.sweepAt) {
		q.sweepAt = e.expires
	}
}

// expire removes what has expired.
func (q *Queue) expire() {
	list := q.expired()
	if len(list) == 0 {
		return
	}
	events := burst{q: q, kind: EventExpired}
	for _, e := range list {
		var known *Entry
		if events.wants() {
			if entry, err := q.show(e); err == nil {
				known = &entry
			}
		}
		if err := q.remove(e); err != nil {
			q.opts.Log.Error("remove an expired object from the sandbox queue", "sha256", e.name(), "error", err)
			q.release(e, q.opts.MaxWait)
			continue
		}
		events.tell(e.name(), fmt.Sprintf("given up: no sandbox has judged it since %s", e.added.UTC().Format(time.RFC3339)), known)
	}
	events.end()
}

// expired leases what has expired and is not in work.
func (q *Queue) expired() (list []*entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if q.closed || q.sweepAt.IsZero() || now.Before(q.sweepAt) {
		return nil
	}
	q.sweepAt = time.Time{}
	var next time.Time
	for _, e := range q.entries {
		if !e.leased && !now.Before(e.expires) {
			if !e.doubtful || q.opts.Now().Sub(e.added) >= q.opts.Expire {
				e.leased = true
				q.place(e)
				list = append(list, e)
				continue
			}
			q.mature(e) // the clock has been put right since
		}
		if next.IsZero() || e.expires.Before(next) {
			next = e.expires
		}
	}
	q.sweepAt = next
	if soonest := now.Add(sweepEvery); !next.IsZero() && next.Before(soonest) {
		q.sweepAt = soonest
	}
	return list
}
