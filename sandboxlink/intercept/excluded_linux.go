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
