package intercept

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"tyto/sandboxlink/intercept/fanotify"
	"tyto/scanner/mountinfo"
)

// retryPlaces is after which time paths that were not there, or could not be watched, are tried again.
const retryPlaces = 10 * time.Second

// mountPause is how long mounts are left to come together: where containers start, many come at once.
const mountPause = 100 * time.Millisecond

// maxMountInfo bounds the table of mounts in bytes.
const maxMountInfo = 32 << 20

// mountWatch is what is known of the file systems.
type mountWatch struct {
	mu      sync.Mutex
	places  map[string]Place // by path
	devices map[uint64]bool  // of the file systems that are watched, or named
	ids     map[uint64]bool  // of their mounts, unless some were named
}

// watchMounts watches the file systems that are mounted, now and as they come. The kernel drops its marks with the file
// system.
func (l *linux) watchMounts(ctx context.Context) error {
	table, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("finding the file systems: %w", err)
	}
	defer table.Close()
	ended, end, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("finding the file systems: %w", err)
	}
	defer ended.Close()
	defer end.Close()
	stop := context.AfterFunc(ctx, func() { end.Close() })
	defer stop()
	for ctx.Err() == nil {
		data, err := io.ReadAll(io.NewSectionReader(table, 0, maxMountInfo))
		if err != nil {
			return fmt.Errorf("finding the file systems: %w", err)
		}
		l.watchAll(mountinfo.Parse(data))
		// The table is ready for POLLPRI when it has changed since it was read.
		wait := []unix.PollFd{{Fd: int32(ended.Fd())}, {Fd: int32(table.Fd()), Events: unix.POLLPRI}}
		if _, err := unix.Poll(wait, int(retryPlaces.Milliseconds())); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for other file systems: %w", err)
		}
		if _, err := unix.Poll(wait[:1], int(mountPause.Milliseconds())); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for other file systems: %w", err)
		}
	}
	return nil
}

// watchAll marks every file system that is to be watched. Marking one again changes nothing and costs microseconds, so
// it need not be known which are new.
func (l *linux) watchAll(mounts []mountinfo.Mount) {
	places, devices, ids := map[string]Place{}, map[uint64]bool{}, map[uint64]bool{}
	if len(l.o.FileSystems) > 0 {
		for _, path := range l.o.FileSystems {
			places[path] = l.watchNamed(path, mounts)
			if id, _, err := identifyKind(unix.AT_FDCWD, path); err == nil {
				devices[id.Device] = true
			}
		}
	} else {
		for _, same := range byDevice(mounts) {
			p := l.watchDevice(same)
			places[p.Path] = p
			if p.Watching {
				devices[same[0].Device] = true
				for _, m := range same {
					ids[m.ID] = true
				}
			}
		}
	}
	l.mounts.mu.Lock()
	before := l.mounts.places
	l.mounts.places, l.mounts.devices, l.mounts.ids = places, devices, ids
	l.mounts.mu.Unlock()
	for _, path := range slices.Sorted(maps.Keys(places)) {
		l.tellPlace(places[path], before[path])
	}
}

// tellPlace tells what has changed.
func (l *linux) tellPlace(now, before Place) {
	switch {
	case now == before:
	case now.Watching:
		l.o.Event(Event{Kind: Watching, Place: now.Path, Reason: now.Kind})
	case leftOut(now.Kind) == "" || len(l.o.FileSystems) > 0:
		l.o.Event(Event{Kind: NotWatching, Place: now.Path, Reason: now.Reason})
	}
}

// byDevice puts together the mounts of each file system.
func byDevice(mounts []mountinfo.Mount) [][]mountinfo.Mount {
	var groups [][]mountinfo.Mount
	index := map[uint64]int{}
	for _, m := range mounts {
		i, ok := index[m.Device]
		if !ok {
			i = len(groups)
			index[m.Device] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], m)
	}
	return groups
}

// watchDevice watches one file system through whichever of its mounts can be reached.
func (l *linux) watchDevice(mounts []mountinfo.Mount) Place {
	place := Place{Path: mounts[0].Point, Kind: mounts[0].Kind}
	if place.Reason = leftOut(place.Kind); place.Reason != "" {
		place.LeftOut = true
		return place
	}
	for _, m := range mounts {
		fd, id, err := openPlace(m.Point)
		if err != nil {
			place.Reason = err.Error()
			continue
		}
		if id != 0 && id != m.ID {
			unix.Close(fd)
			place.Reason = "something else is mounted over it"
			continue
		}
		err = l.watch(fd)
		unix.Close(fd)
		if err == nil {
			return Place{Path: m.Point, Kind: m.Kind, Watching: true}
		}
		place.Reason = err.Error()
	}
	return place
}

// watchNamed watches the file system that holds a path.
func (l *linux) watchNamed(path string, mounts []mountinfo.Mount) Place {
	place := Place{Path: path}
	fd, id, err := openPlace(path)
	if err != nil {
		place.Reason = err.Error()
		return place
	}
	defer unix.Close(fd)
	if i := slices.IndexFunc(mounts, func(m mountinfo.Mount) bool { return m.ID == id }); i >= 0 {
		place.Kind = mounts[i].Kind
	}
	if err := l.watch(fd); err != nil {
		place.Reason = err.Error()
		return place
	}
	place.Watching = true
	return place
}

// watch marks the file system of an open file: first for what drops marks of known files, then for what makes them.
func (l *linux) watch(fd int) error {
	var mask fanotify.Mask
	if l.o.Exec {
		mask |= fanotify.Exec
	}
	if l.o.Open {
		mask |= fanotify.Open
	}
	if err := l.listener.Watch(fd); err != nil {
		return err
	}
	return l.responder.Watch(fd, mask)
}

// openPlace opens a path without opening the file that it leads to, and returns the number of the mount that it is on, or 0
// before Linux 5.8.
func openPlace(path string) (fd int, mount uint64, err error) {
	fd, err = unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, 0, fmt.Errorf("it cannot be opened: %w", err)
	}
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &st); err != nil {
		unix.Close(fd)
		return -1, 0, fmt.Errorf("its mount cannot be told: %w", err)
	}
	return fd, st.Mnt_id, nil
}

func (l *linux) places() []Place {
	l.mounts.mu.Lock()
	defer l.mounts.mu.Unlock()
	return slices.SortedFunc(maps.Values(l.mounts.places), func(a, b Place) int { return strings.Compare(a.Path, b.Path) })
}
