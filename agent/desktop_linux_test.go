package agent

import (
	"strings"
	"testing"

	"tyto/idle/idletest"
)

// desktop is a real one, as far as its screen goes.
type desktop struct{ cover, uncover func() }

// desktops are what covers and uncovers a screen: the lock of the real elogind, and real screensavers on
// real X servers.
var desktops = []struct {
	name  string
	begin func(t *testing.T, system *idletest.Bus) desktop
}{
	{"elogind", func(t *testing.T, system *idletest.Bus) desktop {
		logind := idletest.Elogind(t, system)
		id, _ := logind.CreateSession(t, 0, "")
		return desktop{
			cover:   func() { logind.SetLockedOf(t, id, true) },
			uncover: func() { logind.SetLockedOf(t, id, false) },
		}
	}},
	{"mate_screensaver", func(t *testing.T, system *idletest.Bus) desktop {
		saver := idletest.MateScreensaver(t, display(t, system), idletest.SessionBus(t, idletest.Nobody))
		return desktop{saver.Activate, saver.Deactivate}
	}},
	{"xscreensaver", func(t *testing.T, system *idletest.Bus) desktop {
		saver := idletest.XScreensaver(t, display(t, system))
		return desktop{saver.Activate, saver.Deactivate}
	}},
}

// display starts an X server and names it in a session.
func display(t *testing.T, system *idletest.Bus) *idletest.Display {
	t.Helper()
	logind := idletest.MockLogind(t, system)
	d := idletest.NewDisplay(t, idletest.Nobody)
	logind.AddSession(t, "1", idletest.Nobody, "nobody")
	logind.Set(t, "1", map[string]any{"Display": d.Number})
	return d
}

// A running agent's scan works while the screen is locked or the screensaver is on, and only then.
func TestScansWhileTheScreenIsCovered(t *testing.T) {
	for _, d := range desktops {
		t.Run(d.name, func(t *testing.T) {
			system := idletest.SystemBus(t)
			for _, variable := range system.Env() {
				name, value, _ := strings.Cut(variable, "=")
				t.Setenv(name, value)
			}
			screen := d.begin(t, system)
			m := newMachine(t)
			planted := m.fill(2000)
			m.taskPolicy("presence: {settle: 0s}\n" + idleTask)
			m.start()
			m.await("a run that waits for the screen to be covered", func() bool {
				r := m.task("tree").Run
				return r != nil && strings.Contains(r.Why, "the computer is in use (session")
			})
			run := m.task("tree").Run.ID

			screen.cover()
			m.await("a run at work", func() bool { return m.progress("tree").Files > 20 })
			screen.uncover()
			m.awaitEvent("run-paused", 1)
			screen.cover()
			m.awaitEvent("run-finished", 1)
			if found := m.found(run); len(found) != planted {
				t.Errorf("found %d of %d planted files", len(found), planted)
			}
		})
	}
}
