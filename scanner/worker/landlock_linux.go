package worker

import (
	"errors"
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// denyByLandlock denies everything that the kernel's Landlock can deny, on all threads: opening,
// making, removing and running files; from ABI 4 TCP; from 6 signals and abstract sockets of processes
// outside; later kernels more.
func denyByLandlock(r *report) {
	abi, err := landlockABI()
	if err != nil {
		r.note("Landlock", err)
		return
	}
	r.note(fmt.Sprintf("Landlock ABI %d", abi), landlock.V11.BestEffort().Restrict())
}

// landlockABI returns the version of Landlock that the kernel has.
func landlockABI() (int, error) {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch errno {
	case 0:
		return int(abi), nil
	case unix.ENOSYS:
		return 0, errors.New("the kernel is older than 5.13 or built without it")
	case unix.EOPNOTSUPP:
		return 0, errors.New("switched off when the system was started")
	}
	return 0, errno
}
