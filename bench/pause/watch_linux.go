package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// watch looks at the processes of a scan from outside.
type watch struct {
	broker  int
	watched string // file whose pages in the page cache are counted; may be empty
}

func newWatch(broker int, watched string) *watch { return &watch{broker, watched} }

// snapshot is what must not grow during a pause.
type snapshot struct {
	at           time.Time
	workers, own time.Duration // processor time of all threads of the workers, and of the broker
	io           int64         // bytes read and written
	cached       uint64        // pages of the watched file
	stopped      bool          // all workers are
}

// Below these, between two looks some milliseconds apart, the broker does nothing but what any Go program
// does that waits: threads that wake each other and sleep again.
const (
	wakes   = 500 * time.Microsecond
	signals = 256 // bytes
)

// moved reports whether anything happened since an earlier look. Pages that the kernel drops are no work.
func (s *snapshot) moved(before *snapshot) bool {
	return !s.stopped || s.workers > before.workers || s.cached > before.cached ||
		s.io > before.io+signals || s.own > before.own+wakes
}

const (
	// stillFor is how long nothing may move until a scan counts as standing still.
	stillFor = 150 * time.Millisecond
	patience = 5 * time.Second
)

// untilStill returns when something last moved.
func (w *watch) untilStill(paused time.Time) (moved time.Time, err error) {
	moved = paused
	last := snapshot{io: -1}
	for {
		now, err := w.look()
		if err != nil {
			return moved, err
		}
		if now.moved(&last) {
			moved = now.at
		}
		last = now
		switch {
		case now.at.Sub(moved) > stillFor:
			return moved, nil
		case now.at.Sub(paused) > patience:
			return moved, fmt.Errorf("after %v it still does not stand still: %+v", patience, now)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (w *watch) look() (snapshot, error) {
	workers, err := children(w.broker)
	if err != nil {
		return snapshot{}, err
	}
	s := snapshot{at: time.Now(), stopped: true, cached: w.pages(), own: cpuTime(w.broker), io: ioBytes(w.broker)}
	for _, pid := range workers {
		s.stopped = s.stopped && state(pid) == "T"
		s.workers += cpuTime(pid)
		s.io += ioBytes(pid)
	}
	return s, nil
}

// children returns the processes that a process has started.
func children(pid int) (pids []int, err error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || tasks == nil {
		return nil, fmt.Errorf("the kernel does not tell the children of process %d: %w", pid, err)
	}
	for _, task := range tasks {
		list, _ := os.ReadFile(task) // of a thread that has ended there are none
		for _, field := range strings.Fields(string(list)) {
			if child, err := strconv.Atoi(field); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids, nil
}

// state returns the letter of a process's state, see proc_pid_stat(5).
func state(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, ok := strings.Cut(string(stat), ") ")
	if err != nil || !ok {
		return ""
	}
	return rest[:1]
}

// cpuTime returns how long the threads of a process have run, to the nanosecond.
func cpuTime(pid int) (total time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // the pattern is sound
	for _, file := range files {
		text, _ := os.ReadFile(file)
		if fields := strings.Fields(string(text)); len(fields) > 0 {
			ns, _ := strconv.ParseInt(fields[0], 10, 64)
			total += time.Duration(ns)
		}
	}
	return total
}

// ioBytes returns how much a process has read and written, from caches or not.
func ioBytes(pid int) (total int64) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if name == "rchar" || name == "wchar" {
			n, _ := strconv.ParseInt(value, 10, 64)
			total += n
		}
	}
	return total
}

// pages returns how many pages of the watched file are in the page cache, by cachestat(2).
func (w *watch) pages() uint64 {
	if w.watched == "" {
		return 0
	}
	f, err := os.Open(w.watched)
	if err != nil {
		return 0
	}
	defer f.Close()
	whole := [2]uint64{}  // offset, length: to the end
	var counts [5]uint64  // cached, dirty, in writeback, evicted, evicted recently
	const cachestat = 451 // on all architectures
	_, _, _ = unix.Syscall6(cachestat, f.Fd(), uintptr(unsafe.Pointer(&whole)), uintptr(unsafe.Pointer(&counts)), 0, 0, 0)
	return counts[0]
}
