package scheduler

import (
	"slices"
	"sync"
	"time"
)

// valve is between the scheduler and the run at work. It exists for one reason: when a person comes
// back the run must stop at once, not after the scheduler has finished what it is doing, which may
// be a write to a slow disk. So whoever learns of a change of presence turns the valve directly, under
// a lock that nothing slow is ever done under, and the scheduler is told afterwards.
type valve struct {
	elapsed func() time.Duration

	mu       sync.Mutex
	presence Presence
	running  Running // nil while there is none, or it is still being started
	need     needs
	others   []string // reasons that do not follow from the presence
	applied  []string // what running has been told

	busy   bool          // between begin and end
	closed bool          // a reason holds
	since  time.Duration // when closed last changed
	active time.Duration // open since begin, up to since
}

// observe takes note of the presence, and acts on it before it returns.
func (v *valve) observe(p Presence) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.presence = p
	v.turn()
}

// seen returns the presence.
func (v *valve) seen() Presence {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.presence
}

// begin makes the valve ready for a new run.
func (v *valve) begin(n needs, others []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.need, v.others, v.applied = n, others, nil
	v.busy, v.closed, v.active, v.since = true, false, 0, v.elapsed()
	v.turn()
}

// attach puts the run behind the valve.
func (v *valve) attach(r Running) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.running = r
	v.turn()
}

// hold sets what the run needs and the other reasons why it must not work.
func (v *valve) hold(n needs, others []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.need, v.others = n, others
	v.turn()
}

// end takes the run away, and returns how long it was open.
func (v *valve) end() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	active := v.openFor()
	v.running, v.need, v.others, v.applied, v.busy = nil, needs{}, nil, nil, false
	return active
}

// state returns how long the valve was open since begin, and how long it has been closed now.
func (v *valve) state() (active, closed time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return v.openFor(), v.elapsed() - v.since
	}
	return v.openFor(), 0
}

// progress asks the run for a snapshot.
func (v *valve) progress() any {
	v.mu.Lock()
	running := v.running
	v.mu.Unlock() // a snapshot may take its time; a pause must not wait for it
	if running == nil {
		return nil
	}
	return running.Progress()
}

func (v *valve) openFor() time.Duration {
	if v.closed || !v.busy {
		return v.active
	}
	return v.active + v.elapsed() - v.since
}

// reasons are all that hold now.
func (v *valve) reasons() []string {
	all := slices.Clone(v.others)
	if v.presence.Sleeping {
		all = append(all, saysSleep)
	}
	if v.need.idle && !v.presence.Idle {
		all = append(all, saysPresence)
	}
	if v.need.mains && v.presence.OnBattery {
		all = append(all, saysBattery)
	}
	return all
}

// turn brings the run in line with the reasons; new ones first, so that it never works in between.
func (v *valve) turn() {
	if !v.busy {
		return
	}
	want := v.reasons()
	if closed := len(want) > 0; closed != v.closed {
		v.active, v.since, v.closed = v.openFor(), v.elapsed(), closed
	}
	if v.running == nil {
		return
	}
	for _, reason := range want {
		if !slices.Contains(v.applied, reason) {
			v.running.Pause(reason)
		}
	}
	for _, reason := range v.applied {
		if !slices.Contains(want, reason) {
			v.running.Resume(reason)
		}
	}
	v.applied = want
}
