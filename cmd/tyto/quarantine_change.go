package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"tyto/quarantine"
	"tyto/report"
)

func (f *vaultFlags) add() *cobra.Command {
	var r quarantine.Request
	cmd := &cobra.Command{
		Use:   "add FILE…",
		Short: "Take files out of the way",
		Long: `Copies each file into the quarantine, verifies the copy, and removes the file. Files that the system or
Tyto needs are refused, and so are links: name the file itself. Programs that run from a file go on; they
are named.`,
		Args: argsError(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := f.open(cmd)
			if err != nil {
				return err
			}
			defer v.Close()
			t := &tally{stderr: cmd.ErrOrStderr()}
			for _, path := range args {
				request := r
				if request.Object.Path, err = realFolder(path); err == nil {
					var done *quarantine.Outcome
					if done, err = v.Add(cmd.Context(), request); err == nil {
						t.done++
						tellOutcome(cmd.OutOrStdout(), done)
					}
				}
				if err != nil {
					t.failure(err)
				}
			}
			return t.end()
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&r.Reason, "reason", "", "keep with it `WHY`")
	flags.BoolVar(&r.AllNames, "all-names", false, "remove the other names (hard links) of the file, too, as far as they are in its folder")
	flags.BoolVar(&r.DryRun, "dry-run", false, "say what would be done, and do nothing")
	f.limitFlags(cmd)
	return cmd
}

// limitFlags adds the flags that say how much may come in, and what may not.
func (f *vaultFlags) limitFlags(cmd *cobra.Command) {
	f.limit, f.objectLimit = quarantine.DefaultLimit, quarantine.DefaultObjectLimit
	flags := cmd.Flags()
	flags.Var(&f.limit, "limit", "most that the quarantine may hold")
	flags.Var(&f.objectLimit, "object-limit", "largest object")
	flags.StringVar(&f.whenFull, "when-full", string(quarantine.Reject), "`WHAT` to do when it is full: reject or drop-oldest")
	flags.StringArrayVar(&f.protect, "protect", nil, "never move what matches `GLOB`: a name or a path; repeatable")
}

// realFolder makes a path absolute and resolves the links on the way to it, but not one in its place: what
// a person names is what he sees. From there on no link is followed.
func realFolder(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(abs))
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	if err != nil {
		return "", fmt.Errorf("%q: %w", path, err)
	}
	return filepath.Join(folder, filepath.Base(abs)), nil
}

// tellOutcome says what was done with a file, and what a person has to know about it.
func tellOutcome(w io.Writer, o *quarantine.Outcome) {
	path := report.Safe(string(o.Entry.Path))
	switch {
	case o.DryRun:
		fmt.Fprintf(w, "Would quarantine %s (%s)\n", path, report.Bytes(o.Entry.Size))
	case o.AtRestart:
		fmt.Fprintf(w, "Copied %s (%s) as %s\n  It is in use, and will be deleted at the next start of the computer.\n", path, report.Bytes(o.Entry.Size), o.Entry.ID)
	default:
		fmt.Fprintf(w, "Quarantined %s (%s) as %s\n", path, report.Bytes(o.Entry.Size), o.Entry.ID)
	}
	if o.Remaining > 0 {
		fmt.Fprintf(w, "  %s of the file remain, by which its content is reached as before.\n", count(int(o.Remaining), "further name"))
	}
	for _, name := range o.Names {
		fmt.Fprintf(w, "  Another name: %s\n", report.Safe(name))
	}
	for _, h := range o.Holders {
		fmt.Fprintf(w, "  Process %d (%s) %s it, and goes on until it is ended.\n", h.PID, report.Safe(h.Name), h.How)
	}
	if o.Note != "" {
		fmt.Fprintf(w, "  Note: %s.\n", report.Safe(o.Note))
	}
}

func (f *vaultFlags) restore() *cobra.Command {
	var o quarantine.RestoreOptions
	cmd := &cobra.Command{
		Use:   "restore ID…",
		Short: "Give files back, exactly as they were",
		Long: `Puts each file in its place, with owner, rights, attributes and times, and deletes the entry when that is
done. What cannot be given back is listed, and the command then ends with 3.`,
		Args: argsError(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Replace && o.Rename {
				return usagef("choose one", "--replace and --rename contradict each other")
			}
			v, err := f.openExisting(cmd)
			if err != nil {
				return err
			}
			defer v.Close()
			if o.To != "" {
				if err := realTarget(&o.To, len(args) > 1); err != nil {
					return err
				}
			}
			t := &tally{stderr: cmd.ErrOrStderr()}
			for _, id := range args {
				done, err := v.Restore(cmd.Context(), id, o)
				if err != nil {
					t.failure(err)
					continue
				}
				t.done++
				verb := "Restored"
				if o.DryRun {
					verb = "Would restore"
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", verb, report.Safe(done.Path))
				for _, d := range done.Differences {
					t.partly = true
					fmt.Fprintf(cmd.OutOrStdout(), "  Not as it was: %s\n", report.Safe(d))
				}
			}
			return t.end()
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.To, "to", "", "restore to `PATH`, a file or a folder, instead of the original place")
	flags.BoolVar(&o.Replace, "replace", false, "replace what is there")
	flags.BoolVar(&o.Rename, "rename", false, "take a free name beside what is there")
	flags.BoolVar(&o.Parents, "parents", false, "make the folders that do not exist")
	flags.BoolVar(&o.Keep, "keep", false, "leave the entry in the quarantine")
	flags.BoolVar(&o.DryRun, "dry-run", false, "check the entry and the place, and do nothing")
	return cmd
}

// realTarget resolves the links on the way to the place that a person named. Several files need a folder.
func realTarget(to *string, folder bool) error {
	if info, err := os.Stat(*to); err == nil && info.IsDir() {
		*to, err = filepath.EvalSymlinks(*to)
		if err != nil {
			return err
		}
		*to, err = filepath.Abs(*to)
		return err
	} else if folder {
		return usagef("make the folder first", "--to %q is no folder, and several files are to be restored", *to)
	}
	if os.IsPathSeparator((*to)[len(*to)-1]) {
		return nil
	}
	if real, err := realFolder(*to); err == nil {
		*to = real
	}
	return nil
}

func (f *vaultFlags) delete() *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use:   "delete ID…",
		Short: "Delete entries for good",
		Args:  argsError(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := f.openExisting(cmd)
			if err != nil {
				return err
			}
			defer v.Close()
			t := &tally{stderr: cmd.ErrOrStderr()}
			for _, id := range args {
				entry, _, err := v.Show(cmd.Context(), id)
				name := id
				if err == nil {
					name = entry.ID + " (" + report.Safe(string(entry.Path)) + ")"
				}
				switch {
				case dry && err == nil:
					fmt.Fprintf(cmd.OutOrStdout(), "Would delete %s\n", name)
				case !dry:
					// Also what is damaged, and cannot be shown.
					if err = v.Delete(cmd.Context(), id); err == nil {
						fmt.Fprintf(cmd.OutOrStdout(), "Deleted %s\n", name)
					}
				}
				if err != nil {
					t.failure(err)
					continue
				}
				t.done++
			}
			return t.end()
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be deleted, and do nothing")
	return cmd
}

func (f *vaultFlags) export() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "export ID",
		Short: "Write an object for analysts: a zip archive with the password \"infected\"",
		Long: `Writes a zip archive with the content, named by its SHA-256, and the description (entry.json, finding.json),
all encrypted with the password "infected", as unzip, 7z and every tool of the trade open it. The entry
stays in the quarantine.`,
		Example: `  tyto quarantine export hk3v2 -o sample.zip`,
		Args:    argsError(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := f.openExisting(cmd)
			if err != nil {
				return err
			}
			defer v.Close()
			if output == "" {
				e, _, err := v.Show(cmd.Context(), args[0])
				if err != nil {
					return vaultError(err)
				}
				output = e.ID + ".zip"
			}
			if output == "-" {
				return vaultError(v.Export(cmd.Context(), args[0], cmd.OutOrStdout()))
			}
			file, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return usageError{err: fmt.Errorf("write the export: %w", err), hint: "choose another file with --output"}
			}
			err = errors.Join(v.Export(cmd.Context(), args[0], file), file.Close())
			if err != nil {
				return vaultError(errors.Join(err, os.Remove(output)))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Wrote %s; the password is %q.\n", report.Safe(output), quarantine.ExportPassword)
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to `FILE`, which must not exist, or - for standard output; default is ID.zip")
	return cmd
}
