//go:build linux

package idletest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/godbus/dbus/v5"
)

const (
	login1   = "org.freedesktop.login1"
	mock     = "org.freedesktop.DBus.Mock"
	mockRoot = dbus.ObjectPath("/org/freedesktop/login1")
)

// Logind is a logind on a bus: mocked or real. The library that talks to it is not Tyto's own client.
type Logind struct {
	bus     *dbus.Conn
	program *program
	start   func(*Logind)
}

// connect returns a connection to a bus for the test itself.
func connect(t testing.TB, b *Bus) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Connect(b.Address(), dbus.WithContext(context.Background()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// MockLogind starts python-dbusmock's logind: its state is whatever the test says.
func MockLogind(t testing.TB, b *Bus) *Logind {
	t.Helper()
	const python = "/usr/bin/python3"
	Need(t, python)
	if exec.Command(python, "-c", "import dbusmock").Run() != nil {
		Need(t, "python3-dbusmock")
	}
	l := &Logind{bus: connect(t, b)}
	l.start = func(l *Logind) {
		l.program = start(t, 0, b.Env(), python, "-m", "dbusmock", "--system", "--template", "logind")
		l.await(t)
	}
	l.start(l)
	return l
}

// await waits until logind is on the bus.
func (l *Logind) await(t testing.TB) {
	t.Helper()
	Until(t, "logind is on the bus", func() bool {
		var owner string
		return l.bus.BusObject().Call("org.freedesktop.DBus.GetNameOwner", 0, login1).Store(&owner) == nil
	})
}

// Stop ends logind, as when it crashes. Start starts it again, without its sessions.
func (l *Logind) Stop() { l.program.stop() }

// Start starts logind after Stop.
func (l *Logind) Start() { l.start(l) }

// Freeze makes logind hang.
func (l *Logind) Freeze() { syscall.Kill(l.program.Process.Pid, syscall.SIGSTOP) }

// Thaw ends Freeze.
func (l *Logind) Thaw() { syscall.Kill(l.program.Process.Pid, syscall.SIGCONT) }

// call calls a method and returns its answer.
func (l *Logind) call(t testing.TB, path dbus.ObjectPath, method string, args ...any) []any {
	t.Helper()
	call := l.bus.Object(login1, path).Call(method, 0, args...)
	if call.Err != nil {
		t.Fatalf("%s: %v", method, call.Err)
	}
	return call.Body
}

// AddSession adds a desktop session of a user on seat0 to a mocked logind.
func (l *Logind) AddSession(t testing.TB, id string, uid int, user string) {
	t.Helper()
	l.call(t, mockRoot, mock+".AddSession", id, "seat0", uint32(uid), user, true)
	l.Set(t, id, map[string]any{"Type": "x11"})
	l.call(t, mockRoot, mock+".EmitSignal", login1+".Manager", "SessionNew", "so",
		[]dbus.Variant{dbus.MakeVariant(id), dbus.MakeVariant(sessionPath(id))})
}

// Set sets properties of a session of a mocked logind, which announces them.
func (l *Logind) Set(t testing.TB, id string, properties map[string]any) {
	t.Helper()
	l.update(t, sessionPath(id), login1+".Session", properties)
}

// PrepareForSleep makes a mocked logind announce that the system is about to sleep, or has woken up.
func (l *Logind) PrepareForSleep(t testing.TB, sleep bool) {
	t.Helper()
	l.update(t, mockRoot, login1+".Manager", map[string]any{"PreparingForSleep": sleep})
	l.call(t, mockRoot, mock+".EmitSignal", login1+".Manager", "PrepareForSleep", "b", []dbus.Variant{dbus.MakeVariant(sleep)})
}

// Inhibitors is how many locks against sleep a mocked logind knows.
func (l *Logind) Inhibitors(t testing.TB) int {
	t.Helper()
	type inhibitor struct {
		What, Who, Why, Mode string
		UID, PID             uint32
	}
	var list []inhibitor
	if err := dbus.Store(l.call(t, mockRoot, login1+".Manager.ListInhibitors"), &list); err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func (l *Logind) update(t testing.TB, path dbus.ObjectPath, iface string, properties map[string]any) {
	t.Helper()
	variants := map[string]dbus.Variant{}
	for name, value := range properties {
		variants[name] = dbus.MakeVariant(value)
	}
	l.call(t, path, mock+".UpdateProperties", iface, variants)
}

func sessionPath(id string) dbus.ObjectPath { return mockRoot + "/session/" + dbus.ObjectPath(id) }

// SetLocked does what a desktop does when its screen is locked or unlocked.
func (l *Logind) SetLocked(t testing.TB, id string, locked bool) {
	t.Helper()
	l.call(t, sessionPath(id), login1+".Session.SetLockedHint", locked)
}

// Elogind starts the real elogind on a bus. It is unpacked into Tyto's cache, and runs in a mount
// namespace of its own, so that it does not touch the computer's /run.
func Elogind(t testing.TB, b *Bus) *Logind {
	t.Helper()
	Need(t, "unshare")
	out, err := exec.Command(filepath.Join(repository(t), "scripts", "desktop", "elogind.sh")).Output()
	if err != nil {
		Need(t, "elogind")
	}
	dir := strings.TrimSpace(string(out))
	const cgroup = "/sys/fs/cgroup/elogind"
	_, before := os.Stat(cgroup)
	t.Cleanup(func() {
		if before != nil {
			os.Remove(cgroup) // which elogind makes
		}
	})
	l := &Logind{bus: connect(t, b)}
	l.start = func(l *Logind) {
		l.program = start(t, 0, append(b.Env(), "LD_LIBRARY_PATH="+filepath.Join(dir, "lib", "elogind")),
			"unshare", "--mount", "sh", "-c", `mount -t tmpfs none /run && exec "$0"`, filepath.Join(dir, "lib", "elogind", "elogind"))
		l.await(t)
	}
	l.start(l)
	return l
}

// CreateSession makes the real elogind begin an x11 session of a user, as PAM does at login. It ends with
// the test, or when the returned file is closed.
func (l *Logind) CreateSession(t testing.TB, uid int, display string) (id string, session *os.File) {
	t.Helper()
	leader := start(t, 0, nil, "sleep", "infinity")
	answer := l.call(t, mockRoot, login1+".Manager.CreateSession", uint32(uid), uint32(leader.Process.Pid),
		"tyto-test", "x11", "user", "", "", uint32(0), "", display, false, "", "", []struct {
			Name  string
			Value dbus.Variant
		}{})
	id, fd := answer[0].(string), answer[3].(dbus.UnixFD)
	session = os.NewFile(uintptr(fd), "session "+id)
	t.Cleanup(func() { session.Close() })
	return id, session
}

// SetLockedOf is SetLocked for sessions of the real elogind, whose objects have other paths.
func (l *Logind) SetLockedOf(t testing.TB, id string, locked bool) {
	t.Helper()
	var path dbus.ObjectPath
	if err := dbus.Store(l.call(t, mockRoot, login1+".Manager.GetSession", id), &path); err != nil {
		t.Fatal(err)
	}
	l.call(t, path, login1+".Session.SetLockedHint", locked)
}

// repository is the folder with go.mod.
func repository(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("the repository is not found: run tests in it")
	return ""
}
