package trace

import (
	"bytes"
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// run executes a filter as the kernel would, see struct seccomp_data: the oracle for the assembler.
func run(t *testing.T, program []byte, arch, number uint32, args ...uint64) uint32 {
	t.Helper()
	filter := make([]unix.SockFilter, len(program)/8)
	if err := binary.Read(bytes.NewReader(program), binary.LittleEndian, filter); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 64)
	binary.LittleEndian.PutUint32(data, number)
	binary.LittleEndian.PutUint32(data[4:], arch)
	for i, a := range args {
		binary.LittleEndian.PutUint64(data[16+8*i:], a)
	}
	var acc uint32
	for pc := 0; pc < len(filter); pc++ {
		f := filter[pc]
		jump := func(yes bool) {
			if yes {
				pc += int(f.Jt)
			} else {
				pc += int(f.Jf)
			}
		}
		switch f.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			acc = binary.LittleEndian.Uint32(data[f.K:])
		case unix.BPF_JMP | unix.BPF_K | unix.BPF_JEQ:
			jump(acc == f.K)
		case unix.BPF_JMP | unix.BPF_K | unix.BPF_JGE:
			jump(acc >= f.K)
		case unix.BPF_JMP | unix.BPF_K | unix.BPF_JGT:
			jump(acc > f.K)
		case unix.BPF_JMP | unix.BPF_K | unix.BPF_JSET:
			jump(acc&f.K != 0)
		case unix.BPF_RET | unix.BPF_K:
			return f.K
		default:
			t.Fatalf("unknown instruction %#x", f.Code)
		}
	}
	t.Fatal("the filter ends without an answer")
	return 0
}

func TestFilter(t *testing.T) {
	const x86 = unix.AUDIT_ARCH_X86_64
	for _, test := range []struct {
		name   string
		arch   uint32
		number uint32
		args   []uint64
		want   uint32
	}{
		{"read", x86, unix.SYS_READ, nil, unix.SECCOMP_RET_ALLOW},
		{"getpid", x86, unix.SYS_GETPID, nil, unix.SECCOMP_RET_ALLOW},
		{"open", x86, unix.SYS_OPENAT, nil, traced(look)},
		{"mount", x86, unix.SYS_MOUNT, nil, traced(refuse)},
		{"fork", x86, unix.SYS_CLONE, []uint64{uint64(unix.SIGCHLD)}, unix.SECCOMP_RET_ALLOW},
		{"a thread", x86, unix.SYS_CLONE, []uint64{unix.CLONE_VM | unix.CLONE_THREAD | unix.CLONE_SIGHAND}, unix.SECCOMP_RET_ALLOW},
		{"a user namespace", x86, unix.SYS_CLONE, []uint64{unix.CLONE_NEWUSER}, traced(refuse)},
		{"high bits do not help", x86, unix.SYS_CLONE, []uint64{1<<40 | unix.CLONE_NEWUSER}, traced(refuse)},
		{"untraced", x86, unix.SYS_CLONE, []uint64{cloneUntraced}, traced(refuse)},
		{"clone3", x86, unix.SYS_CLONE3, nil, errno(unix.ENOSYS)},
		{"unshare files", x86, unix.SYS_UNSHARE, []uint64{unix.CLONE_FILES}, unix.SECCOMP_RET_ALLOW},
		{"unshare time", x86, unix.SYS_UNSHARE, []uint64{cloneNewTime}, traced(refuse)},
		{"own filter", x86, unix.SYS_SECCOMP, nil, errno(unix.EINVAL)},
		{"own filter by prctl", x86, unix.SYS_PRCTL, []uint64{unix.PR_SET_SECCOMP}, errno(unix.EINVAL)},
		{"other prctl", x86, unix.SYS_PRCTL, []uint64{unix.PR_GET_NAME}, unix.SECCOMP_RET_ALLOW},
		{"internet", x86, unix.SYS_SOCKET, []uint64{unix.AF_INET, unix.SOCK_STREAM}, traced(look)},
		{"local", x86, unix.SYS_SOCKET, []uint64{unix.AF_UNIX}, unix.SECCOMP_RET_ALLOW},
		{"routes", x86, unix.SYS_SOCKET, []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE}, unix.SECCOMP_RET_ALLOW},
		{"netfilter", x86, unix.SYS_SOCKET, []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER}, traced(refuse)},
		{"hypervisor", x86, unix.SYS_SOCKET, []uint64{unix.AF_VSOCK}, traced(refuse)},
		{"tiocsti", x86, unix.SYS_IOCTL, []uint64{0, unix.TIOCSTI}, traced(refuse)},
		{"tiocsti with high bits", x86, unix.SYS_IOCTL, []uint64{0, 1<<32 | unix.TIOCSTI}, traced(refuse)},
		{"other ioctl", x86, unix.SYS_IOCTL, []uint64{0, unix.TCGETS}, unix.SECCOMP_RET_ALLOW},
		{"code from a file", x86, unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_READ | unix.PROT_EXEC, unix.MAP_PRIVATE}, unix.SECCOMP_RET_ALLOW},
		{"code from nowhere", x86, unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_EXEC, unix.MAP_PRIVATE | unix.MAP_ANONYMOUS}, traced(look)},
		{"writable code", x86, unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_WRITE | unix.PROT_EXEC, unix.MAP_PRIVATE}, traced(look)},
		{"data", x86, unix.SYS_MPROTECT, []uint64{0, 4096, unix.PROT_WRITE}, unix.SECCOMP_RET_ALLOW},
		{"memory file", x86, unix.SYS_MEMFD_CREATE, nil, traced(look)},
		{"32 bits", unix.AUDIT_ARCH_I386, 11, nil, traced(alien)},
		{"x32", x86, x32 | 59, nil, traced(alien)},
		{"the last that is known", x86, unix.SYS_MSEAL, nil, unix.SECCOMP_RET_ALLOW},
		{"of the future", x86, unix.SYS_MSEAL + 1, nil, errno(unix.ENOSYS)},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := run(t, Filter(FilterOptions{}), test.arch, test.number, test.args...); got != test.want {
				t.Errorf("got %#x, want %#x", got, test.want)
			}
		})
	}
	if got := run(t, Filter(FilterOptions{NoSharedMemory: true}), x86, unix.SYS_SHMGET); got != errno(unix.ENOSYS) {
		t.Errorf("shared memory without a cgroup: got %#x", got)
	}
}
