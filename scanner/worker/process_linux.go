package worker

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// launcher starts worker processes. All of them are children of one thread that does nothing
// else: a worker dies with the thread that started it (PR_SET_PDEATHSIG means threads), and the Go
// runtime may end any other.
type launcher struct {
	path     string
	argv     []string
	env      []string
	requests chan chan<- launched
	thread   sync.WaitGroup
}

type launched struct {
	process *process
	err     error
}

func newLauncher(c *Config) (*launcher, error) {
	path, err := c.program()
	if err != nil {
		return nil, err
	}
	if self, err := os.Executable(); err == nil && self == path {
		// Still this very program after an upgrade has replaced the file.
		path = "/proc/self/exe"
	}
	l := &launcher{path: path, argv: c.Command, env: c.environment(), requests: make(chan chan<- launched)}
	l.thread.Go(func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		for reply := range l.requests {
			w, err := l.start()
			reply <- launched{w, err}
		}
	})
	return l, nil
}

func (l *launcher) close() {
	close(l.requests)
	l.thread.Wait()
}

// launch starts a worker process.
func (l *launcher) launch() (*process, error) {
	reply := make(chan launched, 1)
	l.requests <- reply
	r := <-reply
	return r.process, r.err
}

// start runs on the launcher's thread.
func (l *launcher) start() (_ *process, err error) {
	conn, err := syscall.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket for a worker: %w", err)
	}
	theirs := os.NewFile(uintptr(conn[1]), "worker's socket")
	defer theirs.Close()
	w := osProcess{socket: conn[0], stderr: -1, statm: -1, schedstat: -1}
	defer func() {
		if err != nil {
			w.close()
		}
	}()

	// Nobody reads standard error until the worker is dead. It must not block on it, and it
	// cannot fill more than the pipe.
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("pipe for a worker: %w", err)
	}
	w.stderr = pipe[0]
	stderr := os.NewFile(uintptr(pipe[1]), "worker's standard error")
	defer stderr.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()

	w.handle, err = os.StartProcess(l.path, l.argv, &os.ProcAttr{
		Dir:   "/",
		Env:   l.env,
		Files: []*os.File{null, null, stderr, theirs},
		Sys: &syscall.SysProcAttr{
			Setpgid:   true, // Ctrl-C and Ctrl-Z in a terminal are for the broker
			Pdeathsig: syscall.SIGKILL,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	pid := w.handle.Pid
	// Opened now, since later the worker may have become invisible. Without them, the worker's own
	// limit of memory must do, and deadlines count time in which it does not get a processor.
	var errMemory, errTime error
	w.statm, errMemory = openProc(pid, "statm")
	w.schedstat, errTime = openProc(pid, "schedstat")
	p := adopt(w, pid)
	r := report{}
	r.note("memory watch", errMemory)
	r.note("deadlines in time that the worker could have run", errTime)
	p.measures, p.missing = r.Measures, r.Missing
	return p, nil
}

func openProc(pid int, name string) (int, error) {
	return unix.Open(fmt.Sprintf("/proc/%d/%s", pid, name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
}

// systemEnvironment is what programs need on this system; here nothing.
func systemEnvironment() map[string]string { return nil }

// osProcess is a worker at the other end of a stream socket.
type osProcess struct {
	handle *os.Process
	socket int
	stderr int // reading end of the pipe
	// Open files of /proc/PID, or -1.
	statm, schedstat int
	// attached are the descriptors to go with the next message, control its ancillary data.
	attached []int
}

func (w *osProcess) attach(buf []byte, f *os.File) ([]byte, error) {
	fd := f.Fd()
	if fd == ^uintptr(0) {
		return nil, os.ErrClosed
	}
	w.attached = append(w.attached, int(fd))
	return buf, nil
}

func (w *osProcess) send(buf []byte) error {
	var rights []byte
	if len(w.attached) > 0 {
		rights = unix.UnixRights(w.attached...)
		w.attached = w.attached[:0]
	}
	for len(buf) > 0 {
		// The kernel gives the descriptors to the first part if it takes only that.
		n, err := unix.SendmsgN(w.socket, buf, rights, nil, unix.MSG_NOSIGNAL)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("send to a worker: %w", err)
		}
		buf, rights = buf[n:], nil
	}
	return nil
}

// read reads without room for ancillary data: descriptors that a hostile worker sends are dropped by
// the kernel.
func (w *osProcess) read(buf []byte) (int, error) {
	for {
		n, err := unix.Read(w.socket, buf)
		switch {
		case err == unix.EINTR:
		case err == unix.ECONNRESET || err == nil && n == 0:
			return 0, io.EOF // reset: it left requests unread
		case err != nil:
			return 0, fmt.Errorf("read from a worker: %w", err)
		default:
			return n, nil
		}
	}
}

func (w *osProcess) hangUp() { unix.Shutdown(w.socket, unix.SHUT_WR) }

func (w *osProcess) kill() {
	w.handle.Kill()
	unix.Shutdown(w.socket, unix.SHUT_RDWR)
}

func (w *osProcess) suspend() { w.handle.Signal(unix.SIGSTOP) }
func (w *osProcess) resume()  { w.handle.Signal(unix.SIGCONT) }
func (w *osProcess) hold()    { w.suspend() } // to one that is stopped the signal means nothing

// cpuTime reads the clock of the process. The id of that clock is the process id with a kind in the
// lower bits (MAKE_PROCESS_CPUCLOCK in the kernel; clock_getcpuclockid(3) makes the same).
func (w *osProcess) cpuTime() (time.Duration, error) {
	const schedClock = 2
	var ts unix.Timespec
	err := unix.ClockGettime(int32(^w.handle.Pid<<3|schedClock), &ts)
	return time.Duration(ts.Nano()), err
}

// memory returns the resident anonymous memory, see proc_pid_statm(5).
func (w *osProcess) memory() (int64, error) {
	resident, shared, err := readPair(w.statm, 1)
	return (resident - shared) * int64(os.Getpagesize()), err
}

// queued reads the second figure of /proc/PID/schedstat: how long the main thread, which is the one
// that works, has been ready to run and not been running.
func (w *osProcess) queued() (time.Duration, error) {
	_, waited, err := readPair(w.schedstat, 0)
	return time.Duration(waited), err
}

// readPair returns two neighbouring numbers, from the given one on, of a file of numbers in /proc.
func readPair(fd, first int) (a, b int64, err error) {
	var buf [128]byte
	n, err := unix.Pread(fd, buf[:], 0)
	if err != nil {
		return 0, 0, err
	}
	fields := strings.Fields(string(buf[:n]))
	if len(fields) < first+2 {
		return 0, 0, errors.New("too few numbers")
	}
	a, err1 := strconv.ParseInt(fields[first], 10, 64)
	b, err2 := strconv.ParseInt(fields[first+1], 10, 64)
	return a, b, errors.Join(err1, err2)
}

func (w *osProcess) reap() exit {
	state, err := w.handle.Wait()
	// Whoever else may hold the socket: this connection is over.
	unix.Shutdown(w.socket, unix.SHUT_RDWR)
	if err != nil {
		return exit{state: err.Error()}
	}
	status := state.Sys().(syscall.WaitStatus)
	return exit{
		state:  state.String(),
		killed: status.Signaled() && status.Signal() == unix.SIGKILL,
		cpu:    state.UserTime() + state.SystemTime(),
		stderr: w.lastOutput(),
	}
}

// lastOutput returns what is in the pipe of standard error.
func (w *osProcess) lastOutput() []byte {
	buf := make([]byte, maxText)
	n, err := unix.Read(w.stderr, buf)
	if err != nil {
		return nil
	}
	return buf[:n]
}

func (w *osProcess) close() {
	for _, fd := range []int{w.socket, w.stderr, w.statm, w.schedstat} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}
