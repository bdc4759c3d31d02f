package walk

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"tyto/finding"
)

// Place opens what stands at name as a mere place (O_PATH): nothing of it can be read, and no
// device is woken and no pipe waited for. A relative name counts from the directory dir; nil is the
// working directory. Links are followed, so that the kernel's own, such as /proc/PID/exe, lead to the
// very file.
func Place(dir *os.File, name string) (*os.File, error) {
	at := unix.AT_FDCWD
	if dir != nil {
		at = int(dir.Fd())
	}
	fd, err := openat(at, name, unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// NewEntry returns the entry of a file that was found without a walk: the one at place, which
// [Place] opened. Path, Via and Deleted of object are the caller's; the rest is filled in. The place
// must stay open as long as the entry is used.
//
// The error is or wraps [ErrNotRegular] if there is no regular file at the place.
func NewEntry(place *os.File, object finding.Object) (*Entry, error) {
	m, err := statFD(int(place.Fd()))
	if err != nil {
		return nil, fmt.Errorf("look at %q: %w", object.Path, err)
	}
	if m.kind != kindFile {
		return nil, fmt.Errorf("look at %q: %w", object.Path, ErrNotRegular)
	}
	e := &Entry{Object: object, meta: m, place: place}
	e.Object.Kind = finding.File
	m.owners(newOwners(), &e.Object, false)
	m.describe(&e.Object)
	return e, nil
}

// reopenPlace opens the very file at a place for reading.
func reopenPlace(place *os.File, m *meta, path string) (*os.File, meta, error) {
	// The link leads to the file itself whatever became of its names, as /proc/PID/exe does.
	link := "/proc/self/fd/" + strconv.Itoa(int(place.Fd()))
	const flags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC | unix.O_NOATIME
	return openRegular(unix.AT_FDCWD, link, flags, m, path)
}
