// Package control is how the agent is commanded and asked: JSON over HTTP on a Unix socket, or on a named pipe on
// Windows, for the administrator only.
//
//	command ─► Client ─► socket ─► Server ─► Backend (the agent)
//
// The [Client] is a [Backend] too, whose work is done at the other end; so what a command does can be tested
// without a socket, and what the agent does without a command. The API is described in openapi.yaml, which the server
// itself hands out; tests hold routes, types and description together.
//
// # Who may
//
// [Listen] makes a socket that only its owner, and if wanted a group, may open, and looks at the
// credentials of whoever connects: root, the agent's own user, or a member of the group. On Windows the
// pipe's access list lets in administrators and the system. The client looks as well: it talks to an agent of
// root or of its own user only, so that nobody can pose as the agent.
//
// # What clients cannot do
//
// Each request has limits: [MaxBody] bytes, a time to arrive in, a number of connections. Streams end when
// their reader does not read. A client that keeps to nothing costs one connection for a few seconds.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"

	"tyto/idle"
	"tyto/scheduler"
)

// Backend does what the API offers. All methods may be called concurrently. Errors are *[Error] where
// there is more to say than a sentence; those of packages scheduler and store are understood too, see
// [Problem].
type Backend interface {
	Status(context.Context) (Status, error)
	Presence(context.Context) (idle.State, error)

	Tasks(context.Context) ([]scheduler.TaskView, error)
	Task(ctx context.Context, id string) (scheduler.TaskView, error)
	// AddTask adds a task of a person, UpdateTask replaces one of the same id.
	AddTask(context.Context, scheduler.Task) (scheduler.TaskView, error)
	UpdateTask(context.Context, scheduler.Task) (scheduler.TaskView, error)
	DeleteTask(ctx context.Context, id string) error
	// StartTask starts a run, and returns it or the one that is under way already.
	StartTask(ctx context.Context, id string, o Start) (scheduler.RunView, error)
	// PauseTask holds the task's run until ResumeTask; CancelTask ends it.
	PauseTask(ctx context.Context, id string) (scheduler.TaskView, error)
	ResumeTask(ctx context.Context, id string) (scheduler.TaskView, error)
	CancelTask(ctx context.Context, id string) (scheduler.TaskView, error)

	// Runs returns the selected runs, the newest first.
	Runs(context.Context, RunFilter) ([]scheduler.RunView, error)
	Run(ctx context.Context, id int64) (scheduler.RunView, error)
	// Records yields the lines of a run's report, without their line feeds. The first error ends it.
	Records(ctx context.Context, run int64) iter.Seq2[[]byte, error]

	// Events returns the selected events, the newest first.
	Events(context.Context, EventFilter) ([]Event, error)

	Policy(context.Context) (Policy, error)
	// ReloadPolicy reads the policy's file. If it is rejected, that stands in the answer and is no error.
	ReloadPolicy(context.Context) (Policy, error)

	Quarantine(context.Context) (Quarantine, error)
	Quarantined(ctx context.Context, id string) (Object, error)
	AddToQuarantine(context.Context, Containment) (Object, error)
	Restore(ctx context.Context, id string, o Restoration) (Object, error)
	DeleteFromQuarantine(ctx context.Context, id string) error
	// Rescan examines quarantined objects anew; no ids are all.
	Rescan(ctx context.Context, ids []string) ([]Rescanned, error)

	Sandboxes
}

// Status says how the agent is doing.
type Status struct {
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Policy  string    `json:"policy"` // the file
	Data    string    `json:"data"`   // the folder
	// Presence is "active", "idle" or "unknown", Reason why.
	Presence string `json:"presence"`
	Reason   string `json:"reason,omitempty"`
	// Work is the run that is at work or paused.
	Work  *scheduler.RunView `json:"work,omitempty"`
	Tasks int                `json:"tasks"`
	// Files and Findings are what the inventory knows.
	Files    int64 `json:"files"`
	Findings int64 `json:"findings"`
	// Rules and Indicators are how many are in use.
	Rules      int `json:"rules"`
	Indicators int `json:"indicators"`
	// Quarantined is what is in the quarantine.
	Quarantined int `json:"quarantined"`
	// Degraded are the parts that do not work, each with its reason.
	Degraded []string `json:"degraded,omitempty"`
}

// Start says how a person wants a run.
type Start struct {
	// Now lets it work whatever the conditions of its task are.
	Now bool `json:"now,omitempty"`
}

// RunFilter selects runs. The zero value selects the newest.
type RunFilter struct {
	Task  string
	State string
	Limit int // at most so many; 0 is 100
}

// EventFilter selects events. The zero value selects the newest.
type EventFilter struct {
	ID    string // only of this kind
	Since time.Time
	Limit int // at most so many; 0 is 100
}

// Event is one that was kept.
type Event struct {
	Time    time.Time       `json:"time"`
	ID      string          `json:"id"`
	Name    string          `json:"name"`
	Level   string          `json:"level"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Policy is the policy in force.
type Policy struct {
	File string `json:"file"`
	// Loaded is when it came into force; zero if it is the default one.
	Loaded time.Time `json:"loaded,omitzero"`
	// YAML is the policy with all its settings.
	YAML string `json:"yaml"`
	// Rejected is why the file, as it is now, is not in force; empty if it is.
	Rejected string `json:"rejected,omitempty"`
	// Problems are the warnings of the policy in force, or all that is wrong with the file if it was rejected.
	Problems []PolicyProblem `json:"problems,omitempty"`
}

// PolicyProblem is something wrong with a policy's file.
type PolicyProblem struct {
	Line    int    `json:"line,omitempty"`
	Message string `json:"message"`
	Warning bool   `json:"warning,omitempty"`
}

// Quarantine is what the vault holds.
type Quarantine struct {
	Used    int64    `json:"used"`  // bytes
	Limit   int64    `json:"limit"` // bytes
	Objects []Object `json:"objects"`
	// Damaged are entries that cannot be read.
	Damaged []string `json:"damaged,omitempty"`
}

// Object is one in the quarantine. Path may hold hostile text; what is no UTF-8 in it is escaped.
type Object struct {
	ID      string    `json:"id"`
	Path    string    `json:"path"`
	Size    int64     `json:"size"`
	SHA256  string    `json:"sha256"`
	Type    string    `json:"type,omitempty"`
	Time    time.Time `json:"time"`
	By      string    `json:"by,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Level   string    `json:"level,omitempty"`
	Score   float64   `json:"score,omitempty"`
	Matches []string  `json:"matches,omitempty"`
	// Note says what is worth knowing of what was just done: other names of the file, a deletion that
	// waits for a restart, that it was a dry run.
	Note []string `json:"note,omitempty"`
}

// Containment asks for a file to be moved into the quarantine.
type Containment struct {
	Path   string `json:"path"`
	Reason string `json:"reason,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"`
}

// Restoration says where an object goes. At most one of Replace and Rename is set.
type Restoration struct {
	To      string `json:"to,omitempty"`      // a path; empty is where it was
	Replace bool   `json:"replace,omitempty"` // what stands in the way is replaced
	Rename  bool   `json:"rename,omitempty"`  // the object gets another name if something stands in the way
}

// Rescanned is the outcome for one object.
type Rescanned struct {
	ID   string `json:"id"`
	Path string `json:"path"`
	// Found says what matches now; empty if nothing does, so that it was probably a false alarm.
	Found []string `json:"found"`
	Error string   `json:"error,omitempty"`
}

// Progress is what the agent stores as a run's progress.
type Progress struct {
	Phase   Phase `json:"phase"`
	Objects int64 `json:"objects"`
	Files   int64 `json:"files"`
	Bytes   int64 `json:"bytes"`
	// Recalled is how many of Files were answered from the inventory, Skips how many gaps there are.
	Recalled   int64 `json:"recalled,omitempty"`
	Skips      int64 `json:"skips,omitempty"`
	TotalFiles int64 `json:"total_files,omitempty"`
	TotalBytes int64 `json:"total_bytes,omitempty"`
	// Findings are counted by level.
	Findings map[string]int64 `json:"findings,omitempty"`
	Current  string           `json:"current,omitempty"`
	Paused   string           `json:"paused,omitempty"`
	// Elapsed and Active are in seconds.
	Elapsed float64 `json:"elapsed"`
	Active  float64 `json:"active,omitempty"`
}

// Phase is what a run is doing.
type Phase string

// The phases of a run.
const (
	Loading  Phase = "loading"  // rules and indicators
	Scanning Phase = "scanning" // objects
)

// Error is a problem as RFC 9457 describes it, with what to do next.
type Error struct {
	Status int    `json:"status"` // of HTTP
	Title  string `json:"title"`  // the kind of problem
	Detail string `json:"detail"` // this one
	Next   string `json:"next,omitempty"`
	// Problems are what is wrong with each part of what was sent.
	Problems []string `json:"problems,omitempty"`
}

func (e *Error) Error() string { return e.Detail }

// Errorf returns a problem with a status of HTTP; next says what to do about it.
func Errorf(status int, next, format string, args ...any) *Error {
	return &Error{Status: status, Title: http.StatusText(status), Detail: fmt.Sprintf(format, args...), Next: next}
}

// ErrNoAgent is returned by the client if no agent listens. Test with errors.Is.
var ErrNoAgent = errors.New("no agent runs here")
