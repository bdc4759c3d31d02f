// Package worker runs foreign code on hostile bytes in processes that may die.
//
// A scan reads files that somebody may have made to attack the scanner, with C code (libyara)
// and with parsers of many formats. So the work is split. The broker, which holds the
// privileges, opens a file and passes the open descriptor with a request to a worker; the worker
// looks into the file and answers; the broker never parses content.
//
//	broker (this process)                       worker (same binary, `tyto worker`)
//	Start, Submit, Suspend, Close      ──────►  Serve(Handler): Setup once, Handle per job
//	                                   ◄──────  responses, in the order of the jobs
//
// Requests, responses and the set-up are opaque bytes here; package examine gives them meaning.
//
// # What a worker is
//
// Confined: before it reads the first request it gives up what it does not need: its uid, its
// capabilities, the file system, the network, other processes, most system calls. What was
// applied and what this kernel lacks is told by [Pool.Confinement]; [RunProbe] tries it out.
//
// Mortal: a worker may crash, exit, hang or eat memory. Then it is replaced, and the jobs that it
// had not answered are tried once more, each alone in a worker. A job that ends a worker again is
// lost: its [Job.Done] gets a [LostError], and the scan goes on.
//
// Suspendable: [Pool.Suspend] stops the processes themselves, so it acts within milliseconds
// wherever the work happens to be, and costs nothing while it lasts.
//
// Untrusted: the broker takes an answer only for the job whose turn it is in that worker, and
// bounds each frame and the sum of a job's responses. A worker that breaks the protocol is killed.
// What a hostile file can do at worst is to have its worker lie about that file and those that
// the same worker sees after it.
//
// docs/workers.md describes the protocol and each measure of confinement.
package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"

	"tyto/finding"
)

// Limits of the protocol. They bound what either side has to hold in memory.
const (
	// MaxFrame is the largest request, set-up or single response, in bytes.
	MaxFrame = 16 << 20
	// MaxSetupFiles is the greatest number of files passed with the set-up.
	MaxSetupFiles = 200
	// MaxWindow is the greatest number of requests in flight in one worker. Linux passes at
	// most 253 descriptors in one message.
	MaxWindow = 240
)

// Defaults of [Config].
const (
	DefaultMemory        = 1 << 30
	DefaultWindow        = 32
	DefaultWindowBytes   = 4 << 20
	DefaultSetupDeadline = time.Minute
	DefaultResponseBytes = 256 << 20
)

// Config says how many workers to run and how. The zero value of a field means its default.
type Config struct {
	// Workers is the number of processes; default is the number of processors.
	Workers int
	// Command is the argument vector of a worker; default is this executable with the single
	// argument "worker". The process must call [Serve].
	Command []string
	// Env is the environment of a worker, as "key=value". A worker inherits nothing else; a few
	// variables for the Go runtime (GOMAXPROCS, GOMEMLIMIT, GOTRACEBACK) are set where Env
	// does not set them.
	Env []string

	// Setup is sent to each worker once, before any request. At most [MaxFrame] bytes.
	Setup []byte
	// SetupFiles are passed with Setup, at most [MaxSetupFiles]. All workers share their
	// offsets, so handlers must read them with ReadAt. They stay the caller's and must stay
	// open until Close returns.
	SetupFiles []*os.File
	// SetupDeadline limits the start and set-up of one worker; default is
	// [DefaultSetupDeadline].
	SetupDeadline time.Duration

	// Memory is how many bytes a worker may use before it is killed, not counting mapped
	// files; default is [DefaultMemory], negative is no limit.
	Memory int64
	// Deadline limits each request, from the moment that its turn comes in its worker. It
	// stands still while the pool is suspended, while the caller's callbacks run, and on Linux
	// while the worker waits for a processor. Zero is no limit.
	Deadline time.Duration
	// Window is the greatest number of requests in flight in one worker; default is
	// [DefaultWindow], at most [MaxWindow]. The pool uses as much of it as keeps the worker
	// busy for a moment: slow jobs are handed out one by one.
	Window int
	// WindowBytes is the greatest sum of [Job.Size] in flight in one worker; a larger job is
	// in flight alone. Default is [DefaultWindowBytes].
	WindowBytes int64
	// ResponseBytes is the greatest sum of the responses to one job, each counted with 16
	// bytes for its frame; default is [DefaultResponseBytes], negative is no limit.
	ResponseBytes int64

	// LowPriority gives workers the lowest CPU and I/O priority that the system has.
	LowPriority bool

	// Log receives what happens to workers; default is to discard it.
	Log *slog.Logger
}

// withDefaults fills in what the caller left open and checks the rest.
func (c Config) withDefaults() (Config, error) {
	if c.Workers == 0 {
		c.Workers = runtime.NumCPU()
	}
	if len(c.Command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return c, fmt.Errorf("find own executable: %w", err)
		}
		c.Command = []string{self, "worker"}
	}
	c.SetupDeadline = cmp.Or(c.SetupDeadline, DefaultSetupDeadline)
	c.Memory = cmp.Or(c.Memory, DefaultMemory)
	c.Window = cmp.Or(c.Window, DefaultWindow)
	c.WindowBytes = cmp.Or(c.WindowBytes, DefaultWindowBytes)
	c.ResponseBytes = cmp.Or(c.ResponseBytes, DefaultResponseBytes)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Workers < 0:
		return c, fmt.Errorf("%d workers: use at least 1", c.Workers)
	case c.Window < 0 || c.Window > MaxWindow:
		return c, fmt.Errorf("window of %d requests: use 1 to %d", c.Window, MaxWindow)
	case len(c.Setup) > MaxFrame:
		return c, fmt.Errorf("set-up of %d bytes: the limit is %d", len(c.Setup), MaxFrame)
	case len(c.SetupFiles) > MaxSetupFiles:
		return c, fmt.Errorf("%d set-up files: the limit is %d", len(c.SetupFiles), MaxSetupFiles)
	}
	return c, nil
}

// Job is one request and what becomes of it. Its fields must not change after Submit.
//
// The callbacks of one job never run concurrently. They run on the pool's goroutines and hold up
// a worker, so they should be short, and they must not call Submit, which may wait for them.
type Job struct {
	// File is passed to the worker, open for reading; nil if the request needs none. The pool
	// owns it from Submit on and closes it before Done. Handlers read it with ReadAt, so that a
	// job can be tried again.
	File *os.File
	// Request is what the handler gets, at most [MaxFrame] bytes.
	Request []byte
	// Size says how many bytes the worker will probably read; it keeps large objects from
	// waiting for each other in one worker.
	Size int64
	// Deadline replaces Config.Deadline for this job if it is not zero; negative is no limit.
	Deadline time.Duration

	// Response is called for each response, in order. The buffer is valid only during the
	// call. It may be nil.
	Response func(response []byte)
	// Restart is called when the worker died after it had sent responses to this job and the
	// job is about to be tried again: all responses so far are void. A job without Restart
	// that has been responded to is not tried again.
	Restart func()
	// Done is called exactly once for each job that Submit accepted: with nil, or with a
	// *[LostError].
	Done func(err error)

	state jobState
}

// LostError says why a job has no, or no complete, answer.
type LostError struct {
	// Reason is finding.Crashed, OutOfMemory or Timeout if the worker died of the job, ScanError if
	// the handler returned an error, Unreadable if the file could not be passed, Stopped if
	// the pool ended before the job.
	Reason finding.Reason
	// Detail is the cause in words, such as "signal: segmentation fault". It is printable,
	// though parts of it come from the worker.
	Detail string
}

func (e *LostError) Error() string { return fmt.Sprintf("%s: %s", e.Reason, e.Detail) }

// ErrClosed is returned by Submit after Close, or after the context of [Start] has ended.
var ErrClosed = errors.New("the workers have been stopped")

// Examiner is what a scan needs of its workers. [Pool] is the one to use; [InProcess] makes one
// that runs the handler in the calling process, which protects from nothing: it is for
// debugging and serves tests as the oracle.
type Examiner interface {
	// Submit hands a job over. It blocks while the workers have enough to do. If it returns an
	// error then the job was not taken: its file is closed and Done is not called.
	Submit(ctx context.Context, job *Job) error
	// Suspend stops all work until Resume has been called as often as Suspend.
	Suspend()
	// Resume takes one Suspend back.
	Resume()
	// CPUTime returns the processor time that all workers have used so far.
	CPUTime() (time.Duration, error)
	// Confinement says how workers are confined, a line for each measure.
	Confinement() []string
	// Close waits until all jobs are done and ends the workers.
	Close() error
}

// Handler does the work, inside a worker.
type Handler interface {
	// Setup is called once, before the first Handle. An error ends the pool: it is
	// meant for set-ups that cannot work in any worker. The slice is valid only during the
	// call; the files become the handler's and share their offsets with other workers.
	Setup(setup []byte, files []*os.File) error
	// Handle answers one request. It may call respond any number of times until it returns, from
	// one goroutine at a time; respond copies its argument, and fails if it is larger than
	// [MaxFrame]. The request is valid only during the call; f is nil if the job has no file, and is
	// closed after the return. Handle is never called concurrently. An error loses the job
	// with finding.ScanError. Handle must not write to standard error.
	Handle(request []byte, f *os.File, respond func(response []byte) error) error
}
