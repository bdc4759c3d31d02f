// Package fanotify answers Linux's permission events: a process that opens or executes a file on a watched file
// system waits in the kernel until this process has allowed or denied it, see fanotify(7).
//
//	r, err := fanotify.NewResponder(fanotify.Options{Wait: 500 * time.Millisecond})
//	go func() { for { events, err := r.Next() … r.Answer(event, deny); unix.Close(event.FD) } }()
//	err = r.Watch("/home", fanotify.Exec|fanotify.Open)
//
// It holds the traps; what to allow is the business of package intercept.
//
// # Nothing can hang
//
// A program that answers permission events is itself subject to them, and a Go program is so in ways that it does
// not control. Three things keep it from waiting for itself:
//
//   - Own accesses are allowed as soon as they are read, before anything else. The thread that reads opens nothing, so
//     the opens of other threads are always answered.
//   - Between fork and exec, Go's forking thread is suspended by the kernel while it still counts as running
//     Go code. If the child's execve waits for us, and the garbage collector wants all threads to stop, or there is
//     only one to run Go code, then no Go code runs, and nobody answers: a deadlock that would take the file system
//     with it. So reading, and answering for this process and for children that still share its memory, are written in
//     C, and need no leave from Go's scheduler.
//   - A second C thread, the guard, looks twenty times a second whether the reader is there. If it is not, the
//     guard reads in its place. It also keeps the time: an access that has waited for longer than it may is allowed by
//     the guard, whatever Go does. This is the one place where waiting is bounded.
//
// # Fail-open
//
// The kernel allows everything that waits when the last descriptor of the group is closed, as when this process is
// killed. The descriptor is close-on-exec and never handed to anybody: a copy elsewhere would keep everybody waiting.
// (A child has a copy between fork and exec. Should this process be killed with SIGKILL in just that instant, and the
// child's own execve be among what waits, then it waits until the child is killed too. Service managers kill
// both.) The queue is unlimited, since the kernel lets through what finds no place in a limited one.
//
// If the kernel cannot open the file for us, out of descriptors for example, it denies the access. So the number of
// descriptors in use is bounded far below what this process may have ([Options].Slots).
package fanotify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Mask says which accesses are meant.
type Mask uint64

// What can be watched.
const (
	Open Mask = unix.FAN_OPEN_PERM      // opening a regular file or a special one, in any way
	Exec Mask = unix.FAN_OPEN_EXEC_PERM // opening it to execute it; with Open, both are asked one after the other
)

// initialise makes a group. Its files are opened so that neither a FIFO nor a lease can block the reader
// (O_NONBLOCK), without leaving a trace in their times of access.
func initialise(flags uint) (int, error) {
	fd, err := unix.FanotifyInit(flags|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK,
		unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_LARGEFILE|unix.O_NOATIME)
	switch {
	case errors.Is(err, unix.ENOSYS):
		return -1, fmt.Errorf("fanotify: this kernel is built without it: %w", errors.ErrUnsupported)
	case errors.Is(err, unix.EINVAL):
		return -1, fmt.Errorf("fanotify: this kernel is built without permission events: %w", errors.ErrUnsupported)
	case errors.Is(err, unix.EPERM):
		return -1, fmt.Errorf("fanotify: it needs CAP_SYS_ADMIN in the first user namespace, as root has it outside of containers: %w", fs.ErrPermission)
	case err != nil:
		return -1, fmt.Errorf("fanotify: %w", os.NewSyscallError("fanotify_init", err))
	}
	return fd, nil
}

// mark changes what a group watches on the file system of the open file fd, which may be one of O_PATH.
func mark(group int, flags uint, mask uint64, fd int) error {
	// The magic link leads to the very file, whatever its path leads to by now.
	err := unix.FanotifyMark(group, flags|unix.FAN_MARK_FILESYSTEM, mask, unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd))
	if err != nil {
		return markError(err)
	}
	return nil
}

// markError says what an errno of fanotify_mark(2) means.
func markError(err error) error {
	switch {
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.EXDEV), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("this file system cannot be watched by fanotify (%w)", err)
	case errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("the limit of marks is reached: %w", err)
	}
	return os.NewSyscallError("fanotify_mark", err)
}

// wake makes an eventfd readable.
func wake(eventfd int) error {
	_, err := unix.Write(eventfd, binary.NativeEndian.AppendUint64(nil, 1))
	return os.NewSyscallError("write", err)
}
