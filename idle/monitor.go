package idle

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// powerEvery is how often the battery is looked at; it costs some reads of sysfs. [Monitor.Feed] makes
// it sooner.
const powerEvery = 30 * time.Second

// Monitor combines what providers report. It is made by [New], does nothing until [Monitor.Run], and is
// safe for concurrent use.
type Monitor struct {
	o       Options
	updates chan update
	power   chan struct{} // the battery is to be looked at now

	mu    sync.Mutex
	state State

	// What follows belongs to Run's goroutine.
	reports   []named
	raw       State     // what the reports say, not settled
	rawIdle   time.Time // when raw became Idle, on the monotonic clock
	suspended bool      // the service manager says so
	since     map[string]Source
	settle    *time.Timer
}

// update is a provider's report, or an event of the service manager (provider -1).
type update struct {
	provider int
	report   Report
	event    Event
}

// New returns a monitor. Its state is Unknown until it runs and the first sources have answered.
func New(o Options) *Monitor {
	o = o.withDefaults()
	m := &Monitor{
		o:       o,
		updates: make(chan update),
		power:   make(chan struct{}, 1),
		since:   map[string]Source{},
	}
	for _, p := range o.Providers {
		m.reports = append(m.reports, named{provider: p.Name(), pending: true})
	}
	m.raw = combine(m.reports)
	m.state = m.raw
	m.state.Since = o.Now()
	m.dateSources(&m.state)
	return m
}

// State returns what was last told to [Options.Changed], with what the sources say now.
func (m *Monitor) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	state := m.state
	state.Sources = slices.Clone(state.Sources)
	return state
}

// Run watches until ctx ends, and returns its error. It must be called once.
func (m *Monitor) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var providers sync.WaitGroup
	defer providers.Wait()
	defer stop()
	for i, p := range m.o.Providers {
		providers.Go(func() {
			supervise(ctx, p, func(r Report) {
				select {
				case m.updates <- update{provider: i, report: r}:
				case <-ctx.Done():
				}
			})
		})
	}
	m.settle = time.NewTimer(time.Hour)
	m.settle.Stop()
	defer m.settle.Stop()
	battery := time.NewTicker(powerEvery)
	defer battery.Stop()
	onBattery := m.o.onBattery()
	m.publish(onBattery)
	for {
		var told func()
		select {
		case u := <-m.updates:
			told = m.take(u)
		case <-m.settle.C:
		case <-battery.C:
			onBattery = m.o.onBattery()
		case <-m.power:
			onBattery = m.o.onBattery()
		case <-ctx.Done():
			return ctx.Err()
		}
		m.publish(onBattery)
		if told != nil {
			told()
		}
	}
}

// take notes what a provider or the service manager says.
func (m *Monitor) take(u update) (told func()) {
	if u.provider < 0 {
		m.suspended = u.event.Kind == Suspend
		return nil
	}
	r := &m.reports[u.provider]
	switch {
	case u.report.Err != nil && (r.Err == nil || r.Err.Error() != u.report.Err.Error()):
		m.o.Log.Warn("presence source fails, taking the computer as in use", "source", r.provider, "error", u.report.Err)
	case u.report.Err == nil && r.Err != nil:
		m.o.Log.Info("presence source is back", "source", r.provider)
	}
	r.Report, r.pending = u.report, false
	if u.report.Err != nil {
		r.Sleeping = false
	}
	return u.report.Told
}

// publish settles what the reports say and tells it if it is news.
func (m *Monitor) publish(onBattery bool) {
	before := m.State()
	was := m.raw.Presence
	m.raw = combine(m.reports)
	next := m.raw
	next.Sleeping = next.Sleeping || m.suspended
	next.OnBattery = onBattery
	m.dateSources(&next)
	if m.raw.Presence == Idle && was != Idle {
		m.rawIdle = time.Now()
	}
	if next.Presence == Idle && before.Presence != Idle {
		if left := m.o.Settle - time.Since(m.rawIdle); left > 0 {
			m.settle.Reset(left)
			next.Presence = Active
			next.Reason = fmt.Sprintf("idle for less than %v: %s", m.o.Settle, m.raw.Reason)
		}
	}
	next.Since = before.Since
	if next.Presence != before.Presence {
		next.Since = m.o.Now()
	}
	m.mu.Lock()
	m.state = next
	m.mu.Unlock()
	if next.Presence != before.Presence || next.Reason != before.Reason ||
		next.OnBattery != before.OnBattery || next.Sleeping != before.Sleeping {
		m.o.Log.Info("presence", "presence", next.Presence, "reason", next.Reason,
			"on_battery", next.OnBattery, "sleeping", next.Sleeping)
		m.o.Changed(m.State())
	}
	if !slices.Equal(next.Sources, before.Sources) || next.Presence != before.Presence ||
		next.Reason != before.Reason || next.OnBattery != before.OnBattery || next.Sleeping != before.Sleeping {
		m.o.Observe(m.State())
	}
}

// dateSources writes down since when each source says what it says.
func (m *Monitor) dateSources(state *State) {
	since := make(map[string]Source, len(state.Sources))
	for i := range state.Sources {
		s := &state.Sources[i]
		key := s.Session + "\x00" + s.Name
		s.Since = m.o.Now()
		if old, ok := m.since[key]; ok && old.Presence == s.Presence {
			s.Since = old.Since
		}
		since[key] = *s
	}
	m.since = since
}
