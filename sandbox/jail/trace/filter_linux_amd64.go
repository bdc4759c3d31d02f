package trace

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// What the filter tells the tracer with a stop, in the 16 bits of data that RET_TRACE has.
const (
	look   = 0 // the call is made after the tracer has looked
	refuse = 1 // the call must not be made
	alien  = 2 // a call by another interface; must not be made
)

// rule says what the filter does with one system call. The first rule that fits decides.
type rule struct {
	number uint32
	name   string
	when   []condition // all must hold
	answer uint32
}

// condition is a test of the low half of an argument. All arguments tested here are 32 bits wide for the
// kernel, or have no meaning in the upper half that would turn a refusal into something dangerous.
type condition struct {
	arg  int
	op   uint16 // unix.BPF_JEQ, BPF_JSET
	with uint32
}

func is(arg int, with uint32) condition { return condition{arg: arg, op: unix.BPF_JEQ, with: with} }
func has(arg int, bit uint32) condition { return condition{arg: arg, op: unix.BPF_JSET, with: bit} }

// Numbers and flags that golang.org/x/sys/unix does not have on amd64.
const (
	cloneNewTime  = 0x80
	cloneUntraced = 0x00800000
	namespaces    = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
		unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	tiocLinux = 0x541c
	x32       = 0x40000000
	// lastKnown is the last call that was looked at when the rules were written. What came later may do what they
	// refuse by another name, and programs can do without.
	lastKnown = unix.SYS_MSEAL
)

func errno(e unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(e) }
func traced(data uint32) uint32 { return unix.SECCOMP_RET_TRACE | data }

// FilterOptions say what the filter refuses beyond what it always does.
type FilterOptions struct {
	// NoSharedMemory refuses System V shared memory and files in memory, which count for no process. For
	// where no cgroup limits the memory of all together.
	NoSharedMemory bool
}

// Filter returns the seccomp filter, as `bwrap --seccomp` reads it: an array of struct sock_filter.
func Filter(o FilterOptions) []byte {
	var b bytes.Buffer
	for _, instruction := range assemble(rules(o)) {
		// Writing to a bytes.Buffer does not fail.
		_ = binary.Write(&b, binary.LittleEndian, instruction)
	}
	return b.Bytes()
}

func rules(o FilterOptions) (list []rule) {
	add := func(number uint32, name string, answer uint32, when ...condition) {
		list = append(list, rule{number, name, when, answer})
	}
	for _, number := range slices.Sorted(maps.Keys(watched)) {
		add(number, "", traced(look))
	}
	for _, number := range slices.Sorted(maps.Keys(forbidden)) {
		add(number, forbidden[number], traced(refuse))
	}
	if o.NoSharedMemory {
		add(unix.SYS_SHMGET, "shmget", errno(unix.ENOSYS))
		add(unix.SYS_MEMFD_CREATE, "memfd_create", traced(refuse))
	} else {
		add(unix.SYS_MEMFD_CREATE, "", traced(look))
	}

	// clone3 hides its flags in memory, so libc is told to take clone.
	add(unix.SYS_CLONE3, "", errno(unix.ENOSYS))
	add(unix.SYS_CLONE, "clone", traced(refuse), has(0, namespaces|cloneUntraced))
	// CLONE_NEWTIME is a bit of clone's exit signal, so it only means something to unshare.
	add(unix.SYS_UNSHARE, "unshare", traced(refuse), has(0, namespaces|cloneNewTime))
	// A filter of the program's own could hide calls from this one.
	add(unix.SYS_SECCOMP, "", errno(unix.EINVAL))
	add(unix.SYS_PRCTL, "", errno(unix.EINVAL), is(0, unix.PR_SET_SECCOMP))
	add(unix.SYS_PRCTL, "", traced(look), is(0, unix.PR_SET_DUMPABLE))
	add(unix.SYS_PRCTL, "", traced(look), is(0, unix.PR_SET_NAME))
	// io_uring does what other calls do, unseen.
	for _, number := range []uint32{unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER} {
		add(number, "", errno(unix.ENOSYS))
	}
	// Sockets that no network namespace confines, above all those to the hypervisor (AF_VSOCK), and all that
	// are seldom used and often have holes.
	add(unix.SYS_SOCKET, "", traced(look), is(0, unix.AF_INET))
	add(unix.SYS_SOCKET, "", traced(look), is(0, unix.AF_INET6))
	add(unix.SYS_SOCKET, "", unix.SECCOMP_RET_ALLOW, is(0, unix.AF_UNIX))
	add(unix.SYS_SOCKET, "", unix.SECCOMP_RET_ALLOW, is(0, unix.AF_NETLINK), is(2, unix.NETLINK_ROUTE))
	add(unix.SYS_SOCKET, "socket", traced(refuse))
	// Keys typed into somebody else's terminal.
	add(unix.SYS_IOCTL, "ioctl TIOCSTI", traced(refuse), is(1, unix.TIOCSTI))
	add(unix.SYS_IOCTL, "ioctl TIOCLINUX", traced(refuse), is(1, tiocLinux))
	// Memory into which a program writes its code.
	for _, number := range []uint32{unix.SYS_MPROTECT, unix.SYS_PKEY_MPROTECT} {
		add(number, "", traced(look), has(2, unix.PROT_EXEC), has(2, unix.PROT_WRITE))
	}
	add(unix.SYS_MMAP, "", traced(look), has(2, unix.PROT_EXEC), has(2, unix.PROT_WRITE))
	add(unix.SYS_MMAP, "", traced(look), has(2, unix.PROT_EXEC), has(3, unix.MAP_ANONYMOUS))
	return list
}

// forbidden are the calls that are written down and never made.
var forbidden = map[uint32]string{
	unix.SYS_MOUNT: "mount", unix.SYS_UMOUNT2: "umount", unix.SYS_PIVOT_ROOT: "pivot_root", unix.SYS_CHROOT: "chroot",
	unix.SYS_MOVE_MOUNT: "move_mount", unix.SYS_OPEN_TREE: "open_tree", unix.SYS_FSOPEN: "fsopen",
	unix.SYS_FSCONFIG: "fsconfig", unix.SYS_FSMOUNT: "fsmount", unix.SYS_FSPICK: "fspick",
	unix.SYS_MOUNT_SETATTR: "mount_setattr", unix.SYS_SETNS: "setns",
	unix.SYS_OPEN_BY_HANDLE_AT: "open_by_handle_at",
	unix.SYS_KEYCTL:            "keyctl", unix.SYS_ADD_KEY: "add_key", unix.SYS_REQUEST_KEY: "request_key",
	unix.SYS_BPF: "bpf", unix.SYS_PERF_EVENT_OPEN: "perf_event_open", unix.SYS_USERFAULTFD: "userfaultfd",
	unix.SYS_KEXEC_LOAD: "kexec_load", unix.SYS_KEXEC_FILE_LOAD: "kexec_file_load",
	unix.SYS_INIT_MODULE: "init_module", unix.SYS_FINIT_MODULE: "finit_module", unix.SYS_DELETE_MODULE: "delete_module",
	unix.SYS_REBOOT: "reboot", unix.SYS_SWAPON: "swapon", unix.SYS_SWAPOFF: "swapoff",
	unix.SYS_SETTIMEOFDAY: "settimeofday", unix.SYS_CLOCK_SETTIME: "clock_settime",
	unix.SYS_SETHOSTNAME: "sethostname", unix.SYS_SETDOMAINNAME: "setdomainname",
	unix.SYS_ACCT: "acct", unix.SYS_QUOTACTL: "quotactl", unix.SYS_IOPL: "iopl", unix.SYS_IOPERM: "ioperm",
	unix.SYS_FANOTIFY_INIT: "fanotify_init", unix.SYS_VHANGUP: "vhangup", unix.SYS_SYSLOG: "syslog",
	unix.SYS_PIDFD_GETFD: "pidfd_getfd", unix.SYS_KCMP: "kcmp", unix.SYS_MODIFY_LDT: "modify_ldt",
	unix.SYS_MEMFD_SECRET: "memfd_secret", unix.SYS_USELIB: "uselib", unix.SYS_NFSSERVCTL: "nfsservctl",
	unix.SYS_PROCESS_VM_WRITEV: "process_vm_writev", unix.SYS_PROCESS_VM_READV: "process_vm_readv",
	unix.SYS_PROCESS_MADVISE: "process_madvise", unix.SYS_MIGRATE_PAGES: "migrate_pages", unix.SYS_MOVE_PAGES: "move_pages",
}

// Offsets in struct seccomp_data.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArgs   = 16
)

// assemble translates the rules into the kernel's filter language, see seccomp(2). What no rule names is
// allowed, if it is no newer than the rules: this filter watches, the jail confines.
func assemble(rules []rule) []unix.SockFilter {
	load := func(offset int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: uint32(offset)}
	}
	ret := func(answer uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: answer}
	}
	jump := func(op uint16, k uint32, yes, no int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | op, K: k, Jt: uint8(yes), Jf: uint8(no)}
	}
	filter := []unix.SockFilter{
		load(offsetArch),
		jump(unix.BPF_JEQ, unix.AUDIT_ARCH_X86_64, 1, 0),
		ret(traced(alien)),
		load(offsetNumber),
		jump(unix.BPF_JGE, x32, 0, 1),
		ret(traced(alien)),
		jump(unix.BPF_JGT, lastKnown, 0, 1),
		ret(errno(unix.ENOSYS)),
	}
	for _, r := range rules {
		// Each condition jumps over the rest of the body when it fails, to the load of the number.
		var body []unix.SockFilter
		for i := len(r.when) - 1; i >= 0; i-- {
			c := r.when[i]
			body = append([]unix.SockFilter{load(offsetArgs + 8*c.arg), jump(c.op, c.with, 0, len(body)+1)}, body...)
		}
		body = append(body, ret(r.answer))
		if len(r.when) > 0 {
			body = append(body, load(offsetNumber))
		}
		filter = append(filter, jump(unix.BPF_JEQ, r.number, 0, len(body)))
		filter = append(filter, body...)
	}
	return append(filter, ret(unix.SECCOMP_RET_ALLOW))
}
