package queue

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// makeFolder makes the folder. It inherits the access list of the agent's data folder, which lets nobody else in.
func makeFolder(dir string) error { return os.MkdirAll(dir, 0o700) }

// private has nothing to look at: package agent/place checks the access list of the data folder above.
func private(*os.Root) error { return nil }

// lock keeps other processes out until unlock is called or this one ends.
func (q *Queue) lock() (unlock func(), err error) {
	f, err := q.root.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, &windows.Overlapped{})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		err = ErrInUse
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// syncFolder has nothing to do: NTFS journals names by itself, and folders cannot be synced.
func syncFolder(*os.Root) error { return nil }

func isNoSpace(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}
