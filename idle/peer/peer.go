//go:build linux

// Package peer reaches what belongs to other users (their session bus, their display, their files)
// with no more rights than they have, and never longer than asked.
//
// Tyto runs as root; a path that a user chose must not make root open, or talk to, anything that the
// user could not. So [Dial] and [ReadFile] work with the user's own rights: one thread takes the user's
// effective id for the one system call. The real and the saved id stay root's, so that the user cannot
// send that thread signals or trace it. This is also what a session bus demands: it serves no other user,
// root included, and reads the id from the socket's credentials, which the kernel notes when it connects.
// The alternative, a helper process with the user's id, costs 10 MiB for each user and is one more
// program that the user can stop and trace.
package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// nobody is the group that a thread is in while it acts for a user: a group's rights are never needed.
const nobody = 65534

// Dial connects to the stream socket at path, "@" first for an abstract one, with the rights of user
// uid, and demands that the program behind it runs as one of the owners. It does not wait: a socket
// whose queue is full is an error.
func Dial(path string, uid int, owners ...int) (*net.UnixConn, error) {
	conn, err := dial(path, uid)
	if err != nil {
		return nil, fmt.Errorf("connect to %q: %w", path, err)
	}
	owner, err := Owner(conn)
	if err == nil && !slices.Contains(owners, owner) {
		err = fmt.Errorf("it is served by user %d", owner)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to %q: %w", path, err)
	}
	return conn, nil
}

func dial(path string, uid int) (*net.UnixConn, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	socket := os.NewFile(uintptr(fd), path)
	defer socket.Close() // FileConn makes a copy
	if err := as(uid, func() error { return unix.Connect(fd, &unix.SockaddrUnix{Name: path}) }); err != nil {
		return nil, err
	}
	conn, err := net.FileConn(socket)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

// Owner is the user whose program listens at the other end.
func Owner(conn *net.UnixConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, credErr
	}
	return int(cred.Uid), nil
}

// ReadFile reads a regular file that belongs to user uid, with that user's rights, and at most limit
// bytes of it.
func ReadFile(path string, uid int, limit int64) ([]byte, error) {
	var f *os.File
	err := as(uid, func() error {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		if err == nil {
			f = os.NewFile(uintptr(fd), path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	if !info.Mode().IsRegular() || int(stat.Uid) != uid {
		return nil, fmt.Errorf("read %q: it is not a regular file of user %d", path, uid)
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("read %q: larger than %d bytes", path, limit)
	}
	return b, err
}

// as runs f, which must be one system call that returns at once, with the rights of user uid.
func as(uid int, f func() error) error {
	if uid == os.Geteuid() {
		return f()
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("for user %d: %w", uid, fs.ErrPermission)
	}
	done := make(chan error)
	go func() {
		// Only system calls of this one thread: package syscall's would change all of them.
		runtime.LockOSThread()
		groups, err := unix.Getgroups()
		if err != nil {
			runtime.UnlockOSThread()
			done <- err
			return
		}
		if err = actAs(uid, nil); err == nil {
			err = f()
		}
		if actAs(0, groups) == nil {
			runtime.UnlockOSThread()
		} // else the thread ends with this goroutine, and nothing else ever runs on it
		done <- err
	}()
	return <-done
}

// actAs sets this thread's effective user, its effective group and its other groups.
func actAs(uid int, groups []int) error {
	const keep = ^uintptr(0)
	set := func(call, effective uintptr) error {
		if _, _, errno := unix.RawSyscall(call, keep, effective, keep); errno != 0 {
			return errno
		}
		return nil
	}
	if uid == 0 { // root again first: it may change the rest
		return errors.Join(set(unix.SYS_SETRESUID, 0), set(unix.SYS_SETRESGID, 0), setGroups(groups))
	}
	if err := setGroups(groups); err != nil {
		return err
	}
	if err := set(unix.SYS_SETRESGID, nobody); err != nil {
		return err
	}
	return set(unix.SYS_SETRESUID, uintptr(uid))
}

// Within runs blocking reads and writes on a connection, which fail when ctx ends: then its cause is
// returned.
func Within(ctx context.Context, conn net.Conn, f func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		conn.SetDeadline(time.Unix(1, 0))
	})
	err := f()
	if !stop() {
		<-interrupted // else it could hit the next call
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		return errors.New("the peer hung up")
	}
	return err
}
