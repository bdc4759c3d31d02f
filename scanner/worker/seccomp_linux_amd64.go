package worker

import "golang.org/x/sys/unix"

const (
	auditArch     = unix.AUDIT_ARCH_X86_64
	sysNewfstatat = unix.SYS_NEWFSTATAT
)

// allowedOnArch are further system calls that this architecture has.
var allowedOnArch = []uint32{unix.SYS_EPOLL_WAIT, unix.SYS_TIME}

// conditionalOnArch are further rules of this architecture: the Go runtime sets up the
// thread-local storage of new threads by arch_prctl.
var conditionalOnArch = []syscallRule{
	{number: unix.SYS_ARCH_PRCTL, when: []condition{is(0, archSetFS)}},
}

const archSetFS = 0x1002
