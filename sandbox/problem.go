package sandbox

import (
	"errors"
	"fmt"
	"net/http"
)

// Errors that clients are told as they are.
var (
	// errUnknown says that there is no such task or content, or none any more.
	errUnknown = errors.New("there is no such task")
	// errQueueFull says that too many tasks wait, or that their samples take too much disk.
	errQueueFull = errors.New("request queue full")
	// errClosed says that the server is stopping.
	errClosed = errors.New("the sandbox is stopping")
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
	case errors.Is(err, errUnknown):
		return problemf(http.StatusNotFound, "%v", errUnknown)
	case errors.Is(err, errQueueFull):
		// Kaspersky's API says it so. Agents know it by the text, and come again later.
		return &problem{http.StatusInternalServerError, errQueueFull.Error(), true}
	case errors.Is(err, errClosed):
		return busy("%v", errClosed)
	}
	return problemf(http.StatusInternalServerError, "internal error: the sandbox's log says more")
}
