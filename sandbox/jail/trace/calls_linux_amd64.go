package trace

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// reply says how a call goes on: it is not made and has this result, or it is made and after is called with its
// result. The zero value lets it be made.
type reply struct {
	refuse bool
	result int64
	after  func(result int64)
}

func denied(e unix.Errno) reply    { return reply{refuse: true, result: -int64(e)} }
func answered(result int64) reply  { return reply{refuse: true, result: result} }
func then(after func(int64)) reply { return reply{after: after} }

// handler looks at a call of a process.
type handler func(*tracer, *task, call) reply

// watched are the calls at which every process stops, whatever their arguments. Those that stop only with
// certain arguments are served below, in sometimes.
var watched = map[uint32]handler{
	unix.SYS_OPEN:    func(t *tracer, k *task, c call) reply { return t.open(k, unix.AT_FDCWD, c.args[0], c.args[1]) },
	unix.SYS_OPENAT:  func(t *tracer, k *task, c call) reply { return t.open(k, int32(c.args[0]), c.args[1], c.args[2]) },
	unix.SYS_OPENAT2: (*tracer).openat2,
	unix.SYS_CREAT: func(t *tracer, k *task, c call) reply {
		return t.open(k, unix.AT_FDCWD, c.args[0], unix.O_CREAT|unix.O_WRONLY|unix.O_TRUNC)
	},
	unix.SYS_UNLINK:   func(t *tracer, k *task, c call) reply { return t.remove(k, unix.AT_FDCWD, c.args[0]) },
	unix.SYS_UNLINKAT: func(t *tracer, k *task, c call) reply { return t.remove(k, int32(c.args[0]), c.args[1]) },
	unix.SYS_RMDIR:    func(t *tracer, k *task, c call) reply { return t.remove(k, unix.AT_FDCWD, c.args[0]) },
	unix.SYS_RENAME: func(t *tracer, k *task, c call) reply {
		return t.move(k, unix.AT_FDCWD, c.args[0], unix.AT_FDCWD, c.args[1])
	},
	unix.SYS_RENAMEAT: func(t *tracer, k *task, c call) reply {
		return t.move(k, int32(c.args[0]), c.args[1], int32(c.args[2]), c.args[3])
	},
	unix.SYS_RENAMEAT2: func(t *tracer, k *task, c call) reply {
		return t.move(k, int32(c.args[0]), c.args[1], int32(c.args[2]), c.args[3])
	},
	unix.SYS_LINK: func(t *tracer, k *task, c call) reply {
		return t.link(k, unix.AT_FDCWD, c.args[0], unix.AT_FDCWD, c.args[1])
	},
	unix.SYS_LINKAT: func(t *tracer, k *task, c call) reply {
		return t.link(k, int32(c.args[0]), c.args[1], int32(c.args[2]), c.args[3])
	},
	unix.SYS_SYMLINK:   func(t *tracer, k *task, c call) reply { return t.symlink(k, c.args[0], unix.AT_FDCWD, c.args[1]) },
	unix.SYS_SYMLINKAT: func(t *tracer, k *task, c call) reply { return t.symlink(k, c.args[0], int32(c.args[1]), c.args[2]) },
	unix.SYS_TRUNCATE:  func(t *tracer, k *task, c call) reply { return t.write(k, unix.AT_FDCWD, c.args[0]) },
	unix.SYS_MKNOD:     func(t *tracer, k *task, c call) reply { return t.node(k, unix.AT_FDCWD, c.args[0], c.args[1]) },
	unix.SYS_MKNODAT:   func(t *tracer, k *task, c call) reply { return t.node(k, int32(c.args[0]), c.args[1], c.args[2]) },
	unix.SYS_CHMOD:     func(t *tracer, k *task, c call) reply { return t.chmod(k, unix.AT_FDCWD, c.args[0], c.args[1]) },
	unix.SYS_FCHMODAT:  func(t *tracer, k *task, c call) reply { return t.chmod(k, int32(c.args[0]), c.args[1], c.args[2]) },
	unix.SYS_FCHMODAT2: func(t *tracer, k *task, c call) reply { return t.chmod(k, int32(c.args[0]), c.args[1], c.args[2]) },
	unix.SYS_FCHMOD: func(t *tracer, k *task, c call) reply {
		return t.chmodAt(k, k.process.fd(int(int32(c.args[0]))), c.args[1])
	},

	unix.SYS_EXECVE:   (*tracer).execve,
	unix.SYS_EXECVEAT: (*tracer).execve,

	unix.SYS_CONNECT:  (*tracer).connect,
	unix.SYS_BIND:     nil,
	unix.SYS_LISTEN:   (*tracer).listen,
	unix.SYS_SENDTO:   (*tracer).sendto,
	unix.SYS_SENDMSG:  (*tracer).sendmsg,
	unix.SYS_SENDMMSG: (*tracer).sendmmsg,

	unix.SYS_PTRACE:            (*tracer).ptrace,
	unix.SYS_KILL:              func(t *tracer, k *task, c call) reply { return t.signal(k, int32(c.args[0]), c.args[1]) },
	unix.SYS_TKILL:             func(t *tracer, k *task, c call) reply { return t.signal(k, int32(c.args[0]), c.args[1]) },
	unix.SYS_TGKILL:            func(t *tracer, k *task, c call) reply { return t.signal(k, int32(c.args[0]), c.args[2]) },
	unix.SYS_RT_SIGQUEUEINFO:   func(t *tracer, k *task, c call) reply { return t.signal(k, int32(c.args[0]), c.args[1]) },
	unix.SYS_RT_TGSIGQUEUEINFO: func(t *tracer, k *task, c call) reply { return t.signal(k, int32(c.args[0]), c.args[2]) },

	unix.SYS_SETUID:    func(t *tracer, k *task, c call) reply { return t.become("setuid", c.args[0]) },
	unix.SYS_SETGID:    func(t *tracer, k *task, c call) reply { return t.become("setgid", c.args[0]) },
	unix.SYS_SETREUID:  func(t *tracer, k *task, c call) reply { return t.become("setreuid", c.args[0], c.args[1]) },
	unix.SYS_SETREGID:  func(t *tracer, k *task, c call) reply { return t.become("setregid", c.args[0], c.args[1]) },
	unix.SYS_SETRESUID: func(t *tracer, k *task, c call) reply { return t.become("setresuid", c.args[:3]...) },
	unix.SYS_SETRESGID: func(t *tracer, k *task, c call) reply { return t.become("setresgid", c.args[:3]...) },

	unix.SYS_NANOSLEEP:       func(t *tracer, k *task, c call) reply { return t.sleep(k, c.args[0], false) },
	unix.SYS_CLOCK_NANOSLEEP: func(t *tracer, k *task, c call) reply { return t.sleep(k, c.args[2], c.args[1]&timerAbsolute != 0) },
}

// timerAbsolute is TIMER_ABSTIME.
const timerAbsolute = 1

// serve looks at one call.
func (t *tracer) serve(k *task, c call) reply {
	switch c.data {
	case alien:
		t.deed(ForeignCalls, fmt.Sprintf("call %d", uint32(c.number)))
		return denied(unix.ENOSYS)
	case refuse:
		t.deed(Forbidden, t.nameForbidden(c))
		return denied(unix.EPERM)
	}
	if h := watched[uint32(c.number)]; h != nil {
		return h(t, k, c)
	}
	switch c.number {
	case unix.SYS_SOCKET:
		return t.socket(k, c)
	case unix.SYS_MMAP:
		return t.execMemory("mmap", c)
	case unix.SYS_MPROTECT, unix.SYS_PKEY_MPROTECT:
		return t.execMemory("mprotect", c)
	case unix.SYS_MEMFD_CREATE:
		t.deed(MemoryFile, k.process.mem().text(c.args[0]))
	case unix.SYS_PRCTL:
		return t.prctl(k, c)
	}
	return reply{}
}

// nameForbidden names a call that the filter refuses, with the arguments that tell most.
func (t *tracer) nameForbidden(c call) string {
	switch c.number {
	case unix.SYS_CLONE:
		return fmt.Sprintf("clone %#x", c.args[0]&(namespaces|cloneUntraced))
	case unix.SYS_UNSHARE:
		return fmt.Sprintf("unshare %#x", uint32(c.args[0]))
	case unix.SYS_SOCKET:
		return fmt.Sprintf("socket of family %d", int32(c.args[0]))
	case unix.SYS_IOCTL:
		if uint32(c.args[1]) == unix.TIOCSTI {
			return "ioctl TIOCSTI"
		}
		return "ioctl TIOCLINUX"
	case unix.SYS_MEMFD_CREATE:
		return "memfd_create"
	}
	return forbidden[uint32(c.number)]
}

// path returns the absolute path inside the jail that a call names by a descriptor and a string. "." and ".."
// are resolved by their letters: what the kernel made of links is not known here.
func (t *tracer) path(k *task, dir int32, pointer uint64) string {
	name := k.process.mem().text(pointer)
	if strings.HasPrefix(name, "/") {
		return path.Clean(name)
	}
	at := ""
	if dir == unix.AT_FDCWD {
		at = k.process.link("cwd")
	} else {
		at = k.process.fd(int(dir))
	}
	if name == "" {
		return at
	}
	return path.Join(at, name)
}

// outcome is the name of the error that a result stands for, "" for success.
func outcome(result int64) string {
	if result >= 0 || result < -4095 {
		return ""
	}
	return unix.ErrnoName(unix.Errno(-result))
}
