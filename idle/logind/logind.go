//go:build linux

// Package logind asks systemd-logind, or elogind, on the system bus which sessions there are and whether
// they are locked.
//
// Signals of logind (SessionNew, SessionRemoved, PropertiesChanged, Lock, Unlock, PrepareForSleep) only
// make [Watch] ask again. So there is one way in which state gets here, a forged signal has no effect, and
// a missed one does harm until the next only.
//
// Interface: org.freedesktop.login1(5).
package logind

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"tyto/idle/bus"
	"tyto/idle/peer"
)

const (
	service     = "org.freedesktop.login1"
	managerPath = "/org/freedesktop/login1"
	manager     = service + ".Manager"
	session     = service + ".Session"
	properties  = "org.freedesktop.DBus.Properties"
)

const (
	// maxSessions is how many sessions are looked at. More is an error: one of them could be somebody's.
	maxSessions = 512

	// askEvery is how long nothing is asked when nothing is heard, should a signal ever be lost.
	askEvery = 5 * time.Minute
)

// ErrAbsent says that this computer has no logind, or that it does not run.
var ErrAbsent = errors.New("logind is not running")

// Session is a session as logind describes it.
type Session struct {
	ID      string
	UID     int
	User    string
	Seat    string // "seat0"; empty for remote sessions
	Type    string // "x11", "wayland", "mir", "tty", "unspecified", "web"
	Class   string // "user", "greeter", "lock-screen", "background", "manager", …
	State   string // "online", "active" (in the foreground), "closing"
	Remote  bool
	TTY     string // "tty2", "pts/0"; empty if logind does not know
	Display string // ":0"
	Locked  bool   // LockedHint, which desktops set and unset
	Idle    bool   // IdleHint: set by desktops, or by terminals without input
	// IdleSince is when IdleHint took its value; zero if never.
	IdleSince time.Time
}

// Snapshot is what logind says at one moment.
type Snapshot struct {
	Sessions []Session
	Sleeping bool // it prepares to sleep
	// Release lets the system sleep. It is never nil. Sleep waits for it up to logind's
	// InhibitDelayMaxSec, by default 5 s.
	Release func()
}

// Options of [Watch].
type Options struct {
	// Socket of the system bus.
	Socket string
	// Delay sleep until Snapshot.Release: see [Snapshot].
	Delay bool
}

// Watch tells what logind says, at once and after every change, until ctx ends or something fails. It
// returns an error that wraps [ErrAbsent] where there is no logind.
func Watch(ctx context.Context, o Options, tell func(Snapshot)) error {
	conn, err := open(ctx, o.Socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	owner, err := listen(ctx, conn)
	if err != nil {
		return err
	}
	w := watcher{conn: conn, owner: owner, delay: o.Delay}
	defer w.release()
	for {
		snapshot, err := w.ask(ctx)
		if err != nil {
			return fmt.Errorf("ask logind: %w", err)
		}
		tell(snapshot)
		if err := conn.Wait(ctx, askEvery); err != nil {
			return fmt.Errorf("listen to logind: %w", err)
		}
	}
}

// open connects to the system bus with our own rights. Its daemon runs as root, or as a user of its own.
func open(ctx context.Context, path string) (*bus.Conn, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no system bus at %q", ErrAbsent, path)
	}
	if err != nil {
		return nil, fmt.Errorf("find system bus: %w", err)
	}
	owner := int(info.Sys().(*syscall.Stat_t).Uid)
	socket, err := peer.Dial(path, os.Geteuid(), owner, 0)
	if err != nil {
		return nil, err
	}
	return bus.New(ctx, socket, os.Geteuid())
}

// listen asks for signals and returns the unique name of logind.
func listen(ctx context.Context, conn *bus.Conn) (owner string, err error) {
	if err := conn.MatchOwner(ctx, service); err != nil {
		return "", err
	}
	for _, iface := range []string{manager, session, properties} {
		if err := conn.Match(ctx, service, iface); err != nil {
			return "", err
		}
	}
	owner, err = conn.Owner(ctx, service)
	if bus.NotThere(err) {
		return "", fmt.Errorf("%w: nobody on the system bus is called %q", ErrAbsent, service)
	}
	if err == nil {
		conn.Listen(owner)
	}
	return owner, err
}

type watcher struct {
	conn  *bus.Conn
	owner string
	delay bool
	lock  *os.File // while it is open, the system does not sleep
}

// release lets the system sleep.
func (w *watcher) release() {
	if w.lock != nil {
		w.lock.Close()
		w.lock = nil
	}
}

// ask asks for everything.
func (w *watcher) ask(ctx context.Context) (Snapshot, error) {
	owner, err := w.conn.Owner(ctx, service)
	if bus.NotThere(err) || err == nil && owner != w.owner {
		return Snapshot{}, errors.New("it has ended or has been restarted")
	}
	if err != nil {
		return Snapshot{}, err
	}
	snapshot := Snapshot{Release: w.release}
	if snapshot.Sleeping, err = w.sleeping(ctx); err != nil {
		return Snapshot{}, err
	}
	if w.delay && w.lock == nil && !snapshot.Sleeping {
		// Not allowed, or not known to this logind: then sleep does not wait for us, and that is all.
		w.lock, _ = w.conn.CallForFile(ctx, service, managerPath, manager, "Inhibit",
			"sleep", "Tyto", "pausing a scan", "delay")
	}
	snapshot.Sessions, err = w.sessions(ctx)
	return snapshot, err
}

func (w *watcher) sleeping(ctx context.Context) (bool, error) {
	answer, err := w.conn.Call(ctx, service, managerPath, properties, "Get", manager, "PreparingForSleep")
	if bus.NotThere(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if len(answer) == 1 {
		if sleeping, ok := answer[0].(bool); ok {
			return sleeping, nil
		}
	}
	return false, fmt.Errorf("PreparingForSleep: %w", bus.ErrMalformed)
}

func (w *watcher) sessions(ctx context.Context) ([]Session, error) {
	answer, err := w.conn.Call(ctx, service, managerPath, manager, "ListSessions")
	if err != nil {
		return nil, err
	}
	paths, err := sessionPaths(answer)
	if err != nil {
		return nil, err
	}
	var list []Session
	for _, path := range paths {
		answer, err := w.conn.Call(ctx, service, path, properties, "GetAll", session)
		if bus.NotThere(err) {
			continue // it ended since
		}
		if err != nil {
			return nil, err
		}
		s, err := parseSession(answer)
		if err != nil {
			return nil, fmt.Errorf("session %q: %w", path, err)
		}
		list = append(list, s)
	}
	return list, nil
}
