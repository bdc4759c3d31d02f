package intercept

import "time"

// tellEvery is how often a person is told that something is still going wrong.
const tellEvery = time.Minute

// tally turns a growing count into few messages. Used by one goroutine.
type tally struct {
	told uint64
	at   time.Time
}

// due returns by how much the count has grown since it was last told, or 0 when it is too soon to say so again.
func (t *tally) due(count uint64, now time.Time) uint64 {
	grown := count - t.told
	if grown == 0 || !t.at.IsZero() && now.Sub(t.at) < tellEvery && !now.Before(t.at) {
		return 0
	}
	t.told, t.at = count, now
	return grown
}
