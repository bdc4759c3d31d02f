package sandbox

import (
	"crypto/rand"
	"encoding/hex"
	"time"

	"tyto/verdict"
)

// idLength is the number of hexadecimal digits of a task's id, as in Kaspersky's API.
const idLength = 32

// maxAttempts is how often a sample may be looked at while the server dies: then it is a suspect itself.
const maxAttempts = 3

// task is one content that waits for a verdict. Its JSON form is what survives the server.
type task struct {
	ID     string    `json:"id"`
	SHA256 string    `json:"sha256"`
	SHA1   string    `json:"sha1"`
	MD5    string    `json:"md5"`
	Name   string    `json:"name"`
	Size   int64     `json:"size"`
	Added  time.Time `json:"added"`
	// Attempts counts how often work on it has begun without coming to an end.
	Attempts int `json:"attempts"`

	room *reservation
}

// newID returns an id that nobody guesses: whoever knows it may read the report.
func newID() string {
	var b [idLength / 2]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

// valid reports whether a task that was read from disk can be one: its names become paths.
func (t *task) valid() bool {
	return isHex(t.ID, idLength) && isHex(t.SHA256, 64) && t.Size > 0
}

// object describes the sample in a report.
func (t *task) object(kind string) verdict.Object {
	return verdict.Object{Name: t.Name, Size: t.Size, MD5: t.MD5, SHA1: t.SHA1, SHA256: t.SHA256, Type: kind}
}

// Status is what clients are told of a task, in the words of Kaspersky's API. A suspicious content is told
// as not found, as nobody shall act upon it; the report says more.
type Status string

// The statuses.
const (
	Processing Status = "Processing"
	Found      Status = "Found"
	NotFound   Status = "Not found"
	Failed     Status = "Error"
)

// statusOf returns the status for a level.
func statusOf(l verdict.Level) Status {
	switch l {
	case verdict.Malicious:
		return Found
	case verdict.Suspicious, verdict.Clean:
		return NotFound
	}
	return Failed
}
