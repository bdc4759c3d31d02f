package idle

import "fmt"

// named is the last report of a provider.
type named struct {
	provider string
	Report
	pending bool // it has not reported yet
}

// combine makes one answer of what all providers say. One session that is not idle is enough for Active,
// one provider that cannot tell for Unknown; of two reasons the first is given, Active before Unknown.
// It fills in all of State but Since and OnBattery.
func combine(reports []named) State {
	state := State{Presence: Idle, Reason: "nobody is logged in"}
	note := func(p Presence, reason string) {
		if p == Active && state.Presence != Active || p == Unknown && state.Presence == Idle {
			state.Presence, state.Reason = p, reason
		}
	}
	sessions := 0
	for _, r := range reports {
		state.Sleeping = state.Sleeping || r.Sleeping
		switch {
		case r.pending:
			note(Unknown, r.provider+": has not answered yet")
			state.Sources = append(state.Sources, Source{Name: r.provider, Presence: Unknown, Detail: "has not answered yet", Pending: true})
		case r.Err != nil:
			note(Unknown, r.provider+": "+r.Err.Error())
			state.Sources = append(state.Sources, Source{Name: r.provider, Presence: Unknown, Error: r.Err.Error()})
		case len(r.Sessions) == 0:
			detail := r.Note
			if detail == "" {
				detail = "no interactive sessions"
			}
			state.Sources = append(state.Sources, Source{Name: r.provider, Presence: Idle, Detail: detail})
		}
		if r.Err != nil || r.pending {
			continue
		}
		for _, s := range r.Sessions {
			state.Sources = append(state.Sources, s.sources()...)
			if s.Exempt != "" {
				continue
			}
			sessions++
			presence, reason := s.presence()
			if presence != Idle {
				note(presence, fmt.Sprintf("session %s: %s", s.Name, reason))
			} else if sessions == 1 && state.Presence == Idle {
				state.Reason = fmt.Sprintf("session %s: %s", s.Name, reason)
			}
		}
	}
	if len(reports) == 0 {
		note(Unknown, "there is no source of presence for this system")
	}
	if state.Presence == Idle && sessions > 1 {
		state.Reason = fmt.Sprintf("all %d sessions are locked, have their screensaver on, or are without input", sessions)
	}
	return state
}

// presence judges one session. It is idle if there is evidence of one kind, a lock or missing input, and
// nothing of that kind against it.
func (s *Session) presence() (Presence, string) {
	var doubts, denials []string
	for _, kind := range []Evidence{Lock, Input} {
		var idle, against *Claim
		for i := range s.Claims {
			switch c := &s.Claims[i]; {
			case c.About != kind:
			case c.Says == Idle && idle == nil:
				idle = c
			case c.Says != Idle && c.Says != Silent && (against == nil || against.Says == Unknown && c.Says == Active):
				against = c
			}
		}
		switch {
		case idle != nil && against == nil:
			return Idle, idle.String()
		case idle != nil && against.Says == Active:
			denials = append(denials, fmt.Sprintf("sources disagree: %s, but %s", idle, against))
		case against != nil && against.Says == Active:
			denials = append(denials, against.String())
		case against != nil:
			doubts = append(doubts, against.String())
		}
	}
	switch {
	case len(denials) > 0:
		return Active, denials[0]
	case len(doubts) > 0:
		return Unknown, doubts[0]
	}
	return Active, "no source says that it is locked or has its screensaver on"
}

// String tells a claim as a part of a sentence.
func (c *Claim) String() string {
	switch {
	case c.Err != nil:
		return c.Source + ": " + c.Err.Error()
	case c.Detail != "":
		return c.Source + ": " + c.Detail
	}
	return c.Source + ": " + string(c.Says)
}

// sources tells the claims of a session, or that there are none.
func (s *Session) sources() []Source {
	if s.Exempt != "" {
		return []Source{{Name: "sessions", Session: s.Name, Presence: Silent, Detail: "does not count: " + s.Exempt}}
	}
	if len(s.Claims) == 0 {
		return []Source{{Name: "sessions", Session: s.Name, Presence: Active, Detail: "no source can see into it"}}
	}
	list := make([]Source, len(s.Claims))
	for i, c := range s.Claims {
		list[i] = Source{Name: c.Source, Session: s.Name, Presence: c.Says, Detail: c.Detail, Pending: c.Pending}
		if c.Err != nil {
			list[i].Error = c.Err.Error()
		}
	}
	return list
}
