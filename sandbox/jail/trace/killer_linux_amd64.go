package trace

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// killer ends everything when the time is up: the command and what came of it until the sample was executed, which
// includes the first process of the jail's own namespace of processes. With that one the kernel kills all others
// there, however many they are, whatever signals they ignore.
//
// It is used by the tracer's thread, which may hang in wait4, and by a timer. Processes are held by pidfds, so that
// no other process is hit that got the same number.
type killer struct {
	mu     sync.Mutex
	pidfds []int
	timer  *time.Timer
	fired  bool
}

// maxTargets is more than bubblewrap ever forks.
const maxTargets = 16

// aim adds a process.
func (k *killer) aim(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.pidfds) >= maxTargets {
		unix.Close(fd)
		return nil
	}
	k.pidfds = append(k.pidfds, fd)
	return nil
}

// kill kills now.
func (k *killer) kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, fd := range k.pidfds {
		// It may have ended already.
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}

// watch kills when ctx ends or after the time. The function that it returns ends the watch.
func (k *killer) watch(ctx context.Context, d time.Duration) (stop func()) {
	expire := func() {
		k.mu.Lock()
		k.fired = true
		k.mu.Unlock()
		k.kill()
	}
	k.mu.Lock()
	k.timer = time.AfterFunc(d, expire)
	k.mu.Unlock()
	release := context.AfterFunc(ctx, expire)
	return func() {
		release()
		k.timer.Stop()
	}
}

// extend sets the time that is left.
func (k *killer) extend(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.fired {
		k.timer.Reset(d)
	}
}

// timedOut reports whether the killer has acted by itself.
func (k *killer) timedOut() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fired
}

func (k *killer) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, fd := range k.pidfds {
		unix.Close(fd)
	}
	k.pidfds = nil
}
