// Package procevents tells when a process has become another program (execve), and what it runs that can be seen
// in no other way: a script given to an interpreter, a program that has no file any more or never had one.
//
//	l, err := procevents.Listen()
//	for { pid, err := l.Next() … files := procevents.Hidden(pid) … }
//
// It uses the kernel's process events connector (netlink, see connector in the kernel's documentation and
// linux/cn_proc.h), which needs CAP_NET_ADMIN and the first pid and user namespaces. It is told after the fact, and
// a process that ends at once is gone before anybody can look.
package procevents

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// From linux/connector.h and linux/cn_proc.h.
const (
	connectorProc   = 1 // CN_IDX_PROC and CN_VAL_PROC
	multicastListen = 1 // PROC_CN_MCAST_LISTEN
	eventNone       = 0 // PROC_EVENT_NONE: the answer to a request
	eventExec       = 2 // PROC_EVENT_EXEC

	headerLength = unix.SizeofNlMsghdr // struct nlmsghdr
	whatAt       = headerLength + 20   // after struct cn_msg: proc_event.what
	dataAt       = whatAt + 4 + 4 + 8  // after what, cpu, timestamp_ns: proc_event.event_data
	messageEnd   = dataAt + 8          // exec: process_pid, process_tgid
	buffer       = 1 << 20             // bytes of events in the kernel: some 5,000 started programs
	answerWithin = 2 * time.Second     // for the kernel to begin
)

// ErrLost is returned by [Listener.Next] when events were lost, since they came faster than they were taken.
var ErrLost = errors.New("process events were lost")

// Listener receives events.
type Listener struct{ socket, stop int }

// Listen begins to receive. The error is [fs.ErrPermission] without CAP_NET_ADMIN, and [errors.ErrUnsupported] where
// the kernel does not answer: without the connector, or in a container.
func Listen() (*Listener, error) {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_CONNECTOR)
	if err != nil {
		return nil, fmt.Errorf("process events: this kernel is built without them (%w): %w", err, errors.ErrUnsupported)
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(socket)
		return nil, os.NewSyscallError("eventfd", err)
	}
	l := &Listener{socket, stop}
	if err := l.begin(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Listener) begin() error {
	err := unix.Bind(l.socket, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: connectorProc})
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("process events: CAP_NET_ADMIN is needed: %w", fs.ErrPermission)
	case err != nil:
		return fmt.Errorf("process events: %w", os.NewSyscallError("bind", err))
	}
	if err := unix.SetsockoptSockFprog(l.socket, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, filter()); err != nil {
		return fmt.Errorf("process events: %w", os.NewSyscallError("setsockopt SO_ATTACH_FILTER", err))
	}
	if err := unix.SetsockoptInt(l.socket, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer); err != nil {
		return fmt.Errorf("process events: %w", os.NewSyscallError("setsockopt SO_RCVBUFFORCE", err))
	}
	if err := unix.Sendto(l.socket, request(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("process events: %w", os.NewSyscallError("sendto", err))
	}
	return l.awaitAnswer()
}

// filter lets through only what we want, so that a process that forks and ends costs us nothing.
func filter() *unix.SockFprog {
	// The machine loads words as big-endian, the kernel writes them as its own.
	word := func(v uint32) uint32 {
		return binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, v))
	}
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: uint32(whatAt)},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: word(eventExec), Jt: 2},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: word(eventNone), Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0xffffffff},
	}
	return &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
}

// request is the message that asks for events.
func request() []byte {
	e := binary.NativeEndian
	var b []byte
	b = e.AppendUint32(b, headerLength+20+4) // struct nlmsghdr
	b = e.AppendUint16(b, unix.NLMSG_DONE)
	b = e.AppendUint16(b, 0)
	b = e.AppendUint32(b, 0)
	b = e.AppendUint32(b, 0)
	b = e.AppendUint32(b, connectorProc) // struct cn_msg
	b = e.AppendUint32(b, connectorProc)
	b = e.AppendUint32(b, 0)
	b = e.AppendUint32(b, 0)
	b = e.AppendUint16(b, 4)
	b = e.AppendUint16(b, 0)
	return e.AppendUint32(b, multicastListen)
}

// awaitAnswer waits for the kernel's word that it has begun: outside of the first namespaces it ignores the request.
func (l *Listener) awaitAnswer() error {
	for end := time.Now().Add(answerWithin); time.Now().Before(end); {
		wait := []unix.PollFd{{Fd: int32(l.socket), Events: unix.POLLIN}}
		if _, err := unix.Poll(wait, int(time.Until(end).Milliseconds())+1); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("process events: %w", os.NewSyscallError("poll", err))
		}
		if what, _, err := l.receive(); err == nil && what == eventNone {
			return nil
		}
	}
	return fmt.Errorf("process events: the kernel does not answer; they are only for the first namespaces, not for containers: %w", errors.ErrUnsupported)
}

// Next waits for a process to become another program and returns its number. It returns [io.EOF] after Stop, and
// ErrLost, after which it can be called again.
func (l *Listener) Next() (pid int, err error) {
	for {
		wait := []unix.PollFd{{Fd: int32(l.socket), Events: unix.POLLIN}, {Fd: int32(l.stop), Events: unix.POLLIN}}
		if _, err := unix.Poll(wait, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return 0, fmt.Errorf("process events: %w", os.NewSyscallError("poll", err))
		}
		if wait[1].Revents != 0 {
			return 0, io.EOF
		}
		what, pid, err := l.receive()
		switch {
		case errors.Is(err, unix.ENOBUFS):
			return 0, ErrLost
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, fmt.Errorf("process events: %w", os.NewSyscallError("recvfrom", err))
		case what == eventExec:
			return pid, nil
		}
	}
}

// receive takes one message. What is none of the kernel's has what == ^0.
func (l *Listener) receive() (what uint32, pid int, err error) {
	var buf [256]byte
	n, from, err := unix.Recvfrom(l.socket, buf[:], 0)
	if err != nil {
		return 0, 0, err
	}
	if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
		return ^uint32(0), 0, nil
	}
	what, pid = parse(buf[:n])
	return what, pid, nil
}

// parse reads the kind of an event and the process that it is about.
func parse(message []byte) (what uint32, pid int) {
	if len(message) < messageEnd {
		return ^uint32(0), 0
	}
	return binary.NativeEndian.Uint32(message[whatAt:]), int(int32(binary.NativeEndian.Uint32(message[dataAt+4:])))
}

// Stop makes Next return io.EOF. A nil Listener is stopped.
func (l *Listener) Stop() error {
	if l == nil {
		return nil
	}
	_, err := unix.Write(l.stop, binary.NativeEndian.AppendUint64(nil, 1))
	return os.NewSyscallError("write", err)
}

// Close gives everything back; nobody may be in Next. Closing a nil Listener does nothing.
func (l *Listener) Close() error {
	if l == nil {
		return nil
	}
	return errors.Join(os.NewSyscallError("close", unix.Close(l.socket)), os.NewSyscallError("close", unix.Close(l.stop)))
}
