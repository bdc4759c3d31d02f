package finding

import (
	"fmt"
	"math"
	"slices"
)

// Level says how much a finding deserves attention.
type Level int

// The levels, from the least to the most severe. None is below every threshold.
const (
	None Level = iota
	Notice
	Warning
	Alert
)

var levelNames = [...]string{None: "none", Notice: "notice", Warning: "warning", Alert: "alert"}

// String returns the level's name in lower case.
func (l Level) String() string {
	if l < 0 || int(l) >= len(levelNames) {
		return fmt.Sprintf("level(%d)", int(l))
	}
	return levelNames[l]
}

// ParseLevel returns the level of that name.
func ParseLevel(name string) (Level, error) {
	if i := slices.Index(levelNames[:], name); i >= 0 {
		return Level(i), nil
	}
	return None, fmt.Errorf("unknown level %q: use notice, warning or alert", name)
}

// Thresholds are the lowest scores of each level.
type Thresholds struct {
	Alert, Warning, Notice float64
}

// DefaultThresholds are those of THOR and Loki: alert from 80, warning from 60, notice from 40.
var DefaultThresholds = Thresholds{Alert: 80, Warning: 60, Notice: 40}

// Level returns the level of a score.
func (t Thresholds) Level(score float64) Level {
	switch {
	case score >= t.Alert:
		return Alert
	case score >= t.Warning:
		return Warning
	case score >= t.Notice:
		return Notice
	}
	return None
}

// Score combines the sub-scores of an object's matches as THOR does (from 10.7 on): the
// positive ones, in descending order s₀ ≥ s₁ ≥ …, give 100·(1 − Π(1 − sᵢ/100/2ⁱ)), so that each
// further match adds less and 100 is never exceeded; negative ones are then subtracted. The
// result lies between 0 and 100. 70, 70, 50, 40 and 40 give 84.196.
func Score(subs []int) float64 {
	positive := make([]int, 0, len(subs))
	deduct := 0.0
	for _, s := range subs {
		if s > 0 {
			positive = append(positive, min(s, 100))
		} else {
			deduct -= float64(s)
		}
	}
	slices.SortFunc(positive, func(a, b int) int { return b - a })
	rest, weight := 1.0, 1.0
	for _, s := range positive {
		rest *= 1 - float64(s)/100*weight
		weight /= 2
	}
	// Rounded, because a rule's score of 10 alone must be 10 and not 9.999999999999998, which is below
	// a threshold of 10.
	score := math.Round((100*(1-rest)-deduct)*1e9) / 1e9
	return math.Max(0, math.Min(100, score))
}
