package control

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
	"unsafe"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"
)

// pipeListener makes one instance of a named pipe after the other and waits for a client of each. go-winio has a
// listener as well, but the first instance that it makes is one that nobody serves; Windows keeps clients from
// it, Wine does not.
type pipeListener struct {
	path     string
	security *windows.SecurityAttributes
	closed   windows.Handle // an event

	mu   sync.Mutex // held by Accept
	next windows.Handle
	once sync.Once
}

func listenPipe(path, sddl string) (*pipeListener, error) {
	sd, err := windows.SecurityDescriptorFromString(sddl)
	if err != nil {
		return nil, fmt.Errorf("make an access list: %w", err)
	}
	closed, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		return nil, err
	}
	l := &pipeListener{path: path, closed: closed, security: &windows.SecurityAttributes{SecurityDescriptor: sd}}
	l.security.Length = uint32(unsafe.Sizeof(*l.security))
	if l.next, err = l.instance(windows.FILE_FLAG_FIRST_PIPE_INSTANCE); err != nil {
		return nil, errors.Join(err, windows.CloseHandle(closed))
	}
	return l, nil
}

// instance makes an instance of the pipe. With FILE_FLAG_FIRST_PIPE_INSTANCE it must be the first of all.
func (l *pipeListener) instance(first uint32) (windows.Handle, error) {
	name, err := windows.UTF16PtrFromString(l.path)
	if err != nil {
		return 0, err
	}
	return windows.CreateNamedPipe(name,
		windows.PIPE_ACCESS_DUPLEX|windows.FILE_FLAG_OVERLAPPED|first,
		windows.PIPE_TYPE_BYTE|windows.PIPE_READMODE_BYTE|windows.PIPE_REJECT_REMOTE_CLIENTS,
		windows.PIPE_UNLIMITED_INSTANCES, pipeBuffer, pipeBuffer, 0, l.security)
}

// Accept waits for a client. The instance for the next one is made before this one's is given away, so that
// the name is never free for others.
func (l *pipeListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if err := l.await(l.next); err != nil {
			return nil, err
		}
		taken := l.next
		fresh, err := l.instance(0)
		if err != nil {
			// There is no memory for another. The client is let go, and its instance used again.
			_ = windows.DisconnectNamedPipe(taken)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		l.next = fresh
		file, err := winio.NewOpenFile(taken)
		if err != nil {
			_ = windows.CloseHandle(taken)
			continue
		}
		if f, ok := file.(pipeFile); ok {
			return &pipeConn{f, pipeAddr(l.path)}, nil
		}
		return nil, errors.Join(errors.New("a pipe without deadlines"), file.Close())
	}
}

// await waits until a client has connected to the instance, or the listener is closed.
func (l *pipeListener) await(instance windows.Handle) error {
	event, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(event)
	overlapped := windows.Overlapped{HEvent: event}
	err = windows.ConnectNamedPipe(instance, &overlapped)
	switch {
	case err == nil, errors.Is(err, windows.ERROR_PIPE_CONNECTED):
		return nil
	case errors.Is(err, windows.ERROR_NO_DATA): // came and went
		return windows.DisconnectNamedPipe(instance)
	case !errors.Is(err, windows.ERROR_IO_PENDING):
		return fmt.Errorf("wait for clients of the pipe %q: %w", l.path, err)
	}
	which, err := windows.WaitForMultipleObjects([]windows.Handle{l.closed, event}, false, windows.INFINITE)
	var n uint32
	if err == nil && which == windows.WAIT_OBJECT_0 {
		_ = windows.CancelIoEx(instance, &overlapped)
		_ = windows.GetOverlappedResult(instance, &overlapped, &n, true) // overlapped is ours again
		return net.ErrClosed
	}
	if err == nil {
		err = windows.GetOverlappedResult(instance, &overlapped, &n, true)
	}
	return err
}

// Close ends Accept and removes the pipe; connections stay.
func (l *pipeListener) Close() (err error) {
	l.once.Do(func() {
		err = windows.SetEvent(l.closed)
		l.mu.Lock() // Accept has returned
		defer l.mu.Unlock()
		err = errors.Join(err, windows.CloseHandle(l.next))
		l.next = windows.InvalidHandle
	})
	return err
}

// Addr returns the pipe's name.
func (l *pipeListener) Addr() net.Addr { return pipeAddr(l.path) }

type pipeAddr string

func (pipeAddr) Network() string  { return "pipe" }
func (a pipeAddr) String() string { return string(a) }

// pipeFile is what go-winio makes of a handle.
type pipeFile interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// pipeConn is a connection of a client.
type pipeConn struct {
	pipeFile
	addr pipeAddr
}

func (c *pipeConn) LocalAddr() net.Addr  { return c.addr }
func (c *pipeConn) RemoteAddr() net.Addr { return c.addr }
func (c *pipeConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
