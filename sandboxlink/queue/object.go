package queue

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of what is remembered with an object. Names come from the scanned computer, and texts of a state
// from a server.
const (
	MaxNames = 16   // names per object
	MaxPath  = 4096 // bytes of a path, as Linux has it
	maxWhy   = 16   // reasons
	maxText  = 256  // bytes of any other text
	maxError = 512  // bytes of State.LastError
	// MaxRefusals is how many servers there may be that have refused; those beyond are asked again.
	MaxRefusals = 32
	maxReason   = 128 // bytes of Refusal.Reason
)

// Object is one content that a sandbox should look at.
type Object struct {
	// SHA256 identifies the content: 64 lower-case hexadecimal digits.
	SHA256 string
	// Size is that of the content, in bytes.
	Size int64
	// Type is in the words of package filetype.
	Type string
	// Names are where the content was met: the first one, and the latest of the others. At most [MaxNames].
	Names []Name
	// MoreNames counts names that are not kept.
	MoreNames int
	// Risk decides the order in which objects are sent: 0 to 100, the highest first.
	Risk int
	// Why says in words why it is worth asking. At most 16.
	Why []string
	// Added is when it came in. Add sets it.
	Added time.Time
}

// Name is one place where a content was met.
type Name struct {
	// Path is a path of this computer, byte for byte.
	Path string
	// Seen is when the content was accessed there.
	Seen time.Time
	// By says who asked: "exec", "open", a program.
	By string
}

// State is what the submitter remembers of an object. It survives restarts.
type State struct {
	// Server is the address of the server that has the object, and Task what it calls the task. Empty until it
	// was sent. At most 256 bytes each.
	Server, Task string
	// Sent is when it was sent.
	Sent time.Time
	// Attempts counts what the submitter counts.
	Attempts int
	// NotBefore holds the object back until then, but not for longer than [Options.MaxWait].
	NotBefore time.Time
	// LastError says why the last attempt failed; it is cut to 512 bytes.
	LastError string
	// Forgotten counts how often the server has lost the task.
	Forgotten int
	// Refusals are of servers that cannot judge the object, at most [MaxRefusals].
	Refusals []Refusal
}

// Refusal says why a server cannot judge an object.
type Refusal struct {
	Server string `json:"server"`
	Reason string `json:"reason,omitempty"` // cut to 128 bytes, and left out where there is no room
}

// Entry is an object in the queue.
type Entry struct {
	Object
	State State
	// Stored is how many bytes its file counts for.
	Stored int64
	// Leased reports that it is in work.
	Leased bool
	// Wait is how long it is held back; 0 if it is due.
	Wait time.Duration
}

// Outcome says what Add did.
type Outcome string

// The outcomes of Add.
const (
	// Added: the object is new.
	Added Outcome = "added"
	// Known: the content is in the queue already; it has got the further names, and the higher risk.
	Known Outcome = "known"
)

// sum is a SHA-256.
type sum [32]byte

func (s sum) String() string { return hex.EncodeToString(s[:]) }

// parseSum reads a SHA-256 as it stands in names of files: there is one way only to write it.
func parseSum(text string) (s sum, ok bool) {
	if len(text) != 2*len(s) || strings.ToLower(text) != text {
		return s, false
	}
	_, err := hex.Decode(s[:], []byte(text))
	return s, err == nil
}

// bound returns the object within the limits of what is kept.
func (o Object) bound() Object {
	o.Type = cut(o.Type, maxText)
	o.Risk = min(max(o.Risk, 0), 100)
	why := o.Why[:min(len(o.Why), maxWhy)]
	o.Why = nil
	for _, w := range why {
		o.Why = append(o.Why, cut(w, maxText))
	}
	names := o.Names
	o.Names = nil
	for _, n := range names {
		o.name(n)
	}
	return o
}

// name adds a name. One that is known already only gets the later time.
func (o *Object) name(n Name) {
	n.By = cut(n.By, maxText)
	for i, known := range o.Names {
		if known.Path == n.Path && known.By == n.By {
			if n.Seen.After(known.Seen) {
				o.Names[i].Seen = n.Seen
			}
			return
		}
	}
	if len(n.Path) > MaxPath {
		o.MoreNames++
		return
	}
	o.Names = append(o.Names, n)
	if len(o.Names) > MaxNames {
		o.forgetName()
	}
}

// forgetName forgets the oldest name but the first, and reports whether there was one.
func (o *Object) forgetName() bool {
	if len(o.Names) < 2 {
		return false
	}
	o.Names = append(o.Names[:1:1], o.Names[2:]...)
	o.MoreNames++
	return true
}

// bound returns the state within the limits of what is kept.
func (s State) bound() State {
	s.LastError = cut(s.LastError, maxError)
	refusals := s.Refusals[:min(len(s.Refusals), MaxRefusals)]
	s.Refusals = nil
	for _, r := range refusals {
		s.Refusals = append(s.Refusals, Refusal{cut(r.Server, maxText), cut(r.Reason, maxReason)})
	}
	return s
}

// forgetReason leaves out the reason of one refusal, then whole refusals, and reports whether there was one.
func (s *State) forgetReason() bool {
	for i := range s.Refusals {
		if s.Refusals[i].Reason != "" {
			s.Refusals = slices.Clone(s.Refusals)
			s.Refusals[i].Reason = ""
			return true
		}
	}
	if n := len(s.Refusals); n > 0 {
		s.Refusals = s.Refusals[:n-1]
		return true
	}
	return false
}

// check refuses states that could not be kept whole: half a task's name is another task.
func (s State) check() error {
	for what, text := range map[string]string{"server": s.Server, "task": s.Task} {
		if len(text) > maxText || strings.ToValidUTF8(text, "") != text {
			return fmt.Errorf("the name of the %s has %d bytes or is no text; at most %d bytes of UTF-8 are kept", what, len(text), maxText)
		}
	}
	return nil
}

// cut bounds a text, and makes it one.
func cut(s string, most int) string { return strings.ToValidUTF8(s[:min(len(s), most)], "\uFFFD") }
