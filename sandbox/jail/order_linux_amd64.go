package jail

import (
	"time"

	"tyto/sandbox/jail/trace"
)

// Bounds of what the engine and its tracer say to each other. The tracer is trusted as much as one can be that reads
// from a hostile program: what it answers is read within these.
const (
	maxOrder  = 64 << 10
	maxAnswer = 32 << 20
)

// order is what the engine asks of the tracer: one JSON value on its standard input, which then stays open. When it
// is closed, the engine is gone, and the tracer ends with all it has started.
type order struct {
	Bubblewrap string
	// DisableUsers says that this bubblewrap can forbid further user namespaces.
	DisableUsers bool
	// Nobody says to become the user nobody first.
	Nobody    bool
	Name      string // of the sample, safe as a file name
	SHA256    string // of the sample
	Shell     bool   // run it by sh
	Time      time.Duration
	Memory    int64
	Disk      int64
	Processes int
	// MemoryGroup says that a cgroup bounds the memory of all.
	MemoryGroup bool
	// Groups is how many open cgroup.procs files follow after the sample and the lifeline.
	Groups int
}

// answer is what the tracer says in the end: one JSON value on its standard output.
type answer struct {
	// Failed says why there is no record.
	Failed string
	// Refused says that the kernel would not execute the sample, for instance because its interpreter is not there.
	Refused bool
	Record  trace.Record
	Layer   layer
	// Output is the beginning of what the sample wrote to standard output and error.
	Output []byte
	// Exhausted says that the watchman ended the run because of its memory.
	Exhausted bool
	// Missing are measures that this computer did not offer.
	Missing []string
}

// layer is what a sample left behind in the folders that it could write to.
type layer struct {
	Files []leftFile
	// Cut counts what was not looked at because of the limits.
	Cut int
}

// leftFile is one regular file, or link, that was made or changed.
type leftFile struct {
	Path string
	// Decoy reports that it is one of those put there before the start, with another content now.
	Decoy      bool
	Size       int64
	Executable bool
	Setuid     bool
	Link       string // where a symbolic link leads
	MD5        string
	SHA1       string
	SHA256     string
	Head       []byte // the first bytes
	// Text is the beginning of a file that is read by some part of the system at its start.
	Text string
}
