package worker

import "golang.org/x/sys/unix"

const (
	auditArch     = unix.AUDIT_ARCH_AARCH64
	sysNewfstatat = unix.SYS_FSTATAT // the same call under its older name
)

// allowedOnArch and conditionalOnArch are further system calls of this architecture.
var (
	allowedOnArch     []uint32
	conditionalOnArch []syscallRule
)
