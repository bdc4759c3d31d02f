package idle

import "context"

// Event is something that a service manager tells a service: on Windows the control codes
// SERVICE_CONTROL_SESSIONCHANGE and SERVICE_CONTROL_POWEREVENT. On Linux the monitor hears it from logind.
type Event struct {
	Kind    EventKind
	Session uint32 // for SessionLock, SessionUnlock and SessionOther; AnySession if not known
}

// AnySession stands for a session that is not known. An unlock then counts for all sessions, a lock for
// none: it only makes sources look again.
const AnySession = 0xFFFFFFFF

// EventKind is what happened.
type EventKind int

const (
	// SessionOther is a change that makes sources look again: logon, logoff, connect, disconnect.
	SessionOther EventKind = iota
	// SessionLock and SessionUnlock are told of one session (WTS_SESSION_LOCK, WTS_SESSION_UNLOCK).
	SessionLock
	SessionUnlock
	// Suspend is told before the computer sleeps, Resume after (PBT_APMSUSPEND; PBT_APMRESUMEAUTOMATIC,
	// PBT_APMRESUMESUSPEND).
	Suspend
	Resume
	// PowerChange says that the battery is worth a look (PBT_APMPOWERSTATUSCHANGE).
	PowerChange
)

// Feed tells the monitor of an event. It returns when the event has been taken, which is after
// [Options.Changed] has returned from what was told before; for Suspend, after it has seen that the
// computer is about to sleep. It must not be called from Changed.
func (m *Monitor) Feed(ctx context.Context, e Event) {
	switch e.Kind {
	case PowerChange:
		select {
		case m.power <- struct{}{}:
		default:
		}
	case Suspend, Resume:
		for range 2 { // the second is taken when the first has been told
			select {
			case m.updates <- update{provider: -1, event: e}:
			case <-ctx.Done():
				return
			}
		}
	default:
		for _, p := range m.o.Providers {
			if f, ok := p.(Feeder); ok {
				f.Feed(e)
			}
		}
	}
}
