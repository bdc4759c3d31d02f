//go:build linux

package logind

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/idle/bus"
)

func TestParseSession(t *testing.T) {
	full := map[string]any{
		"Id": "2", "Name": "ann", "Type": "x11", "Class": "user", "State": "active", "Remote": true, "TTY": "tty2", "Display": ":0",
		"LockedHint": true, "IdleHint": true, "IdleSinceHint": uint64(1_000_000),
		"User": []any{uint32(1000), "/user"}, "Seat": []any{"seat0", "/seat"}, "Audit": uint32(3),
	}
	with := func(name string, value any) map[string]any {
		m := map[string]any{}
		for k, v := range full {
			m[k] = v
		}
		m[name] = value
		return m
	}
	want := Session{ID: "2", UID: 1000, User: "ann", Seat: "seat0", Type: "x11", Class: "user", State: "active", Remote: true,
		TTY: "tty2", Display: ":0", Locked: true, Idle: true, IdleSince: time.Unix(1, 0)}
	got, err := parseSession([]any{full})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for name, bad := range map[string][]any{
		"nothing":               {},
		"no properties":         {"text"},
		"nobody's":              {map[string]any{"Id": "2"}},
		"lock of another type":  {with("LockedHint", "yes")},
		"user of another type":  {with("User", []any{"ann", "/user"})},
		"class of another type": {with("Class", uint32(1))},
	} {
		if got, err := parseSession(bad); !errors.Is(err, bus.ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got, err := parseSession([]any{map[string]any{"User": []any{uint32(1), "/"}}}); err != nil || got.Locked || got.Idle {
		t.Errorf("a session that tells little: %+v, %v", got, err)
	}
}

func TestSessionPaths(t *testing.T) {
	entry := []any{"2", uint32(1000), "ann", "seat0", "/session/2"}
	got, err := sessionPaths([]any{[]any{entry}})
	if diff := cmp.Diff([]string{"/session/2"}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	many := make([]any, maxSessions+1)
	for i := range many {
		many[i] = entry
	}
	for name, bad := range map[string][]any{
		"nothing": {}, "no list": {"text"}, "no structure": {[]any{"text"}}, "too short": {[]any{entry[:4]}},
		"too many": {many},
	} {
		if got, err := sessionPaths(bad); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Whatever logind answers: an error or sessions, no panic.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0}, true)
	f.Fuzz(func(t *testing.T, body []byte, list bool) {
		signature := "a{sv}"
		if list {
			signature = "a(susso)"
		}
		answer, err := bus.Decode(body, signature, binary.LittleEndian)
		if err != nil {
			return
		}
		sessionPaths(answer)
		parseSession(answer)
	})
}
