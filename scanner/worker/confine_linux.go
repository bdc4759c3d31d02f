package worker

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// nobody is the uid and gid that own nothing, by convention of all distributions.
const nobody = 65534

// confine takes away from this process, on all its threads, what a worker does not need. The
// order matters: each step must leave what the later ones need. A measure that the kernel lacks
// goes into the report; an error means that the worker must not work at all.
func confine(terms hello, r *report) error {
	setName("tyto worker")
	if err := tieTo(terms.Parent); err != nil {
		return err
	}
	if err := closeForeignFiles(); err != nil {
		return err
	}
	if terms.LowPriority {
		r.note("lowest CPU and I/O priority", lowerPriority())
	}
	r.note("first to go when the system runs out of memory", os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0))
	limitResources(terms, r)
	r.note("no new privileges", allThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1))

	if os.Geteuid() == 0 && hasCapability(unix.CAP_SETUID) && hasCapability(unix.CAP_SETGID) {
		denyByLandlock(r)
		r.note("no file system: an empty root directory", leaveFileSystem())
		r.note(fmt.Sprintf("uid and gid %d, no groups, no capabilities", nobody), becomeNobody())
	} else {
		r.note("no capabilities", dropCapabilities())
		denyByLandlock(r)
	}
	// A change of uid has reset both.
	if err := tieTo(terms.Parent); err != nil {
		return err
	}
	r.note("memory closed to other processes", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))

	n, err := filterSystemCalls()
	r.note(fmt.Sprintf("seccomp: %d system calls allowed", n), err)
	return nil
}

// setName sets the name that ps and top show; it would be "exe", after /proc/self/exe. The caller is
// on the main thread, whose name is that of the process.
func setName(name string) {
	b := append([]byte(name), 0)
	unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&b[0])), 0, 0, 0)
}

// tieTo has the kernel kill this process when its parent dies, and fails if it has died already.
func tieTo(parent int) error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("ask to be killed with the parent: %w", err)
	}
	if os.Getppid() != parent {
		return errors.New("the broker is gone")
	}
	return nil
}

// closeForeignFiles closes all descriptors that were inherited by accident: those above
// the worker's own, except what the Go runtime has opened for itself (epoll, eventfd), which are files
// without a type.
func closeForeignFiles() error {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("list open files: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("list open files: %w", err)
	}
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd <= socketFD || fd == int(dir.Fd()) {
			continue
		}
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT != 0 {
			unix.Close(fd)
		}
	}
	return nil
}

// allThreads makes a system call on each thread of the process, since for the kernel most
// attributes belong to threads.
func allThreads(number, arg1, arg2 uintptr) error {
	if _, _, errno := psx.Syscall6(number, arg1, arg2, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// lowerPriority gives all threads nice 19, the scheduling class that runs when nothing else wants to,
// and the idle class of I/O. See setpriority(2), sched(7), ioprio_set(2).
func lowerPriority() error {
	const (
		lowestNice        = 19
		schedIdle         = 5
		ioprioWhoProcess  = 1
		ioprioClassIdle   = 3
		ioprioClassOffset = 13
	)
	var param struct{ priority int32 }
	_, _, nice := psx.Syscall3(unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, 0, lowestNice)
	_, _, idle := psx.Syscall3(unix.SYS_SCHED_SETSCHEDULER, 0, schedIdle, uintptr(unsafe.Pointer(&param)))
	_, _, io := psx.Syscall3(unix.SYS_IOPRIO_SET, ioprioWhoProcess, 0, ioprioClassIdle<<ioprioClassOffset)
	var errs []error
	for _, errno := range []syscall.Errno{nice, idle, io} {
		if errno != 0 {
			errs = append(errs, errno)
		}
	}
	return errors.Join(errs...)
}

// spareFiles is the room for descriptors of the runtime and of the worker itself.
const spareFiles = 64

// limitResources sets limits that hold for the whole process, see setrlimit(2). There is none on
// processes: it would count the threads of everybody with the same uid, and the seccomp filter
// lets no process be made.
func limitResources(terms hello, r *report) {
	limits := []struct {
		name     string
		resource int
		limit    uint64
	}{
		{"no core dumps", unix.RLIMIT_CORE, 0},
		{"no writing of files", unix.RLIMIT_FSIZE, 0},
		{fmt.Sprintf("at most %d open files", terms.Files+spareFiles), unix.RLIMIT_NOFILE, uint64(terms.Files + spareFiles)},
		{"no locked memory", unix.RLIMIT_MEMLOCK, 0},
		{"no message queues", unix.RLIMIT_MSGQUEUE, 0},
	}
	for _, l := range limits {
		r.note(l.name, unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.limit, Max: l.limit}))
	}
	if terms.Memory > 0 {
		r.note(fmt.Sprintf("at most %d MiB of memory", terms.Memory>>20), limitData(terms.Memory))
	}
}

// overhead is what the limit on data leaves beyond the memory that a worker may use: the
// limit counts what is reserved, as stacks of threads and arenas of the heap, not what is used.
// Used memory is watched by the broker; this limit stops those that are faster than the watchman.
const overhead = 128 << 20

func limitData(memory int64) error {
	if raceEnabled {
		return errors.New("the race detector reserves too much")
	}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return err
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 6 {
		return errors.New("no memory figures in /proc/self/statm")
	}
	pages, err := strconv.ParseInt(fields[5], 10, 64)
	if err != nil {
		return err
	}
	limit := uint64(pages*int64(os.Getpagesize()) + memory + overhead)
	return unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: limit, Max: limit})
}

// hasCapability reports whether this thread may use a capability now.
func hasCapability(capability uint) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	return data[capability/32].Effective&(1<<(capability%32)) != 0
}

// dropCapabilities takes all capabilities from all threads.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET,
		uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none[0])), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// leaveFileSystem makes the root directory one in which nothing can be opened: the list of this
// process's own descriptors in /proc, which dies with it. Landlock does not keep a process from asking for
// the size and times of files; this does. All threads share the root directory.
func leaveFileSystem() error {
	if err := unix.Chroot("/proc/self/fdinfo"); err != nil {
		return err
	}
	return unix.Chdir("/")
}

// becomeNobody changes all uids and gids of all threads; with uid 0 go the capabilities.
func becomeNobody() error {
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("setgroups: %w", err)
	}
	if err := syscall.Setresgid(nobody, nobody, nobody); err != nil {
		return fmt.Errorf("setresgid: %w", err)
	}
	if err := syscall.Setresuid(nobody, nobody, nobody); err != nil {
		return fmt.Errorf("setresuid: %w", err)
	}
	return nil
}
