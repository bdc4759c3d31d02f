//go:build unix

package sandbox

import (
	"errors"
	"os"
)

// syncDir makes a renamed file's new name survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
