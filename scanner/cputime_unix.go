//go:build unix

package scanner

import (
	"time"

	"golang.org/x/sys/unix"
)

// ownCPUTime returns the processor time that this process has used, user and system.
func ownCPUTime() (time.Duration, error) { return cpuTime(unix.RUSAGE_SELF) }

// childrenCPUTime returns the processor time of the processes that this one has started and that have
// ended, such as the one that compiled the rules.
func childrenCPUTime() (time.Duration, error) { return cpuTime(unix.RUSAGE_CHILDREN) }

func cpuTime(who int) (time.Duration, error) {
	var ru unix.Rusage
	if err := unix.Getrusage(who, &ru); err != nil {
		return 0, err
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano()), nil
}
