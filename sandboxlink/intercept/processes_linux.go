package intercept

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"tyto/sandboxlink/intercept/procevents"
)

// watchProcesses notices what started programs run that no permission event tells of: scripts that are given to an
// interpreter by name (if only executing is intercepted), and programs without a file. It is best effort: a
// process may have ended before anybody looks.
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
		for _, file := range procevents.Hidden(pid) {
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
	l.notice(seen{fd: fd, access: Access{PID: pid, Exec: true, Identity: id, Time: l.o.Now(), After: true}})
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
