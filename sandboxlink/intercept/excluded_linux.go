package intercept

import (
	"log/slog"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// excluded knows the programs whose accesses are not looked at, by their inodes. Asking costs one stat(2) below /proc,
// and opens nothing.
type excluded struct {
	paths  []string
	inodes atomic.Pointer[map[inode]bool]
}

func newExcluded(paths []string, log *slog.Logger) *excluded {
	x := &excluded{paths: paths}
	x.refresh(log)
	return x
}

// refresh looks again which files the programs are: an update replaces them.
func (x *excluded) refresh(log *slog.Logger) {
	inodes := map[inode]bool{}
	for _, path := range append([]string{"/proc/self/exe"}, x.paths...) {
		id, err := identify(unix.AT_FDCWD, path)
		if err != nil {
			log.Debug("an excluded program is not there", "path", path, "error", err)
			continue
		}
		inodes[id.inode()] = true
	}
	x.inodes.Store(&inodes)
}

// is reports whether a process runs such a program. It does not if it has ended.
func (x *excluded) is(pid int) bool {
	var buf [32]byte
	path := append(strconv.AppendInt(append(buf[:0], "/proc/"...), int64(pid), 10), "/exe"...)
	id, err := identify(unix.AT_FDCWD, string(path))
	return err == nil && (*x.inodes.Load())[id.inode()]
}

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
