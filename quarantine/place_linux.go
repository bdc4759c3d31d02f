package quarantine

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// place is where a file is or will be: an open directory and a name in it. Nobody can lead it elsewhere by
// changing the path.
type place struct {
	dir  int // O_PATH: to look up in, not to read
	name string
}

// openPlace walks from the root to the directory of an absolute path, one component at a time, and
// follows no link on the way.
func openPlace(path string) (place, error) {
	if !filepath.IsAbs(path) {
		return place{}, fmt.Errorf("%q is not an absolute path", path)
	}
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	dir, err := openat(unix.AT_FDCWD, "/", flags, 0)
	if err != nil {
		return place{}, err
	}
	parents, name := filepath.Split(strings.TrimRight(path, "/"))
	if name == "" || name == "." || name == ".." {
		unix.Close(dir)
		return place{}, ErrNotFile
	}
	for component := range strings.SplitSeq(parents, "/") {
		if component == "" || component == "." {
			continue
		}
		if component == ".." { // it would leave a link that was just refused
			unix.Close(dir)
			return place{}, fmt.Errorf("%w: \"..\" in the path", ErrLink)
		}
		next, err := openat(dir, component, flags, 0)
		if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			err = noDirectory(dir, component)
		}
		unix.Close(dir)
		if err != nil {
			return place{}, err
		}
		dir = next
	}
	return place{dir, name}, nil
}

// noDirectory says what there is instead of a directory.
func noDirectory(dir int, name string) error {
	var st unix.Stat_t
	if err := fstatat(dir, name, &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return fmt.Errorf("%w: %q on the way", ErrLink, name)
	}
	return fmt.Errorf("%w: %q is not a directory", ErrGone, name)
}

func (p place) close() { unix.Close(p.dir) }

// sync writes the names in the directory to the disk, if we may read it.
func (p place) sync() error {
	fd, err := openat(p.dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil // we may write to it but not read it; the system syncs it in a while
	}
	defer unix.Close(fd)
	err = ignoringEINTR(func() error { return unix.Fsync(fd) })
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return nil // a file system that has nothing to sync
	}
	return err
}

// fileKey is the identity of a file.
type fileKey struct{ device, inode uint64 }

func keyOf(st *unix.Stat_t) fileKey { return fileKey{st.Dev, st.Ino} }

// is returns what is at a name, links not followed.
func (p place) is(name string) (fileKey, error) {
	var st unix.Stat_t
	err := fstatat(p.dir, name, &st)
	return keyOf(&st), err
}

func openat(dir int, name string, flags int, mode uint32) (fd int, err error) {
	err = ignoringEINTR(func() (err error) {
		fd, err = unix.Openat(dir, name, flags|unix.O_LARGEFILE, mode)
		return err
	})
	return fd, err
}

func fstatat(dir int, name string, st *unix.Stat_t) error {
	return ignoringEINTR(func() error { return unix.Fstatat(dir, name, st, unix.AT_SYMLINK_NOFOLLOW) })
}

// renameNew renames, and replaces nothing: EEXIST if the new name is taken. File systems that cannot
// (NFS, some of FUSE) are made to by a hard link, which is not for directories.
func renameNew(from int, name string, to int, newName string) error {
	err := ignoringEINTR(func() error { return unix.Renameat2(from, name, to, newName, unix.RENAME_NOREPLACE) })
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	if err := unix.Linkat(from, name, to, newName, 0); err != nil {
		return err
	}
	return unix.Unlinkat(from, name, 0)
}

// ignoringEINTR repeats a system call that a signal interrupted.
func ignoringEINTR(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// systemKind returns the outcome for an error number.
func systemKind(err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return ErrNoSpace
	case errors.Is(err, unix.EROFS):
		return ErrReadOnly
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.ETXTBSY):
		return ErrBusy
	case errors.Is(err, unix.ELOOP):
		return ErrLink
	case errors.Is(err, unix.ESTALE):
		return ErrGone
	}
	return nil
}
