//go:build linux

package idletest

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// turn is waited for once in a process; it is a variable because the process is what it is about.
var turn sync.Once

// awaitTurn waits until no other test process has desktops, and keeps others waiting until this one ends.
// Programs under test look at all processes of a user: with the desktops of two tests, which have the same
// user, they would rightly not know which is meant.
func awaitTurn(t testing.TB) {
	t.Helper()
	var err error
	turn.Do(func() {
		// The descriptor is not closed: the kernel gives the lock back when the process has ended.
		var fd int
		fd, err = unix.Open(filepath.Join(os.TempDir(), "tyto-test-desktops.lock"), unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
		if err == nil {
			err = unix.Flock(fd, unix.LOCK_EX)
		}
	})
	if err != nil {
		t.Fatalf("wait until no other test has a desktop: %v", err)
	}
}
