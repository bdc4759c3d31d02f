package scheduler

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Presence is whether somebody uses the computer, and what else package idle knows. The zero value is
// the careful answer: in use.
type Presence struct {
	Idle bool
	// Detail says why, such as "session 3 of alice is active".
	Detail    string
	OnBattery bool
	// Sleeping is true from when the computer prepares to sleep until it is awake again.
	Sleeping bool
}

// Wait is one reason why a run does not work.
type Wait struct {
	Code WaitCode `json:"code"`
	// Text is a sentence for people.
	Text string `json:"text"`
	// Until is when the reason ends, if that is known.
	Until time.Time `json:"until,omitzero"`
}

// WaitCode tells reasons to wait apart.
type WaitCode string

// The reasons to wait.
const (
	WaitReady    WaitCode = "starting" // the agent is not ready
	WaitPerson   WaitCode = "held"     // a person paused the run
	WaitSleep    WaitCode = "sleep"
	WaitPresence WaitCode = "presence"
	WaitBattery  WaitCode = "battery"
	WaitHours    WaitCode = "hours"
	WaitDelay    WaitCode = "delay" // random delay, rest after a response
	WaitRetry    WaitCode = "retry" // back-off after a failure
	WaitTurn     WaitCode = "turn"  // another run works
)

// What a Running is told. The sentences are fixed, so that each can be withdrawn again.
const (
	saysPresence = "the computer is in use"
	saysBattery  = "running on battery"
	saysSleep    = "the computer goes to sleep"
)

var says = map[WaitCode]string{
	WaitReady:    "the agent is starting",
	WaitPerson:   "paused by a person",
	WaitSleep:    saysSleep,
	WaitPresence: saysPresence,
	WaitBattery:  saysBattery,
	WaitHours:    "outside its hours",
	WaitDelay:    "delayed",
	WaitRetry:    "it failed and is tried again later",
}

// needs are the conditions of a run that change from one moment to the next. They are enforced by the
// valve, without waiting for the scheduler.
type needs struct{ idle, mains bool }

// needs returns what r needs now. A run that a person forced needs nothing; one that a person or a
// detection started does not mind the battery; one that has waited too long does not mind people.
func (r *run) needs(now time.Time) needs {
	if r.Force {
		return needs{}
	}
	w := &r.owner.task.While
	return needs{
		idle:  w.Idle && !r.overdue(now),
		mains: !w.OnBattery && r.Class == scheduled,
	}
}

// overdue reports whether r is so old that it no longer waits for an idle computer.
func (r *run) overdue(now time.Time) bool {
	at := r.overdueAt()
	return !at.IsZero() && !now.Before(at)
}

// overdueAt is when r will be overdue; zero is never.
func (r *run) overdueAt() time.Time {
	override := r.owner.plan.idleOverride
	if override == 0 || !r.owner.task.While.Idle {
		return time.Time{}
	}
	return r.record.Queued.Add(override)
}

// waits returns all reasons why r must not work now, whatever other runs do.
func (s *Scheduler) waits(r *run, now time.Time, p Presence) []Wait {
	var all []Wait
	add := func(code WaitCode, text string, until time.Time) {
		all = append(all, Wait{code, text, until})
	}
	if !s.ready {
		add(WaitReady, says[WaitReady], time.Time{})
	}
	if r.Held {
		add(WaitPerson, says[WaitPerson], time.Time{})
	}
	if p.Sleeping {
		add(WaitSleep, saysSleep, time.Time{})
	}
	need := r.needs(now)
	if need.idle && !p.Idle {
		add(WaitPresence, withDetail(saysPresence, p.Detail), r.overdueAt())
	}
	if need.mains && p.OnBattery {
		add(WaitBattery, saysBattery, time.Time{})
	}
	if hours := r.owner.plan.hours; hours != nil && !r.Force && !hours.open(now) {
		opens := hours.opens(now)
		add(WaitHours, fmt.Sprintf("outside its hours (%s)", r.owner.task.While.Hours), opens)
	}
	if r.NotBefore.After(now) && !r.Force {
		code, text := WaitDelay, says[WaitDelay]
		if r.Attempts > 0 {
			code, text = WaitRetry, says[WaitRetry]
		}
		add(code, text, r.NotBefore)
	}
	return all
}

func withDetail(text, detail string) string {
	if detail == "" {
		return text
	}
	return fmt.Sprintf("%s (%s)", text, detail)
}

// beyondValve returns what a Running is told of waits, without those that the valve sees itself.
func beyondValve(waits []Wait) (reasons []string) {
	for _, w := range waits {
		if text := says[w.Code]; text != saysPresence && text != saysBattery && text != saysSleep {
			reasons = append(reasons, text)
		}
	}
	return reasons
}

// codes returns the codes of waits.
func codes(waits []Wait) (list []WaitCode) {
	for _, w := range waits {
		list = append(list, w.Code)
	}
	return list
}

// sentence joins waits for people, with times as the machine's clock shows them.
func (s *Scheduler) sentence(waits []Wait) string {
	var texts []string
	for _, w := range waits {
		text := w.Text
		if !w.Until.IsZero() && w.Code != WaitPresence {
			text += ", until " + w.Until.In(s.o.Zone).Format("2006-01-02 15:04 MST")
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}

// same reports whether two lists give the same reasons.
func same(a, b []Wait) bool { return slices.Equal(codes(a), codes(b)) }
