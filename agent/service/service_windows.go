package service

import (
	"context"
	"fmt"

	"golang.org/x/sys/windows/svc"
)

// Controls are what the service manager tells a service. Each is called from one goroutine and must return
// soon; nil is ignored.
type Controls struct {
	Reload func()            // the settings have changed (sc control tyto paramchange)
	Pause  func(paused bool) // sc pause, sc continue; nil: they are refused
	// Changed is told that a session was locked, unlocked, begun or ended, and that the computer goes to sleep,
	// wakes up or changes between mains and battery: package idle understands the request (idle.FromService).
	Changed func(context.Context, svc.ChangeRequest)
}

// stopHint is how long the service manager waits for a stop, in milliseconds.
const stopHint = 20_000

// Run runs body as the service that the service manager has started this process for. It returns when body has
// returned, which it must after its context has ended; ready is called once body works. It fails if the service
// manager did not start this process.
func Run(body func(ctx context.Context, ready func()) error, c Controls) error {
	h := &handler{body: body, controls: c}
	if err := svc.Run(Name, h); err != nil {
		return fmt.Errorf("run as a service: %w: it is started by \"tyto agent install\" or \"sc start tyto\"; in a console: tyto agent run", err)
	}
	return h.err
}

// handler speaks with the service manager.
type handler struct {
	body     func(context.Context, func()) error
	controls Controls
	err      error
}

// accepted returns what the service manager may tell.
func (h *handler) accepted() svc.Accepted {
	a := svc.AcceptStop | svc.AcceptShutdown | svc.AcceptParamChange | svc.AcceptSessionChange | svc.AcceptPowerEvent
	if h.controls.Pause != nil {
		a |= svc.AcceptPauseAndContinue
	}
	return svc.Accepted(a)
}

// Execute implements svc.Handler.
func (h *handler) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (bool, uint32) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	status <- svc.Status{State: svc.StartPending, WaitHint: stopHint}
	ready, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() { ended <- h.body(ctx, func() { ready <- struct{}{} }) }()
	for {
		select {
		case <-ready:
			status <- svc.Status{State: svc.Running, Accepts: h.accepted()}
		case h.err = <-ended:
			status <- svc.Status{State: svc.StopPending}
			if h.err != nil && ctx.Err() == nil {
				return true, 1 // the recovery actions follow
			}
			return false, 0
		case r := <-requests:
			if s, ok := h.obey(ctx, r); ok {
				status <- s
				if s.State == svc.StopPending {
					cancel()
				}
			}
		}
	}
}

// obey carries out a request, and returns the state to report, if any.
func (h *handler) obey(ctx context.Context, r svc.ChangeRequest) (svc.Status, bool) {
	switch r.Cmd {
	case svc.Interrogate:
		return r.CurrentStatus, true
	case svc.Stop, svc.Shutdown:
		return svc.Status{State: svc.StopPending, WaitHint: stopHint}, true
	case svc.Pause, svc.Continue:
		paused := r.Cmd == svc.Pause
		if h.controls.Pause != nil {
			h.controls.Pause(paused)
		}
		if paused {
			return svc.Status{State: svc.Paused, Accepts: h.accepted()}, true
		}
		return svc.Status{State: svc.Running, Accepts: h.accepted()}, true
	case svc.ParamChange:
		if h.controls.Reload != nil {
			h.controls.Reload()
		}
		return r.CurrentStatus, true
	case svc.SessionChange, svc.PowerEvent:
		if h.controls.Changed != nil {
			h.controls.Changed(ctx, r)
		}
	}
	return svc.Status{}, false
}
