package rules

import (
	"math"
	"testing"
)

// TestClasses makes sure that any content has a class, and says which.
func TestClasses(t *testing.T) {
	for _, c := range []struct {
		head string
		size int64
		want string
		low  int64
	}{
		{"", 0, "other", 0},
		{"M", 1, "other", 0},
		{"MZ", 2, "pe", 0},
		{"MZ\x90\x00", 100<<10 - 1, "pe", 0},
		{"MZ\x90\x00", 100 << 10, "pe", 100 << 10},
		{"MZ\x90\x00", math.MaxInt64 - 1, "pe", 1 << 20},
		{"\x7fEL", 3, "other", 0},
		{"\x7fELF", 4, "elf", 0},
		{"\x7fELF", 500 << 10, "elf", 500 << 10},
		{"\x7fELG", 500 << 10, "other", 200 << 10},
		{"ZM\x00\x00", math.MaxInt64 - 1, "other", 200 << 10},
	} {
		var got *Class
		for _, class := range classes() {
			if holds(&class.facts, []byte(c.head), c.size) {
				got = &class
				break
			}
		}
		if got == nil || got.Name != c.want || got.facts.MinSize != c.low {
			t.Errorf("%q of %d bytes is of class %+v, want %s from %d", c.head, c.size, got, c.want, c.low)
		}
	}
}
