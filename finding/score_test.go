package finding

import (
	"math"
	"testing"
)

func TestScore(t *testing.T) {
	for _, test := range []struct {
		name string
		subs []int
		want float64
	}{
		{"none", nil, 0},
		{"one", []int{75}, 75},
		{"one that binary fractions miss", []int{10}, 10},
		{"an example of thor's manual", []int{70, 70, 50, 40, 40}, 84.196},
		{"the order does not matter", []int{40, 50, 70, 40, 70}, 84.196},
		{"a second match adds less than itself", []int{60, 60}, 72},
		{"a hundred is never exceeded", []int{100, 100, 100}, 100},
		{"more than a hundred is a hundred", []int{250}, 100},
		{"negative ones are subtracted", []int{80, -30}, 50},
		{"the least is nothing", []int{20, -30}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Score(test.subs); math.Abs(got-test.want) > 0.0005 {
				t.Errorf("Score(%v) = %v, want %v", test.subs, got, test.want)
			}
		})
	}
	if got := Score([]int{10}); got < 10 {
		t.Errorf("a score of 10 alone is %v, which is below a threshold of 10", got)
	}
}

func TestThresholds(t *testing.T) {
	for score, want := range map[float64]Level{
		0: None, 39.9: None, 40: Notice, 59.9: Notice, 60: Warning, 79.9: Warning, 80: Alert, 100: Alert,
	} {
		if got := DefaultThresholds.Level(score); got != want {
			t.Errorf("score %v is %v, want %v", score, got, want)
		}
	}
}

func TestParseLevel(t *testing.T) {
	for _, level := range []Level{None, Notice, Warning, Alert} {
		if got, err := ParseLevel(level.String()); err != nil || got != level {
			t.Errorf("ParseLevel(%q) = %v, %v", level.String(), got, err)
		}
	}
	if _, err := ParseLevel("fatal"); err == nil {
		t.Error("an unknown level was accepted")
	}
}
