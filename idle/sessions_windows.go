package idle

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// sessionsEvery is how often the session manager is asked when nobody tells of changes. Locks and unlocks
	// are told by the service manager at once, see [Monitor.Feed].
	sessionsEvery = 2 * time.Second

	// saversEvery is how often new screensavers are looked for: a list of all processes costs milliseconds,
	// and that one has begun can wait.
	saversEvery = 10 * time.Second

	// saverEvery is how often a running screensaver's process is looked at: how late its end is seen.
	saverEvery = 50 * time.Millisecond
)

// Providers returns what this platform has to watch: on Windows one provider, the session manager.
func Providers(o Options) []Provider {
	return []Provider{&sessionManager{
		input: o.Input, now: o.Now, list: wtsSessions, savers: screensavers, alive: alive, lastInput: ownLastInput,
		told: map[uint32]EventKind{}, wake: make(chan struct{}, 1),
	}}
}

// sessionManager is the provider for Windows. Its functions are the system's, exchanged in tests.
type sessionManager struct {
	input     time.Duration // Options.Input
	now       func() time.Time
	list      func() ([]wtsSession, error)
	savers    func() (map[uint32]uint32, error)
	alive     func(pid uint32) bool
	lastInput func() (session uint32, ago time.Duration, ok bool)

	wake chan struct{}
	mu   sync.Mutex
	told map[uint32]EventKind // SessionLock or SessionUnlock: what the service manager said last
	// allUnlocked is set by an unlock of an unknown session, until the next lock: it may have been any.
	allUnlocked bool
}

func (w *sessionManager) Name() string { return "session manager" }

// Feed notes a lock or an unlock, and looks at the sessions again.
func (w *sessionManager) Feed(e Event) {
	w.mu.Lock()
	switch {
	case e.Session == AnySession && e.Kind == SessionUnlock:
		clear(w.told)
		w.allUnlocked = true
	case e.Session == AnySession:
		clear(w.told)
		w.allUnlocked = w.allUnlocked && e.Kind != SessionLock
	case e.Kind == SessionLock || e.Kind == SessionUnlock:
		w.told[e.Session] = e.Kind
	default:
		delete(w.told, e.Session) // another person may come to have this number
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default: // it is going to look anyway
	}
}

func (w *sessionManager) Watch(ctx context.Context, report func(Report)) error {
	look := time.NewTicker(sessionsEvery)
	defer look.Stop()
	quick := time.NewTicker(saverEvery)
	defer quick.Stop()
	var savers map[uint32]uint32
	var saverErr error
	var looked time.Time
	for {
		sessions, err := w.list()
		if err != nil {
			return err
		}
		if w.ended(savers) || time.Since(looked) >= saversEvery {
			savers, saverErr = w.savers()
			looked = time.Now()
		}
		report(Report{Sessions: w.judge(sessions, savers, saverErr), Note: "nobody is logged in"})
		saversTick := quick.C
		if len(savers) == 0 {
			saversTick = nil
		}
		for again := false; !again; {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-w.wake:
				again = true
			case <-look.C:
				again = true
			case <-saversTick:
				again = w.ended(savers)
			}
		}
	}
}

// ended reports whether one of the screensavers has.
func (w *sessionManager) ended(savers map[uint32]uint32) bool {
	for _, pid := range savers {
		if !w.alive(pid) {
			return true
		}
	}
	return false
}

// judge makes claims of what Windows says.
func (w *sessionManager) judge(list []wtsSession, savers map[uint32]uint32, saverErr error) []Session {
	ownSession, ago, ownKnown := w.lastInput()
	var sessions []Session
	for _, s := range list {
		user := s.user
		if user == "" {
			user = "user not known"
		}
		session := Session{Name: fmt.Sprintf("%d (%s)", s.id, user)}
		if !s.connected {
			session.Name = fmt.Sprintf("%d (%s, disconnected)", s.id, user)
			session.Exempt = "nobody is connected to it"
			sessions = append(sessions, session)
			continue
		}
		session.Claims = append(session.Claims, w.lockClaim(s))
		switch _, on := savers[s.id]; {
		case on:
			session.Claims = append(session.Claims, Claim{Source: "screensaver process", About: Lock, Says: Idle, Detail: "the screensaver is on"})
		case saverErr != nil:
			session.Claims = append(session.Claims, Claim{Source: "screensaver process", About: Lock, Says: Silent, Err: saverErr})
		default:
			session.Claims = append(session.Claims, Claim{Source: "screensaver process", About: Lock, Says: Silent, Detail: "no screensaver runs"})
		}
		switch {
		case w.input <= 0:
		case ownKnown && ownSession == s.id:
			session.Claims = append(session.Claims, w.inputClaim(ago))
		case !s.lastInput.IsZero():
			session.Claims = append(session.Claims, w.inputClaim(w.now().Sub(s.lastInput)))
		default:
			session.Claims = append(session.Claims, Claim{Source: "last input", About: Input, Says: Silent, Detail: "Windows does not tell it for this session"})
		}
		sessions = append(sessions, session)
	}
	return sessions
}

// lockClaim holds what the session manager says against what the service manager told. An unlock that was
// told counts until the session manager has seen it too: it is the careful answer.
func (w *sessionManager) lockClaim(s wtsSession) Claim {
	w.mu.Lock()
	defer w.mu.Unlock()
	told, known := w.told[s.id]
	if w.allUnlocked && !known {
		told, known = SessionUnlock, true
	}
	c := Claim{Source: "session manager", About: Lock, Says: Silent, Detail: "not locked"}
	switch {
	case known && told == SessionUnlock && s.lock == locked:
		c.Says, c.Detail = Active, "has just been unlocked"
	case s.lock == locked:
		c.Says, c.Detail = Idle, "the session is locked"
	case s.lock == lockUnknown && known && told == SessionLock:
		c.Says, c.Detail = Idle, "has been locked"
	case s.lock == lockUnknown && !known:
		c.Says, c.Detail = Unknown, "Windows does not tell whether the session is locked"
	}
	if s.lock == unlocked && told == SessionUnlock {
		delete(w.told, s.id)
	}
	return c
}

func (w *sessionManager) inputClaim(ago time.Duration) Claim {
	if ago < w.input {
		return Claim{Source: "last input", About: Input, Says: Active, Detail: fmt.Sprintf("input in the last %v", w.input)}
	}
	return Claim{Source: "last input", About: Input, Says: Idle, Detail: fmt.Sprintf("no input for %v", w.input)}
}
