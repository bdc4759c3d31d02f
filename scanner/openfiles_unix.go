//go:build unix

package scanner

import (
	"math"

	"golang.org/x/sys/unix"
)

// mayOpen returns how many files this process may have open at a time.
func mayOpen() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 256 // as good as any system gives
	}
	return int(min(l.Cur, math.MaxInt32))
}
