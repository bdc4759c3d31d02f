package trace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tyto/verdict"
)

// Options say what to run.
type Options struct {
	// Command is the command with its arguments, which confines and then executes the sample. Its first
	// element is a path.
	Command []string
	// Files are its open files from standard input on; nothing else is inherited.
	Files []*os.File
	// Sample is the path inside the jail of the file that is looked at, to notice that it deletes itself.
	Sample string
	// Time is how long the sample may run.
	Time time.Duration
	// Setup bounds how long the command may take until it executes the sample; 0 is 20 s.
	Setup time.Duration
	// Confine is called with the command's process stopped before its first instruction, to put it into a
	// cgroup. May be nil.
	Confine func(pid int) error
	// Furnish is called with the sample's process stopped before its first instruction, to put
	// things into the jail's folders and to set limits. May be nil.
	Furnish func(pid int) error
	// Remember is called before a file is deleted, with its path inside the jail, to keep what it holds. It must
	// bound its work. It returns false if there was nothing to keep. May be nil.
	Remember func(path string) (Departure, bool)
	// Exists reports whether a path inside the jail exists, to tell new files from old ones. May be nil.
	Exists func(path string) bool
	// Telling reports whether what is done to a path matters so much that it is written down even when the record is
	// full, so that nothing can be hidden by doing a lot first. May be nil.
	Telling func(path string) bool
	Now     func() time.Time // nil is time.Now
}

const defaultSetup = 20 * time.Second

// ErrNotStarted is returned when the command ended before it executed the sample.
var ErrNotStarted = errors.New("the sample was not started")

// Run runs the command and returns what the sample did until all its processes had ended, by themselves or
// because the time was up or ctx ended. When Run returns none of them is left.
//
// The calling process must have no other children, Run waits for any of them; it is meant for a process of its
// own, which can be killed at any time: everything that is traced dies with it.
func Run(ctx context.Context, o Options) (*Record, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	// ptrace knows threads: only the one that started the command may trace it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	t := &tracer{Options: o, book: newBook(o.Telling), tasks: map[int]*task{}}
	defer t.killer.close()
	if err := t.start(); err != nil {
		return nil, err
	}
	stop := t.killer.watch(ctx, cmp.Or(o.Setup, defaultSetup))
	err := t.loop()
	stop()
	if t.began.IsZero() {
		return &t.Record, errors.Join(ErrNotStarted, err)
	}
	t.Elapsed = o.Now().Sub(t.began)
	t.TimedOut = t.killer.timedOut()
	return &t.Record, err
}

// tracer is one run. All its methods run on one thread; only the killer is shared.
type tracer struct {
	Options
	*book
	killer killer

	command int // pid of the command
	sample  int // pid of the sample's first process; 0 until it is executed
	init    int // its parent, the first process of the jail's namespace of processes
	began   time.Time
	tasks   map[int]*task // by thread id

	departed int // contents looked at when they were deleted
}

// start forks the command, which stops after its exec, and prepares it.
func (t *tracer) start() error {
	files := make([]uintptr, len(t.Files))
	for i, f := range t.Files {
		files[i] = f.Fd()
	}
	pid, err := syscall.ForkExec(t.Command[0], t.Command, &syscall.ProcAttr{
		Dir:   "/",
		Env:   []string{}, // not nil, which would be this process's own
		Files: files,
		Sys:   &syscall.SysProcAttr{Ptrace: true, Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	runtime.KeepAlive(t.Files)
	if err != nil {
		return fmt.Errorf("start %q: %w", t.Command[0], err)
	}
	t.command = pid
	t.tasks[pid] = &task{tid: pid, begun: true, process: &process{pid: pid}}
	if err := t.killer.aim(pid); err != nil {
		unix.Kill(pid, unix.SIGKILL)
		return err
	}
	return t.prepare(pid)
}

func (t *tracer) prepare(pid int) (err error) {
	defer func() {
		if err != nil {
			t.killer.kill()
			unix.Wait4(pid, nil, 0, nil)
		}
	}()
	var status unix.WaitStatus
	if _, err := wait4(pid, &status); err != nil {
		return fmt.Errorf("wait for %q: %w", t.Command[0], err)
	}
	if !status.Stopped() {
		return fmt.Errorf("%q ended before it began", t.Command[0])
	}
	if err := unix.PtraceSetOptions(pid, options); err != nil {
		return fmt.Errorf("trace %q: %w", t.Command[0], err)
	}
	if t.Confine != nil {
		if err := t.Confine(pid); err != nil {
			return err
		}
	}
	return unix.PtraceCont(pid, 0)
}

// wait4 waits for a process, or for any with -1, through interruptions.
func wait4(pid int, status *unix.WaitStatus) (int, error) {
	for {
		got, err := unix.Wait4(pid, status, unix.WALL, nil)
		if err != unix.EINTR {
			return got, err
		}
	}
}

// loop serves stops until no process is left.
func (t *tracer) loop() error {
	for {
		var status unix.WaitStatus
		tid, err := wait4(-1, &status)
		if err == unix.ECHILD {
			return nil
		}
		if err != nil {
			t.killer.kill()
			return fmt.Errorf("wait: %w", err)
		}
		if !status.Stopped() {
			t.ended(tid, status)
			continue
		}
		if err := t.stopped(tid, status); err != nil {
			// Without the start nothing can be seen; end everything, and then wait for it.
			t.killer.kill()
			return errors.Join(err, t.drain())
		}
	}
}

// drain waits until all processes are gone, after they were killed.
func (t *tracer) drain() error {
	for {
		var status unix.WaitStatus
		tid, err := wait4(-1, &status)
		if err == unix.ECHILD {
			return nil
		}
		if err != nil {
			return err
		}
		if status.Stopped() {
			t.resume(tid, 0)
		}
	}
}

// ended is called when a thread or process is gone.
func (t *tracer) ended(tid int, status unix.WaitStatus) {
	delete(t.tasks, tid)
	if tid == t.init {
		_ = unix.Kill(t.command, unix.SIGKILL) // parked; it is this process's child and not waited for yet
	}
	if tid != t.sample {
		return
	}
	switch {
	case t.killer.timedOut():
	case status.Exited():
		t.Ended = fmt.Sprintf("exit %d", status.ExitStatus())
	case status.Signaled():
		t.Ended = "signal " + unix.SignalName(status.Signal())
	}
}

// stopped serves one stop. An error ends the run.
func (t *tracer) stopped(tid int, status unix.WaitStatus) error {
	switch event := int(status>>16) & 0xff; event {
	case unix.PTRACE_EVENT_FORK, unix.PTRACE_EVENT_VFORK, unix.PTRACE_EVENT_CLONE:
		if child, err := unix.PtraceGetEventMsg(tid); err == nil {
			t.born(tid, int(child))
		}
		t.resume(tid, 0)
		return nil
	case unix.PTRACE_EVENT_EXEC:
		err := t.executed(tid)
		t.resume(tid, 0)
		return err
	case unix.PTRACE_EVENT_SECCOMP:
		t.entered(tid)
		return nil
	case 0:
	default:
		t.resume(tid, 0)
		return nil
	}
	switch signal := status.StopSignal(); signal {
	case syscallStop:
		t.left(tid)
		t.resume(tid, 0)
	case unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
		if tid == t.command {
			return nil // parked
		}
		// A new process begins with a SIGSTOP. Any other would make the sample wait for somebody who
		// wakes it: swallow it, and it goes on.
		if task, known := t.tasks[tid]; known && task.begun {
			t.deed(StopSelf, unix.SignalName(signal))
		} else {
			t.taskOf(tid).begun = true
		}
		t.resume(tid, 0)
	default:
		t.resume(tid, signal)
	}
	return nil
}

// resume lets a stopped thread go on, with a signal or 0. That it is gone meanwhile is no error: it was killed.
func (t *tracer) resume(tid int, signal syscall.Signal) {
	_ = unix.PtraceCont(tid, int(signal))
}

// entered is called at the entry of a call that the filter watches.
func (t *tracer) entered(tid int) {
	c, ok := getCall(tid)
	if !ok {
		t.resume(tid, 0)
		return
	}
	task := t.taskOf(tid)
	if t.sample == 0 {
		// The command itself, after it has installed the filter and before the sample exists. Later it is held to the
		// same as the sample, which might write into its memory through /proc.
		if c.number == unix.SYS_EXECVE {
			task.note = t.execution(task, c)
		}
		t.resume(tid, 0)
		return
	}
	t.Calls++
	switch reply := t.serve(task, c); {
	case reply.refuse:
		if answer(tid, reply.result) != nil {
			// Neither answered nor allowed: the process must not go on.
			t.killProcess(task.process)
			return
		}
		t.resume(tid, 0)
	case reply.after != nil:
		task.after = reply.after
		_ = unix.PtraceSyscall(tid, 0)
	default:
		t.resume(tid, 0)
	}
}

// left is called at the exit of a call for which serve has asked for the result.
func (t *tracer) left(tid int) {
	task := t.taskOf(tid)
	after := task.after
	task.after = nil
	if result, ok := getResult(tid); ok && after != nil {
		after(result)
	}
}

// executed is called when a process has become another program, and stands before its first instruction.
func (t *tracer) executed(tid int) error {
	former := tid
	if msg, err := unix.PtraceGetEventMsg(tid); err == nil {
		former = int(msg)
	}
	task := t.taskOf(former)
	note := task.note
	// All other threads are gone, and whoever called is now the first.
	task.tid, task.note, task.after = tid, nil, nil
	for other, o := range t.tasks {
		if o.process == task.process {
			delete(t.tasks, other)
		}
	}
	t.tasks[tid] = task
	if note == nil {
		note = &execution{}
	}
	first := t.sample == 0
	if first {
		t.sample = tid
		t.Started = true
		for _, o := range t.tasks {
			o.process.supervises = o != task
		}
		t.park(tid)
	}
	t.started(task, note)
	if !first {
		return nil
	}
	if t.Furnish != nil {
		if err := t.Furnish(tid); err != nil {
			return fmt.Errorf("furnish the jail: %w", err)
		}
	}
	t.began = t.Now()
	t.killer.extend(t.Time)
	return nil
}

// park stops the command, and leaves it stopped until the first process of the namespace has ended, which waits for
// all others. The command would end when the sample's first process does, and everything with it; but the
// first process of malware often only starts the second and ends.
func (t *tracer) park(sample int) {
	_, _, t.init = identify(sample)
	if t.init != t.command {
		_ = unix.Kill(t.command, unix.SIGSTOP)
	}
}

// started writes down a program that was started.
func (t *tracer) started(task *task, note *execution) {
	p := task.process
	p.path = note.path
	t.process(verdict.Process{PID: p.inner, Parent: p.parent, Path: cut(note.path), Arguments: note.arguments})
	if note.memory {
		t.deed(MemoryProgram, note.path)
	}
	if note.socket {
		t.deed(SocketShell, note.path)
	}
}
