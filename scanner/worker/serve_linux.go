package worker

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// socketFD is the descriptor at which a worker finds its socket.
const socketFD = 3

// osConnection is the worker's end of a stream socket. It uses blocking system calls: a worker has nothing
// else to do, and the runtime's poller would cost a system call more for each.
type osConnection struct {
	control []byte
	fds     []int // received, not yet taken
}

func openConnection() (*connection, error) {
	if kind, err := unix.GetsockoptInt(socketFD, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_STREAM {
		return nil, fmt.Errorf("descriptor %d is not the socket of a broker", socketFD)
	}
	unix.CloseOnExec(socketFD)
	return newConnection(osConnection{control: make([]byte, unix.CmsgSpace(4*253))}), nil
}

func (c *osConnection) read(buf []byte) (int, error) {
	for {
		n, controls, flags, _, err := unix.Recvmsg(socketFD, buf, c.control, unix.MSG_CMSG_CLOEXEC)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ECONNRESET || err == nil && n == 0:
			return 0, io.EOF
		case err != nil:
			return 0, fmt.Errorf("read from the broker: %w", err)
		case flags&unix.MSG_CTRUNC != 0:
			return 0, errors.New("read from the broker: too many open files")
		}
		return n, c.receiveFiles(c.control[:controls])
	}
}

// receiveFiles notes the descriptors that came with a message.
func (c *osConnection) receiveFiles(control []byte) error {
	if len(control) == 0 {
		return nil
	}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return fmt.Errorf("%w: %v", errProtocol, err)
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return fmt.Errorf("%w: %v", errProtocol, err)
		}
		c.fds = append(c.fds, fds...)
	}
	return nil
}

func (c *osConnection) takeFile(payload []byte) (*os.File, []byte, error) {
	if len(c.fds) == 0 {
		return nil, nil, fmt.Errorf("%w: a file is missing", errProtocol)
	}
	f := os.NewFile(uintptr(c.fds[0]), "object")
	c.fds = c.fds[:copy(c.fds, c.fds[1:])]
	return f, payload, nil
}

func (c *osConnection) write(buf []byte) error {
	for len(buf) > 0 {
		n, err := unix.Write(socketFD, buf)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("write to the broker: %w", err)
		default:
			buf = buf[n:]
		}
	}
	return nil
}
