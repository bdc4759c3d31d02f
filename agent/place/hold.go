package place

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// HoldFile is the name of the file by which agents keep each other out of a data folder. It is empty and
// stays when they end.
const HoldFile = "agent.lock"

// ErrHeld is returned by [Hold] for a folder that another agent works in; test with errors.Is.
var ErrHeld = errors.New("another agent works in it already")

// Hold keeps other agents out of a data folder until release is called or the process ends, however it
// ends. Two agents with one state would each run the same tasks and take the other's runs for left over
// from a crash.
func Hold(dir string) (release func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, HoldFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keep other agents out of %q: %w", dir, err)
	}
	if err := lock(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("keep other agents out of %q: %w", dir, err)
	}
	return func() { _ = f.Close() }, nil // which ends the lock
}
