package idle

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"

	"tyto/idle/idletest"
	"tyto/idle/logind"
)

// runtimeOf makes a folder like /run/user, in which a bus is the session bus of a user.
func runtimeOf(t *testing.T, b *idletest.Bus, uid int) string {
	t.Helper()
	run := t.TempDir()
	dir := filepath.Join(run, strconv.Itoa(uid))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(b.Socket, filepath.Join(dir, "bus")); err != nil {
		t.Fatal(err)
	}
	return run
}

// saver is a screensaver that says what the test wants.
type saver struct {
	on      atomic.Bool
	service *dbus.Conn
}

const gnome = "org.gnome.ScreenSaver"

func newSaver(t *testing.T, b *idletest.Bus, getActive any) *saver {
	t.Helper()
	s := &saver{}
	if getActive == nil {
		getActive = func() (bool, *dbus.Error) { return s.on.Load(), nil }
	}
	s.service = idletest.OwnName(t, b, gnome, "/org/gnome/ScreenSaver", map[string]any{"GetActive": getActive})
	return s
}

func (s *saver) set(t *testing.T, on bool) {
	t.Helper()
	s.on.Store(on)
	if err := s.service.Emit("/org/gnome/ScreenSaver", gnome+".ActiveChanged", on); err != nil {
		t.Fatal(err)
	}
}

// logind and a screensaver must not contradict each other, and a user's screensaver speaks for that user
// and for one desktop only.
func TestScreensaverAndLogind(t *testing.T) {
	system, session := idletest.SystemBus(t), idletest.SessionBus(t, 0)
	logind := idletest.MockLogind(t, system)
	logind.AddSession(t, "1", 0, "root")
	s := newSaver(t, session, nil)
	d := desktopOf(system, Options{})
	d.places.run = runtimeOf(t, session, 0)
	w := run(t, Options{Providers: []Provider{d}})

	w.await(t, Active, "org.gnome.ScreenSaver: the screensaver is off")
	logind.SetLocked(t, "1", true)
	w.await(t, Active, "sources disagree: logind: the session is locked, but org.gnome.ScreenSaver: the screensaver is off")
	s.set(t, true)
	w.await(t, Idle, "the session is locked")
	logind.SetLocked(t, "1", false)
	w.await(t, Idle, "the screensaver is on")

	logind.AddSession(t, "2", 1000, "ann")
	w.await(t, Active, "session 2 (ann")
	logind.Set(t, "2", map[string]any{"State": "closing"})
	w.await(t, Idle, "the screensaver is on")

	logind.AddSession(t, "3", 0, "root")
	w.await(t, Active, "session 1")
	logind.SetLocked(t, "1", true)
	w.await(t, Active, "session 3")
	logind.Set(t, "3", map[string]any{"State": "closing"})
	w.await(t, Idle, "session 1")

	s.service.Close()
	logind.SetLocked(t, "1", false)
	w.await(t, Active, "session 1")
}

// A screensaver that does not answer as it should is not taken for one that is off, nor for none.
func TestBrokenScreensavers(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	tests := []struct {
		name      string
		getActive any
		want      Presence
		reason    string
	}{
		{"answers something else", func() (string, *dbus.Error) { return "yes", nil }, Unknown, "malformed"},
		{"fails", func() (bool, *dbus.Error) { return false, dbus.MakeFailedError(errors.New("oh")) }, Unknown, "oh"},
		{"hangs", func() (bool, *dbus.Error) { <-release; return true, nil }, Unknown, "no answer within"},
		{"knows no GetActive", func() (bool, *dbus.Error) { return false, &dbus.ErrMsgUnknownMethod }, Idle, "the session is locked"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			system, session := idletest.SystemBus(t), idletest.SessionBus(t, 0)
			logind := idletest.MockLogind(t, system)
			logind.AddSession(t, "1", 0, "root")
			logind.SetLocked(t, "1", true)
			newSaver(t, session, test.getActive)
			d := desktopOf(system, Options{})
			d.places.run = runtimeOf(t, session, 0)
			w := run(t, Options{Providers: []Provider{d}})
			w.await(t, test.want, test.reason)
		})
	}
}

// A text session has its terminal only.
func TestTextSessions(t *testing.T) {
	master, name := pseudoTerminal(t)
	defer master.Close()
	system := idletest.SystemBus(t)
	logind := idletest.MockLogind(t, system)
	logind.AddSession(t, "1", 0, "root")
	logind.Set(t, "1", map[string]any{"Type": "tty", "TTY": name, "Remote": true})
	w := run(t, Options{Providers: []Provider{desktopOf(system, Options{})}})

	w.await(t, Active, "terminal "+name+": input in the last 10m0s")
	past := time.Now().Add(-11 * time.Minute)
	if err := os.Chtimes("/dev/"+name, past, past); err != nil {
		t.Fatal(err)
	}
	logind.Set(t, "1", map[string]any{"State": "online"}) // or wait until it may have become idle
	w.await(t, Idle, "no input for 10m0s")
	if err := os.Chtimes("/dev/"+name, time.Now(), past); err != nil {
		t.Fatal(err)
	}
	w.await(t, Active, "terminal "+name)
	logind.AddSession(t, "2", 4242, "robot")
	logind.Set(t, "2", map[string]any{"Type": "tty", "Remote": true}) // ssh without a terminal
	logind.Set(t, "1", map[string]any{"State": "closing"})
	w.await(t, Idle, "nobody is logged in")
}

// Whoever runs startx from a text console uses the computer, although there is no input on the console.
func TestGraphicsOnATextConsole(t *testing.T) {
	system := idletest.SystemBus(t)
	mock := idletest.MockLogind(t, system)
	display := idletest.NewDisplay(t, idletest.Nobody)
	saver := idletest.XScreensaver(t, display)
	master, name := pseudoTerminal(t)
	defer master.Close()
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes("/dev/"+name, past, past); err != nil {
		t.Fatal(err)
	}
	var graphics atomic.Bool
	d := desktopOf(system, Options{})
	d.places.graphics = func(tty string) bool { return tty == name && graphics.Load() }
	mock.AddSession(t, "1", idletest.Nobody, "nobody")
	mock.Set(t, "1", map[string]any{"Type": "tty", "TTY": name})
	w := run(t, Options{Providers: []Provider{d}})
	w.await(t, Idle, "terminal "+name)
	graphics.Store(true)
	w.await(t, Active, "xscreensaver: the screensaver is off")
	saver.Lock()
	w.await(t, Idle, "xscreensaver: the screen is locked")
}

func TestKindOf(t *testing.T) {
	tests := []struct {
		name    string
		session logind.Session
		want    kind
	}{
		{"a desktop", logind.Session{Class: "user", Type: "wayland", Seat: "seat0"}, graphical},
		{"a console", logind.Session{Class: "user", Type: "tty", Seat: "seat0"}, text},
		{"ssh", logind.Session{Class: "user", Type: "tty", Remote: true}, text},
		{"cron", logind.Session{Class: "background", Type: "unspecified"}, exempt},
		{"an old cron", logind.Session{Class: "user", Type: "unspecified"}, text},
		{"a login screen", logind.Session{Class: "greeter", Type: "x11", Seat: "seat0"}, exempt},
		{"a lock screen", logind.Session{Class: "lock-screen", Type: "x11", Seat: "seat0"}, exempt},
		{"systemd for a user", logind.Session{Class: "manager", Type: "unspecified"}, exempt},
		{"systemd for a user early", logind.Session{Class: "manager-early", Type: "unspecified"}, exempt},
		{"logging out", logind.Session{Class: "user", Type: "x11", State: "closing"}, exempt},
		{"a class of the future", logind.Session{Class: "hologram", Type: "hologram"}, graphical},
		{"nothing known", logind.Session{Seat: "seat0"}, graphical},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, _ := kindOf(&test.session); got != test.want {
				t.Errorf("kind %v, want %v", got, test.want)
			}
		})
	}
}

// Without logind there are the displays and the terminals.
func TestVisibleSessions(t *testing.T) {
	master, name := pseudoTerminal(t)
	defer master.Close()
	run, displays := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(run, "1000"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{
		filepath.Join(displays, "X0"), filepath.Join(displays, "X0-lock"), filepath.Join(displays, "Xyz"),
		filepath.Join(run, "1000", "wayland-0"), filepath.Join(run, "1000", "wayland-0.lock"),
	} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(file, 1000, 1000); err != nil {
			t.Skip("this test needs root")
		}
	}
	p := placesLinux{run: run, proc: t.TempDir(), dev: "/dev", displays: displays}
	sessions, err := p.visibleSessions(time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range sessions {
		if s := &sessions[i]; s.Type != "tty" || s.TTY == name {
			got = append(got, nameOf(s))
		}
	}
	want := []string{"display :0 (user 1000, x11)", "display wayland-0 (user 1000, wayland)", "terminal " + name + " (user 0, tty)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sessions (-want +got):\n%s", diff)
	}
}
