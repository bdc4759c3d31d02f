package quarantine

// Event is something that happened to the vault, for the agent's event log.
type Event struct {
	Kind    EventKind
	ID      string // of the entry; empty if it is about the vault
	Entry   *Entry // nil if it is not known
	Path    string // of the object, any bytes; empty if it is about the vault
	Message string
	Used    int64 // bytes in the vault
	Limit   int64 // bytes that may be in it
}

// EventKind names what happened.
type EventKind string

// The kinds of event.
const (
	EventQuarantined EventKind = "quarantined"
	EventRestored    EventKind = "restored"
	EventDeleted     EventKind = "deleted"
	EventDropped     EventKind = "dropped"     // the oldest entry, to make room
	EventAlmostFull  EventKind = "almost-full" // four fifths are used; told once until it is less again
	EventFull        EventKind = "full"        // an object was rejected
	EventRefused     EventKind = "refused"     // a protected file was reported, not moved
	EventLeftover    EventKind = "leftover"    // a killed process left something, which was put in order
)

func (v *Vault) tell(e Event) {
	e.Limit = v.opts.Limit
	if e.Entry != nil {
		e.ID = e.Entry.ID
		e.Path = string(e.Entry.Path)
	}
	v.opts.Event(e)
}
