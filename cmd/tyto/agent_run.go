package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tyto/agent"
	"tyto/agent/place"
	"tyto/agent/service"
)

// newAgentRun returns the command that is the agent.
func newAgentRun() *cobra.Command {
	var places place.Places
	var verbose bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the agent in the foreground",
		Long: `Runs the agent until it is told to stop (Ctrl-C, SIGTERM). A service manager starts it so; on
Windows that is "tyto service run". SIGHUP makes it read its policy again, which it also does when the file
has changed.

What it does is said by its policy (docs/policy.md) and its tasks (docs/tasks.md). Without a policy it
runs no task of its own and acts on nothing.`,
		Example: `  tyto agent run
  tyto agent run --policy ./policy.yaml --data ./state --socket ./agent.sock --verbose`,
		Args: argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			reload := make(chan struct{}, 1)
			defer hangUps(reload)()
			return runAgent(ctx, agentOptions(cmd, places, verbose, reload))
		},
	}
	placeFlags(cmd, &places)
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "write the log to standard error, in all its detail")
	return cmd
}

// placeFlags adds the flags that say where an agent keeps its things.
func placeFlags(cmd *cobra.Command, p *place.Places) {
	flags := cmd.Flags()
	flags.StringVar(&p.Policy, "policy", "", "read the policy from `FILE` (also "+place.PolicyVariable+")")
	flags.StringVar(&p.Data, "data", "", "keep the state in `DIR` (also "+place.DataVariable+")")
	flags.StringVar(&p.Control, "socket", "", "take commands at `ADDRESS` (also "+place.ControlVariable+")")
}

// hangUps passes on signals to read the policy again, until the returned function is called.
func hangUps(reload chan<- struct{}) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-signals:
				select {
				case reload <- struct{}{}:
				default: // one is under way
				}
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

// agentOptions says how the agent of this command runs.
func agentOptions(cmd *cobra.Command, places place.Places, verbose bool, reload <-chan struct{}) agent.Options {
	named := place.Places{
		Policy: os.Getenv(place.PolicyVariable), Data: os.Getenv(place.DataVariable), Control: os.Getenv(place.ControlVariable),
	}
	return agent.Options{
		Places:  places.Or(named),
		Default: place.Default(os.Getenv),
		Version: buildVersion(),
		Host:    host(),
		Compile: compileCommandLine(),
		Reload:  reload,
		Log:     logger(cmd.ErrOrStderr(), verbose),
	}
}

// runAgent runs an agent until ctx ends, and tells systemd how it is doing.
func runAgent(ctx context.Context, o agent.Options) error {
	notifier := service.NewNotifier(os.Getenv)
	tell := func(err error) {
		if err != nil {
			o.Log.Warn("systemd cannot be told how the agent is doing", "error", err)
		}
	}
	ready := o.Ready
	o.Ready = func() {
		tell(notifier.Ready("watches and answers"))
		if ready != nil {
			ready()
		}
	}
	var watch sync.WaitGroup
	watching, stop := context.WithCancel(ctx)
	watch.Go(func() { notifier.Watch(watching, func() bool { return answers(watching, o.Places.Control) }) })
	watch.Go(func() {
		<-watching.Done()
		tell(notifier.Stopping())
	})
	defer watch.Wait()
	defer stop()
	err := agent.Run(ctx, o)
	if errors.Is(err, place.ErrHeld) {
		return usageError{err: err, hint: "tyto agent status shows the other agent; a second one needs its own --data and --socket"}
	}
	return err
}

// answerTime is how long the agent may take to say how it is before it counts as hung.
const answerTime = 20 * time.Second

// answers reports whether the agent answers, or cannot be asked: only one that takes a question and does
// not answer hangs. It asks for what needs no disk: a slow one is no reason to restart the agent.
func answers(ctx context.Context, socket string) bool {
	asking, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	client := connect(socket)
	defer client.Close()
	_, err := client.Tasks(asking)
	return err == nil || asking.Err() == nil || ctx.Err() != nil
}
