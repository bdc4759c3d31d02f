package worker

import (
	"errors"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refused reports whether an error says that something is not allowed, or, for paths, that there is
// no such thing within reach. Anything else says that the attempt failed for another reason.
func refused(err error) bool {
	for _, e := range []error{unix.EPERM, unix.EACCES, unix.ENOENT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// attempts are those at Linux's system calls, made directly so that the answer is the kernel's.
func attempts(t probeTargets) []attempt {
	call := func(number uintptr, args ...uintptr) func() error {
		return func() error {
			var a [6]uintptr
			copy(a[:], args)
			if _, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
				return errno
			}
			return nil
		}
	}
	page := uintptr(os.Getpagesize())
	const anonymous = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
	return []attempt{
		{"ask for the size of a file", func() error {
			var st unix.Stat_t
			return unix.Stat(t.File, &st)
		}},
		{"ask for the size of a file by fstatat", func() error {
			// in the one form that is allowed
			var st unix.Stat_t
			return unix.Fstatat(unix.AT_FDCWD, t.File, &st, unix.AT_EMPTY_PATH)
		}},
		{"make a socket", call(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM, 0)},
		{"make a netlink socket", call(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, 0)},
		{"signal the broker", func() error { return unix.Kill(t.Parent, 0) }},
		{"signal process 1", func() error { return unix.Kill(1, 0) }},
		{"signal a thread of the broker", func() error { return unix.Tgkill(t.Parent, t.Parent, 0) }},
		{"signal all processes", func() error { return unix.Kill(-1, 0) }},
		{"run a program", func() error {
			return unix.Exec("/proc/self/exe", []string{"no such program"}, nil)
		}},
		{"start a process", func() error {
			pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
			if errno != 0 {
				return errno
			}
			if pid == 0 {
				unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
			}
			return nil
		}},
		{"trace the broker", func() error { return syscall.PtraceAttach(t.Parent) }},
		{"be traced", call(unix.SYS_PTRACE, unix.PTRACE_TRACEME)},
		{"read the broker's memory", func() error {
			var b [1]byte
			local := []unix.Iovec{{Base: &b[0], Len: 1}}
			_, err := unix.ProcessVMReadv(t.Parent, local, []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&b[0])), Len: 1}}, 0)
			return err
		}},
		{"get a descriptor of the broker", func() error {
			fd, err := unix.PidfdOpen(t.Parent, 0)
			if err == nil {
				unix.Close(fd)
			}
			return err
		}},
		{"map executable memory", call(unix.SYS_MMAP, 0, page, unix.PROT_READ|unix.PROT_EXEC, anonymous, ^uintptr(0), 0)},
		{"map shared memory", call(unix.SYS_MMAP, 0, page, unix.PROT_READ, unix.MAP_SHARED|unix.MAP_ANONYMOUS, ^uintptr(0), 0)},
		{"make a file in memory", func() error {
			fd, err := unix.MemfdCreate("probe", unix.MFD_CLOEXEC)
			if err == nil {
				unix.Close(fd)
			}
			return err
		}},
		{"become root", call(unix.SYS_SETRESUID, 0, 0, 0)},
		{"make a user namespace", call(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)},
		{"mount", func() error {
			return unix.Mount("none", "/", "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, "no such option")
		}},
		{"change the root directory", func() error { return unix.Chroot(t.Dir) }},
		{"use io_uring", call(unix.SYS_IO_URING_SETUP, 1, 0)},
		{"load a BPF program", call(unix.SYS_BPF, unix.BPF_PROG_LOAD, 0, 0)},
		{"watch performance counters", call(unix.SYS_PERF_EVENT_OPEN, 0, 0, ^uintptr(0), ^uintptr(0), 0)},
		{"handle page faults", call(unix.SYS_USERFAULTFD, 0)},
		{"control a terminal", call(unix.SYS_IOCTL, 0, unix.TIOCSTI, 0)},
		{"pass a descriptor on", func() error {
			return unix.Sendmsg(socketFD, nil, unix.UnixRights(0), nil, unix.MSG_DONTWAIT)
		}},
		{"lock a file against others", func() error {
			return unix.FcntlFlock(0, unix.F_SETLK, &unix.Flock_t{Type: unix.F_RDLCK})
		}},
	}
}
