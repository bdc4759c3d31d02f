//go:build unix

package quarantine

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// private refuses a file or folder that is not ours alone.
func private(root *os.Root, name string) error {
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	what := root.Name()
	if name != "." {
		what += "/" + name
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%w: the mode of %q is %o", ErrUnsafe, what, mode)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: %q belongs to user %d, not to you", ErrUnsafe, what, st.Uid)
	}
	if info.Mode()&os.ModeSymlink != 0 {
		return fmt.Errorf("%w: %q is a symbolic link", ErrUnsafe, what)
	}
	return nil
}

// makeFolder makes the vault's folder, closed from the first moment.
func makeFolder(dir string) error { return os.Mkdir(dir, 0o700) }

// closeToOthers has nothing to do: files are made with their mode.
func closeToOthers(*os.Root, string) error { return nil }

// lockFile takes a lock that ends when f is closed, or returns errLocked.
func lockFile(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			return errLocked
		}
		return err
	}
}

// syncFolder writes the names in a folder to the disk.
func syncFolder(root *os.Root) error {
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// currentUser names who runs this process. After sudo it is both.
func currentUser() string {
	name := strconv.Itoa(os.Geteuid())
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	return name
}
