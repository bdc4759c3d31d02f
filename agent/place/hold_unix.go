//go:build unix

package place

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lock takes a lock that ends when f is closed, or returns ErrHeld.
func lock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			return ErrHeld
		}
		return err
	}
}
