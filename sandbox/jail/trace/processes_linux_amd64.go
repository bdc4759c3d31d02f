package trace

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// execution is a program that is about to be started.
type execution struct {
	path      string
	arguments []string
	memory    bool // from a file that exists in memory only
	socket    bool // with a network connection as its standard input
}

func (t *tracer) execve(k *task, c call) reply {
	k.note = t.execution(k, c)
	return reply{}
}

// execution reads the arguments of execve and execveat.
func (t *tracer) execution(k *task, c call) *execution {
	dir, name, arguments := int32(unix.AT_FDCWD), c.args[0], c.args[1]
	if c.number == unix.SYS_EXECVEAT {
		dir, name, arguments = int32(c.args[0]), c.args[1], c.args[2]
	}
	e := &execution{path: t.path(k, dir, name), arguments: k.process.mem().texts(arguments)}
	real := e.path
	var fd int
	if _, err := fmt.Sscanf(e.path, "/proc/self/fd/%d", &fd); err == nil {
		real = k.process.fd(fd)
	}
	e.memory = strings.HasPrefix(real, "/memfd:") || strings.HasSuffix(real, "/memfd:")
	e.socket = k.socketAt(0)
	return e
}

// socketAt reports whether a descriptor is one of the internet sockets that this process has made, under whatever
// number: dup2 is not watched.
func (k *task) socketAt(fd int) bool {
	target := k.process.fd(fd)
	if !strings.HasPrefix(target, "socket:") {
		return false
	}
	for other := range k.process.kinds {
		if k.process.fd(other) == target {
			return true
		}
	}
	// The original may be closed by now; something that came over a socket has been put there on purpose.
	return len(k.process.kinds) > 0
}

func (t *tracer) ptrace(k *task, c call) reply {
	p := k.process
	if c.args[0] != unix.PTRACE_TRACEME {
		t.deed(TraceOther, fmt.Sprintf("ptrace request %d of process %d", c.args[0], int32(c.args[1])))
		return denied(unix.EPERM)
	}
	t.deed(TraceMe, p.path)
	if p.tracedMe {
		return denied(unix.EPERM) // as for one that is traced already
	}
	p.tracedMe = true
	return answered(0)
}

// signal serves the calls that send one to another process.
func (t *tracer) signal(k *task, to int32, signal uint64) reply {
	p := k.process
	switch {
	case signal == 0: // asks whether it is there
	case to == -1:
		t.deed(KillAll, unix.SignalName(unix.Signal(signal)))
	case to > 0 && int(to) != p.inner && !t.descends(int(to), p.inner):
		t.deed(KillOther, fmt.Sprintf("%s to process %d", unix.SignalName(unix.Signal(signal)), to))
	}
	return reply{}
}

// descends reports whether a process inside the jail, or the process of such a thread, comes of another.
func (t *tracer) descends(inner, from int) bool {
	parents := map[int]int{}
	for _, k := range t.tasks {
		parents[k.process.inner] = k.process.parent
		if k.process.inner == from && k.tid != k.process.pid {
			return true // a thread of its own may be meant
		}
	}
	for range maxProcesses {
		parent, known := parents[inner]
		if !known || parent == 0 {
			return false
		}
		if parent == from {
			return true
		}
		inner = parent
	}
	return false
}

// become serves the calls that change the user. Only root is worth a note: the jail has no other.
func (t *tracer) become(name string, ids ...uint64) reply {
	for _, id := range ids {
		if uint32(id) == 0 {
			t.deed(BecomeRoot, name)
			break
		}
	}
	return reply{}
}

func (t *tracer) execMemory(name string, c call) reply {
	kind := AnonymousExecute
	if c.args[2]&unix.PROT_WRITE != 0 {
		kind = WriteExecute
	}
	return then(func(result int64) {
		if outcome(result) == "" {
			t.deed(kind, name)
		}
	})
}

func (t *tracer) prctl(k *task, c call) reply {
	switch c.args[0] {
	case unix.PR_SET_DUMPABLE:
		// It would keep the tracer from reading the process's memory.
		return answered(0)
	case unix.PR_SET_NAME:
		const nameLength = 16
		t.deed(Rename, untilNUL(k.process.mem().read(c.args[1], nameLength)))
	}
	return reply{}
}

// Sleeps are cut short, or a program need only wait ten seconds for the jail to see nothing.
const (
	// shortSleep is let be: others poll with it.
	shortSleep = 200 * time.Millisecond
	// longSleep is worth a note.
	longSleep = time.Minute
	// maxSkip is how much time a process can skip; then it waits as it asks for, and not in a busy loop.
	maxSkip = 24 * time.Hour
)

// sleep answers a sleep at once. Absolute times are left alone: a program that asks for them again until
// they have come would never stop asking.
func (t *tracer) sleep(k *task, pointer uint64, absolute bool) reply {
	b := k.process.mem().read(pointer, 16)
	if len(b) < 16 || absolute {
		return reply{}
	}
	seconds := int64(binary.LittleEndian.Uint64(b))
	if seconds < 0 || seconds > int64(maxSkip/time.Second) {
		seconds = int64(maxSkip / time.Second)
	}
	d := time.Duration(seconds)*time.Second + time.Duration(binary.LittleEndian.Uint64(b[8:])%1e9)
	if d >= longSleep {
		t.deed(Sleep, d.String())
	}
	if d <= shortSleep || k.process.slept+d > 2*maxSkip {
		return reply{}
	}
	k.process.slept += d
	t.Skipped += d
	return answered(0)
}
