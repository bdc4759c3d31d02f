package ioc

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// parseNumber reads a number as indicator files write it: decimal, hexadecimal with 0x, or with a
// fraction.
func parseNumber(s string) (number, error) {
	s = strings.TrimSpace(s)
	digits, negative := strings.CutPrefix(s, "-")
	base := 10
	if hex, ok := strings.CutPrefix(strings.ToLower(digits), "0x"); ok {
		digits, base = hex, 16
	}
	if n, err := strconv.ParseUint(digits, base, 64); err == nil {
		return number{negative: negative && n != 0, magnitude: n}, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || base == 16 {
		return number{}, fmt.Errorf("%q is not a number", s)
	}
	return number{isFloat: true, float: f}, nil
}

// period is a stretch of time: from its first moment up to, not including, its end. A time in an
// indicator means the whole second, minute or day that it names.
type period struct{ first, end time.Time }

var timeLayouts = []struct {
	layout    string
	precision time.Duration
}{
	{"2006-01-02T15:04:05Z07:00", time.Second},
	{"2006-01-02T15:04:05", time.Second},
	{"2006-01-02 15:04:05Z07:00", time.Second},
	{"2006-01-02 15:04:05", time.Second},
	{"2006-01-02T15:04Z07:00", time.Minute},
	{"2006-01-02T15:04", time.Minute},
	{"2006-01-02 15:04", time.Minute},
	{"2006-01-02", 24 * time.Hour},
}

var fraction = regexp.MustCompile(`[.,](\d+)`)

// parseTime reads an ISO 8601 time; without a zone it is UTC.
func parseTime(s string) (period, error) {
	s = strings.TrimSpace(s)
	for _, l := range timeLayouts {
		t, err := time.Parse(l.layout, s)
		if err != nil {
			continue
		}
		precision := l.precision
		if m := fraction.FindStringSubmatch(s); m != nil { // Parse accepts it after the seconds
			precision = time.Duration(math.Pow10(max(0, 9-len(m[1]))))
		}
		return period{t, t.Add(precision)}, nil
	}
	return period{}, fmt.Errorf("%q is not an ISO 8601 time such as 2010-03-17T00:40:45Z", s)
}

var durationForm = regexp.MustCompile(`^(-)?P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?$`)

// parseDuration reads an ISO 8601 duration without years and months, or a number of seconds.
func parseDuration(s string) (number, error) {
	s = strings.TrimSpace(s)
	m := durationForm.FindStringSubmatch(s)
	if m == nil || strings.HasSuffix(s, "P") || strings.HasSuffix(s, "T") {
		n, err := parseNumber(s)
		if err != nil {
			return n, fmt.Errorf("%q is neither seconds nor an ISO 8601 duration such as PT1H30M", s)
		}
		return n, nil
	}
	seconds := uint64(0)
	for i, unit := range []uint64{86400, 3600, 60, 1} {
		if digits := m[i+2]; digits != "" {
			n, err := strconv.ParseUint(digits, 10, 32)
			if err != nil {
				return number{}, fmt.Errorf("duration %q is too long", s)
			}
			seconds += n * unit
		}
	}
	return number{negative: m[1] != "" && seconds != 0, magnitude: seconds}, nil
}

// splitInterval splits "A TO B" and "[A TO B]".
func splitInterval(s string) (from, to string, ok bool) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
	}
	from, to, ok = strings.Cut(s, " TO ")
	return strings.TrimSpace(from), strings.TrimSpace(to), ok
}
