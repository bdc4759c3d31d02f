package intercept

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// identify asks for the identity of a file, at a path or (with an empty path) of a descriptor. It is content with
// what the kernel knows without asking a server or another program.
func identify(fd int, path string) (Identity, error) {
	id, _, err := identifyKind(fd, path)
	return id, err
}

// identifyKind also returns the type and permission bits.
func identifyKind(fd int, path string) (Identity, uint16, error) {
	flags := unix.AT_STATX_DONT_SYNC
	if path == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	var st unix.Statx_t
	const want = unix.STATX_TYPE | unix.STATX_MODE | unix.STATX_INO | unix.STATX_SIZE | unix.STATX_MTIME | unix.STATX_CTIME
	if err := unix.Statx(fd, path, flags, want, &st); err != nil {
		return Identity{}, 0, err
	}
	return Identity{
		Device: unix.Mkdev(st.Dev_major, st.Dev_minor), Inode: st.Ino, Size: int64(st.Size),
		Modified: st.Mtime.Sec*1e9 + int64(st.Mtime.Nsec),
		Changed:  st.Ctime.Sec*1e9 + int64(st.Ctime.Nsec),
	}, st.Mode, nil
}

// contentOf reads a descriptor that stays somebody else's.
type contentOf int

func (c contentOf) ReadAt(p []byte, off int64) (int, error) {
	for n := 0; n < len(p); {
		m, err := unix.Pread(int(c), p[n:], off+int64(n))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return n, err
		case m == 0:
			return n, io.EOF
		default:
			n += m
		}
	}
	return len(p), nil
}

// pathOf is the path of an open file, empty if it cannot be told.
func pathOf(fd int) string {
	path, err := os.Readlink(filepath.Join("/proc/self/fd", strconv.Itoa(fd)))
	if err != nil {
		return ""
	}
	return path
}

// nobody is the user of a process that has ended. The kernel gives it to none.
const nobody = ^uint32(0)

// userOf is whose a process is: its effective user id, which is what a folder in /proc belongs to. Ids above
// 65,535 count as one for each 65,536: so many a person may be lent for containers (newuidmap), and be many users.
func userOf(pid int) uint32 {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, "/proc/"+strconv.Itoa(pid), unix.AT_STATX_DONT_SYNC, unix.STATX_UID, &st); err != nil {
		return nobody
	}
	if st.Uid >= 1<<16 {
		return st.Uid &^ (1<<16 - 1)
	}
	return st.Uid
}

// programOf is the path of a process's program, empty if it has ended.
func programOf(pid int) string {
	path, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
	if err != nil {
		return ""
	}
	return path
}
