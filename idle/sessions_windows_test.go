package idle

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
)

func TestLockOf(t *testing.T) {
	tests := []struct {
		flags    uint32
		inverted bool
		want     lockState
	}{
		{flagLock, false, locked}, {flagUnlock, false, unlocked}, {flagUnknown, false, lockUnknown}, {7, false, lockUnknown},
		{flagLock, true, unlocked}, {flagUnlock, true, locked}, {flagUnknown, true, lockUnknown},
	}
	for _, test := range tests {
		if got := lockOf(test.flags, test.inverted); got != test.want {
			t.Errorf("lockOf(%#x, %v) = %v, want %v", test.flags, test.inverted, got, test.want)
		}
	}
}

func TestFromService(t *testing.T) {
	tests := []struct {
		request svc.ChangeRequest
		want    EventKind
		told    bool
	}{
		{svc.ChangeRequest{Cmd: svc.SessionChange, EventType: windows.WTS_SESSION_LOCK}, SessionLock, true},
		{svc.ChangeRequest{Cmd: svc.SessionChange, EventType: windows.WTS_SESSION_UNLOCK}, SessionUnlock, true},
		{svc.ChangeRequest{Cmd: svc.SessionChange, EventType: windows.WTS_SESSION_LOGON}, SessionOther, true},
		{svc.ChangeRequest{Cmd: svc.PowerEvent, EventType: pbtSuspend}, Suspend, true},
		{svc.ChangeRequest{Cmd: svc.PowerEvent, EventType: pbtResumeAutomatic}, Resume, true},
		{svc.ChangeRequest{Cmd: svc.PowerEvent, EventType: pbtStatusChange}, PowerChange, true},
		{svc.ChangeRequest{Cmd: svc.PowerEvent, EventType: 0x8013}, 0, false},
		{svc.ChangeRequest{Cmd: svc.Stop}, 0, false},
	}
	for _, test := range tests {
		got, told := FromService(test.request)
		if got.Kind != test.want || told != test.told {
			t.Errorf("%+v is event %v (%v), want %v (%v)", test.request, got.Kind, told, test.want, test.told)
		}
	}
}

func TestJudgeWindows(t *testing.T) {
	now := time.Unix(1e9, 0)
	session := func(lock lockState) wtsSession { return wtsSession{id: 2, user: "ann", connected: true, lock: lock} }
	tests := []struct {
		name    string
		session wtsSession
		told    []EventKind
		any     bool // it is not told of which session
		saver   bool
		input   time.Duration
		want    Presence
	}{
		{name: "in use", session: session(unlocked), want: Active},
		{name: "locked", session: session(locked), want: Idle},
		{name: "not known", session: session(lockUnknown), want: Unknown},
		{name: "not known but told", session: session(lockUnknown), told: []EventKind{SessionLock}, want: Idle},
		{name: "unlocked a moment ago", session: session(locked), told: []EventKind{SessionLock, SessionUnlock}, want: Active},
		{name: "locked again", session: session(locked), told: []EventKind{SessionUnlock, SessionLock}, want: Idle},
		{name: "told of a lock that is not seen", session: session(unlocked), told: []EventKind{SessionLock}, want: Active},
		{name: "another one logged on", session: session(lockUnknown), told: []EventKind{SessionLock, SessionOther}, want: Unknown},
		{name: "somebody unlocked a moment ago", session: session(locked), told: []EventKind{SessionUnlock}, any: true, want: Active},
		{name: "somebody locked", session: session(locked), told: []EventKind{SessionUnlock, SessionLock}, any: true, want: Idle},
		{name: "somebody locked but not known who", session: session(lockUnknown), told: []EventKind{SessionLock}, any: true, want: Unknown},
		{name: "screensaver", session: session(unlocked), saver: true, want: Idle},
		{name: "screensaver lock not known", session: session(lockUnknown), saver: true, want: Unknown},
		{name: "disconnected", session: wtsSession{id: 2, user: "ann", lock: unlocked}, want: Idle},
		{name: "no input", session: wtsSession{id: 2, user: "ann", connected: true, lock: unlocked, lastInput: now.Add(-time.Hour)}, input: time.Minute, want: Idle},
		{name: "input", session: wtsSession{id: 2, user: "ann", connected: true, lock: unlocked, lastInput: now}, input: time.Minute, want: Active},
		{name: "no input but that does not count", session: wtsSession{id: 2, user: "ann", connected: true, lock: unlocked, lastInput: now.Add(-time.Hour)}, want: Active},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := Providers(Options{Input: test.input, Now: func() time.Time { return now }})[0].(*sessionManager)
			w.lastInput = func() (uint32, time.Duration, bool) { return 0, 0, false }
			id := uint32(2)
			if test.any {
				id = AnySession
			}
			for _, kind := range test.told {
				w.Feed(Event{Kind: kind, Session: id})
			}
			savers := map[uint32]uint32{}
			if test.saver {
				savers[2] = 99
			}
			got := combine([]named{{provider: "w", Report: Report{Sessions: w.judge([]wtsSession{test.session}, savers, nil)}}})
			if diff := cmp.Diff(test.want, got.Presence); diff != "" {
				t.Errorf("because of %q (-want +got):\n%s", got.Reason, diff)
			}
		})
	}
}

// On real Windows this names who runs the test. Wine names no sessions at all; that must not pass for
// "nobody is logged in".
func TestSessionsOfThisComputer(t *testing.T) {
	sessions, err := wtsSessions()
	if err == nil && len(sessions) == 0 {
		t.Skip("nobody is logged in")
	}
	m := New(Options{Settle: -1})
	if m.State().Presence == Idle {
		t.Errorf("idle because of %q before anything was asked", m.State().Reason)
	}
	if err != nil {
		got := combine([]named{{provider: "session manager", Report: Report{Err: err}}})
		if got.Presence != Unknown {
			t.Errorf("%s because of %q", got.Presence, got.Reason)
		}
	}
	if _, err := screensavers(); err != nil {
		t.Errorf("the processes cannot be listed: %v", err)
	}
	if alive(0xfffffff0) {
		t.Error("a process that does not exist is alive")
	}
}

// What the service manager tells is acted on without waiting for the next look, and so is the end of a
// screensaver.
func TestWatchWindows(t *testing.T) {
	var lock atomic.Int32
	lock.Store(int32(locked))
	var saverRuns atomic.Bool
	manager := Providers(Options{Now: time.Now})[0].(*sessionManager)
	manager.list = func() ([]wtsSession, error) {
		return []wtsSession{{id: 2, user: "ann", connected: true, lock: lockState(lock.Load())}}, nil
	}
	manager.savers = func() (map[uint32]uint32, error) {
		if saverRuns.Load() {
			return map[uint32]uint32{2: 99}, nil
		}
		return nil, nil
	}
	manager.alive = func(uint32) bool { return saverRuns.Load() }
	states := make(chan State, 100)
	m := New(Options{Providers: []Provider{manager}, Settle: -1, Changed: func(s State) { states <- s }})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	defer func() { stop(); <-done }()
	await := func(want Presence, reason string) {
		t.Helper()
		for {
			select {
			case s := <-states:
				if s.Presence == want && strings.Contains(s.Reason, reason) {
					return
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("never told %s because of %q", want, reason)
			}
		}
	}
	await(Idle, "the session is locked")
	m.Feed(ctx, Event{Kind: SessionUnlock, Session: 2})
	await(Active, "has just been unlocked")
	saverRuns.Store(true)
	lock.Store(int32(unlocked))
	await(Idle, "the screensaver is on")
	saverRuns.Store(false)
	await(Active, "session 2")
}
