package fanotify

import (
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Listener is told when a file that was open for writing is closed, the last mapping of it included. It is a group of
// its own, since the events of a [Responder]'s group must be few.
type Listener struct{ group, stop int }

// NewListener makes a listener that watches nothing yet. Its queue is the kernel's default (16,384 files): what does not
// fit is told as overflow.
func NewListener() (*Listener, error) {
	group, err := initialise(unix.FAN_CLASS_NOTIF | unix.FAN_UNLIMITED_MARKS)
	if err != nil {
		return nil, err
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(group)
		return nil, os.NewSyscallError("eventfd", err)
	}
	return &Listener{group: group, stop: stop}, nil
}

// Watch begins to listen on the file system of the open file fd.
func (l *Listener) Watch(fd int) error {
	return mark(l.group, unix.FAN_MARK_ADD, unix.FAN_CLOSE_WRITE, fd)
}

// Next waits for an event and calls written with its file, which is closed when that returns, or overflow when events
// were lost. It returns io.EOF after Stop.
func (l *Listener) Next(written func(fd int), overflow func()) error {
	wait := []unix.PollFd{{Fd: int32(l.group), Events: unix.POLLIN}, {Fd: int32(l.stop), Events: unix.POLLIN}}
	if _, err := unix.Poll(wait, -1); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("fanotify: waiting for events: %w", err)
	}
	switch {
	case wait[1].Revents != 0:
		return io.EOF
	case wait[0].Revents == 0:
		return nil
	}
	// One at a time: if the kernel cannot open the file of an event, it drops it, and says so only if no other went
	// before it in the same read.
	var e unix.FanotifyEventMetadata
	_, err := unix.Read(l.group, unsafe.Slice((*byte)(unsafe.Pointer(&e)), unsafe.Sizeof(e)))
	switch {
	case errors.Is(err, unix.EINTR):
		return nil
	case errors.Is(err, unix.EBADF), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EFAULT):
		return fmt.Errorf("fanotify: reading events: %w", err)
	case err != nil: // also EAGAIN, of a file under a lease: something was there
		overflow()
	case e.Vers != unix.FANOTIFY_METADATA_VERSION:
		return fmt.Errorf("fanotify: reading events: version %d is not understood", e.Vers)
	case e.Mask&unix.FAN_Q_OVERFLOW != 0:
		overflow()
	case e.Fd >= 0:
		written(int(e.Fd))
		unix.Close(int(e.Fd))
	}
	return nil
}

// Stop makes Next return io.EOF.
func (l *Listener) Stop() error { return wake(l.stop) }

// Close gives everything back; nobody may be in Next.
func (l *Listener) Close() error {
	return errors.Join(os.NewSyscallError("close", unix.Close(l.group)), os.NewSyscallError("close", unix.Close(l.stop)))
}
