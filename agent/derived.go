package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"tyto/agent/events"
	"tyto/agent/place"
	"tyto/finding"
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
	derivedFolder = "indicators" // SHA256.ioc: the indicators made of them
	stixFolder    = "stix"       // SHA256.json: the same for other programs
)

func (a *Agent) derivedDir() string { return filepath.Join(a.data, SandboxFolder, derivedFolder) }
func (a *Agent) stixDir() string    { return filepath.Join(a.data, SandboxFolder, stixFolder) }
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
	var own func(sha256 string) bool
	if len(r.Dropped) > 0 { // the object itself has been looked for before it was acted upon
		var err error
		if own, err = ownFiles(ctx, r); err != nil {
			return nil, err
		}
	}
	d := derive.Derive(r, derive.Options{
		Now: a.o.Now(), Expire: a.policy().Sandbox.Response.Task.Expire, Producer: "Tyto " + a.o.Version,
		Widespread: a.widespread(ctx), OwnFile: own,
	})
	name := c.Verdict.SHA256
	made := &derived{openIOC: filepath.Join(a.derivedDir(), name+".ioc"), hashes: d.Hashes()}
	for _, file := range []struct {
		path  string
		bytes func() ([]byte, error)
	}{
		{filepath.Join(a.reportsDir(), name+".json"), r.Marshal},
		{filepath.Join(a.stixDir(), name+".json"), d.STIX},
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
	a.tidyDerived()
	a.hub.Send(events.IndicatorsDerived,
		fmt.Sprintf("%d indicators were made of the report on %q, %d were left out", len(d.Indicators), d.Threat, len(d.LeftOut)),
		events.Data{
			"file.hash.sha256": name, "tyto.indicators": len(d.Indicators), "tyto.left_out": len(d.LeftOut),
			"tyto.openioc": made.openIOC, "tyto.report": filepath.Join(a.reportsDir(), name+".json"),
		})
	return made, nil
}

// delivered reports whether a package of this computer has delivered a content. It implements
// [sandboxlink.Options.Own].
func delivered(ctx context.Context, sha256 string, size int64) (bool, error) {
	own, err := ownFiles(ctx, &verdict.Report{Object: verdict.Object{SHA256: sha256, Size: size}})
	return own != nil && own(sha256), err
}

// ownFiles returns a function that knows what of a report this computer's packages have delivered. Windows has none.
func ownFiles(ctx context.Context, r *verdict.Report) (func(sha256 string) bool, error) {
	if runtime.GOOS == "windows" {
		return nil, nil
	}
	return derive.OwnFiles(ctx, r, derive.System{Packages: packages.System(packages.Options{})})
}

// wide is how many files make something widespread on one computer.
const wide = 5

// systemFolders are those in which a file that has been there for a day belongs to the system or to an installed
// program. On Windows they are below any drive.
var systemFolders = []string{"/usr/", "/bin/", "/sbin/", "/lib", "/opt/", `:\Windows\`, `:\Program Files`}

// widespread says what this computer has had since before, in many places or among the system's files: that tells
// nothing. The time of a file's last change counts, which no program can set.
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
			if at := known.Object.Changed; at.IsZero() || a.o.Now().Sub(at) <= before {
				continue
			}
			n++
			if n == wide || inSystemFolder(known.Object.Path) {
				return true
			}
		}
		return false
	}
}

func inSystemFolder(path string) bool {
	for _, folder := range systemFolders {
		if drive, ok := strings.CutPrefix(folder, ":"); ok && len(path) > 2 && path[1] == ':' && strings.HasPrefix(path[2:], drive) {
			return true
		}
		if strings.HasPrefix(path, folder) {
			return true
		}
	}
	return false
}

// unproven reports that a finding rests on derived indicators alone, and that no sandbox has judged its content.
func (a *Agent) unproven(f *finding.Finding) bool {
	for i := range f.Matches {
		if filepath.Dir(f.Matches[i].Source) != a.derivedDir() {
			return false
		}
	}
	parts, release := a.sandbox.use()
	defer release()
	if parts == nil {
		return true
	}
	entry, ok := parts.link.Known(f.Object.Hashes.SHA256)
	return !ok || entry.Level != verdict.Malicious
}

// writeWhole writes a file of the agent's own so that it is there whole or not at all.
func writeWhole(path string, content []byte) error {
	err := place.MakeDir(filepath.Dir(path))
	if err == nil {
		err = writeNew(path+".new", content) // what a killed agent left of it is written over
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	return nil
}

// writeNew writes a file and syncs it.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// maxDerived is how many bytes each folder of what was made of verdicts may hold. A report has 16 MiB at most.
const maxDerived = 100 << 20

// tidyDerived removes what was made of verdicts and has expired, and the oldest of what takes too much room.
func (a *Agent) tidyDerived() {
	expired := a.o.Now().Add(-a.policy().Sandbox.Response.Task.Expire)
	for _, dir := range []string{a.derivedDir(), a.stixDir(), a.reportsDir()} {
		if err := tidyFolder(dir, expired, maxDerived); err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.log.Error("remove what was made of old verdicts", "error", err)
		}
	}
}

// tidyFolder removes the files of a folder that are older than a time, and the oldest until most bytes are left.
func tidyFolder(dir string, expired time.Time, most int64) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var files []fs.FileInfo
	var size int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() { // else it has just gone
			files = append(files, info)
			size += info.Size()
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, f := range files {
		if size <= most && !f.ModTime().Before(expired) {
			break
		}
		if rmErr := os.Remove(filepath.Join(dir, f.Name())); rmErr != nil {
			err = errors.Join(err, rmErr)
			continue
		}
		size -= f.Size()
	}
	return err
}
