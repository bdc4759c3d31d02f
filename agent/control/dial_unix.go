//go:build unix

package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// dial connects to an agent of root or of this process's own user.
func dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", address)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w: nothing listens at %q", ErrNoAgent, address)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("you may not command the agent at %q: %w", address, fs.ErrPermission)
	case err != nil:
		return nil, fmt.Errorf("reach the agent: %w", err)
	}
	who, err := peerOf(conn)
	if err == nil && who.uid != 0 && who.uid != os.Geteuid() {
		err = fmt.Errorf("%s listens at %q and is no agent to be trusted", who, address)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
