package fanotify

// #cgo CFLAGS: -std=c11 -O2 -Wall -Wextra -pthread
// #cgo LDFLAGS: -pthread
// #include "responder_linux.h"
import "C"

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Options of a [Responder].
type Options struct {
	// Wait and ExecWait are after which time opening and executing is allowed without an answer. The guard looks
	// every 50 ms: that much may be added.
	Wait, ExecWait time.Duration
	// Slots bound how many accesses may wait for an answer of ours at a time, each with a descriptor. When they
	// are taken, further ones are allowed and counted. At most a quarter of the descriptors that this
	// process may have is used; 0 is 4096.
	Slots int
}

const defaultSlots = 4096

// Event is one access that waits for its answer.
type Event struct {
	// FD is the file, open for reading. Whoever took the event closes it, after Answer.
	FD int
	// PID is the process that waits, as this process numbers it; 0 if it is not in our namespace.
	PID  int
	Exec bool // it waits to execute the file
	slot C.uint32_t
}

// Counts are of a [Responder] since its start.
type Counts struct {
	Own    uint64 // accesses of this process, and of children that were about to become another program
	Late   uint64 // allowed because their time was over
	Full   uint64 // allowed because all slots were taken
	Failed uint64 // refused by the kernel, which could not open the file for us
}

// Responder is a fanotify group whose events wait for an answer.
type Responder struct {
	group, stop int
	core        *C.struct_tyto_responder
	batch       [64]C.struct_tyto_event
	events      [64]Event
	plain       atomic.Bool  // the kernel knows no evictable marks
	marks       atomic.Int64 // that are not evictable, at most
}

// maxMarks bounds how many inodes are held in memory by ignore marks where the kernel cannot drop them by itself.
const maxMarks = 100_000

// NewResponder makes a group that watches nothing yet. From now on until Close, Next must be called again and again.
func NewResponder(o Options) (*Responder, error) {
	group, err := initialise(unix.FAN_CLASS_CONTENT | unix.FAN_UNLIMITED_QUEUE | unix.FAN_UNLIMITED_MARKS)
	if err != nil {
		return nil, err
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(group)
		return nil, os.NewSyscallError("eventfd", err)
	}
	core := C.tyto_responder_start(C.int(group), C.int(stop), C.uint32_t(o.slots()), C.int64_t(o.Wait), C.int64_t(o.ExecWait))
	if core == nil {
		unix.Close(group)
		unix.Close(stop)
		return nil, errors.New("fanotify: no memory or no thread is left for the responder")
	}
	return &Responder{group: group, stop: stop, core: core}, nil
}

func (o Options) slots() int {
	slots := o.Slots
	if slots <= 0 {
		slots = defaultSlots
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && limit.Cur/4 < uint64(slots) {
		slots = max(int(limit.Cur/4), 1)
	}
	return slots
}

// Next waits for accesses. The slice is valid until the next call. It returns [io.EOF] after Release. One goroutine calls
// it, and does nothing that waits in between.
func (r *Responder) Next() ([]Event, error) {
	n := C.tyto_next(r.core, &r.batch[0], C.int(len(r.batch)))
	switch {
	case n == 0:
		return nil, io.EOF
	case n < 0:
		return nil, fmt.Errorf("fanotify: reading events: %w", syscall.Errno(-n))
	}
	for i, e := range r.batch[:n] {
		r.events[i] = Event{FD: int(e.fd), PID: int(e.pid), Exec: Mask(e.mask)&Exec != 0, slot: e.slot}
	}
	return r.events[:n], nil
}

// Answer lets the access go on or fail (EPERM). It is called once for each event. It returns false if that was too late,
// and the access has been allowed.
func (r *Responder) Answer(e Event, deny bool) (inTime bool) {
	var d C.int
	if deny {
		d = 1
	}
	return C.tyto_answer(r.core, e.slot, d) != 0
}

// Watch begins to ask about accesses on the file system that holds the open file fd, through whatever mount of it
// and in whatever mount namespace. fd may have been opened with O_PATH.
func (r *Responder) Watch(fd int, mask Mask) error {
	return mark(r.group, unix.FAN_MARK_ADD, uint64(mask), fd)
}

// Unwatch ends what Watch began.
func (r *Responder) Unwatch(fd int, mask Mask) error {
	return mark(r.group, unix.FAN_MARK_REMOVE, uint64(mask), fd)
}

// Ignore has the kernel let everybody open (not execute) the file fd without asking, until it is written to with
// write(2), or Heed or HeedAll is called, or the kernel needs the memory. Writing to a mapping does not end
// it: see [Listener].
func (r *Responder) Ignore(fd int) error {
	const flags = unix.FAN_MARK_ADD | unix.FAN_MARK_IGNORED_MASK
	if !r.plain.Load() {
		err := unix.FanotifyMark(r.group, flags|unix.FAN_MARK_EVICTABLE, uint64(Open), fd, "")
		if !errors.Is(err, unix.EINVAL) {
			return err
		}
		r.plain.Store(true) // before Linux 5.19
	}
	if r.marks.Add(1) > maxMarks {
		if err := r.HeedAll(); err != nil {
			return err
		}
	}
	return unix.FanotifyMark(r.group, flags, uint64(Open), fd, "")
}

// Heed ends Ignore for one file.
func (r *Responder) Heed(fd int) error {
	err := unix.FanotifyMark(r.group, unix.FAN_MARK_REMOVE|unix.FAN_MARK_IGNORED_MASK, uint64(Open), fd, "")
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// HeedAll ends Ignore for all files.
func (r *Responder) HeedAll() error {
	r.marks.Store(0)
	// Marks of inodes only, and of these we have no others.
	return os.NewSyscallError("fanotify_mark", unix.FanotifyMark(r.group, unix.FAN_MARK_FLUSH, 0, unix.AT_FDCWD, "."))
}

// Counts returns the counts so far; not after Close.
func (r *Responder) Counts() Counts {
	var c C.struct_tyto_counts
	C.tyto_counted(r.core, &c)
	return Counts{Own: uint64(c.own), Late: uint64(c.late), Full: uint64(c.full), Failed: uint64(c.failed)}
}

// Release ends everything for everybody else at once: the kernel allows all that waits and asks no more. Next returns
// io.EOF; other methods do no harm.
func (r *Responder) Release() error {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("fanotify: ending the group: %w", err)
	}
	defer unix.Close(null)
	// The number stays taken, so that whoever is about to answer writes to no other file.
	err = unix.Dup3(null, r.group, unix.O_CLOEXEC)
	return errors.Join(os.NewSyscallError("dup3", err), wake(r.stop))
}

// Close gives everything back, after Release. Nobody may be in another method then, nor call one later.
func (r *Responder) Close() error {
	err := wake(r.stop)
	C.tyto_responder_end(r.core)
	return errors.Join(err, os.NewSyscallError("close", unix.Close(r.group)), os.NewSyscallError("close", unix.Close(r.stop)))
}
