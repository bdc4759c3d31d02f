package jail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tyto/sandbox/jail/trace"
)

// nobody is the uid and gid that own nothing, by convention of all distributions.
const nobody = 65534

// Serve is the tracer: the program that [Options.Tracer] starts calls it, with its standard input and output, and
// then ends. It runs one sample and answers once. It ends at once when in ends before that, as then the engine
// is gone.
//
// It is a process of its own because it may have no other children, gives its privileges up for ever, and must be
// able to die without harm to the server.
func Serve(in io.Reader, out io.Writer) error {
	var o order
	decoder := json.NewDecoder(io.LimitReader(in, maxOrder))
	if err := decoder.Decode(&o); err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		// The engine says nothing more; when its end is closed it does not want an answer any more. This
		// goroutine ends with the process.
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	a, err := o.serve(ctx)
	if err != nil {
		a.Failed = err.Error()
	}
	if err := json.NewEncoder(out).Encode(a); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

// serve runs the sample.
func (o order) serve(ctx context.Context) (a answer, err error) {
	t := &turn{order: o}
	defer t.close()
	if err := t.closeForeignFiles(); err != nil {
		return a, err
	}
	if err := t.openFiles(); err != nil {
		return a, err
	}
	if err := t.becomeNobody(); err != nil {
		return a, err
	}
	output := newDrain(t.outputRead)
	w := watch(t.Memory, !t.MemoryGroup)
	record, err := trace.Run(ctx, trace.Options{
		Command:  o.command(systemLinks()),
		Files:    []*os.File{t.null, t.outputWrite, t.outputWrite, t.sample, t.filter},
		Sample:   o.samplePath(),
		Time:     o.Time,
		Confine:  t.confine,
		Furnish:  func(pid int) error { return t.furnish(pid, w) },
		Remember: func(name string) (trace.Departure, bool) { return t.room.remember(name) },
		Telling:  tells,
		Exists:   func(name string) bool { return t.room.exists(name) },
	})
	a.Exhausted = w.stop()
	t.outputWrite.Close()
	a.Output = output.wait()
	a.Missing = t.missing
	if errors.Is(err, trace.ErrNotStarted) && bytes.HasPrefix(a.Output, []byte("bwrap: execvp ")) {
		a.Refused = true
		return a, nil
	}
	if errors.Is(err, trace.ErrNotStarted) {
		return a, fmt.Errorf("%w; bubblewrap says: %q", err, a.Output)
	}
	if err != nil {
		return a, err
	}
	a.Record = *record
	a.Layer = t.room.survey()
	return a, nil
}

// turn is the tracer's side of one run.
type turn struct {
	order
	null, outputRead, outputWrite, sample, lifeline, filter *os.File

	groups  []*os.File
	room    *room
	missing []string
}

func (t *turn) close() {
	if t.room != nil {
		t.room.close()
	}
}

// closeForeignFiles keeps descriptors that were inherited by accident from the jail: everything but the standard ones
// is closed when a program is executed, and what bubblewrap needs is named to it one by one.
func (t *turn) closeForeignFiles() error {
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close inherited files: %w", err)
	}
	return nil
}

// openFiles opens what needs the rights that are given up next.
func (t *turn) openFiles() (err error) {
	t.sample, t.lifeline = os.NewFile(sampleFD, "sample"), os.NewFile(lifelineFD, "lifeline")
	for i := range t.Groups {
		t.groups = append(t.groups, os.NewFile(uintptr(groupsFD+i), "cgroup.procs"))
	}
	if t.null, err = os.Open(os.DevNull); err != nil {
		return err
	}
	if t.outputRead, t.outputWrite, err = os.Pipe(); err != nil {
		return err
	}
	// Go's own pipes do not block; programs expect an output that does.
	if err := unix.SetNonblock(int(t.outputWrite.Fd()), false); err != nil {
		return err
	}
	return t.openFilter()
}

// openFilter puts the seccomp filter into a file for bubblewrap to read.
func (t *turn) openFilter() error {
	fd, err := unix.MemfdCreate("filter", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("make a file in memory: %w", err)
	}
	t.filter = os.NewFile(uintptr(fd), "filter")
	if _, err := t.filter.Write(trace.Filter(trace.FilterOptions{NoSharedMemory: !t.MemoryGroup})); err != nil {
		return err
	}
	_, err = t.filter.Seek(0, io.SeekStart)
	return err
}

// becomeNobody gives up all privileges for ever. Without this the sample's user would be the server's outside the jail,
// which is root where the server is.
func (t *turn) becomeNobody() error {
	// The tracer is worth nothing to the system when memory is short, and a victim of whatever the sample does.
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0); err != nil {
		t.missing = append(t.missing, "first to go when memory is short: "+err.Error())
	}
	if t.Nobody {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setresgid(nobody, nobody, nobody), syscall.Setresuid(nobody, nobody, nobody)); err != nil {
			return fmt.Errorf("become nobody: %w", err)
		}
	}
	if os.Geteuid() == 0 || os.Getuid() == 0 {
		return errors.New("the tracer must not run as root")
	}
	// Other processes of nobody must not reach into the tracer.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("close the tracer's memory: %w", err)
	}
	return nil
}

// lowPriority is the nice value of samples: whoever sits at this computer goes first.
const lowPriority = 10

// confine puts bubblewrap, which has not begun, into the cgroups.
func (t *turn) confine(pid int) error {
	if err := unix.Setpriority(unix.PRIO_PROCESS, pid, lowPriority); err != nil {
		t.missing = append(t.missing, "a low priority: "+err.Error())
	}
	for _, g := range t.groups {
		if _, err := g.WriteString(strconv.Itoa(pid)); err != nil {
			return fmt.Errorf("enter the cgroup: %w", err)
		}
		g.Close()
	}
	return tie(t.lifeline, pid)
}

// furnish is called when the sample is in place and has not begun.
func (t *turn) furnish(pid int, w *watchman) error {
	room, err := openRoom(pid)
	if err != nil {
		return err
	}
	t.room = room
	if err := tie(t.lifeline, parentOf(pid)); err != nil {
		return err
	}
	room.before[t.samplePath()] = t.SHA256
	if err := room.furnish(); err != nil {
		return err
	}
	if err := w.guard(pid); err != nil {
		return err
	}
	return t.limit(pid)
}

// limit sets the resource limits of the sample and of all that it starts, see setrlimit(2). Processes are counted in the
// jail's own user namespace where the kernel does so (5.14); before, all of nobody's count.
func (t *turn) limit(pid int) error {
	seconds := uint64(t.Time/time.Second) + 2
	address := uint64(t.Memory)
	if t.MemoryGroup {
		// The group counts what is used; programs reserve more.
		address = max(address, 8<<30)
	}
	for _, l := range []struct {
		resource int
		limit    uint64
	}{
		// 1 and not 0: with 0 the kernel still starts a handler of core dumps, outside and as root, see core(5).
		{unix.RLIMIT_CORE, 1}, {unix.RLIMIT_CPU, seconds}, {unix.RLIMIT_FSIZE, uint64(t.Disk)}, {unix.RLIMIT_NOFILE, 256},
		{unix.RLIMIT_NPROC, uint64(t.Processes)}, {unix.RLIMIT_AS, address}, {unix.RLIMIT_MEMLOCK, 64 << 10},
		{unix.RLIMIT_MSGQUEUE, 64 << 10}, {unix.RLIMIT_SIGPENDING, 1024}, {unix.RLIMIT_RTPRIO, 0}, {unix.RLIMIT_NICE, 0},
	} {
		if err := unix.Prlimit(pid, l.resource, &unix.Rlimit{Cur: l.limit, Max: l.limit}, nil); err != nil {
			return fmt.Errorf("limit resource %d: %w", l.resource, err)
		}
	}
	return nil
}

// systemLinks returns which of systemFolders are links into /usr and which are folders.
func systemLinks() (links map[string]string, folders []string) {
	links = map[string]string{}
	for _, f := range systemFolders {
		if to, err := os.Readlink(f); err == nil {
			if !filepath.IsAbs(to) {
				to = "/" + to
			}
			links[f] = to
		} else if _, err := os.Stat(f); err == nil {
			folders = append(folders, f)
		}
	}
	return links, folders
}

// drain reads what a sample writes, and keeps the beginning, so that it never waits for a reader.
type drain struct {
	kept prefix
	done chan struct{}
}

const maxOutput = 64 << 10

func newDrain(r *os.File) *drain {
	d := &drain{kept: prefix{limit: maxOutput}, done: make(chan struct{})}
	go func() {
		defer close(d.done)
		// It ends when the last writer is gone.
		_, _ = io.Copy(&d.kept, r)
		r.Close()
	}()
	return d
}

func (d *drain) wait() []byte {
	<-d.done
	return d.kept.bytes
}
