package walk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// maxOpenDirs is how many directories of the stack may be open.
	maxOpenDirs = 256
	// bufferSize holds some 2,000 entries, enough to put them in the disk's order.
	bufferSize = 64 << 10
)

// openDirs returns how many directories of the stack may be open: maxOpenDirs, or an eighth of what this
// process may open, as two walks and the files that they find have to share it.
func openDirs() int {
	const least = 8
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return least
	}
	return int(min(maxOpenDirs, max(least, l.Cur/8)))
}

// dir is an open directory. Everything in it is looked at and opened relative to its
// descriptor and without following links, so it does not matter what happens to its path.
type dir struct {
	fd  int
	pos int64 // where the entries that were read end
}

func (d *dir) close() { unix.Close(d.fd) }

// prepare has the directory, and those below it, look at files as the options say.
func (d *dir) prepare(*Options) {}

// resolveLinks resolves the symbolic links of an absolute path.
func resolveLinks(path string) (string, error) { return filepath.EvalSymlinks(path) }

// openParent opens the directory in which a resolved path lies, without following links, and
// returns the name of the path in it. What it returns can be used to look up, not to read.
func openParent(path string) (*dir, string, error) {
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := openat(unix.AT_FDCWD, "/", flags)
	if err != nil {
		return nil, "", err
	}
	parents, name := filepath.Split(strings.TrimRight(path, "/"))
	for component := range strings.SplitSeq(parents, "/") {
		if component == "" {
			continue
		}
		next, err := openat(fd, component, flags)
		unix.Close(fd)
		if err != nil {
			return nil, "", err
		}
		fd = next
	}
	if name == "" {
		name = "." // the root directory
	}
	return &dir{fd: fd}, name, nil
}

// openDir opens the directory name, which must be the one that was looked at.
func (d *dir) openDir(name string, m *meta) (*dir, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NOATIME
	fd, err := openat(d.fd, name, flags)
	if errors.Is(err, unix.EPERM) { // keeping the access time is for owners only
		fd, err = openat(d.fd, name, flags&^unix.O_NOATIME)
	}
	if err != nil {
		return nil, err
	}
	child := &dir{fd: fd}
	if err := child.check(m.id); err != nil {
		child.close()
		return nil, err
	}
	return child, nil
}

// reopen opens the directory name again to read on at pos. The position is the file system's
// own mark (d_off); it stays valid beyond the descriptor on all file systems that can be
// exported by NFS.
func (d *dir) reopen(name string, id FileID, pos int64) (*dir, error) {
	child, err := d.openDir(name, &meta{id: id})
	if err != nil {
		return nil, err
	}
	if pos != 0 {
		if _, err := unix.Seek(child.fd, pos, unix.SEEK_SET); err != nil {
			child.close()
			return nil, fmt.Errorf("continuing the directory: %w", err)
		}
	}
	child.pos = pos
	return child, nil
}

// check reports whether the open directory is id.
func (d *dir) check(id FileID) error {
	var st unix.Stat_t
	if err := ignoringEINTR(func() error { return unix.Fstat(d.fd, &st) }); err != nil {
		return err
	}
	if (FileID{Device: st.Dev, Inode: st.Ino}) != id {
		return ErrChanged
	}
	return nil
}

// openFile opens the file name and returns what it really is. Opening a pipe does not wait.
func (d *dir) openFile(name string, m *meta, path string) (*os.File, meta, error) {
	const flags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NOATIME
	return openRegular(d.fd, name, flags, m, path)
}

// openRegular opens a file with flags, among them O_NONBLOCK, and returns what it really is.
func openRegular(at int, name string, flags int, m *meta, path string) (*os.File, meta, error) {
	fd, err := openat(at, name, flags)
	if errors.Is(err, unix.EPERM) {
		fd, err = openat(at, name, flags&^unix.O_NOATIME)
	}
	if err != nil {
		return nil, meta{}, err
	}
	now, err := statFD(fd)
	if err == nil && now.kind == kindFile {
		// A regular file is read like any other from here on; the runtime's poller, which
		// descriptors in non-blocking mode are given to, has no use for it.
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		unix.Close(fd)
		return nil, meta{}, err
	}
	now.created = m.created
	return os.NewFile(uintptr(fd), path), now, nil
}

// read fills the buffer with entries of the directory and appends them to list, all but "." and
// "..". At the end it returns an empty list.
func (d *dir) read(buf []byte, list []dirent) ([]dirent, error) {
	for len(list) == 0 {
		n := 0
		err := ignoringEINTR(func() (err error) {
			n, err = unix.Getdents(d.fd, buf)
			return err
		})
		if err != nil || n == 0 {
			return nil, err
		}
		list = d.parse(buf[:n], list)
	}
	return list, nil
}

// parse takes apart what getdents64 returned: records of inode, position, length, type and
// name, the last ended by a zero byte.
func (d *dir) parse(buf []byte, list []dirent) []dirent {
	const header = 19
	for len(buf) > header {
		length := int(binary.NativeEndian.Uint16(buf[16:]))
		if length <= header || length > len(buf) {
			break // cannot be, the kernel made it
		}
		record := buf[:length]
		buf = buf[length:]
		d.pos = int64(binary.NativeEndian.Uint64(record[8:]))
		name := record[header:]
		end := 0
		for end < len(name) && name[end] != 0 && name[end] != '/' {
			end++
		}
		// A slash, which only a damaged file system puts there, would lead to another directory.
		if name = name[:end:end]; end == 0 || string(name) == "." || string(name) == ".." {
			continue
		}
		ent := dirent{name: name, ino: binary.NativeEndian.Uint64(record)}
		ent.kind, ent.mode = direntKind(record[18])
		list = append(list, ent)
	}
	return list
}

func direntKind(typ byte) (kind, fs.FileMode) {
	switch typ {
	case unix.DT_REG:
		return kindFile, 0
	case unix.DT_DIR:
		return kindDir, 0
	case unix.DT_LNK:
		return kindSymlink, 0
	case unix.DT_FIFO:
		return kindSpecial, fs.ModeNamedPipe
	case unix.DT_SOCK:
		return kindSpecial, fs.ModeSocket
	case unix.DT_CHR, unix.DT_BLK:
		return kindSpecial, fs.ModeDevice
	}
	return kindUnknown, 0
}

// streams has nothing to do: files have one stream here.
func (w *walker) streams(*dir, string, string, meta, bool) error { return nil }

func openat(fd int, name string, flags int) (opened int, err error) {
	err = ignoringEINTR(func() (err error) {
		opened, err = unix.Openat(fd, name, flags|unix.O_LARGEFILE, 0)
		return err
	})
	return opened, err
}

// ignoringEINTR repeats a system call that a signal interrupted, as the Go runtime's own do on
// slow file systems.
func ignoringEINTR(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func noDescriptors(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}

// replacedByLink reports whether err says that a link stands where a file or directory was.
func replacedByLink(err error) bool {
	return errors.Is(err, unix.ELOOP)
}

func vanished(err error) bool {
	return errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ESTALE) || errors.Is(err, unix.ENXIO)
}
