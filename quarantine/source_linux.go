package quarantine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// source is an open file that is to be quarantined.
type source struct {
	place
	path string
	file *os.File
	id   identity
	meta Metadata
	note string // what the outcome should say
}

// openSource opens a file for reading, itself and not what a link leads to, and describes it.
func openSource(path string) (*source, error) {
	p, err := openPlace(path)
	if err != nil {
		return nil, err
	}
	const flags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NOATIME
	var fd int
	if err = isFile(p); err == nil { // first, as opening a device can have effects
		fd, err = openat(p.dir, p.name, flags, 0)
	}
	if errors.Is(err, unix.EPERM) { // keeping the access time is for owners only
		fd, err = openat(p.dir, p.name, flags&^unix.O_NOATIME, 0)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	unix.SetNonblock(fd, false) // that was for pipes only
	s := &source{place: p, path: filepath.Clean(path), file: os.NewFile(uintptr(fd), path)}
	s.lease()
	if err := s.look(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// isFile says what there is instead of a file.
func isFile(p place) error {
	var st unix.Stat_t
	if err := fstatat(p.dir, p.name, &st); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return nil
	case unix.S_IFLNK:
		return ErrLink
	}
	return ErrNotFile
}

func (s *source) close() {
	s.file.Close()
	s.place.close()
}

func (s *source) fd() int { return int(s.file.Fd()) }

// volume is the device in the words of package walk.
func (s *source) volume() uint64 { return s.id.device }

// bytes is how much there is to copy.
func (s *source) bytes() int64 { return s.id.size }

// lease keeps others from opening the file for writing until it is closed: they wait, until we are done
// or the kernel's patience ends (45 seconds). It cannot be had while somebody has the file open for
// writing, if it is another user's, and on some file systems. Then a writer may change the file up to
// the last moment; what is written after the last look goes with the file.
func (s *source) lease() {
	if _, err := unix.FcntlInt(s.file.Fd(), unix.F_SETLEASE, unix.F_RDLCK); errors.Is(err, unix.EAGAIN) {
		s.note = "a process has the file open for writing; what it wrote after the copy was made is lost"
	}
}

// look fills in identity and metadata.
func (s *source) look() error {
	var st unix.Stat_t
	if err := unix.Fstat(s.fd(), &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return ErrNotFile
	}
	s.id = identityOf(&st)
	var err error
	s.meta, err = readMetadata(s.fd(), &st)
	return err
}

func identityOf(st *unix.Stat_t) identity {
	return identity{device: st.Dev, inode: st.Ino, size: st.Size, modified: timeOf(st.Mtim), changed: timeOf(st.Ctim)}
}

func timeOf(t unix.Timespec) Time {
	sec, nsec := t.Unix()
	return Time{Sec: sec, Nsec: int32(nsec)}
}

// unchanged looks at the open file again, after it was read.
func (s *source) unchanged() error {
	var st unix.Stat_t
	if err := unix.Fstat(s.fd(), &st); err != nil {
		return err
	}
	if now := identityOf(&st); now != s.id {
		return fmt.Errorf("%w: while it was copied", ErrChanged)
	}
	return nil
}

// eachStream has nothing to do: files have one stream here.
func (s *source) eachStream(func(i int, name string, size int64, content io.Reader) error) error {
	return nil
}

// removable says early, before anything is copied, why the file could not be removed. What it does not
// foresee is found out by remove.
func (s *source) removable() error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(s.fd(), &fs); err == nil && fs.Flags&unix.ST_RDONLY != 0 {
		return ErrReadOnly
	}
	var st unix.Statx_t
	if err := unix.Statx(s.fd(), "", unix.AT_EMPTY_PATH, 0, &st); err == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return fmt.Errorf("%w: it is a mount point", ErrBusy)
	}
	if err := unix.Statx(s.dir, "", unix.AT_EMPTY_PATH, 0, &st); err == nil &&
		st.Attributes&(unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) != 0 {
		return fmt.Errorf("%w: nothing can be removed from %q", ErrImmutable, filepath.Dir(s.path))
	}
	err := unix.Faccessat(s.dir, ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS) {
		return err
	}
	return nil
}

// maxSiblings bounds the search for other names of a file in its folder.
const maxSiblings = 200_000

// otherNames returns the names of the file besides its path: those in the same folder, and those of known
// that are its names indeed.
func (s *source) otherNames(known []string) (names []string) {
	if s.meta.Links < 2 {
		return nil
	}
	want := fileKey{s.id.device, s.id.inode}
	folder := filepath.Dir(s.path)
	seen := map[string]bool{s.path: true}
	add := func(path string) {
		if !seen[path] {
			seen[path] = true
			names = append(names, path)
		}
	}
	for _, name := range siblings(s.dir) {
		if k, err := s.is(name); err == nil && k == want && name != s.name {
			add(filepath.Join(folder, name))
		}
	}
	for _, path := range known {
		p, err := openPlace(path)
		if err != nil {
			continue
		}
		if k, err := p.is(p.name); err == nil && k == want {
			add(filepath.Clean(path))
		}
		p.close()
	}
	return names
}

// siblings lists the names in a folder.
func siblings(dir int) (names []string) {
	fd, err := openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	folder := os.NewFile(uintptr(fd), ".")
	defer folder.Close()
	for range maxSiblings / 1000 {
		list, err := folder.Readdirnames(1000)
		names = append(names, list...)
		if err != nil {
			break
		}
	}
	return names
}

// holders returns the processes that use the file.
func (s *source) holders(ctx context.Context) []Holder {
	return findHolders(ctx, fileKey{s.id.device, s.id.inode})
}

// stillThere reports whether the original of an entry is in its place, or cannot be looked for. What a
// killed process was about to remove, it removes now.
func stillThere(e *Entry) bool {
	p, err := openPlace(string(e.Path))
	if err != nil {
		return !errors.Is(err, unix.ENOENT)
	}
	defer p.close()
	finishRemoval(p, e)
	k, err := p.is(p.name)
	if err != nil {
		return !errors.Is(err, unix.ENOENT)
	}
	return k == fileKey{e.Metadata.Device, e.Metadata.Inode}
}

// anonymous makes a file in memory that has no name and cannot be run.
func anonymous(*os.Root) (*os.File, error) {
	const name = "quarantined"
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// forget drops a file from the page cache, so that it is read from the disk the next time.
func forget(f *os.File) { _ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }
