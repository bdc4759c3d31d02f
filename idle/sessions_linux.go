package idle

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tyto/idle/logind"
	"tyto/idle/terminal"
	"tyto/idle/userenv"
)

const (
	// Without logind, displays and terminals are looked at so often, and logind is looked for.
	lookEvery   = 2 * time.Second
	logindEvery = time.Minute

	// maxDisplays is how many displays are looked at without logind.
	maxDisplays = 64
)

// placesLinux are where the desktop is looked for. Tests move them.
type placesLinux struct {
	systemBus string // socket
	run       string // folder of the users' runtime folders
	proc      string
	dev       string
	displays  string // folder of X11 sockets
	// graphics reports whether a console shows graphics.
	graphics func(tty string) bool
	// seenLogind is set when logind has answered once: from then on this computer has it, and that it is
	// missing is an error.
	seenLogind bool
}

// watchSessions tells the sessions that logind knows or, without logind, those that can be seen from
// outside: displays, and terminals with input in the last window. It returns when logind fails.
func (p *placesLinux) watchSessions(ctx context.Context, delay bool, window time.Duration, tell func(logind.Snapshot, bool)) error {
	for {
		err := logind.Watch(ctx, logind.Options{Socket: p.systemBus, Delay: delay}, func(s logind.Snapshot) {
			p.seenLogind = true
			tell(s, true)
		})
		if !errors.Is(err, logind.ErrAbsent) || p.seenLogind {
			return err
		}
		var last []logind.Session
		for began := time.Now(); time.Since(began) < logindEvery; {
			sessions, err := p.visibleSessions(time.Now().Add(-window))
			if err != nil {
				return err
			}
			if last == nil || !slices.Equal(sessions, last) {
				tell(logind.Snapshot{Sessions: sessions, Release: func() {}}, false)
				last = append([]logind.Session{}, sessions...)
			}
			if !sleep(ctx, lookEvery) {
				return ctx.Err()
			}
		}
	}
}

// visibleSessions are the displays of this computer, X11 and Wayland, and the terminals with input after
// since.
func (p *placesLinux) visibleSessions(since time.Time) ([]logind.Session, error) {
	var sessions []logind.Session
	sockets, err := filepath.Glob(filepath.Join(p.displays, "X[0-9]*"))
	if err != nil {
		return nil, err
	}
	for _, socket := range sockets[:min(len(sockets), maxDisplays)] {
		if _, err := strconv.ParseUint(filepath.Base(socket)[1:], 10, 16); err != nil {
			continue
		}
		display := ":" + filepath.Base(socket)[1:]
		sessions = append(sessions, logind.Session{
			ID: "display " + display, UID: p.userOf(display, socket), Class: "user", Type: "x11", Display: display,
		})
	}
	sockets, err = filepath.Glob(filepath.Join(p.run, "[0-9]*", "wayland-[0-9]*"))
	if err != nil {
		return nil, err
	}
	for _, socket := range sockets[:min(len(sockets), maxDisplays)] {
		if uid := ownerOf(socket); uid > 0 && !strings.HasSuffix(socket, ".lock") {
			sessions = append(sessions, logind.Session{ID: "display " + filepath.Base(socket), UID: uid, Class: "user", Type: "wayland"})
		}
	}
	terminals, err := terminal.All(p.dev)
	if err != nil {
		return nil, err
	}
	for _, t := range terminals {
		if t.Input.After(since) {
			sessions = append(sessions, logind.Session{ID: "terminal " + t.Name, UID: t.Owner, Class: "user", Type: "tty", TTY: t.Name})
		}
	}
	return sessions, nil
}

// userOf is who owns a display without logind: its server's socket says so, or nobody but root does.
func (p *placesLinux) userOf(display, socket string) int {
	if uid := ownerOf(socket); uid > 0 {
		return uid
	}
	for _, uid := range p.runtimeUsers() {
		desktops, err := userenv.Desktops(p.proc, uid)
		if err == nil && slices.ContainsFunc(desktops, func(d userenv.Desktop) bool { return sameDisplay(d.Display, display) }) {
			return uid
		}
	}
	return 0
}

// runtimeUsers are the users who have a runtime folder, at most 64.
func (p *placesLinux) runtimeUsers() []int {
	var users []int
	names, _ := filepath.Glob(filepath.Join(p.run, "[0-9]*"))
	for _, name := range names[:min(len(names), maxDisplays)] {
		if uid, err := strconv.Atoi(filepath.Base(name)); err == nil && uid > 0 {
			users = append(users, uid)
		}
	}
	return users
}

func sameDisplay(a, b string) bool {
	m, ok1 := userenv.LocalDisplay(a)
	n, ok2 := userenv.LocalDisplay(b)
	return ok1 && ok2 && m == n
}

// kind is what a session is for.
type kind int

const (
	exempt    kind = iota // nobody sits there
	graphical             // it can be locked
	text                  // only its terminal tells
)

// kindOf classifies a session of logind, with the reason if it is exempt. What is not known is taken for
// a desktop in use.
func kindOf(s *logind.Session) (kind, string) {
	switch class := s.Class; {
	case class == "greeter":
		return exempt, "the login screen"
	case class == "lock-screen":
		return exempt, "a lock screen"
	case strings.HasPrefix(class, "manager"), strings.HasPrefix(class, "background"), class == "none":
		return exempt, "class " + class
	case s.State == "closing":
		return exempt, "nobody is logged in there any more"
	}
	switch {
	case s.Type == "tty":
		return text, ""
	case (s.Type == "unspecified" || s.Type == "") && s.Seat == "" && s.Display == "":
		return text, ""
	}
	return graphical, ""
}

// typeGraphics is the type that a text session gets whose console shows graphics: somebody has run startx
// or a compositor there, which logind is not told.
const typeGraphics = "graphics"

// refine returns the sessions with those marked that show graphics although they began as text.
func (p *placesLinux) refine(sessions []logind.Session) []logind.Session {
	refined := slices.Clone(sessions)
	for i := range refined {
		s := &refined[i]
		if kind, _ := kindOf(s); kind == text && s.TTY != "" && p.graphics(s.TTY) {
			s.Type = typeGraphics
		}
	}
	return refined
}

// nameOf tells people which session it is.
func nameOf(s *logind.Session) string {
	user := s.User
	if user == "" {
		user = fmt.Sprintf("user %d", s.UID)
	}
	parts := []string{user}
	if s.Seat != "" {
		parts = append(parts, s.Seat)
	}
	if s.Remote {
		parts = append(parts, "remote")
	}
	if s.TTY != "" && !strings.HasSuffix(s.ID, s.TTY) {
		parts = append(parts, s.TTY)
	} else if s.Type != "" && s.Type != "unspecified" {
		parts = append(parts, s.Type)
	}
	return fmt.Sprintf("%s (%s)", s.ID, strings.Join(parts, ", "))
}
