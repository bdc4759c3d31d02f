package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"tyto/agent/place"
	"tyto/report"
	"tyto/store"
)

// huntFlags are the flags of tyto hunt.
type huntFlags struct {
	inventory string
	json      bool
	noVerify  bool
}

func newHunt() *cobra.Command {
	flags := &huntFlags{}
	cmd := &cobra.Command{
		Use:   "hunt HASH|FILE…",
		Short: "Say at once which known files have a hash",
		Long: `Looks for hashes in the inventory of the files that were examined before, by the agent or by
"tyto scan --inventory", and says at once where files with them are or were: also such that have been
deleted since. Then it looks whether they are still there.

A hash is an MD5, SHA-1 or SHA-256. A file is an OpenIOC file or a list with hashes; what it asks for
besides hashes is not looked for, and said. Files inside archives are not known by their hashes.

The inventory knows what was examined, not what is on the disk now: a file that came after the last
scan is not known. The agent may be running meanwhile.

  0  no known file has one of the hashes   3  none, but not all that was asked for could be answered
  1  known files have them                 4  some have, but not all could be answered
  2  usage or input error`,
		Example: `  tyto hunt 44d88612fea8a8f36de82e1278abb02f
  tyto hunt apt1.ioc hashes.txt
  tyto hunt --inventory /mnt/evidence/var/lib/tyto/state.db --no-verify hashes.txt`,
		Args: argsError(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return hunt(cmd, flags, args) },
	}
	cmd.Flags().StringVar(&flags.inventory, "inventory", "", "the inventory `FILE`; default is that of the agent")
	cmd.Flags().BoolVar(&flags.json, "json", false, "write JSON Lines to standard output")
	cmd.Flags().BoolVar(&flags.noVerify, "no-verify", false, "do not look at the disk")
	return cmd
}

func hunt(cmd *cobra.Command, flags *huntFlags, args []string) error {
	messages := &messages{stderr: cmd.ErrOrStderr()}
	ctx, stop := interruptible(cmd.Context(), messages)
	defer stop()
	prey, err := gatherPrey(ctx, args)
	if err != nil {
		return err
	}
	state, err := openKnown(ctx, flags.inventory)
	if err != nil {
		return err
	}
	defer state.Close()
	h := &hunter{flags: flags, prey: prey, out: cmd.OutOrStdout(), stderr: messages}
	for known, err := range state.FilesByHash(ctx, prey.hashes) {
		if err != nil {
			if ctx.Err() != nil {
				h.gap("the hunt was interrupted")
				break
			}
			return err
		}
		if err := h.known(ctx, &known); err != nil {
			return err
		}
	}
	return h.finish()
}

// openKnown opens the inventory to read it.
func openKnown(ctx context.Context, path string) (*store.Store, error) {
	hint := "name the file that a scan with --inventory wrote"
	if path == "" {
		path = filepath.Join(place.Default(os.Getenv).Data, "state.db")
		hint = "the agent writes it; without an agent, " + hint + ", with --inventory"
	}
	state, err := store.Open(ctx, path, store.Options{ReadOnly: true})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, usagef(hint, "there is no inventory %q", path)
	case errors.Is(err, fs.ErrPermission):
		hint = "run it as root, on Windows as an administrator"
	}
	if err != nil {
		return nil, usageError{err: err, hint: hint}
	}
	return state, nil
}

// hunter tells what is known, file by file.
type hunter struct {
	flags  *huntFlags
	prey   *prey
	out    io.Writer
	stderr io.Writer

	files  int64
	hashes map[string]bool // that were found
	gaps   int             // what could not be answered
	states map[diskState]int64
}

// gap tells of something that could not be answered.
func (h *hunter) gap(format string, args ...any) {
	h.gaps++
	fmt.Fprintf(h.stderr, "tyto: %s\n", report.Safe(fmt.Sprintf(format, args...)))
}

// known tells of one file.
func (h *hunter) known(ctx context.Context, k *store.KnownFile) error {
	disk := diskResult{State: notLookedAt}
	if !h.flags.noVerify {
		disk = verify(ctx, k)
	}
	if h.states == nil {
		h.states, h.hashes = map[diskState]int64{}, map[string]bool{}
	}
	h.files++
	h.hashes[k.Hash] = true
	h.states[disk.State]++
	if disk.State == unreadable {
		h.gaps++
	}
	if h.flags.json {
		return json.NewEncoder(h.out).Encode(h.line(k, disk))
	}
	return h.print(k, disk)
}

func (h *hunter) print(k *store.KnownFile, disk diskResult) error {
	w := &errWriter{w: h.out}
	o := &k.Object
	w.printf("%s\n", report.Safe(o.Path))
	w.printf("    %s, %s", o.Hashes.SHA256, report.Bytes(o.Size))
	if o.Type != "" {
		w.printf(", %s", report.Safe(o.Type))
	}
	w.printf("\n    examined %s", localTime(k.Examined))
	if !k.Gone.IsZero() {
		w.printf(", missing since %s", localTime(k.Gone))
	}
	w.printf("\n    %s\n", report.Safe(disk.String()))
	for i := range k.Findings {
		f := &k.Findings[i]
		w.printf("    found then: %s %.0f", f.Level, f.Score)
		if len(f.Matches) > 0 {
			w.printf(" %s", report.Safe(f.Matches[0].Name))
		}
		if f.Object.Path != o.Path {
			w.printf(" in %s", report.Safe(f.Object.Path))
		}
		w.printf("\n")
	}
	for _, source := range h.prey.sources[k.Hash] {
		w.printf("    wanted by %s\n", report.Safe(source))
	}
	return w.err
}

// finish says what the hunt came to.
func (h *hunter) finish() error {
	for _, text := range h.prey.notes {
		fmt.Fprintf(h.stderr, "tyto: %s\n", report.Safe(text))
	}
	for _, text := range h.prey.unanswered {
		h.gap("%s", text)
	}
	outcome := report.Nothing
	switch {
	case h.files > 0 && h.gaps > 0:
		outcome = report.FoundIncomplete
	case h.files > 0:
		outcome = report.Found
	case h.gaps > 0:
		outcome = report.Incomplete
	}
	if h.flags.json {
		err := json.NewEncoder(h.out).Encode(map[string]any{"hunt": map[string]any{
			"hashes": len(h.prey.hashes), "hashes_found": len(h.hashes), "files": h.files, "disk": h.states,
			"gaps": h.gaps, "unanswered": h.prey.unanswered, "exit_code": int(outcome),
		}})
		return errors.Join(end(outcome), err)
	}
	w := &errWriter{w: h.out}
	if h.files == 0 {
		which := "this hash"
		if n := len(h.prey.hashes); n > 1 {
			which = "one of the " + count(n, "hash")
		}
		w.printf("No known file has %s.\n", which)
	} else {
		w.printf("%s with %s of %s", count(int(h.files), "known file"), report.Count(int64(len(h.hashes))), count(len(h.prey.hashes), "hash"))
		for _, s := range diskStates {
			if n := h.states[s]; n > 0 {
				w.printf(", %s %s", report.Count(n), s)
			}
		}
		w.printf(".\n")
	}
	if w.err != nil {
		return w.err
	}
	return end(outcome)
}

// huntLine is the JSON of one known file; docs/state.md describes it.
type huntLine struct {
	Hash       string        `json:"hash"`
	Path       string        `json:"path"`
	PathBase64 string        `json:"path_base64,omitempty"`
	Size       int64         `json:"size"`
	Type       string        `json:"type,omitempty"`
	MD5        string        `json:"md5,omitempty"`
	SHA1       string        `json:"sha1,omitempty"`
	SHA256     string        `json:"sha256,omitempty"`
	Examined   time.Time     `json:"examined"`
	Gone       *time.Time    `json:"gone,omitempty"`
	Run        int64         `json:"run,omitempty"`
	Disk       diskResult    `json:"disk"`
	Findings   []huntFinding `json:"findings,omitempty"`
	WantedBy   []string      `json:"wanted_by,omitempty"`
}

type huntFinding struct {
	Path  string  `json:"path"`
	Level string  `json:"level"`
	Score float64 `json:"score"`
	Match string  `json:"match,omitempty"`
}

func (h *hunter) line(k *store.KnownFile, disk diskResult) huntLine {
	o := &k.Object
	l := huntLine{
		Hash: k.Hash, Path: o.Path, Size: o.Size, Type: o.Type, MD5: o.Hashes.MD5, SHA1: o.Hashes.SHA1, SHA256: o.Hashes.SHA256,
		Examined: k.Examined, Run: k.Run, Disk: disk, WantedBy: h.prey.sources[k.Hash],
	}
	if !utf8.ValidString(o.Path) {
		l.PathBase64 = base64.StdEncoding.EncodeToString([]byte(o.Path))
	}
	if !k.Gone.IsZero() {
		l.Gone = &k.Gone
	}
	for i := range k.Findings {
		f := &k.Findings[i]
		hf := huntFinding{Path: f.Object.Path, Level: f.Level.String(), Score: f.Score}
		if len(f.Matches) > 0 {
			hf.Match = f.Matches[0].Name
		}
		l.Findings = append(l.Findings, hf)
	}
	return l
}

func localTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// errWriter keeps the first error.
type errWriter struct {
	w   io.Writer
	err error
}

func (e *errWriter) printf(format string, args ...any) {
	if e.err == nil {
		_, e.err = fmt.Fprintf(e.w, format, args...)
	}
}
