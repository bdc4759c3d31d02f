// Package events tells an administrator what the agent does: which events there are, and how they
// reach a file, the system's log and whoever else listens.
//
// Each event has an id that never changes its meaning, such as TY-303, a name (run-started), a level, a
// message for people and data for machines. [Catalogue] lists them; docs/events.md explains each, and a
// test holds the two together. The ids have three digits because the message table that Windows offers to
// programs without one of their own (EventCreate.exe) knows the numbers 1 to 1000 only.
//
// A [Hub] passes events to its sinks: [File], [NewSystemLog], and others that the agent adds. Sending never
// waits. A sink that fails, as on a full disk, keeps its events in order and is tried again; what does not fit into its
// queue meanwhile is counted, and the count is told in the place where the events are missing. Other
// sinks do not notice.
//
// Names, paths and messages may come from an attacker. JSON escapes them; in the lines of logs they go
// through report.Safe, so that no event can pass for two or hide another.
package events

import (
	"fmt"
	"slices"
	"time"
)

// ID names a kind of event for ever: "TY-303".
type ID string

// Event is something that happened.
type Event struct {
	Time    time.Time
	ID      ID
	Message string // a sentence for people; it may hold hostile text
	Data    Data
	// Level is how much attention it deserves, by default that of its kind.
	Level Level
}

// Data is what belongs to an event, by the name of the field in the Elastic Common Schema, with dots:
// "file.path", "tyto.task". Values are strings, numbers, bools, times, and lists and maps of these.
type Data map[string]any

// Level says how much attention an event deserves.
type Level int

// The levels, from the least to the most severe.
const (
	Info    Level = iota // the agent does its work
	Notice               // somebody may want to know
	Warning              // something does not work as it should
	Error                // something is found or broken: look at it
)

var levelNames = [...]string{Info: "info", Notice: "notice", Warning: "warning", Error: "error"}

// String returns the level's name in lower case.
func (l Level) String() string {
	if l < 0 || int(l) >= len(levelNames) {
		return fmt.Sprintf("level(%d)", int(l))
	}
	return levelNames[l]
}

// ParseLevel returns the level of that name.
func ParseLevel(name string) (Level, error) {
	if i := slices.Index(levelNames[:], name); i >= 0 {
		return Level(i), nil
	}
	return Info, fmt.Errorf("unknown level %q: use info, notice, warning or error", name)
}

// A Sink takes events to where they are read. Its methods are called by one goroutine at a time.
type Sink interface {
	// Write hands over one event. After an error it is called again, later, with the same event;
	// then nothing of it must be there twice.
	Write(Event) error
	// Close gives back what the sink holds.
	Close() error
}
