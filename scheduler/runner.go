package scheduler

import (
	"context"
	"errors"

	"tyto/store"
)

// Runner performs runs. The agent implements it.
type Runner interface {
	// Start begins a run and returns soon; what takes long, such as loading rules, belongs to the
	// Running, where it can be paused. ctx ends when the run is to stop, also while Start still works; its
	// cause is one of the errors of this package.
	Start(ctx context.Context, job Job) (Running, error)
}

// Job is a run to be performed.
type Job struct {
	Task *Task // with defaults; not to be changed
	Run  store.Run
	// Resume is true if the run has begun before, and what it did then still counts.
	Resume bool
}

// Running is a run at work. Pause, Resume and Progress return at once; the first two are called
// with a lock held, so they must not call the scheduler.
type Running interface {
	// Pause stops all work before it returns. Several reasons may hold at once; the run goes on
	// when Resume has been called for each. A reason is a sentence such as "the computer is in use".
	Pause(reason string)
	Resume(reason string)
	// Cancel ends the run, paused or not. What it has done so far must not be lost: it may be started
	// again with Job.Resume.
	Cancel(cause error)
	// Progress returns a snapshot for people, which can be written as JSON.
	Progress() any
	// Done is closed when the run has ended and all that it held is released.
	Done() <-chan struct{}
	// Result is called once Done is closed.
	Result() Result
}

// Result is how a run ended.
type Result struct {
	// Err is nil if and only if the run came to its end. After Cancel it is anything.
	Err error
	// Profile is what the run looked for, see store.Run.
	Profile string
	// Summary is the report's summary line.
	Summary []byte
}

// Why the scheduler ends a run. They reach the Runner as the argument of Cancel and as the cause of the
// context.
var (
	// ErrParked ends a run that was paused for long, so that its memory is free. It will be resumed.
	ErrParked = errors.New("paused for long: put aside")
	// ErrUrgent ends a run in favour of one that can work or that is more urgent. It will be resumed.
	ErrUrgent = errors.New("put aside for another scan")
	// ErrShutdown ends a run because the agent ends. It will be resumed.
	ErrShutdown = errors.New("the agent ends")
	// ErrTimeUp ends a run that has worked as long as its task allows.
	ErrTimeUp = errors.New("its longest duration is over")
	// ErrCancelled ends a run because a person asked for it.
	ErrCancelled = errors.New("cancelled by a person")
	// ErrChanged ends a run because its task now looks at or for something else. A new run takes over.
	ErrChanged = errors.New("the task was changed")
	// ErrReplaced ends a run in favour of a more urgent one of the same task, which looks at the same again.
	ErrReplaced = errors.New("a more urgent run of the same task takes its place")
	// ErrDeleted ends a run whose task was deleted.
	ErrDeleted = errors.New("the task was deleted")
)

// resumable reports whether a run that ended for this cause goes on later.
func resumable(cause error) bool {
	return cause == ErrParked || cause == ErrUrgent || cause == ErrShutdown
}

// Store is what the scheduler needs of package store. All methods may fail: the scheduler then goes on
// with what it holds in memory, and tells.
type Store interface {
	Tasks(ctx context.Context) ([]store.Task, error)
	PutTask(ctx context.Context, t store.Task) error
	DeleteTask(ctx context.Context, id string) error

	// AddRun returns the new run's ID, which no other run ever had.
	AddRun(ctx context.Context, r store.Run) (int64, error)
	UpdateRun(ctx context.Context, r store.Run) error
	// Runs returns the newest first.
	Runs(ctx context.Context, f store.RunFilter) ([]store.Run, error)
	DeleteRun(ctx context.Context, id int64) error

	// Get returns store.ErrNotFound for what was never set; Set with nil removes.
	Get(ctx context.Context, key string) ([]byte, error)
	Set(ctx context.Context, key string, value []byte) error
}
