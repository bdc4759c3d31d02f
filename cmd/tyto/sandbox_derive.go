package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"tyto/agent/policy/strict"
	"tyto/report"
	"tyto/sandboxlink/decide/packages"
	"tyto/sandboxlink/derive"
	"tyto/verdict"
	"tyto/verdict/cuckoo"
)

// deriveFlags say what tyto sandbox derive writes.
type deriveFlags struct {
	out, format, expire string
}

func newSandboxDerive() *cobra.Command {
	flags := &deriveFlags{}
	cmd := &cobra.Command{
		Use:   "derive REPORT",
		Short: "Make indicators of a sandbox's report",
		Long: `Reads what a sandbox saw of one object and writes indicators that find it, what it left behind and whom it
speaks to: an OpenIOC 1.1 file and a STIX 2.1 bundle, named after the threat. The report is one of Tyto's own
sandbox, of Cuckoo, or of CAPE, as JSON; which one is told by its content.

What clean computers have as well is left out. The list says what, and why. Nothing is asked of the network.`,
		Example: `  tyto sandbox derive report.json
  tyto sandbox derive report.json --out iocs --format openioc --expire 14d`,
		Args: argsError(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return deriveReport(cmd, flags, args[0]) },
	}
	cmd.Flags().StringVar(&flags.out, "out", ".", "folder to write to; files of the same threat are replaced")
	cmd.Flags().StringVar(&flags.format, "format", "both", "openioc, stix, or both")
	cmd.Flags().StringVar(&flags.expire, "expire", "30d", "how long the indicators are valid, from now")
	return cmd
}

func deriveReport(cmd *cobra.Command, flags *deriveFlags, path string) error {
	formats := map[string][]string{"openioc": {".ioc"}, "stix": {".json"}, "both": {".ioc", ".json"}}[flags.format]
	if formats == nil {
		return usagef("use openioc, stix, or both", "format %q is not known", flags.format)
	}
	expire, err := strict.ParseDuration(flags.expire)
	if err != nil || expire <= 0 {
		return usagef("write a time such as 30d or 12h", "--expire %q is no time for which indicators can be valid", flags.expire)
	}
	r, err := readReport(path)
	if err != nil {
		return err
	}
	own, err := ownFiles(cmd.Context(), r)
	if err != nil {
		return err
	}
	d := derive.Derive(r, derive.Options{Now: time.Now(), Expire: expire, Producer: "Tyto " + buildVersion(), OwnFile: own})
	printDerived(cmd.OutOrStdout(), r, d)
	if r.Verdict.Level == verdict.Clean {
		fmt.Fprintln(cmd.ErrOrStderr(), "tyto: the sandbox calls this object clean: look at the indicators before you use them")
	}
	if len(d.Indicators) == 0 {
		return fmt.Errorf("%q: %w", path, derive.ErrNothing)
	}
	for _, format := range formats {
		write := d.OpenIOC
		if format == ".json" {
			write = d.STIX
		}
		data, err := write()
		if err != nil {
			return err
		}
		name := filepath.Join(flags.out, d.FileName()+format)
		if err := replaceFile(name, data); err != nil {
			return usageError{err, "choose a folder that exists and that you may write to"}
		}
		fmt.Fprintf(cmd.OutOrStdout(), "Wrote %s\n", report.Safe(name))
	}
	return nil
}

// ownFiles knows which of a report's contents are those of this computer's packages. What ran on Windows made no
// copies of them.
func ownFiles(ctx context.Context, r *verdict.Report) (func(sha256 string) bool, error) {
	if r.Platform == "windows" {
		return nil, nil
	}
	return derive.OwnFiles(ctx, r, derive.System{Packages: packages.System(packages.Options{})})
}

func readReport(path string) (*verdict.Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usagef("name the report of a sandbox, as JSON", "read the report: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, cuckoo.MaxReport+1))
	if err != nil {
		return nil, fmt.Errorf("read the report: %w", err)
	}
	r, err := derive.ReadReport(data)
	if err != nil {
		return nil, usagef("reports of Tyto's sandbox, of Cuckoo and of CAPE can be read, as JSON", "%q: %w", path, err)
	}
	return r, nil
}

// printDerived tells what was made of a report, and what was not.
func printDerived(w io.Writer, r *verdict.Report, d *derive.Derived) {
	out := &errWriter{w: w}
	out.printf("%s\n%s\n", report.Safe(d.Threat), report.Safe(d.Description()))
	for _, note := range r.Notes {
		out.printf("Note: %s.\n", report.Safe(note))
	}
	if r.Cut > 0 {
		out.printf("Note: %s of the report found no room.\n", count(r.Cut, "part"))
	}
	out.printf("\n%s, with how sure they are (0 to 100):\n", count(len(d.Indicators), "indicator"))
	for _, i := range d.Indicators {
		out.printf("%3d  %-8s  %s\n               %s\n", i.Confidence, i.Kind, report.Safe(i.String()), report.Safe(i.Why))
		for n, e := range i.Evidence {
			if n == 2 && len(i.Evidence) > 3 {
				out.printf("                 and %d more\n", len(i.Evidence)-n)
				break
			}
			out.printf("                 %s\n", report.Safe(e))
		}
	}
	out.printf("\nLeft out:\n")
	for _, l := range d.LeftOut {
		out.printf("  %s\n", report.Safe(l.String()))
	}
	if len(d.LeftOut) == 0 {
		out.printf("  nothing\n")
	}
	out.printf("\n")
}

// replaceFile writes a file that is whole or not there: into another first, which takes its name at the end. A
// link of that name is replaced, not followed.
func replaceFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".tyto-*")
	if err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	return nil
}
