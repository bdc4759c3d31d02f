package scheduler

import (
	"encoding/json"
	"fmt"
	"time"

	"tyto/store"
)

// The states of a run, as they are stored.
const (
	Waiting     = "waiting"     // has not begun
	Working     = "running"     // is at work, or about to be
	Paused      = "paused"      // stands still, and is in memory
	Interrupted = "interrupted" // has begun, is not in memory, and goes on later
	Finished    = "finished"
	Cancelled   = "cancelled"
	Failed      = "failed"
)

// unfinished are the states of runs that are still to do something, ended those of the others.
var (
	unfinished = []string{Waiting, Working, Paused, Interrupted}
	ended      = []string{Finished, Cancelled, Failed}
)

// run is one execution of a task that has not ended.
type run struct {
	owner  *entry
	record store.Run
	detail
}

// detail is what the scheduler has to know of a run after a restart, beyond what store.Run has room for.
type detail struct {
	Class class `json:"class"`
	// Occurrence is the latest time of the schedule that this run answers.
	Occurrence time.Time `json:"occurrence,omitzero"`
	// NotBefore is when a delay ends.
	NotBefore time.Time `json:"not_before,omitzero"`
	// Force lets it work whatever the conditions, because a person said so.
	Force bool `json:"force,omitzero"`
	// Held is true while a person has paused it.
	Held bool `json:"held,omitzero"`
	// Begun is true once it has been started, Definition what it then looked at and for.
	Begun      bool   `json:"begun,omitzero"`
	Definition string `json:"definition,omitzero"`
	// Attempts is how often it has failed.
	Attempts int `json:"attempts,omitzero"`
	// Overridden is true once it has been told that it no longer waits for an idle computer.
	Overridden bool       `json:"overridden,omitzero"`
	Detection  *Detection `json:"detection,omitzero"`
}

// readRun turns a stored run into one to go on with.
func readRun(owner *entry, record store.Run) (*run, error) {
	r := &run{owner: owner, record: record}
	if err := json.Unmarshal(record.Detail, &r.detail); err != nil {
		return nil, fmt.Errorf("run %d of task %q: reading its detail: %w", record.ID, record.Task, err)
	}
	return r, nil
}

// row returns the run as it is stored.
func (r *run) row() store.Run {
	text, err := json.Marshal(r.detail)
	if err != nil {
		panic(err) // plain data
	}
	r.record.Detail = text
	return r.record
}

// before reports whether r comes before o when both could work.
func (r *run) before(o *run) bool {
	switch {
	case o == nil:
		return true
	case r.Class != o.Class:
		return r.Class < o.Class
	case r.Begun != o.Begun:
		return r.Begun
	case !r.record.Queued.Equal(o.record.Queued):
		return r.record.Queued.Before(o.record.Queued)
	default:
		return r.record.ID < o.record.ID
	}
}

// entry is a task with all that belongs to it.
type entry struct {
	task    Task // as it was written
	origin  string
	created time.Time
	updated time.Time
	plan    *plan
	state   served

	// At most one run has begun, and at most one waits to begin: what else starts the task is merged
	// with one of them.
	begun, waiting *run
	last           *store.Run // that ended

	started bool          // AtStart has been answered
	rest    time.Time     // the earliest next run by detection
	retry   time.Duration // the stopwatch's time before which the store is not asked again
}

// served is what a task's triggers have been answered up to. It is stored, so that nothing is answered
// twice.
type served struct {
	// Schedule is the latest time of the schedule that has been answered.
	Schedule time.Time `json:"schedule"`
	// Sets is the version of rules and indicators that has been answered.
	Sets string `json:"sets,omitzero"`
}

// runs returns the unfinished runs, the one that has begun first.
func (e *entry) runs() (list []*run) {
	for _, r := range []*run{e.begun, e.waiting} {
		if r != nil {
			list = append(list, r)
		}
	}
	return list
}

// next returns the run whose turn it is: one waits until the one before it has ended.
func (e *entry) next() *run {
	if e.begun != nil {
		return e.begun
	}
	return e.waiting
}

// forget removes an ended run.
func (e *entry) forget(r *run) {
	if e.begun == r {
		e.begun = nil
	}
	if e.waiting == r {
		e.waiting = nil
	}
}

// expires is when the task is deleted; zero is never.
func (e *entry) expires() time.Time {
	if e.plan.expireAfter == 0 {
		return time.Time{}
	}
	return e.created.Add(e.plan.expireAfter)
}

// row returns the task as it is stored.
func (e *entry) row() store.Task {
	spec, err := json.Marshal(e.task)
	if err != nil {
		panic(err) // plain data
	}
	name := e.task.WithDefaults().Name
	return store.Task{
		ID: e.task.ID, Name: name, Origin: e.origin, Spec: spec, Enabled: !e.task.Disabled,
		Created: e.created, Updated: e.updated, Expires: e.expires(),
	}
}
