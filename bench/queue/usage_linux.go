package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// usage returns the processor time that the process has taken, and the most bytes that it held at once.
func usage() (cpu time.Duration, memory int64, err error) {
	var u unix.Rusage
	err = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), u.Maxrss << 10, err // which Linux tells in KiB
}
