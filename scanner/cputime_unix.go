//go:build unix

package scanner

import (
	"time"

	"golang.org/x/sys/unix"
)

// ownCPUTime returns the processor time that this process has used, user and system.
func ownCPUTime() (time.Duration, error) {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		return 0, err
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano()), nil
}
