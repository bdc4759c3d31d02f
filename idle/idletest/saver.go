//go:build linux

package idletest

import (
	"testing"

	"github.com/godbus/dbus/v5"
)

// saverOptions are what a screensaver's command understands.
type saverOptions struct{ lock, activate, deactivate string }

// Saver is a running screensaver.
type Saver struct {
	t       testing.TB
	display *Display
	env     []string
	command string // the program that controls it
	options saverOptions
	program *program
}

// MateScreensaver starts mate-screensaver on a display and a session bus of the same user.
func MateScreensaver(t testing.TB, d *Display, b *Bus) *Saver {
	t.Helper()
	Need(t, "mate-screensaver", "mate-screensaver-command")
	env := []string{
		"DBUS_SESSION_BUS_ADDRESS=" + b.Address(),
		"GSETTINGS_BACKEND=memory", "NO_AT_BRIDGE=1", // no settings daemon, no accessibility bus
	}
	s := &Saver{
		t: t, display: d, env: env,
		command: "mate-screensaver-command",
		options: saverOptions{lock: "--lock", activate: "--activate", deactivate: "--deactivate"},
	}
	s.program = start(t, d.uid, append(d.Env(), env...), "mate-screensaver", "--no-daemon")
	s.Await("org.mate.ScreenSaver", b)
	return s
}

// Await waits until a name is taken on the bus. The bus serves its own user only, so a program of that
// user asks.
func (s *Saver) Await(name string, b *Bus) {
	s.t.Helper()
	Until(s.t, name+" is on the bus", func() bool {
		p := start(s.t, s.display.uid, s.env, "dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus",
			"/", "org.freedesktop.DBus.GetNameOwner", "string:"+name)
		<-p.ended
		return p.ProcessState.Success()
	})
}

// XScreensaver starts xscreensaver on a display.
func XScreensaver(t testing.TB, d *Display) *Saver {
	t.Helper()
	Need(t, "xscreensaver", "xscreensaver-command")
	s := &Saver{
		t: t, display: d,
		command: "xscreensaver-command",
		options: saverOptions{lock: "-lock", activate: "-activate", deactivate: "-deactivate"},
	}
	s.program = start(t, d.uid, d.Env(), "xscreensaver", "--no-splash")
	Until(t, "xscreensaver answers", func() bool {
		p := start(t, d.uid, d.Env(), "xscreensaver-command", "-time")
		<-p.ended
		return p.ProcessState.Success()
	})
	return s
}

// Lock locks the screen. Only the user's password unlocks it, which nobody has.
func (s *Saver) Lock() { s.t.Helper(); s.display.run(s.t, s.env, s.command, s.options.lock) }

// Activate shows the screensaver.
func (s *Saver) Activate() { s.t.Helper(); s.display.run(s.t, s.env, s.command, s.options.activate) }

// Deactivate ends the screensaver, unless the screen is locked.
func (s *Saver) Deactivate() {
	s.t.Helper()
	s.display.run(s.t, s.env, s.command, s.options.deactivate)
}

// Kill ends the screensaver's program, as when it crashes.
func (s *Saver) Kill() { s.program.stop() }

// OwnName takes a name on a bus for a service that the test itself implements: methods by their names.
func OwnName(t testing.TB, b *Bus, name, path string, methods map[string]any) *dbus.Conn {
	t.Helper()
	conn := connect(t, b)
	if err := conn.ExportMethodTable(methods, dbus.ObjectPath(path), name); err != nil {
		t.Fatal(err)
	}
	reply, err := conn.RequestName(name, dbus.NameFlagDoNotQueue)
	if err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("own %q: %v, %v", name, reply, err)
	}
	return conn
}
