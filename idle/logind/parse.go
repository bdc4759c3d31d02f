//go:build linux

package logind

import (
	"fmt"
	"time"

	"tyto/idle/bus"
)

// sessionPaths takes apart the answer of ListSessions: a(susso), the object's path last.
func sessionPaths(answer []any) ([]string, error) {
	bad := fmt.Errorf("list of sessions: %w", bus.ErrMalformed)
	if len(answer) != 1 {
		return nil, bad
	}
	list, ok := answer[0].([]any)
	if !ok {
		return nil, bad
	}
	if len(list) > maxSessions {
		return nil, fmt.Errorf("%d sessions, more than %d are not looked at", len(list), maxSessions)
	}
	var paths []string
	for _, entry := range list {
		fields, ok := entry.([]any)
		if !ok || len(fields) != 5 {
			return nil, bad
		}
		path, ok := fields[4].(string)
		if !ok {
			return nil, bad
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// parseSession takes apart the properties of a session. A property that is missing has its zero value,
// which says nothing for anybody being away; one of a wrong type is an error.
func parseSession(answer []any) (Session, error) {
	var s Session
	if len(answer) != 1 {
		return s, bus.ErrMalformed
	}
	all, ok := answer[0].(map[string]any)
	if !ok {
		return s, bus.ErrMalformed
	}
	p := props{all: all}
	s = Session{
		ID:      get[string](&p, "Id"),
		User:    get[string](&p, "Name"),
		Type:    get[string](&p, "Type"),
		Class:   get[string](&p, "Class"),
		State:   get[string](&p, "State"),
		Remote:  get[bool](&p, "Remote"),
		TTY:     get[string](&p, "TTY"),
		Display: get[string](&p, "Display"),
		Locked:  get[bool](&p, "LockedHint"),
		Idle:    get[bool](&p, "IdleHint"),
	}
	if since := get[uint64](&p, "IdleSinceHint"); since > 0 && since < 1<<62 {
		s.IdleSince = time.UnixMicro(int64(since))
	}
	if user := get[[]any](&p, "User"); len(user) > 0 { // (uo)
		uid, ok := user[0].(uint32)
		if !ok {
			return s, fmt.Errorf("property %q: %w", "User", bus.ErrMalformed)
		}
		s.UID = int(uid)
	} else {
		return s, fmt.Errorf("property %q is missing: %w", "User", bus.ErrMalformed)
	}
	if seat := get[[]any](&p, "Seat"); len(seat) > 0 { // (so)
		s.Seat, _ = seat[0].(string)
	}
	return s, p.err
}

// props are properties by name, with the first error of reading them.
type props struct {
	all map[string]any
	err error
}

func get[T any](p *props, name string) T {
	var zero T
	v, ok := p.all[name]
	if !ok {
		return zero
	}
	t, ok := v.(T)
	if !ok {
		if p.err == nil {
			p.err = fmt.Errorf("property %q: %w", name, bus.ErrMalformed)
		}
		return zero
	}
	return t
}
