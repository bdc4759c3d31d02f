package trace

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// task is one traced thread.
type task struct {
	tid     int
	process *process
	begun   bool               // its first SIGSTOP has been seen
	note    *execution         // what it is about to execute
	after   func(result int64) // what to do at the exit of the call that it is in
}

// process is what its threads share.
type process struct {
	pid    int // outside the jail
	inner  int // inside
	parent int // inside; 0 for those that the jail's own processes started
	path   string
	// supervises marks the command's own processes.
	supervises bool
	// peers are where its sockets lead, by descriptor, as far as they were connected.
	peers map[int]netip.AddrPort
	// kinds are the protocols of its internet sockets.
	kinds    map[int]string
	tracedMe bool
	slept    time.Duration
}

// maxPeers bounds what is remembered of the sockets of one process.
const maxPeers = 1024

func (p *process) mem() memory { return memory(p.pid) }

// taskOf returns the task of a thread; one that is not known yet is entered.
func (t *tracer) taskOf(tid int) *task {
	if task := t.tasks[tid]; task != nil {
		return task
	}
	tgid, inner, parent := identify(tid)
	if leader := t.tasks[tgid]; leader != nil && tgid != tid {
		t.tasks[tid] = &task{tid: tid, process: leader.process}
		return t.tasks[tid]
	}
	p := &process{pid: tid, inner: inner}
	if up := t.tasks[parent]; up != nil && !up.process.supervises {
		p.parent = up.process.inner
	}
	t.tasks[tid] = &task{tid: tid, process: p}
	return t.tasks[tid]
}

// born is called when a thread has made another, or a process.
func (t *tracer) born(maker, tid int) {
	parent := t.taskOf(maker).process
	child := t.taskOf(tid)
	t.Peak = max(t.Peak, len(t.tasks))
	if t.sample == 0 {
		// It may be the first of the jail's namespace, with which all others end.
		_ = t.killer.aim(tid)
		return
	}
	if child.process == parent {
		return // a thread
	}
	p := child.process
	p.path, p.supervises = parent.path, parent.supervises
	if !parent.supervises {
		p.parent = parent.inner
	}
	p.peers, p.kinds = maps.Clone(parent.peers), maps.Clone(parent.kinds)
}

// maxStatus is more than the kernel writes into /proc/PID/status.
const maxStatus = 16 << 10

// identify returns a thread's process, its id inside its own namespace, and its parent. What cannot be read is 0.
func identify(tid int) (tgid, inner, parent int) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return tid, 0, 0
	}
	defer f.Close()
	b := make([]byte, maxStatus)
	n, _ := f.Read(b)
	for line := range strings.Lines(string(b[:n])) {
		key, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		number, _ := strconv.Atoi(fields[len(fields)-1])
		switch key {
		case "Tgid":
			tgid = number
		case "PPid":
			parent = number
		case "NStgid":
			inner = number
		}
	}
	return tgid, inner, parent
}

// killProcess ends one process that cannot be held otherwise.
func (t *tracer) killProcess(p *process) {
	_ = unix.Kill(p.pid, unix.SIGKILL)
}

// link returns what a descriptor, "cwd" or "exe" of a process leads to, as the process would name it.
func (p *process) link(name string) string {
	target, err := os.Readlink(fmt.Sprintf("/proc/%d/%s", p.pid, name))
	if err != nil {
		return ""
	}
	return target
}

func (p *process) fd(n int) string { return p.link("fd/" + strconv.Itoa(n)) }
