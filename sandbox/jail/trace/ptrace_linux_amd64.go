package trace

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// options are set on the command and inherited by everything that comes of it.
const options = unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACESECCOMP |
	unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEEXEC

// syscallStop is the signal of a stop at a system call's end, with PTRACE_O_TRACESYSGOOD.
const syscallStop = unix.SIGTRAP | 0x80

// call is a system call at which a process has stopped.
type call struct {
	number uint64
	args   [6]uint64
	data   uint32 // of the filter's RET_TRACE
}

// syscallInfo is struct ptrace_syscall_info of linux/ptrace.h. The last words are a union: at the entry
// the number, six arguments, and the filter's data; at the exit the result and whether it is an error.
type syscallInfo struct {
	op      uint8
	_       [3]uint8
	arch    uint32
	pointer uint64
	stack   uint64
	words   [8]uint64
	_       uint64
}

// look returns what a stopped process stopped for.
func getInfo(tid int) (syscallInfo, error) {
	var info syscallInfo
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(tid),
		unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return syscallInfo{}, errno
	}
	return info, nil
}

// getCall returns the call at whose entry the filter has stopped a process.
func getCall(tid int) (call, bool) {
	info, err := getInfo(tid)
	if err != nil || info.op != unix.PTRACE_SYSCALL_INFO_SECCOMP {
		return call{}, false
	}
	return call{info.words[0], [6]uint64(info.words[1:7]), uint32(info.words[7])}, true
}

// getResult returns a call's result at its exit: 0 or more, or minus the error.
func getResult(tid int) (int64, bool) {
	info, err := getInfo(tid)
	if err != nil || info.op != unix.PTRACE_SYSCALL_INFO_EXIT {
		return 0, false
	}
	return int64(info.words[0]), true
}

// answer has the kernel not make the call at which a process has stopped, and give this result to it.
func answer(tid int, result int64) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	regs.Orig_rax = ^uint64(0)
	regs.Rax = uint64(result)
	return unix.PtraceSetRegs(tid, &regs)
}
