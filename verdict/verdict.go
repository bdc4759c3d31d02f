// Package verdict holds the words in which sandboxes are understood: the verdict on an object's content
// and the report of what the object did.
//
//	sandbox (ours, CAPE, Kaspersky's) ──► Report ──► recall, response, indicators
//
// It is the vocabulary between those who let an object run and those who act upon the outcome, and depends
// on nothing. The JSON form of [Report] is the format in which Tyto's own sandbox answers and which
// `tyto sandbox derive` reads; it is described in docs/sandbox-report.md. Reports of other sandboxes are
// translated into it.
//
// # Everything here is foreign
//
// A report comes over the network and tells of a program that somebody wrote to deceive. Nothing in it is a
// path of this computer, a command, or true. [Parse] bounds its size; whoever uses a text from it must
// escape, generalise and limit it.
package verdict

import "time"

// Level is what a sandbox says of a content.
type Level string

// The levels. Whoever asks treats an unknown one like Error. Suspicious is reported and not acted upon.
const (
	Clean      Level = "clean"
	Suspicious Level = "suspicious"
	Malicious  Level = "malicious"
	// Error means that the sandbox could not tell; it is never remembered.
	Error Level = "error"
)

// Known reports whether the level says something of the content.
func (l Level) Known() bool { return l == Clean || l == Suspicious || l == Malicious }

// Verdict is what a sandbox says of one content, whatever the names under which it is found.
type Verdict struct {
	// SHA256 identifies the content: 64 lower-case hexadecimal digits.
	SHA256 string `json:"sha256"`
	Level  Level  `json:"level"`
	// Score is how sure the sandbox is of malice, 0 to 100. Back ends that give none derive it from Level.
	Score int `json:"score"`
	// Threats are names of what was found, the most telling first.
	Threats []string `json:"threats,omitempty"`
	// Sandbox is the product that says so, with its version: "Tyto 0.4".
	Sandbox string `json:"sandbox,omitempty"`
	// Database is the version of what the product judges by. When it changes, earlier verdicts of that
	// sandbox are no longer up to date. Empty if the sandbox has none.
	Database string `json:"database,omitempty"`
	// Time is when the sandbox judged.
	Time time.Time `json:"time"`
}
