// Package jail lets Linux programs and scripts run for a few seconds where they can harm nothing, and says what
// they did. It is an engine of the sandbox server.
//
//	Engine.Examine ──fork──► tracer (own process, uid nobody) ──ptrace──► bubblewrap ──► sample
//	   │  cgroup, deadline        │ package trace: what it does              own namespaces, no network,
//	   │                          │ private layer, decoys                    read-only system, tmpfs, seccomp
//	   ◄────── JSON, bounded ─────┘
//	   judge: behaviours with scores
//
// # What holds the sample
//
// It has namespaces of its own for users, processes, network, mounts, IPC, host name and cgroups, none of its
// users is root outside, and it has no capabilities and cannot get any. It sees the system's programs read-only,
// and folders made for it in memory, which are bounded, for everything that it may write: /etc, /home, /tmp, /var
// and a few more. Nothing else of this computer is there: no home, no /run, no /sys, no device but the harmless ones.
// Where the server runs as root, the tracer and everything below it are the user nobody, so that a sample that left
// all this behind would still be nobody.
//
// There are limits for processor time, memory, processes, open files and written bytes; a cgroup for the number of
// processes and the memory of all together where this process may make one, and where not, the report says so. When the
// time is up the first process of the namespace is killed, and the kernel kills all others with it. If the server dies,
// the tracer ends, and if the tracer dies, everything that it traces.
//
// # What it cannot see
//
// Only Linux programs for this computer's processor are run, without arguments, input or network, for a few
// seconds. What waits for a date, an answer from its master, or a click does nothing. The limits of seeing are named
// in each report (verdict.Engine.Blind).
package jail

import (
	"errors"
	"log/slog"
	"time"
)

// Options say how samples are run. The zero value is useful apart from Tracer.
type Options struct {
	// Tracer is the command line of a process that calls [Serve]; the first element is a path.
	Tracer []string
	// Bubblewrap is the path of the program bwrap; empty to look for it in PATH.
	Bubblewrap string
	// Time is how long a sample may run; 0 is [DefaultTime].
	Time time.Duration
	// Memory bounds the memory of all processes of a sample together, what they write included, in bytes; 0 is
	// [DefaultMemory]. Where there is no memory cgroup it bounds each process, and a watchman ends the run when
	// together they use more.
	Memory int64
	// Disk bounds each of the folders that a sample can write to, in bytes; 0 is [DefaultDisk]. They lie in
	// memory.
	Disk int64
	// Processes bounds the processes and threads of a sample; 0 is [DefaultProcesses].
	Processes int
	// Log is told what this computer lacks and what could not be cleaned up; nil is silence.
	Log *slog.Logger
}

// Defaults of [Options].
const (
	DefaultTime      = 10 * time.Second
	DefaultMemory    = 512 << 20
	DefaultDisk      = 64 << 20
	DefaultProcesses = 64
)

// MaxTime is the longest [Options.Time].
const MaxTime = 10 * time.Minute

// ErrUnsupported is returned by [New] where there is no jail: on other systems and processors.
var ErrUnsupported = errors.New("the jail needs Linux on x86-64")

// ErrNoBubblewrap is returned by [New] when the program bwrap is missing or may not make namespaces; the message
// says what to do.
var ErrNoBubblewrap = errors.New("no bubblewrap")

// Name is the engine's name in reports.
const Name = "jail"
