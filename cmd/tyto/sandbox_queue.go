package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tyto/agent/control"
	"tyto/report"
)

// newSandboxQueue returns the commands about what waits for a sandbox's verdict.
func newSandboxQueue() *cobra.Command {
	q := &queueCommands{}
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "Look at what waits for a sandbox's verdict",
	}
	socketFlag(cmd, &q.socket)
	groupOf(cmd, q.list(), q.show(), q.drop(), q.flush())
	return cmd
}

// queueCommands ask the same agent.
type queueCommands struct{ socket string }

func (q *queueCommands) list() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the objects that wait, what is next first",
		Args:  argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAgent(q.socket, func(c *control.Client) error {
				waiting, err := c.SandboxQueue(cmd.Context())
				if err != nil {
					return err
				}
				return printQueue(cmd.OutOrStdout(), waiting, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON Lines")
	return cmd
}

func (q *queueCommands) show() *cobra.Command {
	return &cobra.Command{
		Use:   "show SHA256",
		Short: "Show one of them; the beginning of its SHA-256 suffices",
		Args:  argsError(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAgent(q.socket, func(c *control.Client) error {
				o, err := c.Queued(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return printQueued(cmd.OutOrStdout(), &o)
			})
		},
	}
}

func (q *queueCommands) drop() *cobra.Command {
	return &cobra.Command{
		Use:   "drop SHA256…",
		Short: "Remove objects from the queue; nobody is asked about them",
		Long: `Removes each object, of which the beginning of its SHA-256 suffices. What cannot be removed is told, the others
are removed nevertheless, and the command then ends with 2.`,
		Args: argsError(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAgent(q.socket, func(c *control.Client) error { return dropQueued(cmd, c, args) })
		},
	}
}

// dropQueued goes on after an object that the agent does not remove, but not without the agent.
func dropQueued(cmd *cobra.Command, c *control.Client, ids []string) error {
	outcome := report.Nothing
	for _, id := range ids {
		err := c.DropQueued(cmd.Context(), id)
		switch {
		case err == nil:
			fmt.Fprintf(cmd.OutOrStdout(), "Dropped %s\n", report.Safe(id))
		case errors.As(err, new(*control.Error)):
			exitCode(agentError(err), cmd.ErrOrStderr())
			outcome = report.Unusable
		default:
			return err
		}
	}
	return end(outcome)
}

func (q *queueCommands) flush() *cobra.Command {
	return &cobra.Command{
		Use:   "flush",
		Short: "Try everything now, also servers that rest",
		Args:  argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAgent(q.socket, func(c *control.Client) error {
				s, err := c.FlushQueue(cmd.Context())
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s tried now\n", count(s.Waiting, "object"))
				return err
			})
		},
	}
}

func printQueue(out io.Writer, waiting []control.QueuedObject, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(out)
		for i := range waiting {
			if err := e.Encode(&waiting[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if len(waiting) == 0 {
		_, err := fmt.Fprintln(out, "Nothing waits for a sandbox.")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SHA-256\tRISK\tSIZE\tTYPE\tADDED\tSTATE\tNAME")
	for i := range waiting {
		o := &waiting[i]
		name := "-"
		if len(o.Names) > 0 {
			name = o.Names[len(o.Names)-1]
		}
		fmt.Fprintf(w, "%.12s\t%d\t%s\t%s\t%s\t%s\t%s\n", report.Safe(o.SHA256), o.Risk, report.Bytes(o.Size), report.Safe(o.Type),
			when(o.Added), queuedState(o), report.Safe(name))
	}
	return w.Flush()
}

// queuedState says in words what an object waits for.
func queuedState(o *control.QueuedObject) string {
	switch {
	case o.Task != "":
		return "at " + report.Safe(o.Server)
	case o.NotBefore.After(time.Now()):
		return "tried again " + o.NotBefore.Local().Format(time.TimeOnly)
	}
	return "waiting"
}

func printQueued(out io.Writer, o *control.QueuedObject) error {
	w := &errWriter{w: out}
	w.printf("%s\n", report.Safe(o.SHA256))
	w.printf("    %s, %s on disk, %s\n", report.Bytes(o.Size), report.Bytes(o.Stored), report.Safe(o.Type))
	w.printf("    risk %d, added %s, given up %s\n", o.Risk, when(o.Added), when(o.Expires))
	for _, name := range o.Names {
		w.printf("    found as %s\n", report.Safe(name))
	}
	for _, why := range o.Why {
		w.printf("    because: %s\n", report.Safe(why))
	}
	w.printf("    %s", queuedState(o))
	if o.Task != "" {
		w.printf(", task %s", report.Safe(o.Task))
	}
	if o.Attempts > 0 {
		w.printf(", tried %d times", o.Attempts)
	}
	w.printf("\n")
	if o.Error != "" {
		w.printf("    last error: %s\n", report.Safe(o.Error))
	}
	return w.err
}
