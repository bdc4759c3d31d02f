package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tyto/agent/control"
	"tyto/agent/policy"
	"tyto/report"
	"tyto/scheduler"
)

// taskCommand is what the commands below "tyto task" have in common.
type taskCommand struct {
	socket string
}

func newTask() *cobra.Command {
	var t taskCommand
	cmd := &cobra.Command{
		Use:   "task",
		Short: "Work with the agent's tasks and their results",
		Long: `Tasks are stored scans: what is looked at, what for, when, and what is done about findings. They are
written in the policy, or added here. docs/tasks.md explains each field.`,
	}
	socketFlag(cmd, &t.socket)
	groupOf(cmd, t.list(), t.add(), t.show(), t.run(),
		t.steer("pause", "Hold a task's run until it is resumed", (*control.Client).PauseTask),
		t.steer("resume", "Let a run that is held go on", (*control.Client).ResumeTask),
		t.steer("cancel", "End a task's run; what it found is kept", (*control.Client).CancelTask),
		t.remove(), t.results())
	return cmd
}

// with calls do with a client of the agent.
func (t *taskCommand) with(do func(*control.Client) error) error {
	return withAgent(t.socket, do)
}

func (t *taskCommand) list() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the tasks and what they are at",
		Example: "  tyto task list",
		Args:    argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.with(func(c *control.Client) error {
				tasks, err := c.Tasks(cmd.Context())
				if err != nil {
					return err
				}
				if len(tasks) == 0 {
					fmt.Fprintln(cmd.OutOrStdout(), "There are no tasks. Add one: tyto task add, or in the policy.")
					return nil
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tFROM\tSTATE\tLAST RUN\tNEXT")
				for i := range tasks {
					v := &tasks[i]
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", report.Safe(v.Task.ID), report.Safe(v.Origin), report.Safe(taskState(v)), lastRun(v), when(v.Next))
				}
				return w.Flush()
			})
		},
	}
}

// taskState says in words what a task is at.
func taskState(v *scheduler.TaskView) string {
	switch {
	case v.Run != nil:
		return stateOf(v.Run)
	case v.Task.Disabled:
		return "disabled"
	}
	return "ready"
}

// stateOf says in words what a run is at.
func stateOf(r *scheduler.RunView) string {
	switch {
	case r.Why != "":
		return r.Why
	case r.Reason != "":
		return r.State + ": " + r.Reason
	}
	return r.State
}

func lastRun(v *scheduler.TaskView) string {
	if v.Last == nil {
		return "-"
	}
	return report.Safe(v.Last.State) + " " + when(v.Last.Finished)
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}

func (t *taskCommand) add() *cobra.Command {
	var task scheduler.Task
	var areas []string
	var replace bool
	cmd := &cobra.Command{
		Use:   "add FILE | --id ID …",
		Short: "Add a task from a file, YAML or JSON, or from flags",
		Long: `Adds a task. FILE holds one task as it stands below "tasks" in a policy; without it, flags say what the
task is. A task that runs by itself needs --schedule or another key of "when" in a file.`,
		Example: `  tyto task add weekly.yaml
  tyto task add --id homes --path /home --schedule "0 12 * * 1" --idle`,
		Args: argsError(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, a := range areas {
				task.Scope.Areas = append(task.Scope.Areas, scheduler.Area(a))
			}
			made, err := taskOf(cmd, args, &task)
			if err != nil {
				return err
			}
			return t.with(func(c *control.Client) error { return put(cmd, c, *made, replace) })
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&replace, "replace", false, "replace the task that has this id")
	flags.StringVar(&task.ID, "id", "", "the task's `ID`: small letters, digits and hyphens")
	flags.StringVar(&task.Name, "name", "", "its name for people")
	flags.StringArrayVar(&areas, "area", nil, "scan an `AREA`: computer, system-drives or critical; repeatable")
	flags.StringArrayVar(&task.Scope.Paths, "path", nil, "scan a file or folder, whole `PATH`; repeatable")
	flags.StringArrayVar(&task.Scope.Exclude, "exclude", nil, "leave out what matches `GLOB`; repeatable")
	flags.StringArrayVar(&task.Rules, "rules", nil, "YARA rules: a `FILE|DIR`, or \"builtin\"; repeatable")
	flags.StringArrayVar(&task.Indicators, "ioc", nil, "indicators: a `FILE|DIR`; repeatable")
	flags.StringArrayVar(&task.When.Schedule, "schedule", nil, "run it at the times of a `CRON` expression; repeatable")
	flags.BoolVar(&task.While.Idle, "idle", false, "work only while nobody uses the computer")
	flags.StringVar(&task.While.Hours, "hours", "", "work only within a daily `WINDOW`, such as 20:00-07:00")
	flags.BoolVar(&task.Actions.Quarantine, "quarantine", false, "move what is found into the quarantine")
	flags.BoolVar(&task.Actions.DryRun, "dry-run", false, "say what would be done about findings, and do nothing")
	return cmd
}

// taskOf returns the task of a file, or of the flags.
func taskOf(cmd *cobra.Command, args []string, flagged *scheduler.Task) (*scheduler.Task, error) {
	if len(args) == 0 {
		if flagged.ID == "" {
			return nil, usagef("tyto task add FILE, or tyto task add --id ID --area computer", "what should the task be?")
		}
		return flagged, nil
	}
	if flagged.ID != "" {
		return nil, usagef("choose one", "a file and --id contradict each other")
	}
	document, err := policy.ReadDocument(args[0])
	if err != nil {
		return nil, usageError{err: fmt.Errorf("read the task: %w", err), hint: "docs/tasks.md shows one"}
	}
	task, problems := policy.ParseTask(args[0], document)
	if printProblems(cmd.ErrOrStderr(), problems, false) > 0 {
		return nil, usagef("docs/tasks.md explains each field", "the task cannot be used")
	}
	return task, nil
}

// put adds a task, or replaces the one that has its id.
func put(cmd *cobra.Command, c *control.Client, task scheduler.Task, replace bool) error {
	// Paths are the agent's, whose working directory is another.
	for i, path := range task.Scope.Paths {
		if abs, err := filepath.Abs(path); err == nil {
			task.Scope.Paths[i] = abs
		}
	}
	view, err := c.AddTask(cmd.Context(), task)
	var p *control.Error
	if replace && errors.As(err, &p) && p.Status == 409 {
		view, err = c.UpdateTask(cmd.Context(), task)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "task %s: next run %s\n", report.Safe(view.Task.ID), nextRun(&view))
	return nil
}

func nextRun(v *scheduler.TaskView) string {
	if v.Next.IsZero() {
		return "when it is started: tyto task run " + report.Safe(v.Task.ID)
	}
	return when(v.Next)
}

func (t *taskCommand) show() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show a task, its run and its last run",
		Example: "  tyto task show weekly\n  tyto task show weekly --follow",
		Args:    argsError(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.with(func(c *control.Client) error {
				v, err := c.Task(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if err := printTask(cmd, &v); err != nil || !follow {
					return err
				}
				if v.Run == nil {
					return usagef("tyto task run starts one", "task %q has no run that waits or works", args[0])
				}
				return followRun(cmd, c, v.Run.ID)
			})
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "show its run live until it has ended")
	return cmd
}

func printTask(cmd *cobra.Command, v *scheduler.TaskView) error {
	text, err := policy.TaskYAML(v.Task)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprint(out, safeLines(string(text)))
	fmt.Fprintf(out, "# from %s, %s, next %s\n", report.Safe(v.Origin), when(v.Created), when(v.Next))
	for _, r := range []struct {
		what string
		run  *scheduler.RunView
	}{{"run", v.Run}, {"then", v.Pending}, {"last", v.Last}} {
		if r.run != nil {
			fmt.Fprintf(out, "# %s: %d, %s\n", r.what, r.run.ID, report.Safe(stateOf(r.run)))
		}
	}
	return nil
}

func (t *taskCommand) run() *cobra.Command {
	var follow, now bool
	cmd := &cobra.Command{
		Use:   "run ID",
		Short: "Start a run of a task",
		Long: `Starts a run. It still waits for what its task asks for, such as an idle computer, unless --now is
given. With --follow it is shown live, Ctrl-C ends the showing and not the run, and the exit code is that of a
scan.`,
		Example: "  tyto task run weekly\n  tyto task run weekly --now --follow",
		Args:    argsError(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.with(func(c *control.Client) error {
				r, err := c.StartTask(cmd.Context(), args[0], control.Start{Now: now})
				if err != nil {
					return err
				}
				if follow {
					return followRun(cmd, c, r.ID)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "run %d: %s\n", r.ID, report.Safe(stateOf(&r)))
				return nil
			})
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "show it live until it has ended")
	cmd.Flags().BoolVar(&now, "now", false, "whatever the conditions of the task are")
	return cmd
}

// steer returns a command that does one thing to a task's run.
func (t *taskCommand) steer(name, short string, do func(*control.Client, context.Context, string) (scheduler.TaskView, error)) *cobra.Command {
	return &cobra.Command{
		Use:     name + " ID",
		Short:   short,
		Example: "  tyto task " + name + " weekly",
		Args:    argsError(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.with(func(c *control.Client) error {
				v, err := do(c, cmd.Context(), args[0])
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "task %s: %s\n", report.Safe(v.Task.ID), report.Safe(taskState(&v)))
				return nil
			})
		},
	}
}

func (t *taskCommand) remove() *cobra.Command {
	return &cobra.Command{
		Use:     "delete ID",
		Short:   "Delete a task; its results stay until their time is over",
		Example: "  tyto task delete weekly",
		Args:    argsError(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.with(func(c *control.Client) error {
				if err := c.DeleteTask(cmd.Context(), args[0]); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "task %s is deleted\n", report.Safe(args[0]))
				return nil
			})
		},
	}
}

// detectTerminal returns what standard output can show.
func detectTerminal(cmd *cobra.Command) report.TerminalOptions {
	if f, ok := cmd.OutOrStdout().(*os.File); ok {
		return report.DetectTerminal(f, os.Getenv)
	}
	return report.TerminalOptions{}
}
