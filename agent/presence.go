package agent

import (
	"context"
	"maps"
	"reflect"
	"strings"
	"sync"
	"time"

	"tyto/agent/events"
	"tyto/agent/policy"
	"tyto/idle"
)

// presenceHolder holds the monitor that watches whether somebody is there. A new policy replaces it.
type presenceHolder struct {
	mu      sync.Mutex
	of      policy.Presence // what the monitor watches
	battery string          // policy.Resources.OnBattery
	monitor *idle.Monitor   // nil: none yet
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// set watches as the policy says. ctx ends the watching.
func (h *presenceHolder) set(ctx context.Context, a *Agent, p *policy.Policy) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.monitor != nil && reflect.DeepEqual(h.of, p.Presence) && h.battery == p.Resources.OnBattery {
		return
	}
	h.end()
	h.of, h.battery = p.Presence, p.Resources.OnBattery
	lost := map[string]time.Time{}
	o := idle.Options{
		Input:      p.Presence.InputIdle,
		Terminal:   p.Presence.TerminalIdle,
		Settle:     p.Presence.Settle,
		DelaySleep: true,
		Now:        a.o.Now,
		Log:        a.log,
		Changed:    func(s idle.State) { a.sched.PresenceChanged(presenceOf(s, p)) },
		Observe:    func(s idle.State) { a.tellSources(s, lost) },
	}
	if path, ok := strings.CutPrefix(p.Presence.Source, "file:"); ok {
		o.Providers = []idle.Provider{idle.File(path)}
	}
	if o.Settle == 0 {
		o.Settle = -time.Nanosecond // the policy says "at once"; idle's zero is its default
	}
	h.monitor = idle.New(o)
	// What the monitor before this one knew does not count: this one says nothing until its sources have answered.
	a.sched.PresenceChanged(presenceOf(h.monitor.State(), p))
	ctx, h.cancel = context.WithCancel(ctx)
	monitor := h.monitor
	h.running.Go(func() { _ = monitor.Run(ctx) }) // its error is that of the context
}

// stop ends the watching.
func (h *presenceHolder) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.end()
}

func (h *presenceHolder) end() {
	if h.cancel != nil {
		h.cancel()
		h.running.Wait()
	}
}

// state returns what is known now.
func (h *presenceHolder) state() idle.State {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.monitor == nil {
		return idle.State{Presence: idle.Unknown, Reason: "the agent is starting"}
	}
	return h.monitor.State()
}

// feed hands on what the system told the service.
func (h *presenceHolder) feed(ctx context.Context, e idle.Event) {
	h.mu.Lock()
	monitor := h.monitor
	h.mu.Unlock()
	if monitor != nil {
		monitor.Feed(ctx, e)
	}
}

// sourceRests is how long a source counts as lost at least: a session's programs can come and go several times
// a second, and whoever wants to fill the events must not be able to do it that way.
const sourceRests = 10 * time.Minute

// tellSources tells of sources that cannot say any more, and of those that can again. lost are those that
// could not before, with the time since when.
func (a *Agent) tellSources(s idle.State, lost map[string]time.Time) {
	now := a.o.Now()
	known := map[string]bool{}
	for _, source := range s.Sources {
		key := source.Name + " " + source.Session
		known[key] = true
		since, was := lost[key]
		switch bad := source.Presence == idle.Unknown; { // an error alone is of a source that is not asked here
		case bad && !was:
			lost[key] = now
			a.hub.Send(events.PresenceSourceLost, "cannot tell whether somebody uses the computer: "+source.Name+": "+source.Error,
				events.Data{"tyto.source": source.Name, "tyto.session": source.Session, "error.message": source.Error})
		case !bad && was && now.Sub(since).Abs() >= sourceRests:
			delete(lost, key)
			a.hub.Send(events.PresenceSourceBack, source.Name+" tells again whether somebody uses the computer",
				events.Data{"tyto.source": source.Name, "tyto.session": source.Session})
		}
	}
	// Sessions come and go.
	maps.DeleteFunc(lost, func(key string, since time.Time) bool { return !known[key] && now.Sub(since).Abs() >= sourceRests })
}
