package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"time"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"
)

// Access says who may command the agent beside administrators and the system.
type Access struct {
	// Group is not used on Windows.
	Group string
	// Refused is not called on Windows: the pipe's access list keeps others out before the agent sees them.
	Refused func(who string)
}

// forAdministrators lets in the system and administrators, nobody else and nobody from the network (NU).
const forAdministrators = "D:P(D;;GA;;;NU)(A;;GA;;;SY)(A;;GA;;;BA)"

// pipeBuffer is what a pipe holds in each direction, so that a refusal does not wait for its reader.
const pipeBuffer = 64 << 10

// Listen makes the agent's pipe. It is an error if there is one of that name: another agent, or somebody
// who wants to pose as one.
func Listen(address string, _ Access) (net.Listener, error) {
	// That the first instance must be the first says Windows, not Wine; so it is asked before.
	wait := 200 * time.Millisecond
	if conn, err := winio.DialPipe(address, &wait); err == nil {
		conn.Close()
		return nil, taken(address)
	}
	l, err := listenPipe(address, forAdministrators)
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_PIPE_BUSY) {
		return nil, taken(address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen at the pipe %q: %w", address, err)
	}
	return l, nil
}

func taken(address string) error {
	return fmt.Errorf("listen at the pipe %q: there is one already, that of another agent or of somebody who poses as one: tyto agent status", address)
}

// dial connects to the agent. The agent learns nothing of this process's rights by it (impersonation is
// anonymous).
func dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := winio.DialPipeContext(ctx, address)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: there is no pipe %q", ErrNoAgent, address)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("you may not command the agent at %q: %w", address, fs.ErrPermission)
	case err != nil:
		return nil, fmt.Errorf("reach the agent: %w", err)
	}
	return conn, nil
}
