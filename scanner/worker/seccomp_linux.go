//go:build amd64 || arm64

package worker

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A seccomp filter is a program for a small machine that the kernel runs at each system call:
// instructions load parts of struct seccomp_data into the accumulator, compare it, and
// return a verdict. See seccomp(2) and Documentation/userspace-api/seccomp_filter.rst.
//
// The filter here is a list of what the Go runtime, glibc's malloc and threads, and libyara
// need while they work on open files. All else fails with EPERM, also what is invented later. The list
// was made from the sources of the runtime and by running scans under `strace -f -c`; tests hold it.

// syscallRule allows one system call.
type syscallRule struct {
	number uint32
	// when are conditions on the arguments that must all hold; none allows all calls.
	when []condition
	// refuse, if not 0, makes this a rule that refuses with another error than EPERM.
	refuse unix.Errno
}

// condition is a test of the low half of an argument. All arguments tested here are 32 bits wide
// for the kernel, or have no meaning in the upper half, except pointers, for which high says to
// test the upper half as well.
type condition struct {
	arg  uint32
	op   uint16 // unix.BPF_JEQ or BPF_JSET
	with []uint32
	not  bool
	high bool
}

// is holds if the argument is one of values.
func is(arg uint32, values ...uint32) condition {
	return condition{arg: arg, op: unix.BPF_JEQ, with: values}
}

// isNull holds if the pointer argument is null.
func isNull(arg uint32) []condition {
	return []condition{is(arg, 0), {arg: arg, op: unix.BPF_JEQ, with: []uint32{0}, high: true}}
}

// has holds if the argument has one of the bits.
func has(arg, bits uint32) condition {
	return condition{arg: arg, op: unix.BPF_JSET, with: []uint32{bits}}
}

// hasNo holds if the argument has none of the bits.
func hasNo(arg, bits uint32) condition {
	return condition{arg: arg, op: unix.BPF_JSET, with: []uint32{bits}, not: true}
}

// namespaces are the flags by which clone makes namespaces.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// allowedCalls returns the list for a process with this id.
func allowedCalls(pid uint32) []syscallRule {
	always := []uint32{
		// files that are open, and the connection
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_RECVMSG,
		unix.SYS_PREAD64, unix.SYS_PREADV, unix.SYS_PREADV2, unix.SYS_LSEEK, unix.SYS_FSTAT, unix.SYS_CLOSE,
		unix.SYS_FADVISE64, unix.SYS_READAHEAD, unix.SYS_CACHESTAT,
		// memory
		unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_BRK, unix.SYS_MADVISE, unix.SYS_MINCORE,
		// threads, time, signals
		unix.SYS_FUTEX, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY,
		unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_RESTART_SYSCALL,
		unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY,
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
		unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ,
		unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
		// the runtime's poller
		unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2,
		// who am I
		unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID,
		unix.SYS_GETRANDOM, unix.SYS_GETRUSAGE,
	}
	always = append(always, allowedOnArch...)

	rules := make([]syscallRule, 0, len(always)+16)
	for _, number := range always {
		rules = append(rules, syscallRule{number: number})
	}
	return append(append(rules, conditionalOnArch...),
		// Memory that is neither executable nor shared without a file, which would count as nobody's.
		syscallRule{number: unix.SYS_MMAP, when: []condition{hasNo(2, unix.PROT_EXEC), hasNo(3, unix.MAP_SHARED)}},
		syscallRule{number: unix.SYS_MMAP, when: []condition{hasNo(2, unix.PROT_EXEC), hasNo(3, unix.MAP_ANONYMOUS)}},
		syscallRule{number: unix.SYS_MPROTECT, when: []condition{hasNo(2, unix.PROT_EXEC)}},
		// Threads, not processes. clone3 hides its flags in memory; libc then takes clone.
		syscallRule{number: unix.SYS_CLONE, when: []condition{has(0, unix.CLONE_THREAD), hasNo(0, namespaces)}},
		syscallRule{number: unix.SYS_CLONE3, refuse: unix.ENOSYS},
		// Signals to itself.
		syscallRule{number: unix.SYS_TGKILL, when: []condition{is(0, pid)}},
		syscallRule{number: unix.SYS_KILL, when: []condition{is(0, pid)}},
		// fstat as newer glibc spells it. It can still be called with a path, which is
		// why a worker that was root has no file system.
		syscallRule{number: sysNewfstatat, when: []condition{is(3, unix.AT_EMPTY_PATH)}},
		syscallRule{number: unix.SYS_FCNTL, when: []condition{is(1,
			unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_DUPFD_CLOEXEC)}},
		syscallRule{number: unix.SYS_PRLIMIT64, when: append(isNull(2), is(0, 0, pid))},
		syscallRule{number: unix.SYS_PRCTL, when: []condition{is(0, unix.PR_SET_VMA, unix.PR_SET_NAME, unix.PR_GET_NAME)}},
	)
}

// Offsets in struct seccomp_data on little-endian machines.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArgs   = 16
)

// seccompFilter assembles the rules. Rules without conditions come first: newer kernels find out that
// their verdict depends on the number alone and do not run the filter for them.
func seccompFilter(arch uint32, rules []syscallRule) []unix.SockFilter {
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	ret := func(verdict uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: verdict}
	}
	jump := func(op uint16, k uint32, yes, no int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | op, K: k, Jt: uint8(yes), Jf: uint8(no)}
	}
	filter := []unix.SockFilter{
		load(offsetArch),
		jump(unix.BPF_JEQ, arch, 1, 0),
		ret(unix.SECCOMP_RET_KILL_PROCESS), // another ABI has other numbers
		load(offsetNumber),
	}
	for _, rule := range rules {
		var body []unix.SockFilter
		verdict := ret(unix.SECCOMP_RET_ALLOW)
		if rule.refuse != 0 {
			verdict = ret(unix.SECCOMP_RET_ERRNO | uint32(rule.refuse))
		}
		// From the last condition to the first: where one fails, everything after it is jumped over, to
		// the load of the number with which the body ends.
		body = append(body, verdict, load(offsetNumber))
		for i := len(rule.when) - 1; i >= 0; i-- {
			body = append(assemble(rule.when[i], len(body)-1, load, jump), body...)
		}
		filter = append(filter, jump(unix.BPF_JEQ, rule.number, 0, len(body)))
		filter = append(filter, body...)
	}
	return append(filter, ret(unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM)))
}

// assemble returns the instructions of a condition: fall through if it holds, else jump over the
// given number of following instructions.
func assemble(c condition, otherwise int, load func(uint32) unix.SockFilter,
	jump func(op uint16, k uint32, yes, no int) unix.SockFilter) []unix.SockFilter {
	offset := uint32(offsetArgs + 8*c.arg)
	if c.high {
		offset += 4
	}
	code := []unix.SockFilter{load(offset)}
	for i, value := range c.with {
		left := len(c.with) - 1 - i // comparisons to come
		switch {
		case c.not:
			code = append(code, jump(c.op, value, otherwise+left, 0))
		case left == 0:
			code = append(code, jump(c.op, value, 0, otherwise))
		default:
			code = append(code, jump(c.op, value, left, 0))
		}
	}
	return code
}

// filterSystemCalls installs the filter on all threads and returns how many system calls it allows.
func filterSystemCalls() (int, error) {
	rules := allowedCalls(uint32(os.Getpid()))
	allowed := map[uint32]bool{}
	for _, rule := range rules {
		if rule.refuse == 0 {
			allowed[rule.number] = true
		}
	}
	filter := seccompFilter(auditArch, rules)
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	switch {
	case errno != 0:
		return len(allowed), errno
	case thread != 0:
		return len(allowed), fmt.Errorf("thread %d has a filter of its own", thread)
	}
	return len(allowed), nil
}
