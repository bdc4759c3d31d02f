package response

import (
	"errors"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// family is a program and what it has started: a process group.
type family struct {
	pid int // of the program, and the number of the group
}

func startFamily(cmd *exec.Cmd) (*family, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &family{pid: cmd.Process.Pid}, nil
}

// wait waits until the program ends, and leaves it to be waited for once more: until then, nobody
// else gets the number of the group.
func (f *family) wait() {
	for {
		var info unix.Siginfo
		if err := unix.Waitid(unix.P_PID, f.pid, &info, unix.WEXITED|unix.WNOWAIT, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

func (f *family) kill() { unix.Kill(-f.pid, unix.SIGKILL) }

func (f *family) close() {}

func rootDir() string { return "/" }

// environment is what a program is started with.
func environment() []string { return []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"} }
