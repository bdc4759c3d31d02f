package quarantine

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Linux cannot remove a file by its descriptor, and between a look at a name and its removal somebody may
// put another file there. So a file is removed in three steps, none of which can hit another one:
//
//  1. In the file's own directory a folder is made that only we may enter (mode 0700), and opened.
//  2. The name is renamed into it. The rename is atomic: whatever had the name at that moment is now where
//     nobody but us, and root, can exchange it.
//  3. There it is looked at. If it is our file, unchanged, it is unlinked. If it is not, it is renamed
//     back, which fails rather than to replace something that has taken the name since.
//
// What remains, and is told:
//
//   - For the moment between 2 and 3 another file that was put in the place of ours is not under its name.
//     If a third file takes the name in that very moment, the second cannot go back; it is kept beside it
//     under a name of ours, and the error is ErrDisplaced.
//   - A process that has the file open for writing can write after our last look (see source.lease).
//   - Processes of the same user, if that is not root, can do to our folder what we can.
//   - A file system without RENAME_NOREPLACE (NFS, some of FUSE) is used through hard links.
//
// The folder bears the id of the entry. If the process is killed within these steps, the next Open finds
// it by that and ends what was begun, see finishRemoval.

// stageName is the folder through which the file of an entry is removed.
func stageName(id string) string { return ".tyto-" + id }

// staged is the name of the file in it.
const staged = "file"

// removal says what became of a file.
type removal struct {
	names     uint64 // that the file still has
	atRestart bool   // Windows
	note      string
}

// remove removes the file and those of its other names that are to be removed.
func (s *source) remove(e *Entry, step func(string) error) (removal, error) {
	if err := s.unchanged(); err != nil {
		return removal{}, err
	}
	if err := step("looked"); err != nil {
		return removal{}, err
	}
	restoreFlags, err := s.unlock()
	if err != nil {
		return removal{}, err
	}
	if err := s.removeName(s.place, e.ID, step); err != nil {
		restoreFlags()
		return removal{}, err
	}
	left := removal{}
	for i := range e.Names {
		if n := &e.Names[i]; n.Remove {
			if err := s.removeOther(string(n.Path), e.ID, step); err != nil {
				n.Remove = false
				left.note = fmt.Sprintf("the name %q could not be removed: %v", n.Path, err)
			}
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(s.fd(), &st); err == nil {
		left.names = st.Nlink
	}
	if left.names > 0 {
		restoreFlags()
	}
	return left, nil
}

// removeOther removes another name of the file.
func (s *source) removeOther(path, id string, step func(string) error) error {
	p, err := openPlace(path)
	if err != nil {
		return err
	}
	defer p.close()
	return s.removeName(p, id, step)
}

// unlock takes off the attributes that forbid to remove the file: malware likes to set them. They are part
// of the metadata and come back with a restore. The function it returns puts them back at once.
func (s *source) unlock() (restore func(), err error) {
	flags, err := unix.IoctlGetInt(s.fd(), unix.FS_IOC_GETFLAGS)
	if err != nil || flags&lockingFlags == 0 {
		return func() {}, nil
	}
	if err := unix.IoctlSetPointerInt(s.fd(), unix.FS_IOC_SETFLAGS, flags&^lockingFlags); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImmutable, err)
	}
	return func() { _ = unix.IoctlSetPointerInt(s.fd(), unix.FS_IOC_SETFLAGS, flags) }, nil
}

// removeName gives up one name of the file, in the three steps above.
func (s *source) removeName(p place, id string, step func(string) error) (err error) {
	stage, err := makeStage(p, stageName(id))
	if err != nil {
		return err
	}
	defer stage.close()
	err = renameNew(p.dir, p.name, stage.dir, staged)
	switch {
	case errors.Is(err, unix.ENOENT):
		err = fmt.Errorf("%w: it has another name now, or none", ErrChanged)
	case err == nil:
		if err = step("moved"); err == nil {
			err = s.unlinkStaged(p, stage)
		}
	}
	return errors.Join(err, stage.remove(p))
}

// unlinkStaged is the third step.
func (s *source) unlinkStaged(p place, stage *stage) error {
	var there, open unix.Stat_t
	err := fstatat(stage.dir, staged, &there)
	if err == nil {
		err = unix.Fstat(s.fd(), &open)
	}
	switch now := identityOf(&open); {
	case err != nil:
	case keyOf(&there) != fileKey{s.id.device, s.id.inode}:
		err = fmt.Errorf("%w: another file has taken its place", ErrChanged)
	case now.size != s.id.size || now.modified != s.id.modified:
		err = fmt.Errorf("%w: it was written to", ErrChanged)
	}
	if err == nil {
		if err = unix.Unlinkat(stage.dir, staged, 0); err == nil {
			return p.sync()
		}
	}
	return errors.Join(err, putBack(p, stage))
}

// putBack gives what is in the stage its name again, or if that is taken one beside it.
func putBack(p place, stage *stage) error {
	err := renameNew(stage.dir, staged, p.dir, p.name)
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	beside := displacedName(p.name, stage.name)
	if err := renameNew(stage.dir, staged, p.dir, beside); err != nil {
		return fmt.Errorf("%w: to %q in the folder %q: %w", ErrDisplaced, staged, stage.name, err)
	}
	return fmt.Errorf("%w: it is now called %q, because %q was taken while it was looked at", ErrDisplaced, beside, p.name)
}

// displacedName is a free name near another, within the 255 bytes that a name may have.
func displacedName(name, stage string) string {
	const longest = 255
	suffix := ".displaced" + filepath.Ext("x"+stage)
	return name[:min(len(name), longest-len(suffix))] + suffix
}

// stage is a folder that only we may enter.
type stage struct {
	place
}

// makeStage makes it in the directory of p.
func makeStage(p place, name string) (*stage, error) {
	if err := unix.Mkdirat(p.dir, name, 0o700); err != nil {
		return nil, err
	}
	st, err := openStage(p, name)
	if err != nil {
		return nil, errors.Join(err, unix.Unlinkat(p.dir, name, unix.AT_REMOVEDIR))
	}
	return st, nil
}

// openStage opens a stage, if it is one of ours.
func openStage(p place, name string) (*stage, error) {
	fd, err := openat(p.dir, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && (int(st.Uid) != unix.Geteuid() || st.Mode&0o077 != 0) {
		err = fmt.Errorf("%w: the folder %q was exchanged", ErrChanged, name)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &stage{place{fd, name}}, nil
}

// remove removes the folder, which is empty. If somebody has given its name to another, that one stays:
// not even an empty folder of others is removed knowingly.
func (st *stage) remove(p place) error {
	var open, named unix.Stat_t
	if unix.Fstat(st.dir, &open) != nil || fstatat(p.dir, st.name, &named) != nil || keyOf(&open) != keyOf(&named) {
		return nil
	}
	err := unix.Unlinkat(p.dir, st.name, unix.AT_REMOVEDIR)
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		return nil // the error that left something in it has told so
	}
	return err
}

// finishRemoval ends a removal within which the process was killed. The entry is complete, so the file in
// the stage can go; if it is not the entry's file it gets its name back.
func finishRemoval(p place, e *Entry) {
	places := []place{p}
	for _, n := range e.Names {
		if other, err := openPlace(string(n.Path)); n.Remove && err == nil {
			defer other.close()
			places = append(places, other)
		}
	}
	for _, p := range slices.Backward(places) {
		stage, err := openStage(p, stageName(e.ID))
		if err != nil {
			continue
		}
		k, err := stage.is(staged)
		switch {
		case err != nil:
		case k == fileKey{e.Metadata.Device, e.Metadata.Inode} && sameAsStored(stage, e):
			_ = unix.Unlinkat(stage.dir, staged, 0)
		default:
			_ = putBack(p, stage)
		}
		_ = stage.remove(p)
		stage.close()
	}
}

// sameAsStored reports whether the file in a stage was not written to since it was copied.
func sameAsStored(st *stage, e *Entry) bool {
	var now unix.Stat_t
	return fstatat(st.dir, staged, &now) == nil && now.Size == e.Size && timeOf(now.Mtim) == e.Metadata.Modified
}
