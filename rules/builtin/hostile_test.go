//go:build cgo

package builtin

import (
	"strings"
	"testing"
)

// libyara gives up on a file, for all rules, when a regular expression has too many states alive at once.
// So nobody may be able to write a file that drives ours there: beginnings of what they look for, over and
// over, without the line ends that would stop them.
func TestRepetitionDoesNotStopTheScan(t *testing.T) {
	const size = 8 << 10
	rules := compile(t)
	for _, e := range examples() {
		t.Run(e.rule, func(t *testing.T) {
			for _, o := range e.fires {
				line := strings.NewReplacer("\n", " ", "\r", " ").Replace(o.content)
				line = line[:min(len(line), 600)]
				for cut := 1; cut <= len(line); cut += max(1, len(line)/8) {
					head, tail := line[:cut], line[cut:]
					hostile := strings.Repeat(head, size/len(head)) + tail
					scan(t, rules, object{o.path, hostile}) // fails when libyara gives up or takes a minute
				}
			}
		})
	}
}
