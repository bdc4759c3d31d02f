package scheduler

import "time"

// Event is something that an administrator may want to know of. Message says it in a sentence; the
// other fields hold what belongs to the kind.
type Event struct {
	Time    time.Time `json:"time"`
	Kind    EventKind `json:"kind"`
	Task    string    `json:"task,omitzero"`
	Run     int64     `json:"run,omitzero"`
	Trigger Trigger   `json:"trigger,omitzero"`
	// Waits is why a run does not work.
	Waits []Wait `json:"waits,omitzero"`
	// Count is how many starts were missed.
	Count int `json:"count,omitzero"`
	// By is how far the clock was set.
	By      time.Duration `json:"by,omitzero"`
	Error   string        `json:"error,omitzero"`
	Message string        `json:"message"`
}

// EventKind tells events apart.
type EventKind string

// The kinds of event.
const (
	TaskAdded    EventKind = "task-added"
	TaskChanged  EventKind = "task-changed"
	TaskDeleted  EventKind = "task-deleted"
	TaskExpired  EventKind = "task-expired"
	TaskBroken   EventKind = "task-broken" // a stored task that cannot be used any more
	RunQueued    EventKind = "run-queued"
	RunMerged    EventKind = "run-merged" // a start that an unfinished run answers
	RunStarted   EventKind = "run-started"
	RunPaused    EventKind = "run-paused"
	RunResumed   EventKind = "run-resumed"
	RunParked    EventKind = "run-parked"    // put aside; it goes on later
	RunRecovered EventKind = "run-recovered" // the agent had died under it
	RunRetried   EventKind = "run-retried"   // it failed and will be tried again
	RunFinished  EventKind = "run-finished"
	RunCancelled EventKind = "run-cancelled"
	RunFailed    EventKind = "run-failed"
	RunOverride  EventKind = "run-override" // it waited too long for an idle computer
	StartsMissed EventKind = "starts-missed"
	ClockChanged EventKind = "clock-changed"
	StoreFailed  EventKind = "store-failed"
)

// Trigger is what started a run.
type Trigger string

// The triggers.
const (
	ByPerson    Trigger = "manual"
	BySchedule  Trigger = "schedule"
	ByStart     Trigger = "start"
	ByUpdate    Trigger = "update"
	ByDetection Trigger = "detection"
)

// class orders runs by urgency: response scans first, then what a person waits for, then the rest.
type class int

const (
	response class = iota
	manual
	scheduled
)

func (t Trigger) class() class {
	switch t {
	case ByDetection:
		return response
	case ByPerson:
		return manual
	default:
		return scheduled
	}
}

// Detection is what a scan found, as far as a response needs it.
type Detection struct {
	// Run is the run that found it; 0 if it was no run of the scheduler.
	Run  int64     `json:"run,omitzero"`
	Time time.Time `json:"time,omitzero"`
	// Level, Path, SHA256 and Name describe the finding for people.
	Level  string `json:"level,omitzero"`
	Path   string `json:"path,omitzero"`
	SHA256 string `json:"sha256,omitzero"`
	Name   string `json:"name,omitzero"`
}
