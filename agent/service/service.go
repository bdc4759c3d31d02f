// Package service makes the agent a service of the system: it installs and removes it, and tells systemd or the
// Windows service manager how it is doing.
//
// On Linux that is a unit for systemd ([Unit]) and messages on its notification socket ([Notifier]). On
// Windows it is a service of the service manager ([Run]), started with the explicit command
// "tyto service run". Elsewhere, and on Linux without systemd, "tyto agent run" stays in the foreground,
// for whatever starts programs there.
//
// Installing is a list of steps ([Install], [Uninstall]) that can be shown without being done.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Name is the service's name for systemd and for the Windows service manager.
const Name = "tyto"

// Title and About are how people see it.
const (
	Title = "Tyto agent"
	About = "Finds indicators of compromise while nobody uses the computer."
)

// Options say what is installed, or removed.
type Options struct {
	// Binary is the program to install; "" is this one.
	Binary string
	// Root is a folder that stands for the whole computer, to install into an image; "" is this computer. With
	// it nothing is started or stopped.
	Root string
	// Policy is the content of the policy file if there is none yet.
	Policy []byte
	// Purge removes policy, state and quarantine too.
	Purge bool
}

// A Step is one thing that is done.
type Step struct {
	What string // "write /etc/systemd/system/tyto.service"
	Do   func(context.Context) error
}

// Carry out the steps in order, telling each before it is done. The first that fails ends it.
func Carry(ctx context.Context, steps []Step, tell func(string)) error {
	for _, s := range steps {
		tell(s.What)
		if err := s.Do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.What, err)
		}
	}
	return nil
}

// ErrUnsupported is returned where there is no service manager that Tyto knows.
var ErrUnsupported = errors.New("neither systemd nor the Windows service manager is here")

// copyProgram puts a copy of a program in place in one step, so that a running one is not disturbed.
func copyProgram(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(to), ".tyto-*")
	if err != nil {
		return err
	}
	defer os.Remove(fresh.Name()) // fails if all went well
	_, err = io.Copy(fresh, source)
	err = errors.Join(err, fresh.Chmod(0o755), fresh.Sync(), fresh.Close())
	if err != nil {
		return err
	}
	return os.Rename(fresh.Name(), to)
}

// program returns the program to install, with links resolved.
func program(o Options) (string, error) {
	if o.Binary != "" {
		return o.Binary, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return filepath.EvalSymlinks(self)
}
