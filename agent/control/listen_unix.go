//go:build unix

package control

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"tyto/agent/place"
)

// Access says who may command the agent beside root and its own user.
type Access struct {
	// Group is the name of a group whose members may; empty is none.
	Group string
	// Refused, if set, is told of others who tried; it must return at once.
	Refused func(who string)
}

// Listen makes the agent's socket. A socket that a dead agent left is replaced; one at which an agent
// answers is an error.
func Listen(address string, a Access) (net.Listener, error) {
	gid := -1
	if a.Group != "" {
		g, err := user.LookupGroup(a.Group)
		if err != nil {
			return nil, fmt.Errorf("let a group command the agent: %w: create it, or change control.group in the policy", err)
		}
		if gid, err = strconv.Atoi(g.Gid); err != nil {
			return nil, fmt.Errorf("let the group %q command the agent: %w", a.Group, err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(address), 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of the agent's socket: %w", err)
	}
	if err := place.CheckWay(filepath.Dir(address)); err != nil {
		return nil, fmt.Errorf("listen at the agent's socket: %w", err)
	}
	if err := removeStale(address); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", address)
	if err != nil {
		return nil, fmt.Errorf("listen at the agent's socket: %w", err)
	}
	if err := restrict(address, gid); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &guarded{Listener: l, gid: gid, refused: a.Refused}, nil
}

// restrict lets only the owner, and a group, open the socket. Until that is done, the credentials of
// who connects keep others out.
func restrict(address string, gid int) error {
	mode := os.FileMode(0o600)
	if gid >= 0 {
		mode = 0o660
		if err := os.Chown(address, -1, gid); err != nil {
			return fmt.Errorf("give the agent's socket to its group: %w", err)
		}
	}
	if err := os.Chmod(address, mode); err != nil {
		return fmt.Errorf("close the agent's socket to others: %w", err)
	}
	return nil
}

// removeStale removes a socket at which nobody answers.
func removeStale(address string) error {
	info, err := os.Lstat(address)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at the agent's socket: %w", err)
	case info.Mode()&os.ModeSocket == 0:
		return fmt.Errorf("%q is no socket: name another place with control.address", address)
	}
	conn, err := net.DialTimeout("unix", address, time.Second)
	if err == nil {
		conn.Close()
		return fmt.Errorf("an agent runs already and listens at %q: tyto agent status", address)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("ask whether an agent listens at %q: %w", address, err)
	}
	if err := os.Remove(address); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the socket of an agent that is gone: %w", err)
	}
	return nil
}

// guarded admits those who may command the agent.
type guarded struct {
	net.Listener
	gid     int // whose members may; -1 is none
	refused func(string)
}

func (g *guarded) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		who, err := peerOf(conn)
		if err == nil && who.may(g.gid) {
			return &admitted{Conn: conn, peer: who.String(), pid: who.pid}, nil
		}
		name := "somebody whose credentials are not known"
		if err == nil {
			name = who.String()
		}
		if g.refused != nil {
			g.refused(name)
		}
		refuse(conn, Errorf(http.StatusForbidden, "run it as root, or ask for control.group in the policy", "%s may not command the agent", name))
	}
}

// peer is who is at the other end of a socket.
type peer struct {
	uid    int
	pid    int
	groups []int
}

func (p peer) String() string {
	id := strconv.Itoa(p.uid)
	if u, err := user.LookupId(id); err == nil {
		return fmt.Sprintf("%s (uid %s)", u.Username, id)
	}
	return "uid " + id
}

func (p peer) may(gid int) bool {
	if p.uid == 0 || p.uid == os.Geteuid() {
		return true
	}
	for _, g := range p.groups {
		if gid >= 0 && g == gid {
			return true
		}
	}
	return false
}
