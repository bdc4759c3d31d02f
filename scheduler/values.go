package scheduler

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Duration is a span of time as people write it in a task: "90s", "1h30m", "10d", "1d12h"; a day has
// 24 hours. The zero value stands for the default of its field, and [Never] for "never".
type Duration time.Duration

// Never is the Duration "never".
const Never Duration = -1

// longestDuration is ten years: what is longer is a mistake.
const longestDuration = 3660 * day

// UnmarshalText parses a duration.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "never" {
		*d = Never
		return nil
	}
	var total time.Duration
	rest := s
	if days, after, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return noDuration(s)
		}
		total, rest = time.Duration(n)*day, after
	}
	if rest != "" || s == "" {
		more, err := time.ParseDuration(rest)
		if err != nil || more < 0 {
			return noDuration(s)
		}
		total += more
	}
	if total < 0 || total > longestDuration {
		return fmt.Errorf("%q is longer than ten years: write never, if the field allows it", s)
	}
	*d = Duration(total)
	return nil
}

func noDuration(s string) error {
	return fmt.Errorf("%q is no duration: write it as 90s, 1h30m or 10d", s)
}

// MarshalText writes the duration so that UnmarshalText reads it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String writes whole days as "10d", all else as "1h30m0s" without zeroes at the end.
func (d Duration) String() string {
	switch t := time.Duration(d); {
	case d == Never:
		return "never"
	case t != 0 && t%day == 0:
		return strconv.FormatInt(int64(t/day), 10) + "d"
	default:
		s := t.String()
		if strings.HasSuffix(s, "m0s") {
			s = strings.TrimSuffix(s, "0s")
		}
		if strings.HasSuffix(s, "h0m") {
			s = strings.TrimSuffix(s, "0m")
		}
		return s
	}
}

// UnmarshalYAML does what UnmarshalText does, and names the line.
func (d *Duration) UnmarshalYAML(node *yaml.Node) error { return scalar(node, d.UnmarshalText) }

// Size is a number of bytes as people write it in a task: "4096", "500KiB", "100MiB", "2GiB". The zero
// value stands for the default of its field, and [Unlimited] for "unlimited".
type Size int64

// Unlimited is the Size "unlimited".
const Unlimited Size = -1

var sizeUnits = []struct {
	suffix string
	bytes  float64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}

// UnmarshalText parses a size. As for `tyto scan`, 0 is unlimited too.
func (s *Size) UnmarshalText(text []byte) error {
	if string(text) == "unlimited" {
		*s = Unlimited
		return nil
	}
	for _, unit := range sizeUnits {
		number, ok := strings.CutSuffix(string(text), unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || !(n >= 0 && n*unit.bytes < math.MaxInt64) { // not "<", because of NaN
			break
		}
		*s = Size(n * unit.bytes)
		if *s == 0 {
			*s = Unlimited
		}
		return nil
	}
	return fmt.Errorf("%q is no size: write it as 4096, 500KiB, 100MiB, 2GiB or unlimited", text)
}

// MarshalText writes the size so that UnmarshalText reads it.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String writes the size in the largest unit that divides it.
func (s Size) String() string {
	if s < 0 {
		return "unlimited"
	}
	for _, unit := range sizeUnits {
		if s != 0 && int64(s)%int64(unit.bytes) == 0 {
			return strconv.FormatInt(int64(s)/int64(unit.bytes), 10) + unit.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// UnmarshalYAML does what UnmarshalText does, and names the line.
func (s *Size) UnmarshalYAML(node *yaml.Node) error { return scalar(node, s.UnmarshalText) }

// scalar gives a scalar's text to unmarshal. Errors are of the type that the yaml package gathers, so
// that all of a file come at once.
func scalar(node *yaml.Node, unmarshal func([]byte) error) error {
	err := errors.New("a single value is expected here")
	if node.Kind == yaml.ScalarNode {
		err = unmarshal([]byte(node.Value))
	}
	if err != nil {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %v", node.Line, err)}}
	}
	return nil
}
