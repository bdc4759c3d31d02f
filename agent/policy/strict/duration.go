package strict

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// ParseDuration reads what [time.ParseDuration] does, and days before it: "30d", "1d12h". A day has 24
// hours. Negative durations and numbers without a unit are errors; "0" is none.
func ParseDuration(text string) (time.Duration, error) {
	wrong := fmt.Errorf("%q is no duration: write it as 90s, 2h30m or 30d", text)
	rest := text
	var days time.Duration
	if number, after, found := strings.Cut(text, "d"); found {
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil || n > math.MaxInt64/uint64(day) {
			return 0, wrong
		}
		days, rest = time.Duration(n)*day, after
		if rest == "" {
			return days, nil
		}
	}
	duration, err := time.ParseDuration(rest)
	if err != nil || duration < 0 || strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") || days > math.MaxInt64-duration {
		return 0, wrong
	}
	return days + duration, nil
}

// FormatDuration writes a duration in a way that [ParseDuration] reads: whole days as "30d", and no zero
// units: "2h30m" instead of "2h30m0s".
func FormatDuration(d time.Duration) string {
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
