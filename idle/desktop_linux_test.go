package idle

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tyto/idle/idletest"
)

// desktopOf returns the provider of this computer, with a system bus of the test's own.
func desktopOf(b *idletest.Bus, o Options) *desktop {
	d := Providers(o.withDefaults())[0].(*desktop)
	d.places.systemBus = b.Socket
	d.places.run = "/nonexistent"
	return d
}

// watched is a monitor that runs until the test ends, and what it told.
type watched struct {
	*Monitor
	mu   sync.Mutex
	told []State
}

func run(t testing.TB, o Options) *watched {
	t.Helper()
	w := &watched{}
	o.Settle = -1
	changed := o.Changed
	o.Changed = func(s State) {
		if changed != nil {
			changed(s)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told = append(w.told, s)
	}
	w.Monitor = New(o)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-done })
	return w
}

// await waits for a presence with a reason that holds the text.
func (w *watched) await(t testing.TB, p Presence, reason string) State {
	t.Helper()
	var s State
	idletest.Until(t, string(p)+" because of "+reason, func() bool {
		s = w.State()
		return s.Presence == p && strings.Contains(s.Reason, reason)
	})
	return s
}

func TestMockedLogind(t *testing.T) {
	b := idletest.SystemBus(t)
	logind := idletest.MockLogind(t, b)
	w := run(t, Options{Providers: []Provider{desktopOf(b, Options{})}})
	w.await(t, Idle, "nobody is logged in")

	logind.AddSession(t, "1", 1000, "ann")
	w.await(t, Active, "session 1 (ann, seat0, x11)")
	logind.SetLocked(t, "1", true)
	w.await(t, Idle, "the session is locked")
	logind.AddSession(t, "2", 1001, "bob")
	w.await(t, Active, "session 2 (bob, seat0, x11)")
	logind.SetLocked(t, "2", true)
	w.await(t, Idle, "all 2 sessions")
	logind.SetLocked(t, "1", false)
	w.await(t, Active, "session 1")
	logind.Set(t, "1", map[string]any{"State": "closing"})
	w.await(t, Idle, "session 2")
	logind.Set(t, "1", map[string]any{"State": "online", "Class": "greeter"})
	w.await(t, Idle, "session 2")
}

// A source that vanishes takes its "locked" along, and its absence is not mistaken for a computer
// without logind.
func TestLogindVanishes(t *testing.T) {
	b := idletest.SystemBus(t)
	logind := idletest.MockLogind(t, b)
	logind.AddSession(t, "1", 1000, "ann")
	logind.SetLocked(t, "1", true)
	w := run(t, Options{Providers: []Provider{desktopOf(b, Options{})}})
	w.await(t, Idle, "the session is locked")

	logind.Stop()
	w.await(t, Unknown, "logind is not running")
	logind.Start()
	w.await(t, Idle, "nobody is logged in")
	b.Stop()
	w.await(t, Unknown, "desktop: ")
}

func TestLogindHangs(t *testing.T) {
	b := idletest.SystemBus(t)
	logind := idletest.MockLogind(t, b)
	logind.AddSession(t, "1", 1000, "ann")
	logind.SetLocked(t, "1", true)
	logind.Freeze()
	w := run(t, Options{Providers: []Provider{desktopOf(b, Options{})}})
	w.await(t, Unknown, "no answer within")
	logind.Thaw()
	w.await(t, Idle, "the session is locked")
}

// Sleep waits until the change has been told, and no longer.
func TestSleep(t *testing.T) {
	b := idletest.SystemBus(t)
	logind := idletest.MockLogind(t, b)
	var heldWhenTold []bool
	w := run(t, Options{
		Providers: []Provider{desktopOf(b, Options{DelaySleep: true})},
		Changed: func(s State) {
			if s.Sleeping {
				heldWhenTold = append(heldWhenTold, logind.Inhibitors(t) == 1)
			}
		},
	})
	w.await(t, Idle, "nobody is logged in")
	idletest.Until(t, "sleep is delayed", func() bool { return logind.Inhibitors(t) == 1 })
	logind.PrepareForSleep(t, true)
	idletest.Until(t, "the sleep is told", func() bool { return w.State().Sleeping })
	idletest.Until(t, "the system may sleep", func() bool { return logind.Inhibitors(t) == 0 })
	logind.PrepareForSleep(t, false)
	idletest.Until(t, "the waking is told", func() bool { return !w.State().Sleeping })
	idletest.Until(t, "sleep is delayed again", func() bool { return logind.Inhibitors(t) == 1 })
	if len(heldWhenTold) != 1 || !heldWhenTold[0] {
		t.Errorf("sleep was delayed when told: %v, want once, true", heldWhenTold)
	}
}

func TestElogind(t *testing.T) {
	b := idletest.SystemBus(t)
	logind := idletest.Elogind(t, b)
	w := run(t, Options{Providers: []Provider{desktopOf(b, Options{})}})
	w.await(t, Idle, "nobody is logged in")
	id, session := logind.CreateSession(t, 0, "")
	w.await(t, Active, "session "+id+" (root")
	logind.SetLockedOf(t, id, true)
	w.await(t, Idle, "the session is locked")
	logind.SetLockedOf(t, id, false)
	w.await(t, Active, "session "+id)
	session.Close()
	w.await(t, Idle, "nobody is logged in")
}

// desktopFor starts an X server and a session bus of the user nobody, and names them in a session.
func desktopFor(t testing.TB, logind *idletest.Logind) (*idletest.Display, *idletest.Bus) {
	display := idletest.NewDisplay(t, idletest.Nobody)
	bus := idletest.SessionBus(t, idletest.Nobody)
	logind.AddSession(t, "1", idletest.Nobody, "nobody")
	logind.Set(t, "1", map[string]any{"Display": display.Number})
	return display, bus
}

func TestMateScreensaver(t *testing.T) {
	b := idletest.SystemBus(t)
	logind := idletest.MockLogind(t, b)
	display, bus := desktopFor(t, logind)
	saver := idletest.MateScreensaver(t, display, bus)
	w := run(t, Options{Providers: []Provider{desktopOf(b, Options{})}})

	w.await(t, Active, "org.mate.ScreenSaver: the screensaver is off")
	saver.Activate()
	w.await(t, Idle, "org.mate.ScreenSaver: the screensaver is on")
	saver.Deactivate()
	w.await(t, Active, "org.mate.ScreenSaver: the screensaver is off")
	saver.Lock()
	w.await(t, Idle, "org.mate.ScreenSaver: the screensaver is on")

	bus.Freeze() // whoever owns the bus cannot make us wait, and a lock that was told still holds
	logind.AddSession(t, "2", 1000, "ann")
	w.await(t, Active, "session 2")
	logind.SetLocked(t, "2", true)
	bus.Thaw()
	w.await(t, Idle, "all 2 sessions")

	saver.Kill()
	w.await(t, Active, "session 1")
}

func TestXScreensaver(t *testing.T) {
	b := idletest.SystemBus(t)
	logind := idletest.MockLogind(t, b)
	display, _ := desktopFor(t, logind)
	saver := idletest.XScreensaver(t, display)
	w := run(t, Options{Providers: []Provider{desktopOf(b, Options{})}})

	w.await(t, Active, "xscreensaver: the screensaver is off")
	saver.Activate()
	w.await(t, Idle, "xscreensaver: the screensaver is on")
	saver.Deactivate()
	w.await(t, Active, "xscreensaver: the screensaver is off")
	saver.Lock()
	w.await(t, Idle, "xscreensaver: the screen is locked")
	saver.Kill() // its note that the screen is locked stays on the root window
	w.await(t, Active, "session 1")
}

func TestX11Input(t *testing.T) {
	b := idletest.SystemBus(t)
	logind := idletest.MockLogind(t, b)
	display, _ := desktopFor(t, logind)
	// Its environment tells where the cookie is. It lives as long as the display.
	idletest.XScreensaver(t, display)
	o := Options{Input: 2 * time.Second}
	o.Providers = []Provider{desktopOf(b, o)}
	display.Touch(t)
	w := run(t, o)
	w.await(t, Idle, "X11 input: no input for 2s")
	display.Touch(t)
	w.await(t, Active, "session 1")
}

// pseudoTerminal opens a terminal that nobody uses, and returns its name.
func pseudoTerminal(t testing.TB) (master *os.File, name string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return master, fmt.Sprintf("pts/%d", n)
}

// A computer that nobody is logged in at costs nothing to watch.
func TestNobodyCostsNothing(t *testing.T) {
	b := idletest.SystemBus(t)
	idletest.MockLogind(t, b)
	ctx, stop := context.WithCancel(context.Background())
	var mu sync.Mutex
	reports := 0
	var watching sync.WaitGroup
	watching.Go(func() {
		_ = desktopOf(b, Options{}).Watch(ctx, func(Report) {
			mu.Lock()
			defer mu.Unlock()
			reports++
		})
	})
	defer watching.Wait()
	defer stop()
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return reports
	}
	idletest.Until(t, "a report", func() bool { return count() > 0 })
	time.Sleep(500 * time.Millisecond)
	if n := count(); n > 5 {
		t.Errorf("reported %d times that nobody is logged in", n)
	}
}
