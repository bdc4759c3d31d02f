//go:build unix

package store

import (
	"errors"
	"os"
	"syscall"
)

// secureModes says whether the bits of a mode keep other users out.
const secureModes = true

// syncDir makes the names in a folder survive a power cut. File systems that cannot do that say so;
// there is nothing better to be had from them.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}
