package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tyto/agent/control"
	"tyto/agent/place"
	"tyto/agent/policy"
	"tyto/agent/policy/strict"
	"tyto/agent/service"
	"tyto/report"
)

func newAgent() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Scan this computer when nobody uses it: the service",
	}
	groupOf(cmd, newAgentRun(), newAgentInstall(), newAgentUninstall(), newAgentStatus(), newAgentReload(), newAgentEvents())
	return cmd
}

func newAgentInstall() *cobra.Command {
	var o service.Options
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Make the agent a service of this computer and start it",
		Long: `Copies this program into a folder of the system unless it stands in one, writes a policy with all
defaults if there is none, and makes the service: a unit of systemd, or a Windows service. Done again, it
renews the program and the unit and leaves the policy alone.`,
		Example: "  tyto agent install --dry-run\n  tyto agent install",
		Args:    argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Policy = policy.Example()
			steps, err := service.Install(o)
			return carry(cmd, steps, err, dryRun)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be done, and do nothing")
	cmd.Flags().StringVar(&o.Root, "root", "", "install into the image of a computer below `DIR`, without starting anything")
	return cmd
}

func newAgentUninstall() *cobra.Command {
	var o service.Options
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Stop the agent and remove the service",
		Long: `Stops and removes the service and the program that install has put in place. The policy, the state
and the quarantine stay, unless --purge says otherwise.`,
		Example: "  tyto agent uninstall\n  tyto agent uninstall --purge --dry-run",
		Args:    argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			steps, err := service.Uninstall(o)
			if err == nil && len(steps) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "Nothing is installed.")
			}
			return carry(cmd, steps, err, dryRun)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be done, and do nothing")
	cmd.Flags().BoolVar(&o.Purge, "purge", false, "remove policy, state and quarantine too; what is in the quarantine is lost")
	cmd.Flags().StringVar(&o.Root, "root", "", "remove from the image of a computer below `DIR`")
	return cmd
}

// carry carries out steps, or only tells them.
func carry(cmd *cobra.Command, steps []service.Step, err error, dryRun bool) error {
	out := cmd.OutOrStdout()
	if err != nil {
		return usageError{err: err}
	}
	if dryRun {
		for _, s := range steps {
			fmt.Fprintf(out, "would %s\n", report.Safe(s.What))
		}
		return nil
	}
	err = service.Carry(cmd.Context(), steps, func(what string) { fmt.Fprintln(out, report.Safe(what)) })
	if errors.Is(err, fs.ErrPermission) {
		return usageError{err: err, hint: "run it as root, on Windows as an administrator"}
	}
	if err != nil {
		return usageError{err: err}
	}
	return nil
}

// connect returns a client of this computer's agent.
func connect(socket string) *control.Client { return control.NewClient(agentAddress(socket)) }

// agentAddress returns where the agent is: as the flag says, or the environment, or its policy if that can be
// read, or where agents are by default.
func agentAddress(socket string) string {
	places := place.Default(os.Getenv)
	if socket != "" || os.Getenv(place.ControlVariable) != "" {
		return place.Places{Control: socket}.Or(places).Control
	}
	if p, _, err := policy.Read(places.Policy); err == nil {
		return place.Places{Control: p.Control.Address}.Or(places).Control
	}
	return places.Control
}

// withAgent calls do with a client of this computer's agent, and makes what goes wrong an error for people.
func withAgent(socket string, do func(*control.Client) error) error {
	client := connect(socket)
	defer client.Close()
	return agentError(do(client))
}

// socketFlag adds the flag that says where the agent is.
func socketFlag(cmd *cobra.Command, socket *string) {
	cmd.PersistentFlags().StringVar(socket, "socket", "", "the agent's `ADDRESS` (also "+place.ControlVariable+")")
}

// agentError makes what an agent answers, or that there is none, an error for people.
func agentError(err error) error {
	var p *control.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(ended)), errors.As(err, new(usageError)):
		return err
	case errors.As(err, &p):
		for _, detail := range p.Problems {
			p.Next = detail + "\n" + p.Next
		}
		return usageError{err: errors.New(p.Detail), hint: strings.TrimSpace(safeLines(p.Next))}
	case errors.Is(err, control.ErrNoAgent):
		return usageError{err: err, hint: "tyto agent install makes it a service; tyto agent run starts it here"}
	case errors.Is(err, fs.ErrPermission):
		return usageError{err: err, hint: "run it as root, on Windows as an administrator"}
	}
	return usageError{err: err}
}

func newAgentStatus() *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Say how the running agent is doing",
		Long:    "Ends with 0 if the agent does all it should, with 3 if a part of it does not work, and with 2 if none runs.",
		Example: "  tyto agent status",
		Args:    argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAgent(socket, func(c *control.Client) error {
				s, err := c.Status(cmd.Context())
				if err != nil {
					return err
				}
				printStatus(cmd, &s)
				if len(s.Degraded) > 0 {
					return end(report.Incomplete)
				}
				return nil
			})
		},
	}
	socketFlag(cmd, &socket)
	return cmd
}

func printStatus(cmd *cobra.Command, s *control.Status) {
	out := cmd.OutOrStdout()
	line := func(name, format string, args ...any) {
		fmt.Fprintf(out, "%-12s %s\n", name, report.Safe(fmt.Sprintf(format, args...)))
	}
	line("agent", "%s, process %d, since %s", s.Version, s.PID, s.Started.Local().Format(time.DateTime))
	line("policy", "%s", s.Policy)
	line("data", "%s", s.Data)
	line("presence", "%s: %s", s.Presence, s.Reason)
	line("tasks", "%d", s.Tasks)
	if s.Work != nil {
		line("at work", "run %d of task %q: %s", s.Work.ID, s.Work.Task, stateOf(s.Work))
	}
	line("looks for", "%s, %s", count(s.Rules, "rule"), count(s.Indicators, "indicator"))
	line("knows", "%s, %s", count(int(s.Files), "file"), count(int(s.Findings), "finding"))
	line("quarantine", "%s", count(s.Quarantined, "object"))
	for _, d := range s.Degraded {
		line("degraded", "%s", d)
	}
}

func newAgentReload() *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use:     "reload",
		Short:   "Have the running agent read its policy again",
		Long:    "Ends with 2 if the policy is rejected; the one in force stays.",
		Example: "  tyto agent reload",
		Args:    argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAgent(socket, func(c *control.Client) error {
				p, err := c.ReloadPolicy(cmd.Context())
				if err != nil {
					return err
				}
				return printReloaded(cmd, &p)
			})
		},
	}
	socketFlag(cmd, &socket)
	return cmd
}

// printReloaded says what became of the policy; a rejected one is an error.
func printReloaded(cmd *cobra.Command, p *control.Policy) error {
	for _, problem := range p.Problems {
		kind := "error"
		if problem.Warning {
			kind = "warning"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s:%d: %s: %s\n", report.Safe(p.File), problem.Line, kind, report.Safe(problem.Message))
	}
	if p.Rejected != "" {
		return usagef("mend it and run tyto agent reload again; until then the old policy is in force", "the policy was rejected: %s", p.Rejected)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s is in force.\n", report.Safe(p.File))
	return nil
}

func newAgentEvents() *cobra.Command {
	var socket, id, since string
	var limit int
	cmd := &cobra.Command{
		Use:     "events",
		Short:   "Show what the agent has told, the oldest first",
		Example: "  tyto agent events --since 24h\n  tyto agent events --id TY-401",
		Args:    argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f := control.EventFilter{ID: id, Limit: limit}
			if since != "" {
				last, err := strict.ParseDuration(since)
				if err != nil {
					return usagef("see \"tyto agent events --help\"", "--since: %v", err)
				}
				f.Since = time.Now().Add(-last)
			}
			return withAgent(socket, func(c *control.Client) error {
				list, err := c.Events(cmd.Context(), f)
				if err != nil {
					return err
				}
				for i := len(list) - 1; i >= 0; i-- {
					e := list[i]
					fmt.Fprintf(cmd.OutOrStdout(), "%s %s %s %s: %s\n", e.Time.Local().Format(time.DateTime),
						report.Safe(e.ID), report.Safe(e.Level), report.Safe(e.Name), report.Safe(e.Message))
				}
				return nil
			})
		},
	}
	socketFlag(cmd, &socket)
	cmd.Flags().StringVar(&id, "id", "", "only events of this `ID`, such as TY-401")
	cmd.Flags().StringVar(&since, "since", "", "only of the last `DURATION`, such as 24h or 7d")
	cmd.Flags().IntVar(&limit, "limit", 100, "at most `N`")
	return cmd
}

// safeLines makes each line of a text harmless.
func safeLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(report.Safe(strings.TrimSuffix(line, "\n")) + "\n")
	}
	return b.String()
}
