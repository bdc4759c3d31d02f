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

	// terminalEvery is how often terminals without recent input are looked at.
	terminalEvery = time.Second

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
		places: placesLinux{systemBus: bus, run: "/run/user", proc: "/proc", dev: "/dev", displays: "/tmp/.X11-unix"},
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
		case next := <-snapshots:
			if !sameDesktops(now.Sessions, next.Sessions) {
				w.searchAgain()
			}
			now = next
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
		w.search(now.Sessions)
		sessions, next := w.judge(now.Sessions)
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
	sources  map[string]*source
	buses    map[int][]string // session buses by user
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
func (w *watch) search(sessions []logind.Session) {
	if time.Now().Before(w.searchAt) {
		return
	}
	w.searchAt = time.Now().Add(w.pause)
	w.pause = min(2*w.pause, searchMax)

	wanted := map[string]func(context.Context, func([]Claim)){}
	w.buses = map[int][]string{}
	for i := range sessions {
		s := &sessions[i]
		if kind, _ := kindOf(s); kind != graphical {
			continue
		}
		if number, ok := displayOf(s); ok {
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
func displayOf(s *logind.Session) (int, bool) {
	if s.Type == "wayland" || s.Type == "mir" {
		return 0, false // Xwayland sees the input of old programs only
	}
	return userenv.LocalDisplay(s.Display)
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

// judge collects what is said of each session, and when time alone may change it.
func (w *watch) judge(list []logind.Session) (sessions []Session, next time.Duration) {
	next = time.Hour
	desktops := map[int]int{} // graphical sessions by user
	for i := range list {
		if kind, _ := kindOf(&list[i]); kind == graphical {
			desktops[list[i].UID]++
		}
	}
	for i := range list {
		s := &list[i]
		session := Session{Name: nameOf(s)}
		kind, why := kindOf(s)
		if kind != exempt {
			session.Claims = append(session.Claims, lockClaim(s))
		}
		switch kind {
		case exempt:
			session.Exempt = why
		case text:
			claim, again, ok := w.terminalClaim(s)
			if !ok {
				session.Claims, session.Exempt = nil, "it has no terminal and no display"
				break
			}
			session.Claims = append(session.Claims, claim)
			next = min(next, again)
		case graphical:
			if claim, again, ok := w.idleHintClaim(s); ok {
				session.Claims = append(session.Claims, claim)
				next = min(next, again)
			}
			session.Claims = append(session.Claims, w.sourceClaims(s, desktops[s.UID])...)
		}
		sessions = append(sessions, session)
	}
	return sessions, next
}

// lockClaim is what logind knows of a lock. That a session is not locked says nothing: many desktops do
// not tell logind.
func lockClaim(s *logind.Session) Claim {
	if s.Locked {
		return Claim{Source: "logind", About: Lock, Says: Idle, Detail: "the session is locked"}
	}
	return Claim{Source: "logind", About: Lock, Says: Silent, Detail: "not marked as locked"}
}

// idleHintClaim is what the desktop tells logind of missing input.
func (w *watch) idleHintClaim(s *logind.Session) (claim Claim, again time.Duration, ok bool) {
	if w.input <= 0 || !s.Idle || s.IdleSince.IsZero() {
		return claim, 0, false
	}
	claim = Claim{Source: "logind idle hint", About: Input, Says: Silent, Detail: "idle, but not long enough"}
	if left := w.input - w.now().Sub(s.IdleSince); left > 0 {
		return claim, left, true
	}
	claim.Says, claim.Detail = Idle, fmt.Sprintf("no input for %v", w.input)
	return claim, time.Hour, true
}

// terminalClaim is what the terminal of a text session tells; false if it has none.
func (w *watch) terminalClaim(s *logind.Session) (claim Claim, again time.Duration, ok bool) {
	t, ok := w.terminalOf(s)
	if !ok {
		return claim, 0, false
	}
	claim = Claim{Source: "terminal " + t.Name, About: Input, Says: Active, Detail: fmt.Sprintf("input in the last %v", w.window)}
	// An access time of the future is one of a clock that was set back: then nothing is known.
	age := w.now().Sub(t.Input)
	if age < w.window {
		return claim, max(w.window-age, terminalEvery), true
	}
	claim.Says, claim.Detail = Idle, fmt.Sprintf("no input for %v", w.window)
	return claim, terminalEvery, true
}

// terminalOf is the session's terminal. Where logind does not know it (sshd opens it after the session),
// it is the one of the user's own that had input last.
func (w *watch) terminalOf(s *logind.Session) (terminal.Terminal, bool) {
	if s.TTY != "" {
		if t, err := terminal.Of(w.places.dev, s.TTY); err == nil {
			return t, true
		}
	}
	all, err := terminal.All(w.places.dev)
	if err != nil {
		return terminal.Terminal{}, false
	}
	var latest terminal.Terminal
	for _, t := range all {
		if t.Owner == s.UID && (latest.Name == "" || t.Input.After(latest.Input)) {
			latest = t
		}
	}
	return latest, latest.Name != ""
}

// sourceClaims are what the session's display and its user's session buses say. A bus speaks for a user,
// not for a session: with several desktops of one user it is not known which of them it means.
func (w *watch) sourceClaims(s *logind.Session, desktops int) (claims []Claim) {
	if number, ok := displayOf(s); ok {
		if source := w.sources[displayKey(s.UID, number)]; source != nil {
			claims = append(claims, source.say()...)
		}
	}
	for _, path := range w.buses[s.UID] {
		source := w.sources[busKey(s.UID, path)]
		if source == nil {
			continue
		}
		for _, c := range source.say() {
			if desktops > 1 && c.Says != Silent {
				c.Says = Silent
				c.Detail = fmt.Sprintf("%s, but the user has %d desktops", c.Detail, desktops)
			}
			claims = append(claims, c)
		}
	}
	return claims
}
