package submit

import (
	"sync"
	"time"
)

// EventKind says what happened.
type EventKind string

// The kinds of event.
const (
	// ServerFailed: a server is rested. Sent when it begins, and again when the reason becomes of another
	// kind; not for each object that would have gone there.
	ServerFailed EventKind = "server failed"
	// ServerBack: a server of which ServerFailed was told works again.
	ServerBack EventKind = "server back"
	// ServerUnprotected: the connection to a server is plain HTTP. Sent when Run begins.
	ServerUnprotected EventKind = "server unprotected"
	// TaskForgotten: a server has lost the task of an object twice and is not asked about it any more.
	TaskForgotten EventKind = "task forgotten"
	// TaskOverdue: a server has not come to a verdict in time.
	TaskOverdue EventKind = "task overdue"
	// ReportMissing: a verdict came without the report that belongs to it.
	ReportMissing EventKind = "report missing"
	// ObjectUnreadable: the content in the queue cannot be read.
	ObjectUnreadable EventKind = "object unreadable"
	// DeliveryFailed: the outcome could not be handed on; it will be tried again.
	DeliveryFailed EventKind = "delivery failed"
	// StateNotKept: the queue could not store where an object was sent. It would be sent again after a restart.
	StateNotKept EventKind = "state not kept"
)

// Event is something that a person may want to know.
type Event struct {
	Kind EventKind
	Time time.Time
	// Server is a [ServerStatus].Name; empty if none is concerned.
	Server string
	// Object has a SHA-256; empty if no single object is concerned.
	Object string
	// Err says why; nil for ServerBack and ServerUnprotected.
	Err error
	// Until is when a failed server is asked again.
	Until time.Time
	// Count is how many events this one stands for: events of one kind and server that come faster than
	// one a minute are counted and told together with the next.
	Count int
}

// calm is the least time between two events of one kind from one server.
const calm = time.Minute

// quieter passes events on, but not floods of them. A server that fails each second question, or loses each
// task, would otherwise send one for each object.
type quieter struct {
	tell func(Event) // may be nil
	now  func() time.Time

	mu    sync.Mutex
	heard map[quietKey]*quietState
}

type quietKey struct {
	kind   EventKind
	server string
	detail string
}

type quietState struct {
	last  time.Time
	count int
}

// event tells of something; detail distinguishes events of one kind that are not repetitions. It reports
// whether it was told now.
func (q *quieter) event(e Event, detail string) bool {
	e.Time = q.now()
	q.mu.Lock()
	key := quietKey{e.Kind, e.Server, detail}
	state := q.heard[key]
	if state == nil {
		if q.heard == nil {
			q.heard = map[quietKey]*quietState{}
		}
		state = &quietState{}
		q.heard[key] = state
	}
	state.count++
	// A clock that was set back must not silence anything for long.
	if since := e.Time.Sub(state.last); !state.last.IsZero() && since >= 0 && since < calm {
		q.mu.Unlock()
		return false
	}
	e.Count = state.count
	state.last, state.count = e.Time, 0
	q.mu.Unlock()
	q.told(e)
	return true
}

// told tells of something in any case.
func (q *quieter) told(e Event) {
	if e.Time.IsZero() {
		e.Time = q.now()
	}
	if q.tell != nil {
		q.tell(e)
	}
}
