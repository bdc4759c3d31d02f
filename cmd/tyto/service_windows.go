package main

import (
	"context"

	"github.com/spf13/cobra"
	"golang.org/x/sys/windows/svc"

	"tyto/agent/place"
	"tyto/agent/service"
	"tyto/idle"
)

// systemCommands are those of this system alone.
func systemCommands() []*cobra.Command {
	cmd := &cobra.Command{
		Use:    "service",
		Short:  "What the Windows service manager starts",
		Hidden: true,
	}
	groupOf(cmd, newServiceRun())
	return []*cobra.Command{cmd}
}

// newServiceRun returns the command that is the agent, as the service manager starts it. It is a command of its
// own because a process cannot tell in all surroundings that it is a service; under Wine it cannot.
func newServiceRun() *cobra.Command {
	var places place.Places
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the agent as a Windows service",
		Args:  argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runService(cmd, places)
		},
	}
	placeFlags(cmd, &places)
	return cmd
}

func runService(cmd *cobra.Command, places place.Places) error {
	reload := make(chan struct{}, 1)
	// The agent hands over, once it has begun, what takes the system's changes.
	feeds := make(chan func(context.Context, idle.Event), 1)
	var feed func(context.Context, idle.Event)
	err := service.Run(
		func(ctx context.Context, ready func()) error {
			o := agentOptions(cmd, places, false, reload)
			o.Ready = ready
			o.System = func(f func(context.Context, idle.Event)) { feeds <- f }
			return runAgent(ctx, o)
		},
		service.Controls{
			Reload: func() {
				select {
				case reload <- struct{}{}:
				default: // one is under way
				}
			},
			Changed: func(ctx context.Context, r svc.ChangeRequest) {
				select {
				case feed = <-feeds:
				default:
				}
				if e, ok := idle.FromService(r); ok && feed != nil {
					feed(ctx, e)
				}
			},
		})
	if err != nil {
		return usageError{err: err}
	}
	return nil
}
