package jail

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A lifeline is how the engine knows that nothing of a jail is left, even if the tracer was killed: over a socket the
// tracer hands it descriptors of the jail's supervising processes before the sample starts. Among them is the first process
// of the namespace, which is gone only after all others of the namespace are.

// newLifeline returns the engine's end and the tracer's.
func newLifeline() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a lifeline: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "lifeline"), os.NewFile(uintptr(fds[1]), "lifeline"), nil
}

// tie hands a process over.
func tie(lifeline *os.File, pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	if err := unix.Sendmsg(int(lifeline.Fd()), []byte{0}, unix.UnixRights(fd), nil, 0); err != nil {
		return fmt.Errorf("hand process %d over: %w", pid, err)
	}
	return nil
}

// maxTied is how many processes are taken over a lifeline; the tracer sends two.
const maxTied = 4

// endAll kills what is left of the processes that were handed over, and returns when all are gone.
func endAll(lifeline *os.File, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	var errs []error
	for range maxTied {
		fds, err := takeTied(int(lifeline.Fd()))
		if err != nil || len(fds) == 0 {
			return errors.Join(append(errs, err)...)
		}
		for _, fd := range fds {
			errs = append(errs, end(fd, deadline))
			unix.Close(fd)
		}
	}
	return errors.Join(errs...)
}

// takeTied takes the descriptors of one message, none when there is no more.
func takeTied(socket int) ([]int, error) {
	rights := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), rights, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
	if err == unix.EAGAIN || err == nil && n == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the lifeline: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) == 0 {
		return nil, err
	}
	return unix.ParseUnixRights(&messages[0])
}

// end kills a process and waits until it is gone.
func end(pidfd int, deadline time.Time) error {
	// It has ended already, as a rule.
	_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return errors.New("a process of the jail does not end")
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(left/time.Millisecond)+1)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("wait for the jail: %w", err)
		}
		if n > 0 {
			return nil
		}
	}
}
