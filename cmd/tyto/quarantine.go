package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tyto/agent/place"
	"tyto/quarantine"
	"tyto/report"
)

// vaultFlags say which vault is meant, and how it is used.
type vaultFlags struct {
	dir                string
	json               bool
	limit, objectLimit byteSize
	whenFull           string
	protect            []string
}

func newQuarantine() *cobra.Command {
	flags := &vaultFlags{}
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "Work with files that were taken out of the way",
		Long: `The quarantine is a folder with encrypted copies of files that were removed, from which they can be
given back with all their metadata. It works with and without the agent, on its folder or any other.

An entry is named by its ID, or by the first letters of it. Ends with 0 if all was done, 2 if nothing was,
3 if a part was not; docs/quarantine.md has the details.`,
		Example: `  tyto quarantine list
  tyto quarantine add /tmp/.x/miner
  tyto quarantine restore hk3v2 --to /tmp/look-at-it`,
	}
	cmd.PersistentFlags().StringVar(&flags.dir, "vault", "", "the quarantine's folder `DIR`; default is the agent's")
	groupOf(cmd,
		flags.list(),
		flags.show(),
		flags.add(),
		flags.restore(),
		flags.delete(),
		flags.rescan(),
		flags.export(),
	)
	return cmd
}

// defaultVault is the folder of the agent's quarantine.
func defaultVault() string {
	return filepath.Join(place.Default(os.Getenv).Data, "quarantine")
}

// open opens the vault.
func (f *vaultFlags) open(cmd *cobra.Command) (*quarantine.Vault, error) {
	dir := f.dir
	if dir == "" {
		dir = defaultVault()
	}
	places := place.Default(os.Getenv)
	v, err := quarantine.Open(dir, quarantine.Options{
		Limit:       int64(f.limit),
		ObjectLimit: int64(f.objectLimit),
		WhenFull:    quarantine.WhenFull(f.whenFull),
		Protected:   append([]string{places.Data, places.Policy}, f.protect...),
		Version:     buildVersion(),
		Event:       func(e quarantine.Event) { tellEvent(cmd.ErrOrStderr(), e) },
	})
	if err != nil {
		return nil, vaultError(err)
	}
	return v, nil
}

// openExisting opens a vault that must be there: one that is not is a typing error more often than an
// empty quarantine.
func (f *vaultFlags) openExisting(cmd *cobra.Command) (*quarantine.Vault, error) {
	v, err := f.open(cmd)
	if err == nil && !v.Exists() {
		return nil, usagef("nothing has been quarantined there; name another folder with --vault", "there is no quarantine in %q", v.Dir())
	}
	return v, err
}

// tellEvent says what happens besides what was asked for.
func tellEvent(w io.Writer, e quarantine.Event) {
	switch e.Kind {
	case quarantine.EventAlmostFull, quarantine.EventDropped, quarantine.EventLeftover:
		fmt.Fprintf(w, "tyto: quarantine: %s%s\n", prefixed(e.ID, ": "), report.Safe(e.Message))
	}
}

func prefixed(s, separator string) string {
	if s == "" {
		return ""
	}
	return s + separator
}

// vaultError makes an error of the vault one with a hint.
func vaultError(err error) error {
	if hint := vaultHint(err); hint != "" {
		return usageError{err: err, hint: hint}
	}
	return err
}

// vaultHint returns what to do about an error of the vault, with the flags that do it.
func vaultHint(err error) string {
	switch {
	case errors.Is(err, quarantine.ErrExists):
		return "choose another place with --to, replace what is there with --replace, or take another name with --rename"
	case errors.Is(err, quarantine.ErrNoFolder):
		return "let it be made with --parents, or choose another place with --to"
	}
	return quarantine.Hint(err)
}

// tally counts what a command was asked to do, and what it did.
type tally struct {
	stderr       io.Writer
	done, failed int
	partly       bool
}

// failure tells of one that was not done.
func (t *tally) failure(err error) {
	t.failed++
	fmt.Fprintf(t.stderr, "tyto: %s\n", report.Safe(err.Error()))
	if hint := vaultHint(err); hint != "" {
		fmt.Fprintf(t.stderr, "      %s\n", report.Safe(hint))
	}
}

// end returns the command's error: all, nothing, or a part was done.
func (t *tally) end() error {
	switch {
	case t.failed == 0 && !t.partly:
		return nil
	case t.done == 0:
		return end(report.Unusable)
	}
	return end(report.Incomplete)
}

func (f *vaultFlags) list() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List what is in the quarantine, the oldest first",
		Args:  argsError(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := f.openExisting(cmd)
			if err != nil {
				return err
			}
			defer v.Close()
			entries, damaged, err := v.List(cmd.Context())
			if err != nil {
				return vaultError(err)
			}
			t := &tally{stderr: cmd.ErrOrStderr(), done: len(entries)}
			for _, d := range damaged {
				t.failure(fmt.Errorf("%s (%s): %w", d.ID, report.Bytes(d.Stored), d.Err))
			}
			if f.json {
				for i := range entries {
					if err := writeEntry(cmd.OutOrStdout(), &entries[i], nil); err != nil {
						return err
					}
				}
			} else if err := listEntries(cmd.OutOrStdout(), entries); err != nil {
				return err
			}
			if len(damaged) > 0 {
				return end(report.Incomplete)
			}
			return nil
		},
	}
	f.jsonFlag(cmd)
	return cmd
}

func (f *vaultFlags) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON Lines, one object for each entry")
}

// listEntries writes a table.
func listEntries(w io.Writer, entries []quarantine.Entry) error {
	if len(entries) == 0 {
		_, err := fmt.Fprintln(w, "The quarantine is empty.")
		return err
	}
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "ID\tSINCE\tSIZE\tLEVEL\tPATH")
	var stored int64
	for i := range entries {
		e := &entries[i]
		stored += e.Stored
		note := ""
		if e.Original == quarantine.Unconfirmed {
			note = "  (the original may still be there)"
		}
		level := e.Level
		if level == "" {
			level = "-"
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s%s\n", e.ID, e.Quarantined.Local().Format(time.DateTime), report.Bytes(e.Size), level, report.Safe(string(e.Path)), note)
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s, %s.\n", count(len(entries), "object"), report.Bytes(stored))
	return err
}

// entryLine is an entry as --json writes it: its description, and what its file tells.
type entryLine struct {
	*quarantine.Entry
	Stored   int64               `json:"stored"`
	Original quarantine.Original `json:"original"`
	Finding  json.RawMessage     `json:"finding,omitempty"`
}

// writeEntry writes an entry as one line.
func writeEntry(w io.Writer, e *quarantine.Entry, finding []byte) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	line := entryLine{Entry: e, Stored: e.Stored, Original: e.Original}
	if json.Valid(finding) {
		line.Finding = finding
	}
	if err := encoder.Encode(line); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (f *vaultFlags) show() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show all that is known of an object",
		Args:  argsError(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := f.openExisting(cmd)
			if err != nil {
				return err
			}
			defer v.Close()
			e, finding, err := v.Show(cmd.Context(), args[0])
			if err != nil {
				return vaultError(err)
			}
			if f.json {
				return writeEntry(cmd.OutOrStdout(), e, finding)
			}
			return showEntry(cmd.OutOrStdout(), e, finding)
		},
	}
	f.jsonFlag(cmd)
	return cmd
}

// showEntry writes an entry for people.
func showEntry(w io.Writer, e *quarantine.Entry, finding []byte) error {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(tab, "%s\t%s\n", name, report.Safe(fmt.Sprintf(format, args...)))
	}
	line("ID", "%s", e.ID)
	line("Path", "%s", string(e.Path))
	line("Quarantined", "%s by %s", e.Quarantined.Local().Format(time.DateTime), e.By)
	line("Why", "%s", why(e))
	line("Size", "%s", report.Bytes(e.Size))
	if e.Type != "" {
		line("Type", "%s", e.Type)
	}
	line("SHA-256", "%s", e.Hashes.SHA256)
	line("SHA-1", "%s", e.Hashes.SHA1)
	line("MD5", "%s", e.Hashes.MD5)
	m := &e.Metadata
	line("Modified", "%s", m.Modified.Time().Format(time.RFC3339Nano))
	line("Accessed", "%s", m.Accessed.Time().Format(time.RFC3339Nano))
	line("Changed", "%s", m.Changed.Time().Format(time.RFC3339Nano))
	if !m.Created.IsZero() {
		line("Created", "%s", m.Created.Time().Format(time.RFC3339Nano))
	}
	if u := m.Unix; u != nil {
		line("Mode", "%04o", u.Mode)
		line("Owner", "%s (%d), %s (%d)", u.Owner, u.UID, u.Group, u.GID)
		for _, x := range u.Xattrs {
			line("Attribute", "%s = %q", string(x.Name), x.Value)
		}
	}
	if ms := m.Windows; ms != nil {
		line("Attributes", "%#x", ms.Attributes)
		line("Security", "%s", ms.Security)
	}
	for _, p := range e.Parts {
		if p.Stream != "" {
			line("Stream", "%s, %s", p.Stream, report.Bytes(p.Size))
		}
	}
	line("Hard links", "%d", m.Links)
	for _, n := range e.Names {
		line("Other name", "%s", string(n.Path))
	}
	line("In the vault", "%s; the original: %s", report.Bytes(e.Stored), e.Original)
	if err := tab.Flush(); err != nil {
		return err
	}
	if len(finding) > 0 {
		fmt.Fprintf(w, "\nThe finding, as it was reported:\n%s\n", report.Safe(string(bytes.TrimSpace(finding))))
	}
	return nil
}

// why says for what reason an object was quarantined.
func why(e *quarantine.Entry) string {
	text := e.Reason
	if e.Level != "" {
		text = fmt.Sprintf("%s%s, score %.0f", prefixed(text, "; "), e.Level, e.Score)
	}
	for i, name := range e.Matches {
		if i == 0 {
			text += ":"
		}
		text += " " + name
	}
	if text == "" {
		return "not told"
	}
	return text
}
