package idle

import (
	"fmt"
	"time"

	"tyto/idle/logind"
	"tyto/idle/terminal"
)

// terminalEvery is how often terminals without recent input are looked at.
const terminalEvery = time.Second

// judge collects what is said of each session, and when time alone may change it.
func (w *watch) judge() (sessions []Session, next time.Duration) {
	list := w.list
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
	if number, ok := w.displayOf(s); ok {
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
