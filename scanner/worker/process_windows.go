package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	ntdll                 = windows.NewLazySystemDLL("ntdll.dll")
	kernel32              = windows.NewLazySystemDLL("kernel32.dll")
	ntSuspendProcess      = ntdll.NewProc("NtSuspendProcess")
	ntResumeProcess       = ntdll.NewProc("NtResumeProcess")
	getProcessMemoryInfo  = kernel32.NewProc("K32GetProcessMemoryInfo")
	setMitigationPolicy   = kernel32.NewProc("SetProcessMitigationPolicy")
	createRestrictedToken = windows.NewLazySystemDLL("advapi32.dll").NewProc("CreateRestrictedToken")
)

// pipesVariable tells a worker the values of its two inherited pipe handles.
const pipesVariable = "TYTO_WORKER_PIPES"

// launcher starts worker processes with a restricted token, each in a job object of its own.
type launcher struct {
	config            *Config
	path              string
	token             windows.Token // 0 if it could not be made
	measures, missing []string
}

func newLauncher(c *Config) (*launcher, error) {
	path, err := c.program()
	if err != nil {
		return nil, err
	}
	l := &launcher{config: c, path: path}
	l.token, err = restrictedToken()
	if err != nil {
		l.missing = append(l.missing, fmt.Sprintf("restricted token at low integrity (%v)", err))
	}
	return l, nil
}

func (l *launcher) close() {
	if l.token != 0 {
		l.token.Close()
	}
}

// systemEnvironment is what programs need on this system: many DLLs fail to load without SystemRoot.
func systemEnvironment() map[string]string {
	return map[string]string{"SystemRoot": os.Getenv("SystemRoot")}
}

// launch starts a worker process. It is confined from outside while it waits for its first frame.
func (l *launcher) launch() (_ *process, err error) {
	var opened []*os.File
	pipe := func() (r, w *os.File) {
		if err == nil {
			if r, w, err = os.Pipe(); err == nil {
				opened = append(opened, r, w)
			}
		}
		return r, w
	}
	requestsIn, requests := pipe()
	responses, responsesOut := pipe()
	stderr, stderrOut := pipe()
	if err != nil {
		closeAll(opened)
		return nil, fmt.Errorf("pipes for a worker: %w", err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		closeAll(opened)
		return nil, err
	}
	theirs := []*os.File{requestsIn, responsesOut, stderrOut, null}
	defer closeAll(theirs)

	w := osProcess{requests: requests, responses: responses, stderr: make(chan []byte, 1)}
	var measures, missing []string
	w.starter, measures, missing, err = l.start(null, stderrOut, requestsIn, responsesOut)
	if err != nil {
		closeAll([]*os.File{requests, responses, stderr})
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	go w.drain(stderr)
	p := adopt(w, w.starter.Pid)
	p.measures, p.missing = measures, missing
	if err := p.confineFromOutside(l.config); err != nil {
		p.kill()
		p.wait()
		p.close()
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	return p, nil
}

// start starts the process, with the restricted token where the system allows it.
func (l *launcher) start(null, stderr, requests, responses *os.File) (_ *os.Process, measures, missing []string, err error) {
	measures, missing = append(measures, l.measures...), append(missing, l.missing...)
	inherited := []syscall.Handle{syscall.Handle(requests.Fd()), syscall.Handle(responses.Fd())}
	for _, h := range inherited {
		if err := windows.SetHandleInformation(windows.Handle(h), windows.HANDLE_FLAG_INHERIT, windows.HANDLE_FLAG_INHERIT); err != nil {
			return nil, nil, nil, err
		}
	}
	flags := uint32(windows.CREATE_NEW_PROCESS_GROUP) // Ctrl-C is for the broker
	if l.config.LowPriority {
		flags |= windows.IDLE_PRIORITY_CLASS
		measures = append(measures, "lowest CPU priority")
	}
	attr := &os.ProcAttr{
		Dir:   os.Getenv("SystemRoot"),
		Env:   append(l.config.environment(), fmt.Sprintf("%s=%x,%x", pipesVariable, inherited[0], inherited[1])),
		Files: []*os.File{null, null, stderr},
		Sys: &syscall.SysProcAttr{
			HideWindow: true, CreationFlags: flags,
			AdditionalInheritedHandles: inherited,
			Token:                      syscall.Token(l.token),
		},
	}
	p, err := os.StartProcess(l.path, l.config.Command, attr)
	if l.token == 0 {
		return p, measures, missing, err
	}
	if err == nil {
		return p, append(measures, "restricted token at low integrity"), missing, nil
	}
	missing = append(missing, fmt.Sprintf("restricted token at low integrity (%v)", err))
	attr.Sys.Token = 0
	p, err = os.StartProcess(l.path, l.config.Command, attr)
	return p, measures, missing, err
}

// osProcess is a worker at the other end of two pipes.
type osProcess struct {
	starter   *os.Process
	handle    windows.Handle // of the process, with all rights
	job       windows.Handle
	requests  *os.File
	responses *os.File
	stderr    chan []byte // what drain kept
}

// attach makes a handle of the file in the worker and appends its value to the frame.
func (w *osProcess) attach(buf []byte, f *os.File) ([]byte, error) {
	var theirs windows.Handle
	err := windows.DuplicateHandle(windows.CurrentProcess(), windows.Handle(f.Fd()),
		w.handle, &theirs, 0, false, windows.DUPLICATE_SAME_ACCESS)
	if err != nil {
		return nil, err
	}
	return binary.LittleEndian.AppendUint64(buf, uint64(theirs)), nil
}

func (w *osProcess) send(buf []byte) error {
	if _, err := w.requests.Write(buf); err != nil {
		return fmt.Errorf("send to a worker: %w", err)
	}
	return nil
}

func (w *osProcess) read(buf []byte) (int, error) { return w.responses.Read(buf) }

// drain keeps the beginning of what the worker writes to standard error, and reads on so that it does
// not block.
func (w *osProcess) drain(stderr *os.File) {
	defer stderr.Close()
	kept, _ := io.ReadAll(io.LimitReader(stderr, maxText))
	io.Copy(io.Discard, stderr)
	w.stderr <- kept
}

// hangUp is called when the worker has no job; it has nothing to lose.
func (w *osProcess) hangUp() { w.kill() }

func (w *osProcess) kill() { w.starter.Kill() }

func (w *osProcess) suspend() { ntSuspendProcess.Call(uintptr(w.handle)) }
func (w *osProcess) resume()  { ntResumeProcess.Call(uintptr(w.handle)) }

// hold has nothing to do: suspensions are counted, and nobody takes back ours by mistake.
func (w *osProcess) hold() {}

func (w *osProcess) cpuTime() (time.Duration, error) {
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(w.handle, &created, &exited, &kernel, &user); err != nil {
		return 0, err
	}
	ticks := func(t windows.Filetime) time.Duration {
		return time.Duration(uint64(t.HighDateTime)<<32|uint64(t.LowDateTime)) * 100
	}
	return ticks(kernel) + ticks(user), nil
}

// memory returns the committed private memory, see PROCESS_MEMORY_COUNTERS_EX. Windows gives it
// twice, Windows 7 and Wine each only once.
func (w *osProcess) memory() (int64, error) {
	var counters struct {
		size, pageFaults uint32
		_, _, _, _, _, _/* working set, quotas */ uintptr
		pagefileUsage, _, privateUsage uintptr
	}
	counters.size = uint32(unsafe.Sizeof(counters))
	ok, _, err := getProcessMemoryInfo.Call(uintptr(w.handle), uintptr(unsafe.Pointer(&counters)), uintptr(counters.size))
	if ok == 0 {
		return 0, err
	}
	return int64(max(counters.pagefileUsage, counters.privateUsage)), nil
}

// queued is not told by Windows.
func (w *osProcess) queued() (time.Duration, error) { return 0, errors.ErrUnsupported }

func (w *osProcess) reap() exit {
	state, err := w.starter.Wait()
	stderr := <-w.stderr
	if err != nil {
		return exit{state: err.Error(), stderr: stderr}
	}
	return exit{state: state.String(), cpu: state.UserTime() + state.SystemTime(), stderr: stderr}
}

func (w *osProcess) close() {
	w.requests.Close()
	w.responses.Close()
	for _, h := range []windows.Handle{w.handle, w.job} {
		if h != 0 {
			windows.CloseHandle(h)
		}
	}
}

// openConnection finds the worker's pipes.
func openConnection() (*connection, error) {
	in, out, ok := strings.Cut(os.Getenv(pipesVariable), ",")
	var handles [2]uintptr
	_, err1 := fmt.Sscanf(in, "%x", &handles[0])
	_, err2 := fmt.Sscanf(out, "%x", &handles[1])
	if err := errors.Join(err1, err2); !ok || err != nil {
		return nil, errors.New("there are no pipes of a broker")
	}
	return newConnection(osConnection{os.NewFile(handles[0], "requests"), os.NewFile(handles[1], "responses")}), nil
}

// osConnection is the worker's end of the pipes.
type osConnection struct {
	in, out *os.File
}

func (c *osConnection) read(buf []byte) (int, error) { return c.in.Read(buf) }

func (c *osConnection) write(buf []byte) error {
	_, err := c.out.Write(buf)
	return err
}

// takeFile returns the file whose handle is at the start of the payload.
func (c *osConnection) takeFile(payload []byte) (*os.File, []byte, error) {
	if len(payload) < 8 {
		return nil, nil, fmt.Errorf("%w: a file is missing", errProtocol)
	}
	return os.NewFile(uintptr(binary.LittleEndian.Uint64(payload)), "object"), payload[8:], nil
}
