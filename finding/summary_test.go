package finding

import "testing"

func TestIncomplete(t *testing.T) {
	for _, test := range []struct {
		name    string
		summary Summary
		want    bool
	}{
		{"nothing left out", Summary{}, false},
		{"what was asked for", Summary{Skips: map[Reason]SkipCount{Excluded: {Count: 3}, Symlink: {Count: 9}}}, false},
		{"a gap", Summary{Skips: map[Reason]SkipCount{Excluded: {Count: 3}, Unreadable: {Count: 1}}}, true},
		{"a reason that this version does not know", Summary{Skips: map[Reason]SkipCount{"eaten": {Count: 1}}}, true},
		{"a reason without a skip", Summary{Skips: map[Reason]SkipCount{Unreadable: {}}}, false},
		{"ended early", Summary{Stopped: "interrupted"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.summary.Incomplete(); got != test.want {
				t.Errorf("Incomplete() = %v, want %v", got, test.want)
			}
		})
	}
}
