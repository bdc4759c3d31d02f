package main

import (
	"encoding/json"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tyto/agent/control"
	"tyto/report"
)

func newSandboxStatus() *cobra.Command {
	var socket string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the servers, the queue and what is watched",
		Long: `Shows how the agent's link to the sandboxes does.

  0  all servers can be asked   3  not all, or accesses are not noticed everywhere   2  no agent, no link`,
		Args: argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAgent(socket, func(c *control.Client) error {
				s, err := c.Sandbox(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(&s)
				}
				return printSandbox(cmd.OutOrStdout(), &s)
			})
		},
	}
	socketFlag(cmd, &socket)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func printSandbox(out io.Writer, s *control.Sandbox) error {
	w := &errWriter{w: out}
	incomplete := s.Missed > 0 || len(s.NotWatching) > 0 || len(s.Troubles) > 0
	for _, server := range s.Servers {
		w.printf("server    %s (%s): %s", report.Safe(server.Address), report.Safe(server.Kind), report.Safe(server.State))
		if server.Database != "" {
			w.printf(", database %.16s", report.Safe(server.Database))
		}
		if server.Error != "" {
			incomplete = true
			w.printf(": %s", report.Safe(server.Error))
		}
		if server.Until.After(time.Now()) {
			w.printf(", tried again %s", server.Until.Local().Format(time.TimeOnly))
		}
		w.printf("\n")
	}
	for _, trouble := range s.Troubles {
		w.printf("trouble   %s\n", report.Safe(trouble))
	}
	if len(s.Servers) == 0 {
		w.printf("server    none: nothing is sent\n")
	}
	w.printf("queue     %s waiting, %s of %s\n", count(s.Waiting, "object"), report.Bytes(s.Used), report.Bytes(s.Limit))
	w.printf("verdicts  %d remembered\n", s.Verdicts)
	for _, where := range s.Watching {
		w.printf("watching  %s\n", report.Safe(where))
	}
	for _, where := range s.NotWatching {
		w.printf("not       %s\n", report.Safe(where))
	}
	if len(s.Watching)+len(s.NotWatching)+len(s.Troubles) == 0 {
		w.printf("watching  nothing: set sandbox.intercept in the policy\n")
	}
	w.printf("accesses  %d refused, %d looked at, %d missed, %d too late, %d failed\n", s.Refused, s.Noticed, s.Missed, s.Late, s.Failed)
	if w.err != nil {
		return w.err
	}
	if incomplete {
		return end(report.Incomplete)
	}
	return nil
}
