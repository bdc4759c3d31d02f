package sandbox

import (
	"errors"
	"fmt"
	"net/http"
)

// Errors that [Sandbox.Add] and the look-ups return; test with errors.Is.
var (
	// ErrUnknown says that there is no such task or content, or none any more.
	ErrUnknown = errors.New("there is no such task")
	// ErrQueueFull says that too many tasks wait, or that their samples take too much disk.
	ErrQueueFull = errors.New("request queue full")
	// ErrClosed says that the server is stopping.
	ErrClosed = errors.New("the sandbox is stopping")
)

// problem is an error that clients are told, with the status of the answer.
type problem struct {
	status int
	text   string
	retry  bool // it helps to try again in a moment
}

func (p *problem) Error() string { return p.text }

func problemf(status int, format string, args ...any) *problem {
	return &problem{status: status, text: fmt.Sprintf(format, args...)}
}

// busy is a problem that passes: ask another server, or this one later.
func busy(format string, args ...any) *problem {
	return &problem{http.StatusServiceUnavailable, fmt.Sprintf(format, args...), true}
}

// asProblem turns any error into what a client may know of it. What is inside the server is none of its
// business: the log says it.
func asProblem(err error) *problem {
	var p *problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, ErrUnknown):
		return problemf(http.StatusNotFound, "%v", ErrUnknown)
	case errors.Is(err, ErrQueueFull):
		// Kaspersky's API says it so. Agents know it by the text, and come again later.
		return &problem{http.StatusInternalServerError, ErrQueueFull.Error(), true}
	case errors.Is(err, ErrClosed):
		return busy("%v", ErrClosed)
	}
	return problemf(http.StatusInternalServerError, "internal error: the sandbox's log says more")
}
