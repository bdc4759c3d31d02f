package trace

import (
	"time"

	"tyto/verdict"
)

// Limits of a [Record]. A program can do millions of things in ten seconds; what comes beyond these is
// counted in Record.Cut.
const (
	maxFiles       = 4096
	maxProcesses   = 512
	maxConnections = 512
	maxNames       = 512
	maxDeeds       = 1024
	maxArguments   = 64   // of one process
	maxText        = 4096 // bytes of one path or argument
	maxDepartures  = 64   // contents looked at when they were deleted
)

// Record is what a program did, in its own order. Everything in it comes from the program: paths and names
// hold any bytes, and what is said of an attempt need not be what the kernel read, because another thread may
// have changed it between the two. Nothing in it is a path of this computer.
type Record struct {
	// Started reports that the program itself was started; if not, what follows is empty.
	Started bool
	// Ended says how its first process ended: "exit 0", "signal killed"; empty if it was still running when
	// the time was up.
	Ended string
	// TimedOut reports that it was ended because the time was up.
	TimedOut bool
	Elapsed  time.Duration
	// Skipped is the time of sleeps that were cut short, so that a program that waits is seen at work.
	Skipped time.Duration

	Processes   []verdict.Process
	Files       []File
	Connections []verdict.Connection
	Domains     []string
	Deeds       []Deed
	Departures  []Departure
	// Peak is how many processes and threads there were at a time, those of the command included.
	Peak int
	// Calls is how many system calls were looked at.
	Calls int
	// Cut is how many entries were left out because of the limits on them.
	Cut int
}

// File is what was done, or tried, with one file.
type File struct {
	Path string
	Act  verdict.Act
	To   string // of what was moved or linked
	// Refused is the name of the error if it did not succeed: "EACCES".
	Refused string
	// Times is how often.
	Times int
}

// Deed is something that is worth judging and is neither a file, a process nor a connection.
type Deed struct {
	Kind Kind
	// What says what it was done to: a path, a process, an address; the name of a call for Forbidden.
	What  string
	Times int
}

// Kind is a kind of deed.
type Kind string

// The kinds of deed.
const (
	// Forbidden is a system call that no program in the jail may make; What is its name.
	Forbidden Kind = "forbidden"
	// ForeignCalls are system calls by another interface of the kernel (32 bits), which are refused.
	ForeignCalls Kind = "foreign-calls"
	// WriteExecute is memory that is writable and executable at once, AnonymousExecute memory that is
	// executable and comes from no file.
	WriteExecute     Kind = "write-execute"
	AnonymousExecute Kind = "anonymous-execute"
	// MemoryFile is a file that exists in memory only, MemoryProgram a program started from one.
	MemoryFile    Kind = "memory-file"
	MemoryProgram Kind = "memory-program"
	// TraceMe asks whether somebody is tracing, TraceOther reaches for another process.
	TraceMe    Kind = "trace-me"
	TraceOther Kind = "trace-other"
	// KillOther is a signal to a process that is not a descendant, KillAll one to everybody.
	KillOther Kind = "kill-other"
	KillAll   Kind = "kill-all"
	// StopSelf is a signal that would have stopped the process; it is swallowed.
	StopSelf Kind = "stop"
	// BecomeRoot asks for uid or gid 0.
	BecomeRoot Kind = "become-root"
	// MakeExecutable gives a file the right to be run, MakeSetuid that to run as its owner.
	MakeExecutable Kind = "make-executable"
	MakeSetuid     Kind = "make-setuid"
	// DeleteSelf removes the program's own file.
	DeleteSelf Kind = "delete-self"
	// Listen waits for connections.
	Listen Kind = "listen"
	// SocketShell is a program started with a network connection as its standard input.
	SocketShell Kind = "socket-shell"
	// RawSocket is a socket of a kind that ordinary programs do not use.
	RawSocket Kind = "raw-socket"
	// UnixSocket is a connection to a socket of this computer; What is its path.
	UnixSocket Kind = "unix-socket"
	// Rename is a process giving itself another name.
	Rename Kind = "rename"
	// Sleep is a pause of a minute or longer.
	Sleep Kind = "sleep"
)

// Departure is the content of a file at the moment when it was deleted.
type Departure struct {
	Path              string
	Size              int64
	MD5, SHA1, SHA256 string
	Head              []byte // the first bytes, for telling its type
	Executable        bool
}

// book writes a Record, each thing once and within the limits.
type book struct {
	Record
	files map[File]int
	deeds map[Deed]int
	names map[string]bool
	ways  map[verdict.Connection]bool
	// telling files have room of their own, as many again.
	telling func(path string) bool
}

func newBook(telling func(path string) bool) *book {
	return &book{telling: telling, files: map[File]int{}, deeds: map[Deed]int{}, names: map[string]bool{}, ways: map[verdict.Connection]bool{}}
}

func (b *book) file(f File) {
	f.Path, f.To = cut(f.Path), cut(f.To)
	if i, ok := b.files[f]; ok {
		b.Files[i].Times++
		return
	}
	if len(b.Files) >= maxFiles && (len(b.Files) >= 2*maxFiles || !b.tells(f)) {
		b.Cut++
		return
	}
	b.files[f] = len(b.Files)
	f.Times = 1
	b.Files = append(b.Files, f)
}

func (b *book) tells(f File) bool {
	return b.telling != nil && (b.telling(f.Path) || b.telling(f.To))
}

func (b *book) deed(kind Kind, what string) {
	d := Deed{Kind: kind, What: cut(what)}
	if i, ok := b.deeds[d]; ok {
		b.Deeds[i].Times++
		return
	}
	if len(b.Deeds) >= maxDeeds {
		b.Cut++
		return
	}
	b.deeds[d] = len(b.Deeds)
	d.Times = 1
	b.Deeds = append(b.Deeds, d)
}

func (b *book) connection(c verdict.Connection, now time.Time) {
	if b.ways[c] {
		return
	}
	if len(b.Connections) >= maxConnections {
		b.Cut++
		return
	}
	b.ways[c] = true
	c.Time = &now
	b.Connections = append(b.Connections, c)
}

func (b *book) domain(name string) {
	if b.names[name] {
		return
	}
	if len(b.Domains) >= maxNames {
		b.Cut++
		return
	}
	b.names[name] = true
	b.Domains = append(b.Domains, name)
}

func (b *book) process(p verdict.Process) {
	if len(b.Processes) >= maxProcesses {
		b.Cut++
		return
	}
	b.Processes = append(b.Processes, p)
}

func cut(s string) string { return s[:min(len(s), maxText)] }
