package queue

import "fmt"

// Event is something that happened to the queue, for the agent's event log.
type Event struct {
	Kind    EventKind
	SHA256  string // of the object; empty if it is about the queue
	Entry   *Entry // the object as it was; nil if that is not known
	Message string
	Usage   Usage // when it happened
}

// EventKind names what happened.
type EventKind string

// The kinds of event.
const (
	// EventFull: an object was not added because the queue is full. It is told once, and again only after the
	// queue has drained below nine tenths.
	EventFull EventKind = "full"
	// EventNoSpace: an object was not added because the disk is full. It is told once, and again only after
	// another could be added.
	EventNoSpace EventKind = "no-space"
	// EventExpired: an object was given up after [Options.Expire].
	EventExpired EventKind = "expired"
	// EventDamaged: a file could not be read and was set aside.
	EventDamaged EventKind = "damaged"
)

// maxEvents is how many events of one kind are told in one go; one more sums up the rest.
const maxEvents = 16

// burst tells events of one kind that may be many.
type burst struct {
	q    *Queue
	kind EventKind
	told int
	rest int
}

func (b *burst) tell(sha256, message string, entry *Entry) {
	if b.told == maxEvents {
		b.rest++
		return
	}
	b.told++
	b.q.tell(Event{Kind: b.kind, SHA256: sha256, Entry: entry, Message: message})
}

// wants reports whether the next event would be told by itself.
func (b *burst) wants() bool { return b.told < maxEvents }

func (b *burst) end() {
	if b.rest > 0 {
		b.q.tell(Event{Kind: b.kind, Message: fmt.Sprintf("the same for %d more", b.rest)})
	}
}

func (q *Queue) tell(e Event) {
	e.Usage = q.Usage()
	q.opts.Event(e)
}

// refuse counts an object that was not added, and tells once why.
func (q *Queue) refuse(kind EventKind, told *bool, message string) {
	q.mu.Lock()
	q.refused++
	first := !*told
	*told = true
	q.mu.Unlock()
	if first {
		q.tell(Event{Kind: kind, Message: message})
	}
}
