package agent

import (
	"testing"
	"time"

	"tyto/agent/events"
	"tyto/idle"
)

// A source that comes and goes all the time, as a session's own programs can make it, does not fill the events.
func TestTellsSourcesOnceInAWhile(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	a := &Agent{hub: events.NewHub(events.Options{}), o: Options{Now: func() time.Time { return now }}}
	a.hub.SetOutputs(events.Output{Name: fileOutput, Sink: unready{}}) // keeps what nobody writes
	lost := map[string]time.Time{}
	tell := func(p idle.Presence) {
		a.tellSources(idle.State{Sources: []idle.Source{{Name: "screensaver", Session: "1", Presence: p}}}, lost)
	}
	for _, step := range []struct {
		what  string
		after time.Duration
		says  idle.Presence
		told  int // events in all
	}{
		{"it works", 0, idle.Active, 0},
		{"it is lost", 0, idle.Unknown, 1},
		{"it is back at once", time.Second, idle.Active, 1},
		{"and lost", time.Second, idle.Unknown, 1},
		{"it is back after a while", sourceRests, idle.Idle, 2},
		{"it stays", time.Second, idle.Active, 2},
		{"it is lost again", time.Second, idle.Unknown, 3},
	} {
		now = now.Add(step.after)
		tell(step.says)
		if told := a.hub.Status()[0].Waiting; told != step.told {
			t.Errorf("%s: %d events, want %d", step.what, told, step.told)
		}
	}
}
