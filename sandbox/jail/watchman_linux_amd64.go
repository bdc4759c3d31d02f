package jail

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// watchman ends a run whose processes use too much memory together, where no cgroup does. He looks ten times a second,
// so a sample can use more for a moment; how much is bounded by the limits of each process and their number.
type watchman struct {
	limit  int64
	active bool

	mu        sync.Mutex
	pidfd     int
	exhausted bool
	quit      chan struct{}
	done      sync.WaitGroup
}

func watch(limit int64, active bool) *watchman {
	return &watchman{limit: limit, active: active, pidfd: -1, quit: make(chan struct{})}
}

// guard starts watching the processes of the jail in which pid is.
func (w *watchman) guard(pid int) error {
	if !w.active {
		return nil
	}
	first := parentOf(pid)
	fd, err := unix.PidfdOpen(first, 0)
	if err != nil {
		return fmt.Errorf("open the jail's first process: %w", err)
	}
	w.pidfd = fd
	w.done.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-w.quit:
				return
			case <-tick.C:
				if resident(first) <= w.limit {
					continue
				}
				w.mu.Lock()
				w.exhausted = true
				w.mu.Unlock()
				// With it the kernel ends all others of the namespace.
				_ = unix.PidfdSendSignal(w.pidfd, unix.SIGKILL, nil, 0)
				return
			}
		}
	})
	return nil
}

// stop ends the watch and reports whether it has ended the run.
func (w *watchman) stop() bool {
	close(w.quit)
	w.done.Wait()
	if w.pidfd >= 0 {
		unix.Close(w.pidfd)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.exhausted
}

// parentOf returns a process's parent, 0 if it is gone.
func parentOf(pid int) int {
	fields := statFields(pid)
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

// statFields returns the fields of /proc/PID/stat from the state on.
func statFields(pid int) []string {
	stat, err := readBounded(fmt.Sprintf("/proc/%d/stat", pid), 4<<10)
	if err != nil {
		return nil
	}
	// The name before may hold anything but ends with the last parenthesis.
	return strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
}

// resident returns the bytes that a process and all that come of it use. Shared pages count several times.
func resident(first int) (total int64) {
	const maxWalk = 4096
	queue := []int{first}
	for i := 0; i < len(queue) && i < maxWalk; i++ {
		pid := queue[i]
		if statm, err := readBounded(fmt.Sprintf("/proc/%d/statm", pid), 256); err == nil {
			if fields := strings.Fields(string(statm)); len(fields) > 1 {
				pages, _ := strconv.ParseInt(fields[1], 10, 64)
				total += pages * int64(os.Getpagesize())
			}
		}
		children, _ := readBounded(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid), 64<<10)
		for _, c := range strings.Fields(string(children)) {
			if child, err := strconv.Atoi(c); err == nil {
				queue = append(queue, child)
			}
		}
	}
	return total
}
