package agent

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"time"

	"tyto/agent/control"
	"tyto/agent/events"
	"tyto/agent/place"
)

// listenAgain is how long the agent waits before it tries again to open the control address, which
// another agent may hold.
const listenAgain = 30 * time.Second

// serve answers at the control address until ctx ends.
func (a *Agent) serve(ctx context.Context) {
	p := a.policy()
	address := a.o.Places.Or(place.Places{Control: p.Control.Address}).Or(a.o.Default).Control
	server := func() error {
		access := control.Access{Group: p.Control.Group, Refused: a.refused}
		l, err := control.Listen(address, access)
		if unknown := user.UnknownGroupError(""); errors.As(err, &unknown) {
			a.degraded("control group", fmt.Errorf("%w; until the next start only the administrator commands the agent", err))
			access.Group = ""
			l, err = control.Listen(address, access)
		}
		if err != nil {
			return err
		}
		a.works("control")
		return control.NewServer(backend{a}, control.ServerOptions{Log: a.log}).Serve(ctx, l)
	}
	for ctx.Err() == nil {
		if err := server(); err != nil && ctx.Err() == nil {
			a.degraded("control", fmt.Errorf("the agent cannot be commanded at %q: %w", address, err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(listenAgain):
		}
	}
}

// refusedEvery is how often the agent tells that somebody may not command it: who tries could try often.
const refusedEvery = time.Minute

// refused tells of somebody who tried to command the agent and may not.
func (a *Agent) refused(who string) {
	a.mu.Lock()
	now := a.o.Now()
	due := now.Sub(a.lastRefused).Abs() >= refusedEvery
	if due {
		a.lastRefused = now
	}
	a.mu.Unlock()
	if due {
		a.hub.Send(events.ControlRefused, fmt.Sprintf("%s tried to command the agent and may not", who), events.Data{"user.name": who})
	}
}
