package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// Where things are on Linux.
const (
	installed  = "/usr/local/sbin/tyto"
	unitFile   = "/etc/systemd/system/tyto.service"
	policyFile = "/etc/tyto/policy.yaml"
	stateDir   = "/var/lib/tyto"
)

// systemFolders are where a packaged program stands; it is not copied.
var systemFolders = []string{"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/opt/tyto"}

// Install returns the steps that make the agent a service of systemd: the program stands in a folder of the
// system, a policy is there, and the unit is enabled and started.
func Install(o Options) ([]Step, error) {
	if o.Root == "" && !bySystemd() {
		return nil, fmt.Errorf("%w: have your init run \"tyto agent run\" as root in the foreground; SIGHUP reloads the policy, SIGTERM ends it", ErrUnsupported)
	}
	binary, err := program(o)
	if err != nil {
		return nil, err
	}
	target := installed
	var steps []Step
	if o.Root == "" && slices.Contains(systemFolders, filepath.Dir(binary)) {
		target = binary
	} else {
		to := under(o.Root, target)
		steps = append(steps, Step{fmt.Sprintf("copy %s to %s", binary, to), func(context.Context) error { return copyProgram(binary, to) }})
	}
	policy, unit := under(o.Root, policyFile), under(o.Root, unitFile)
	if _, err := os.Lstat(policy); errors.Is(err, fs.ErrNotExist) {
		steps = append(steps, Step{"write " + policy, func(context.Context) error { return writeNew(policy, 0o700, o.Policy, 0o600) }})
	}
	text := []byte(Unit(target))
	if have, err := os.ReadFile(unit); err != nil || !bytes.Equal(have, text) {
		steps = append(steps, Step{"write " + unit, func(context.Context) error { return replace(unit, text, 0o644) }})
	}
	if o.Root != "" {
		link := under(o.Root, "/etc/systemd/system/multi-user.target.wants/tyto.service")
		return append(steps, Step{"enable by " + link, func(context.Context) error { return enableIn(link) }}), nil
	}
	return append(steps,
		run("systemctl", "daemon-reload"),
		run("systemctl", "enable", "tyto.service"),
		run("systemctl", "restart", "tyto.service"),
	), nil
}

// Uninstall returns the steps that undo Install. Policy, state and quarantine stay unless Purge says
// otherwise.
func Uninstall(o Options) ([]Step, error) {
	var steps []Step
	unit := under(o.Root, unitFile)
	if _, err := os.Lstat(unit); err == nil {
		if o.Root == "" && bySystemd() {
			steps = append(steps, run("systemctl", "disable", "--now", "tyto.service"))
		}
		steps = append(steps, remove(unit))
		if o.Root == "" && bySystemd() {
			steps = append(steps, run("systemctl", "daemon-reload"))
		}
	}
	// Only what Install put there: a package removes its own.
	for _, path := range []string{"/etc/systemd/system/multi-user.target.wants/tyto.service", installed} {
		if _, err := os.Lstat(under(o.Root, path)); err == nil && (o.Root != "" || path == installed) {
			steps = append(steps, remove(under(o.Root, path)))
		}
	}
	if o.Purge {
		for _, path := range []string{filepath.Dir(policyFile), stateDir} {
			at := under(o.Root, path)
			if _, err := os.Lstat(at); err == nil {
				steps = append(steps, Step{"remove all of " + at, func(context.Context) error { return os.RemoveAll(at) }})
			}
		}
	}
	return steps, nil
}

// bySystemd reports whether systemd runs this computer, as sd_booted(3) tells it.
func bySystemd() bool {
	info, err := os.Stat("/run/systemd/system")
	return err == nil && info.IsDir()
}

func run(name string, args ...string) Step {
	cmd := append([]string{name}, args...)
	return Step{"run " + fmt.Sprint(cmd)[1:len(fmt.Sprint(cmd))-1], func(ctx context.Context) error {
		out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
		}
		return nil
	}}
}

func remove(path string) Step {
	return Step{"remove " + path, func(context.Context) error {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}}
}

// writeNew writes a file that is not there yet.
func writeNew(path string, folder fs.FileMode, content []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), folder); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// replace puts a file in place in one step.
func replace(path string, content []byte, mode fs.FileMode) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeNew(fresh, 0o755, content, mode); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// enableIn does in an image what "systemctl enable" does.
func enableIn(link string) error {
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return err
	}
	err := os.Symlink("../tyto.service", link)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// under returns the place of a path below a root.
func under(root, path string) string {
	if root == "" {
		return path
	}
	return filepath.Join(root, path)
}
