// Package intercept stands where files are opened and programs are started. What is known to be
// malicious is refused, everything else is let through at once and told to whoever asked to
// be told.
//
//	i, err := intercept.Open(intercept.Options{Exec: true, Open: true, Memory: cache, Notice: …, Refused: …})
//	…
//	err = i.Run(ctx)
//
// # Who may make a person wait
//
// Only the memory, a set of SHA-256 sums in this process. While somebody waits, an access goes through these
// steps, and the first that knows an answer ends them:
//
//  1. Tyto's own accesses, those of programs that are excluded, and all that is not a regular file: allowed.
//  2. No malicious content of this size is known: allowed. Nearly all end here.
//  3. The content of this very file (device, inode, size, times of change) has been hashed before: the memory
//     knows whether it is malicious.
//  4. Otherwise a small pool hashes it, what is about to be executed first, while others are answered.
//
// An access that has waited for [Options].Wait is allowed, whatever else happens. Network, sandbox, parsers
// and databases are never asked. What was allowed goes through a bounded queue to [Options].Notice: what is started before
// what is opened, and the accesses of each user in turn, so that nobody's flood hides what others do. What did not
// fit is counted, told, and noticed at its next access.
//
// # Systems
//
// Linux: fanotify permission events on whole file systems, package [tyto/sandboxlink/intercept/fanotify], and
// process events, package [tyto/sandboxlink/intercept/procevents], for what these do not see. Windows: changes in
// folders and started processes are noticed after the fact; to refuse an access there needs a signed driver.
// Others: [Open] returns an error that is [errors.ErrUnsupported].
//
// # What it cannot promise
//
// Content is looked at when it is opened. Whoever holds a file open for writing can change it between the look
// and its use; a file that is being executed cannot be written, so this is about scripts and documents. And
// everything here fails open: a flood that keeps the pool busy for longer than Wait gets an access through, which
// is counted, told, and noticed like any other.
package intercept

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"
)

// Defaults of [Options].
const (
	// DefaultWait is how long an access may be held up.
	DefaultWait = 500 * time.Millisecond
	// DefaultRemember is for how long the same content of the same file is not noticed again.
	DefaultRemember = time.Hour
	// DefaultPending is how many opened files may wait for Notice.
	DefaultPending = 1024
)

// Identity tells one state of a file from all others as far as the file system can: it changes when the
// content does.
type Identity struct {
	Device, Inode     uint64
	Size              int64 // bytes
	Modified, Changed int64 // nanoseconds since 1970; Changed is ctime, or NTFS's change time
}

// Access is one look that a process took at a file.
type Access struct {
	// File is open for reading, at its beginning. Whoever is given the Access closes it. Read it with ReadAt
	// or from the beginning; it may have changed since, or be truncated while it is read.
	File *os.File
	// Path is where the file was when it was opened, any bytes. It is empty when the system cannot tell, as for
	// a path of more than 4 KiB, and ends in " (deleted)" or begins with "/memfd:" for a file without a name.
	Path string
	// PID is the process, as this process numbers it; 0 if unknown.
	PID int
	// Process is the path of its program, which for Exec is the one that starts another; empty if unknown:
	// it may have ended.
	Process  string
	Exec     bool // it is about to be executed, or was (After)
	Identity Identity
	Time     time.Time // when it was seen
	After    bool      // seen when it could not be refused any more
}

// Refusal is an access that was refused. It carries everything to act on.
type Refusal struct {
	Access
	Sum [32]byte // SHA-256 of the content
}

// Memory knows which contents are malicious. It is asked while somebody waits: from memory, without locks that
// are held for long. recall.Cache is one.
type Memory interface {
	// MaliciousSize reports whether some malicious content has this size in bytes.
	MaliciousSize(size int64) bool
	// Malicious reports whether the content with this SHA-256 is malicious.
	Malicious(sum [32]byte) bool
}

// Options say what is intercepted and who is told.
type Options struct {
	// FileSystems are paths on the file systems to watch, mounted now or later. Empty watches each local
	// one that is mounted in this mount namespace, now or later: not those that are made by the kernel (proc,
	// sysfs, …), come over the network, or are answered by another program (FUSE, but for
	// fuseblk). On Windows these are folders, watched with all below them; empty is each fixed and
	// removable drive. Interpreted scripts and programs without a file are noticed wherever they are.
	FileSystems []string
	// Exec and Open are what is intercepted: starting programs, opening files (which includes
	// starting programs by the way of an interpreter or the dynamic linker).
	Exec, Open bool
	// Excluded are paths of programs whose accesses are allowed first and not noticed: backup, other
	// scanners. They are known by their inode, so a container's program of the same name is another. This
	// process and all that run the same program are always excluded.
	Excluded []string
	// Memory is what is known to be malicious; required.
	Memory Memory
	// Wait and ExecWait bound how long an access is held up; 0 is DefaultWait, for ExecWait: as Wait.
	Wait, ExecWait time.Duration
	// Remember is for how long the same file with the same Identity is not noticed again; 0 is DefaultRemember.
	Remember time.Duration
	// Pending bounds how many opened files may wait for Notice, and half as many started ones beside them, each
	// with an open file; 0 is DefaultPending. It is lowered where this process may not have so many files open.
	Pending int
	// Notice is told of accesses that were allowed: started files first, and users in turn. It is called from one
	// goroutine, which also calls Refused; until it returns others wait, up to Pending of them. So what takes long
	// is for goroutines of the receiver, to which it may hand the Access. nil notices nothing.
	Notice func(Access)
	// Refused is told of accesses that were refused, before those of Notice and from the same goroutine; of
	// repeated ones on the same file only once in ten seconds. nil: only counted.
	Refused func(Refusal)
	// Event is told what the person in charge should know. It must return soon. nil: only logged.
	Event func(Event)
	// Log is told details; nil discards them.
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	if o.Wait <= 0 {
		o.Wait = DefaultWait
	}
	if o.ExecWait <= 0 {
		o.ExecWait = o.Wait
	}
	if o.Remember <= 0 {
		o.Remember = DefaultRemember
	}
	if o.Pending <= 0 {
		o.Pending = DefaultPending
	}
	if o.Event == nil {
		o.Event = func(Event) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// check finds what cannot work.
func (o Options) check() error {
	switch {
	case o.Memory == nil:
		return errors.New("intercepting accesses: no memory of what is malicious is given")
	case !o.Exec && !o.Open:
		return errors.New("intercepting accesses: neither starting programs nor opening files is to be intercepted")
	}
	return nil
}

// EventKind says what an [Event] is about.
type EventKind string

// The kinds of events.
const (
	// Watching: accesses on the file system or folder Place are intercepted from now on.
	Watching EventKind = "watching"
	// NotWatching: those on Place are not, for Reason. Sent once for each place and reason, and not for
	// file systems that are left out by their kind.
	NotWatching EventKind = "not-watching"
	// NotNoticed: accesses found no place in the queue, Count of them since the start. Sent again while they become
	// more, at most once a minute.
	NotNoticed EventKind = "not-noticed"
	// Late: an access was allowed since nothing was known of it in time. Sent at most once a minute, with the
	// Count since.
	Late EventKind = "late"
	// Lost: Count changes or started processes went by unseen, since the system's own queue was full. At most
	// once a minute.
	Lost EventKind = "lost"
)

// Event is something that the person in charge should know.
type Event struct {
	Kind   EventKind
	Place  string // mount point or folder, or what lost
	Reason string // for people
	Count  uint64
}

// Stats count since the start.
type Stats struct {
	Allowed    uint64 // answered at once, own and excluded ones not counted
	Excluded   uint64 // own and excluded
	Refused    uint64
	Hashed     uint64 // contents that were hashed while somebody waited
	Late       uint64 // allowed when the wait was over
	Noticed    uint64 // given to Notice
	Repeated   uint64 // not given to Notice: it has seen the same before, or is about to look at this very file
	NotNoticed uint64 // no place in the queue
	Lost       uint64 // changes and processes that the system did not tell of; where it cannot say how many, once for each time
	Failed     uint64 // the system could not hand over the file, and refused the access by itself
}

// Place is a file system or folder and whether it is watched.
type Place struct {
	Path     string // mount point or folder
	Kind     string // "ext4", "drive"
	Watching bool
	Reason   string // why not
	LeftOut  bool   // not watched because of its kind, as is meant where no file systems are named
}

// Interceptor is what stands in the way. It is made by [Open].
type Interceptor struct {
	system system
}

// system is what an operating system has to offer.
type system interface {
	run(context.Context) error
	stats() Stats
	recheck()
	forget(Access)
	learn(Access, [32]byte)
	places() []Place
	close() error
}

// Open asks the system for what interception needs. Nothing is intercepted before Run. Without the privilege
// (root, or CAP_SYS_ADMIN) the error is [os.ErrPermission]; where nothing of the kind exists it is
// [errors.ErrUnsupported].
func Open(o Options) (*Interceptor, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s, err := open(o.withDefaults())
	if err != nil {
		return nil, err
	}
	return &Interceptor{system: s}, nil
}

// Run intercepts until ctx ends. All accesses that wait then are allowed. It is called once, and returns nil when
// ctx was the reason to end.
func (i *Interceptor) Run(ctx context.Context) error { return i.system.run(ctx) }

// Close gives back what Open took; for an Interceptor that is not run.
func (i *Interceptor) Close() error { return i.system.close() }

// Stats returns the counts so far.
func (i *Interceptor) Stats() Stats { return i.system.stats() }

// Places returns the file systems or folders, watched or not, in order of their paths.
func (i *Interceptor) Places() []Place { return i.system.places() }

// Recheck has every file looked at again at its next access. Call it after Memory has learnt of new malicious
// content: what was let through before may be that.
func (i *Interceptor) Recheck() { i.system.recheck() }

// Forget has the next access to a file noticed again, as when it could not be dealt with this time. Call it before
// a.File is closed.
func (i *Interceptor) Forget(a Access) { i.system.forget(a) }

// Learn takes over the SHA-256 sum that Notice has made of a.File, so that nobody has to wait for another one if the
// content turns out to be malicious. Call it after reading and before a.File is closed. It is not believed
// if the file has changed since.
func (i *Interceptor) Learn(a Access, sum [32]byte) { i.system.learn(a, sum) }
