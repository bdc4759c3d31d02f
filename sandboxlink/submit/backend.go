package submit

import (
	"context"
	"fmt"
	"io"

	"tyto/sandboxlink/submit/cape"
	"tyto/sandboxlink/submit/kaspersky"
	"tyto/sandboxlink/submit/wire"
)

// The words of package wire that users of this package need.
type (
	// Server says where a server is, what it speaks and how it is trusted.
	Server = wire.Server
	// Limits bound the waits for a server.
	Limits = wire.Limits
	// Object is what a sandbox is asked about.
	Object = wire.Object
	// Answer is what a server says of an object.
	Answer = wire.Answer
	// Error is what went wrong between us and a server.
	Error = wire.Error
)

// Backend is one server of one kind. A call asks one question, which takes a request or a few, within
// deadlines of its own. Errors are of type [*Error], except those named here and that of the context. Methods
// may be called from several goroutines.
type Backend interface {
	// Lookup asks by hash. It returns [wire.ErrUnknown] if the server has nothing, or has no such question.
	Lookup(ctx context.Context, o Object) (Answer, error)
	// Submit hands the object in: the answer is a task, or at once a verdict. content is read at most once, and
	// not after Submit has returned; errors of reading it wrap [wire.ErrContent].
	Submit(ctx context.Context, o Object, content io.Reader) (Answer, error)
	// Poll asks for the outcome of a task that this server gave. It returns [wire.ErrForgotten] if the server
	// does not know the task.
	Poll(ctx context.Context, task string, o Object) (Answer, error)
	// Database returns the version of what the server judges by; "" if servers of the kind do not tell.
	Database(ctx context.Context) (string, error)
	// Close closes kept connections.
	Close()
}

// The kinds of server.
const (
	Tyto      = "tyto"      // `tyto sandbox serve`
	Kaspersky = "kaspersky" // Kaspersky Sandbox 1.0 and 2.0
	CAPE      = "cape"      // CAPEv2
)

// open makes the back end for a server. It touches no network.
func open(s Server, limits Limits, settings cape.Settings) (Backend, error) {
	scheme := "Bearer"
	if s.Kind == CAPE {
		scheme = "Token"
	}
	switch s.Kind {
	case Tyto, Kaspersky, CAPE:
	default:
		return nil, fmt.Errorf("server %q: %q is no kind of sandbox: write tyto, kaspersky or cape", s.Address, s.Kind)
	}
	client, err := wire.NewClient(s, limits, scheme)
	if err != nil {
		return nil, err
	}
	switch s.Kind {
	case CAPE:
		return cape.New(client, settings), nil
	default:
		return kaspersky.New(client, kaspersky.Settings{Tyto: s.Kind == Tyto}), nil
	}
}

// Check reports what is wrong with the settings of a server, the files that they name included. It touches no
// network. [New] refuses all servers for one that fails it.
func Check(s Server) error {
	backend, err := open(s, Limits{}, cape.Settings{})
	if err == nil {
		backend.Close()
	}
	return err
}
