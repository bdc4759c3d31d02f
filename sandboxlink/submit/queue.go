package submit

import (
	"context"
	"io"
	"slices"
	"time"
)

// Queue is where objects come from: package queue, by way of package sandboxlink.
type Queue interface {
	// Next waits for an object that is due and leases it: until its Release no other call returns it. The most
	// urgent comes first.
	Next(ctx context.Context) (Item, error)
}

// Item is one leased object.
type Item interface {
	Object() Object
	// State is what was last given to Update; the zero State at first.
	State() State
	// Open returns the content. Its errors, also those of reading, mean that the content is damaged.
	Open() (io.ReadCloser, error)
	// Update stores the state so that it survives a crash.
	Update(State) error
	// Release ends the lease. It is called once for each item, also for a removed one.
	Release()
	// Remove takes the object out of the queue: it was delivered.
	Remove() error
}

// State is what must be remembered of an object between restarts.
type State struct {
	// Server is the [ServerStatus].Name of the one that has the object, Task the object's id there; both are
	// empty if none has it. Sent is when the server took it.
	Server, Task string
	Sent         time.Time
	// Attempts counts how often a server broke while it had the object before it.
	Attempts int
	// NotBefore is when the object is due again.
	NotBefore time.Time
	// LastError says why the object was put back, for people.
	LastError string
	// Forgotten counts how often the server has lost the object's task.
	Forgotten int
	// Refusals are of servers that cannot judge the object.
	Refusals []Refusal
}

// Refusal says why a server cannot judge an object.
type Refusal struct {
	Server, Reason string
}

// refusedBy reports whether the server has said that it cannot judge the object.
func (s State) refusedBy(name string) bool {
	return slices.ContainsFunc(s.Refusals, func(r Refusal) bool { return r.Server == name })
}

// Delivery is the outcome for one object.
type Delivery struct {
	Object Object
	// Item is the queue's entry, for what the taker knows of it.
	Item Item
	// Answer has a verdict of the object's SHA-256, and the report if the server gave one. A verdict of level
	// error means that all servers were asked and none can judge the object: Refusals say why.
	Answer   Answer
	Refusals []Refusal
	// Server is the [ServerStatus].Name of the one that judged; empty if none could.
	Server string
}
