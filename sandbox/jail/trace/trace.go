// Package trace runs a command and writes down what a program that it starts does: the files it changes,
// the processes it starts, whom it calls, and whatever else honest programs seldom do.
//
//	bubblewrap ──fork──► its init ──fork──► exec of the sample: from here on it is recorded
//	     ▲ ptrace                                │ seccomp: RET_TRACE on the calls that matter
//	   tracer ◄──────────────────────────────────┘
//
// # How it sees
//
// The tracer is the parent of the command and traces it by ptrace(2) from its first instruction; every process
// and thread that comes of it is traced from its own first instruction (PTRACE_O_TRACEFORK and its kin). The
// command is expected to install the seccomp filter that [Filter] returns just before it executes the sample.
// The filter lets ordinary calls pass at full speed and stops the process at those that matter; only those cost
// anything, some tens of microseconds each. At a stop the call's number and arguments come from PTRACE_GET_SYSCALL_INFO and its
// strings from the process's memory (process_vm_readv, bounded).
//
// # What it refuses
//
// Calls that lead out of a jail (mount, namespaces, keys, modules, bpf, io_uring, …) are written down and
// answered with an error, the call is not made. That never depends on memory, which another thread could
// change between look and use, only on the call's number and arguments. If the tracer dies, so does everything
// it traces (PTRACE_O_EXITKILL); should anything outlive it, the filter's RET_TRACE without a tracer means ENOSYS.
// The program cannot take the stops away: seccomp filters of its own are refused, one with a listener could let
// calls pass unseen.
//
// This package does not confine: namespaces, mounts, limits are the command's work, see package jail.
//
// # What a sample can notice
//
// Sleeps are shorter than asked for; PTRACE_TRACEME succeeds once, as it would untraced, and TracerPid is
// 0 because the tracer is in another pid namespace; but calls take longer, seccomp and io_uring are missing.
package trace
