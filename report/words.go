package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tyto/finding"
)

// severe lists the levels that are shown, the most severe first.
var severe = [...]finding.Level{finding.Alert, finding.Warning, finding.Notice}

// Count returns n with thousands separated by commas: 1,234,567.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	var b strings.Builder
	for i, digit := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return sign + b.String()
}

// Bytes returns n with a binary unit and about three digits: 999 B, 1.21 GiB.
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1024, 0
	const units = "KMGTPE"
	for value >= 1023.5 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	digits := 2
	if value >= 99.95 {
		digits = 0
	} else if value >= 9.995 {
		digits = 1
	}
	return fmt.Sprintf("%.*f %ciB", digits, value, units[unit])
}

// Duration returns d as a person says it: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min, 3 d 4 h.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < 9950*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	s := int64(d.Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return twoUnits(s/60, "min", s%60, "s")
	case s < 86400:
		return twoUnits(s/3600, "h", s%3600/60, "min")
	}
	return twoUnits(s/86400, "d", s%86400/3600, "h")
}

func twoUnits(large int64, unit string, small int64, subunit string) string {
	if small == 0 {
		return fmt.Sprintf("%d %s", large, unit)
	}
	return fmt.Sprintf("%d %s %d %s", large, unit, small, subunit)
}

// rate returns bytes per second over d, or "" where d is too short to tell.
func rate(bytes int64, d time.Duration) string {
	if d < 100*time.Millisecond {
		return ""
	}
	return Bytes(int64(float64(bytes)/d.Seconds())) + "/s"
}

// plural returns "1 thing" or "2 things".
func plural(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return Count(n) + " " + thing + "s"
}

// levelCounts returns "2 alerts, 1 notice", or "" if there is none.
func levelCounts(n map[finding.Level]int64) string {
	var parts []string
	for _, level := range severe {
		if n[level] > 0 {
			parts = append(parts, plural(n[level], level.String()))
		}
	}
	return strings.Join(parts, ", ")
}

// scoreText returns a score as people read it: whole, or with one digit after the point.
func scoreText(score float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(score, 'f', 1, 64), ".0")
}
