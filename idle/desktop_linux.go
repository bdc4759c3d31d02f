package idle

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"tyto/idle/logind"
	"tyto/idle/terminal"
	"tyto/idle/userenv"
)

const (
	// A user's processes are searched for displays and buses after each change of the sessions, a desktop
	// takes a while to start: soon, and then less and less often.
	searchFirst = 2 * time.Second
	searchMax   = 5 * time.Minute

	// maxBuses is how many session buses of one user are asked.
	maxBuses = 4
)

// Providers returns what this platform has to watch: on Linux one provider, which begins with logind's
// list of sessions and asks for each session whoever can see into it.
func Providers(o Options) []Provider {
	bus := userenv.Socket(os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"))
	if bus == "" {
		bus = "/run/dbus/system_bus_socket"
	}
	return []Provider{&desktop{
		input: o.Input, window: o.Terminal, delay: o.DelaySleep, now: o.Now,
		places: placesLinux{systemBus: bus, run: "/run/user", proc: "/proc", dev: "/dev", displays: "/tmp/.X11-unix",
			graphics: func(tty string) bool { return terminal.Graphics("/dev", tty) }},
	}}
}

// desktop is the provider for Linux.
type desktop struct {
	input  time.Duration // Options.Input
	window time.Duration // Options.Terminal
	delay  bool          // Options.DelaySleep
	now    func() time.Time
	places placesLinux
}

func (d *desktop) Name() string { return "desktop" }

// Watch starts a source for each session bus and each display, and reports when one of them, or logind,
// has news.
func (d *desktop) Watch(ctx context.Context, report func(Report)) error {
	ctx, stop := context.WithCancel(ctx)
	w := &watch{desktop: d, ctx: ctx, changed: make(chan struct{}, 1), sources: map[string]*source{}}
	w.searchAgain()
	defer w.running.Wait()
	defer stop()

	type news struct {
		logind.Snapshot
		fromLogind bool
	}
	snapshots := make(chan news)
	failed := make(chan error, 1)
	w.running.Go(func() {
		failed <- d.places.watchSessions(ctx, d.delay, d.window, func(s logind.Snapshot, fromLogind bool) {
			told := make(chan struct{})
			release := s.Release
			s.Release = func() { close(told) }
			select {
			case snapshots <- news{s, fromLogind}:
			case <-ctx.Done():
				return
			}
			if s.Sleeping { // release belongs to this goroutine, and sleep is to wait
				select {
				case <-told:
				case <-ctx.Done():
				}
				release()
			}
		})
	})

	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var now news
	for {
		var told func()
		select {
		case now = <-snapshots:
			if now.Sleeping {
				told = now.Release
			}
		case err := <-failed:
			return err
		case <-w.changed:
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if now.Release == nil {
			continue // logind has not answered yet
		}
		list := d.places.refine(now.Sessions)
		if !sameDesktops(list, w.list) {
			w.searchAgain()
		}
		w.list = list
		w.search()
		sessions, next := w.judge()
		note := "nobody is logged in"
		if !now.fromLogind {
			note = fmt.Sprintf("logind is not running; there is no display, and no terminal had input in the last %v", d.window)
		}
		report(Report{Sessions: sessions, Note: note, Sleeping: now.Sleeping, Told: told})
		timer.Reset(min(next, time.Until(w.searchAt)))
	}
}

// watch is one call of Watch. All but sources' claims belongs to its goroutine.
type watch struct {
	*desktop
	ctx      context.Context
	running  sync.WaitGroup
	changed  chan struct{} // a source has news
	list     []logind.Session
	sources  map[string]*source
	buses    map[int][]string // session buses by user
	shown    map[int]string   // displays of sessions with typeGraphics by user, if there is one only
	searchAt time.Time
	pause    time.Duration
}

// source asks one session bus or one display.
type source struct {
	stop   context.CancelFunc
	mu     sync.Mutex
	claims []Claim // replaced as a whole
}

func (s *source) say() []Claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claims
}

// sameDesktops reports whether two lists hold the same sessions at the same places, locked or not.
func sameDesktops(a, b []logind.Session) bool {
	return slices.EqualFunc(a, b, func(a, b logind.Session) bool {
		return a.ID == b.ID && a.UID == b.UID && a.Class == b.Class && a.Type == b.Type && a.Display == b.Display && a.State == b.State
	})
}

// searchAgain makes the next search due now.
func (w *watch) searchAgain() { w.searchAt, w.pause = time.Time{}, searchFirst }

// search finds the buses and displays of the sessions, starts a source for each new one and stops those
// of the others. It does nothing until it is due.
func (w *watch) search() {
	if time.Now().Before(w.searchAt) {
		return
	}
	w.searchAt = time.Now().Add(w.pause)
	w.pause = min(2*w.pause, searchMax)

	wanted := map[string]func(context.Context, func([]Claim)){}
	w.buses, w.shown = map[int][]string{}, map[int]string{}
	for i := range w.list {
		s := &w.list[i]
		if kind, _ := kindOf(s); kind != graphical {
			continue
		}
		if s.Type == typeGraphics {
			w.shown[s.UID] = w.onlyDisplay(s.UID)
		}
		if number, ok := w.displayOf(s); ok {
			wanted[displayKey(s.UID, number)] = func(ctx context.Context, set func([]Claim)) { w.watchDisplay(ctx, s.UID, number, set) }
		}
		if w.buses[s.UID] == nil {
			w.buses[s.UID] = w.findBuses(s.UID)
		}
		for _, path := range w.buses[s.UID] {
			wanted[busKey(s.UID, path)] = func(ctx context.Context, set func([]Claim)) { w.watchBus(ctx, s.UID, path, set) }
		}
	}
	for key, s := range w.sources {
		if wanted[key] == nil {
			s.stop()
			delete(w.sources, key)
		}
	}
	for key, run := range wanted {
		if w.sources[key] == nil {
			w.sources[key] = w.start(key, run)
		}
	}
}

// start runs a source until it is stopped. Until it has answered it is unknown.
func (w *watch) start(name string, run func(context.Context, func([]Claim))) *source {
	ctx, stop := context.WithCancel(w.ctx)
	s := &source{stop: stop, claims: []Claim{{Source: name, About: Lock, Says: Unknown, Detail: "has not answered yet", Pending: true}}}
	w.running.Go(func() {
		defer stop()
		run(ctx, func(claims []Claim) {
			s.mu.Lock()
			s.claims = claims
			s.mu.Unlock()
			select {
			case w.changed <- struct{}{}:
			default: // it is going to look anyway
			}
		})
	})
	return s
}

func busKey(uid int, path string) string {
	return fmt.Sprintf("session bus of user %d at %s", uid, path)
}
func displayKey(uid int, number int) string {
	return fmt.Sprintf("display of user %d at :%d", uid, number)
}

// displayOf is the number of a session's X11 display, if it has one.
func (w *watch) displayOf(s *logind.Session) (int, bool) {
	if s.Type == typeGraphics {
		return userenv.LocalDisplay(w.shown[s.UID])
	}
	if s.Type == "wayland" || s.Type == "mir" {
		return 0, false // Xwayland sees the input of old programs only
	}
	return userenv.LocalDisplay(s.Display)
}

// onlyDisplay is the one display that a user's processes know; empty if there are none or several. It is
// Xwayland's if a compositor runs, which is not to be asked.
func (w *watch) onlyDisplay(uid int) string {
	if wayland, _ := filepath.Glob(filepath.Join(w.places.run, strconv.Itoa(uid), "wayland-*")); len(wayland) > 0 {
		return ""
	}
	desktops, _ := userenv.Desktops(w.places.proc, uid) // a failure finds none
	only := ""
	for _, d := range desktops {
		if _, ok := userenv.LocalDisplay(d.Display); !ok {
			continue
		}
		if only != "" && !sameDisplay(only, d.Display) {
			return ""
		}
		only = d.Display
	}
	return only
}

// findBuses returns the sockets of a user's session buses: the one of the runtime folder, and those that
// the user's processes know, for desktops that started one of their own.
func (w *watch) findBuses(uid int) []string {
	var buses []string
	if path := filepath.Join(w.places.run, strconv.Itoa(uid), "bus"); ownerOf(path) == uid {
		buses = append(buses, path)
	}
	desktops, _ := userenv.Desktops(w.places.proc, uid) // a failure finds none
	for _, d := range desktops {
		if d.Bus != "" && !slices.Contains(buses, d.Bus) && len(buses) < maxBuses {
			buses = append(buses, d.Bus)
		}
	}
	return buses
}

// ownerOf is the user who owns the file, -1 if there is none.
func ownerOf(path string) int {
	info, err := os.Lstat(path)
	if err != nil {
		return -1
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}
