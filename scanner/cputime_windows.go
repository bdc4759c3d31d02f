package scanner

import (
	"time"

	"golang.org/x/sys/windows"
)

// ownCPUTime returns the processor time that this process has used, user and kernel.
func ownCPUTime() (time.Duration, error) {
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(windows.CurrentProcess(), &created, &exited, &kernel, &user); err != nil {
		return 0, err
	}
	// Durations come in units of 100 ns, split over two halves.
	ticks := func(f windows.Filetime) int64 { return int64(f.HighDateTime)<<32 | int64(f.LowDateTime) }
	return time.Duration(ticks(kernel)+ticks(user)) * 100, nil
}

// childrenCPUTime returns nothing: Windows does not add up what processes that have ended used. So the
// time for compiling rules is not part of the limit there; with the cache there is none.
func childrenCPUTime() (time.Duration, error) { return 0, nil }
