package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"tyto/agent/events"
	"tyto/agent/place"
	"tyto/sandboxlink"
	"tyto/sandboxlink/decide/packages"
	"tyto/sandboxlink/derive"
	"tyto/verdict"
)

// The folders below the data folder that belong to the link.
const (
	// SandboxFolder holds the others.
	SandboxFolder = "sandbox"
	queueFolder   = "queue"
	reportsFolder = "reports"    // SHA256.json: what sandboxes saw
	derivedFolder = "indicators" // SHA256.ioc and SHA256.stix.json: what was made of it
)

func (a *Agent) derivedDir() string { return filepath.Join(a.data, SandboxFolder, derivedFolder) }
func (a *Agent) reportsDir() string { return filepath.Join(a.data, SandboxFolder, reportsFolder) }

// derived is what was made of a verdict.
type derived struct {
	openIOC string   // the file; empty if nothing in the report makes an indicator
	hashes  []string // to look for in the inventory
}

// derive makes indicators of a verdict and its report, and keeps both as files. Their names are made of the
// object's hash, which this computer took.
func (a *Agent) derive(ctx context.Context, c *sandboxlink.Case) (*derived, error) {
	if a.unusable != nil {
		return nil, a.unusable
	}
	r := c.Report
	if r.Object.Name == "" && len(c.Seen) > 0 {
		r.Object.Name = filepath.Base(c.Seen[0].Path)
	}
	d := derive.Derive(r, derive.Options{
		Now: a.o.Now(), Expire: a.policy().Sandbox.Response.Task.Expire, Producer: "Tyto " + a.o.Version,
		Widespread: a.widespread(ctx), OwnFile: c.Own,
	})
	name := c.Verdict.SHA256
	made := &derived{openIOC: filepath.Join(a.derivedDir(), name+".ioc"), hashes: d.Hashes()}
	for _, file := range []struct {
		path  string
		bytes func() ([]byte, error)
	}{
		{filepath.Join(a.reportsDir(), name+".json"), r.Marshal},
		{filepath.Join(a.derivedDir(), name+".stix.json"), d.STIX},
		{made.openIOC, d.OpenIOC},
	} {
		content, err := file.bytes()
		if errors.Is(err, derive.ErrNothing) {
			made.openIOC = ""
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("make %q of a sandbox's report: %w", filepath.Base(file.path), err)
		}
		if err := writeWhole(file.path, content); err != nil {
			return nil, err
		}
	}
	a.hub.Send(events.IndicatorsDerived,
		fmt.Sprintf("%d indicators were made of the report on %q, %d were left out", len(d.Indicators), d.Threat, len(d.LeftOut)),
		events.Data{
			"file.hash.sha256": name, "tyto.indicators": len(d.Indicators), "tyto.left_out": len(d.LeftOut),
			"tyto.openioc": made.openIOC, "tyto.report": filepath.Join(a.reportsDir(), name+".json"),
		})
	return made, nil
}

// ownFiles returns a function that knows what of a report this computer's packages have delivered. Windows has none.
// It implements [sandboxlink.Options.Own].
func ownFiles(ctx context.Context, r *verdict.Report) (func(sha256 string) bool, error) {
	if runtime.GOOS == "windows" {
		return nil, nil
	}
	return derive.OwnFiles(ctx, r, derive.System{Packages: packages.System(packages.Options{})})
}

// wide is how many files make something widespread on one computer.
const wide = 5

// widespread says what this computer has had in many places since before: that tells nothing. The time of a file's last
// change counts, which no program can set.
func (a *Agent) widespread(ctx context.Context) func(derive.Kind, string) bool {
	const before = 24 * time.Hour
	return func(kind derive.Kind, value string) bool {
		if kind != derive.Content {
			return false
		}
		n := 0
		for known, err := range a.store.FilesByHash(ctx, []string{value}) {
			if err != nil {
				break // then nothing is known
			}
			if at := known.Object.Changed; !at.IsZero() && a.o.Now().Sub(at) > before {
				n++
			}
			if n == wide {
				return true
			}
		}
		return false
	}
}

// writeWhole writes a file of the agent's own so that it is there whole or not at all.
func writeWhole(path string, content []byte) error {
	if err := place.MakeDir(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	return nil
}

// tidyDerived removes what was made of verdicts and has expired.
func (a *Agent) tidyDerived() {
	oldest := a.o.Now().Add(-a.policy().Sandbox.Response.Task.Expire)
	for _, dir := range []string{a.derivedDir(), a.reportsDir()} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				a.log.Error("look for expired indicators", "error", err)
			}
			continue
		}
		for _, e := range entries {
			if info, err := e.Info(); err == nil && info.Mode().IsRegular() && info.ModTime().Before(oldest) {
				if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
					a.log.Error("remove expired indicators", "error", err)
				}
			}
		}
	}
}
