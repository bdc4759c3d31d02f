package walk

import (
	"errors"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"

	"tyto/finding"
)

// platformMeta is what only this system says of a file.
type platformMeta struct {
	uid, gid uint32
}

func (m *meta) owners(names *owners, o *finding.Object, numbers bool) {
	o.Owner, o.Group = names.user(m.uid, numbers), names.group(m.gid, numbers)
}

func (m *meta) attributes(*finding.Object) {}

func (m *meta) reparseName() string { return "" }

// stat looks at an entry of the directory, at a link itself, and triggers no automount.
func (d *dir) stat(name string) (meta, error) {
	return statx(d.fd, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT)
}

func statFD(fd int) (meta, error) { return statx(fd, "", unix.AT_EMPTY_PATH) }

func statx(fd int, name string, flags int) (meta, error) {
	var st unix.Statx_t
	err := ignoringEINTR(func() error {
		return unix.Statx(fd, name, flags, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	})
	// Kernels before 4.11 have no statx, and some container sandboxes forbid it.
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return oldStat(fd, name, flags)
	}
	if err != nil {
		return meta{}, err
	}
	m := meta{
		id:           FileID{Device: unix.Mkdev(st.Dev_major, st.Dev_minor), Inode: st.Ino},
		mount:        st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0,
		size:         int64(st.Size),
		links:        uint64(st.Nlink),
		modified:     statxTime(st.Mtime),
		accessed:     statxTime(st.Atime),
		changed:      statxTime(st.Ctime),
		platformMeta: platformMeta{uid: st.Uid, gid: st.Gid},
	}
	m.kind, m.mode = fileMode(uint32(st.Mode))
	if st.Mask&unix.STATX_BTIME != 0 {
		m.created = statxTime(st.Btime)
	}
	return m, nil
}

// oldStat is statx without the time of birth and without knowing mounts' roots.
func oldStat(fd int, name string, flags int) (meta, error) {
	var st unix.Stat_t
	err := ignoringEINTR(func() error { return unix.Fstatat(fd, name, &st, flags) })
	if err != nil {
		return meta{}, err
	}
	m := meta{
		id:           FileID{Device: st.Dev, Inode: st.Ino},
		size:         st.Size,
		links:        uint64(st.Nlink),
		modified:     time.Unix(st.Mtim.Unix()),
		accessed:     time.Unix(st.Atim.Unix()),
		changed:      time.Unix(st.Ctim.Unix()),
		platformMeta: platformMeta{uid: st.Uid, gid: st.Gid},
	}
	m.kind, m.mode = fileMode(st.Mode)
	return m, nil
}

func statxTime(t unix.StatxTimestamp) time.Time { return time.Unix(t.Sec, int64(t.Nsec)) }

// fileMode translates st_mode.
func fileMode(mode uint32) (kind, fs.FileMode) {
	m := fs.FileMode(mode & 0o777)
	if mode&unix.S_ISUID != 0 {
		m |= fs.ModeSetuid
	}
	if mode&unix.S_ISGID != 0 {
		m |= fs.ModeSetgid
	}
	if mode&unix.S_ISVTX != 0 {
		m |= fs.ModeSticky
	}
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return kindFile, m
	case unix.S_IFDIR:
		return kindDir, m | fs.ModeDir
	case unix.S_IFLNK:
		return kindSymlink, m | fs.ModeSymlink
	case unix.S_IFIFO:
		return kindSpecial, m | fs.ModeNamedPipe
	case unix.S_IFSOCK:
		return kindSpecial, m | fs.ModeSocket
	case unix.S_IFCHR:
		return kindSpecial, m | fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		return kindSpecial, m | fs.ModeDevice
	}
	return kindSpecial, m | fs.ModeIrregular
}
