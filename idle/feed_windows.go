package idle

import (
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
)

// Events of SERVICE_CONTROL_POWEREVENT.
const (
	pbtSuspend         = 0x4
	pbtResumeSuspend   = 0x7
	pbtStatusChange    = 0xA
	pbtResumeAutomatic = 0x12
)

// FromService makes an event of what the service manager tells a service that accepts
// svc.AcceptSessionChange and svc.AcceptPowerEvent; false if it says nothing of presence. The session is
// always [AnySession]: its number stands in memory that the service manager takes back before
// package svc has handed the request over.
func FromService(r svc.ChangeRequest) (Event, bool) {
	switch r.Cmd {
	case svc.SessionChange:
		e := Event{Kind: SessionOther, Session: AnySession}
		switch r.EventType {
		case windows.WTS_SESSION_LOCK:
			e.Kind = SessionLock
		case windows.WTS_SESSION_UNLOCK:
			e.Kind = SessionUnlock
		}
		return e, true
	case svc.PowerEvent:
		switch r.EventType {
		case pbtSuspend:
			return Event{Kind: Suspend}, true
		case pbtResumeSuspend, pbtResumeAutomatic:
			return Event{Kind: Resume}, true
		case pbtStatusChange:
			return Event{Kind: PowerChange}, true
		}
	}
	return Event{}, false
}
