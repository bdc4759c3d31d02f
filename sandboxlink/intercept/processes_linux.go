package intercept

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"tyto/sandboxlink/intercept/procevents"
	"tyto/scanner/mountinfo"
)

// watchProcesses notices what started programs run that no permission event tells of: scripts that are given to an
// interpreter by name (if only executing is intercepted), programs without a file, and those on file systems that
// somebody has mounted where we do not see it. It is best effort: a process may have ended before anybody looks.
func (l *linux) watchProcesses(ctx context.Context) error {
	if l.processes == nil {
		<-ctx.Done()
		return nil
	}
	return untilEOF(func() error {
		pid, err := l.processes.Next()
		switch {
		case errors.Is(err, procevents.ErrLost):
			l.lost.Add(1)
			return nil
		case err != nil:
			return err
		case pid == os.Getpid() || l.o.Notice == nil || l.excluded.is(pid):
			return nil
		}
		for _, file := range procevents.Hidden(pid, func(fd int) bool { return l.unseen(pid, fd) }) {
			l.noticeHidden(pid, file)
		}
		return nil
	})
}

// noticeHidden notices a file that a process runs, and takes it.
func (l *linux) noticeHidden(pid int, fd int) {
	id, err := identify(fd, "")
	if err != nil || !l.concerns(fd, id) {
		unix.Close(fd)
		return
	}
	l.notice(seen{fd: fd, user: userOf(pid), access: Access{PID: pid, Exec: true, Identity: id, Time: l.o.Now(), After: true}})
}

// concerns reports whether a file lies where accesses are to be noticed. Processes are told of from the whole
// computer; who named file systems means those. What is only in memory lies on none, and concerns everybody.
func (l *linux) concerns(fd int, id Identity) bool {
	if len(l.o.FileSystems) == 0 {
		return true
	}
	l.mounts.mu.Lock()
	named := l.mounts.devices[id.Device]
	l.mounts.mu.Unlock()
	if named {
		return true
	}
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	return err == nil && strings.HasPrefix(path, "/memfd:")
}

// maxForeignMounts bounds, in bytes, what is read of another process's table of mounts: some 2,000. It is read while processes
// are started, and anybody can make tables as long as they like.
const maxForeignMounts = 256 << 10

// unseen reports whether the program of a process, open as fd with O_PATH, lies on a file system that is not watched
// although all are to be: one that is mounted in another mount namespace only (unshare, containers), or was mounted
// just now, or is not mounted any more. What is left out by its kind is not meant.
func (l *linux) unseen(pid, fd int) bool {
	if len(l.o.FileSystems) > 0 {
		return false
	}
	var st unix.Statx_t
	const want = unix.STATX_INO | unix.STATX_MNT_ID
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, want, &st); err != nil {
		return false
	}
	var id uint64 // 0 before Linux 5.8
	if st.Mask&unix.STATX_MNT_ID != 0 {
		id = st.Mnt_id
	}
	if l.mounts.watched(unix.Mkdev(st.Dev_major, st.Dev_minor), id) {
		return false
	}
	// Files of btrfs and overlayfs have other devices than their file system; the table says which that is.
	foreign := foreignMounts(pid)
	i := slices.IndexFunc(foreign, func(m mountinfo.Mount) bool { return m.ID == id })
	return i < 0 || leftOut(foreign[i].Kind) == "" && !l.mounts.watched(foreign[i].Device, id)
}

// watched reports whether a file system is watched, by its device or one of its mounts.
func (w *mountWatch) watched(device, mount uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.devices[device] || w.ids[mount]
}

// foreignMounts is the beginning of the table of mounts of a process, empty if it has ended.
func foreignMounts(pid int) []mountinfo.Mount {
	table, err := os.Open(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return nil
	}
	defer table.Close()
	data, err := io.ReadAll(io.LimitReader(table, maxForeignMounts))
	if err != nil {
		return nil
	}
	return mountinfo.Parse(data)
}
