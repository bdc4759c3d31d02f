package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tyto/agent"
	"tyto/finding"
	"tyto/quarantine"
	"tyto/report"
)

func (f *vaultFlags) rescan() *cobra.Command {
	search := &scanFlags{}
	search.groups() // sets the defaults
	cmd := &cobra.Command{
		Use:   "rescan",
		Short: "Examine what is in the quarantine again, and name likely false alarms",
		Long: `Holds every object against rules and indicators, as a scan would. Objects on which nothing matches any more,
or which a list of trusted hashes knows, are likely false alarms. Nothing is restored or deleted.

  0  nothing matches any more           3  as 0, but not everything could be examined
  1  some objects still match           4  as 1, but not everything could be examined
  2  usage or input error, nothing was examined`,
		Args: argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.runRescan(cmd, search) },
	}
	search.searchFlags(cmd.Flags())
	f.jsonFlag(cmd)
	return cmd
}

func (f *vaultFlags) runRescan(cmd *cobra.Command, search *scanFlags) error {
	v, err := f.openExisting(cmd)
	if err != nil {
		return err
	}
	defer v.Close()
	messages := &messages{stderr: cmd.ErrOrStderr()}
	opts, err := search.options(nil)
	if err != nil {
		return err
	}
	opts.Log = logger(messages, false)
	opts.MaxSize = 0 // they came in, so they are to be examined
	ctx, stop := interruptible(cmd.Context(), messages)
	defer stop()
	loaded, err := load(ctx, search, opts.Log)
	if err != nil {
		return err
	}
	defer loaded.Close()
	opts.Rules, opts.Indicators = loaded.Rules, loaded.Indicators
	results, damaged, summary, err := v.Rescan(ctx, opts)
	if err != nil {
		return vaultError(err)
	}
	printProblems(cmd.ErrOrStderr(), loaded.Problems, true)
	outcome := report.Nothing
	gaps := summary.Incomplete() || len(damaged) > 0
	for _, d := range damaged {
		fmt.Fprintf(cmd.ErrOrStderr(), "tyto: %s\n", report.Safe(d.Err.Error()))
	}
	for i := range results {
		if len(results[i].Findings) > 0 {
			outcome = report.Found
		}
	}
	if gaps && outcome == report.Found {
		outcome = report.FoundIncomplete
	} else if gaps {
		outcome = report.Incomplete
	}
	if f.json {
		err = rescanLines(cmd.OutOrStdout(), results, summary.Stopped)
	} else {
		err = rescanTable(cmd.OutOrStdout(), results, summary.Stopped)
	}
	if err != nil {
		return err
	}
	return end(outcome)
}

// falseAlarm is the verdict on what was quarantined for a finding that is none any more.
const falseAlarm = "likely false alarm"

// outcomeOf says in a word what a new examination found.
func outcomeOf(r *quarantine.Rescanned, stopped string) string {
	switch {
	case len(r.Findings) > 0:
		return "still matches"
	case stopped != "" || len(r.Skips) > 0:
		return "not examined"
	case r.FalseAlarm() && strings.HasPrefix(r.Entry.Reason, agent.JudgedReason):
		return "judged by a sandbox" // no rule need find it
	case r.FalseAlarm():
		return falseAlarm
	}
	return "nothing matches" // and nothing did: a person put it there
}

// rescanTable writes what was found for people.
func rescanTable(w io.Writer, results []quarantine.Rescanned, stopped string) error {
	if len(results) == 0 {
		_, err := fmt.Fprintln(w, "The quarantine is empty.")
		return err
	}
	counts := map[string]int{}
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "ID\tVERDICT\tWAS\tPATH")
	for i := range results {
		r := &results[i]
		v := outcomeOf(r, stopped)
		counts[v]++
		was := r.Entry.Level
		if was == "" {
			was = "-"
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\n", r.Entry.ID, v, was, report.Safe(string(r.Entry.Path)))
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s examined, %s.\n", count(len(results), "object"), count(counts[falseAlarm], falseAlarm))
	if counts[falseAlarm] > 0 {
		fmt.Fprintln(w, "Look at them before you restore them: \"tyto quarantine show ID\" says why they were taken.")
	}
	if stopped != "" {
		fmt.Fprintf(w, "Not all was examined: %s.\n", report.Safe(stopped))
	}
	return nil
}

// rescanLine is a result as --json writes it.
type rescanLine struct {
	ID      string           `json:"id"`
	Path    quarantine.Bytes `json:"path"`
	SHA256  string           `json:"sha256"`
	Verdict string           `json:"verdict"`
	Level   string           `json:"level,omitempty"`   // now
	Matches []string         `json:"matches,omitempty"` // now
	Was     string           `json:"was,omitempty"`     // the level for which it was quarantined
	Skips   []string         `json:"skips,omitempty"`
}

func rescanLines(w io.Writer, results []quarantine.Rescanned, stopped string) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for i := range results {
		r := &results[i]
		line := rescanLine{
			ID: r.Entry.ID, Path: r.Entry.Path, SHA256: r.Entry.Hashes.SHA256, Was: r.Entry.Level, Verdict: outcomeOf(r, stopped),
		}
		highest := finding.None
		for _, f := range r.Findings {
			highest = max(highest, f.Level)
			for _, m := range f.Matches {
				line.Matches = append(line.Matches, m.Name)
			}
		}
		if highest > finding.None {
			line.Level = highest.String()
		}
		for _, s := range r.Skips {
			line.Skips = append(line.Skips, fmt.Sprintf("%s: %s", s.Reason, s.Detail))
		}
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	return nil
}
