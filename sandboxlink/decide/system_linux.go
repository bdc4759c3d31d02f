package decide

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"tyto/sandboxlink/decide/authenticode"
)

// identify returns what tells this state of an open file from all others.
func identify(f *os.File) (identity, fs.FileInfo, error) {
	info, err := f.Stat()
	if err != nil {
		return identity{}, nil, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}, info, nil
	}
	return identity{
		device: uint64(st.Dev), inode: st.Ino, size: st.Size,
		modified: st.Mtim.Nano(), changed: st.Ctim.Nano(), version: uint64(st.Ctim.Nano()),
	}, info, nil
}

// withChangeTime are the file systems, by the numbers of statfs(2), that keep a time of change that programs cannot set.
var withChangeTime = map[int64]bool{
	unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true, unix.TMPFS_MAGIC: true,
	unix.OVERLAYFS_SUPER_MAGIC: true, unix.F2FS_SUPER_MAGIC: true, 0x2fc12fc1 /* ZFS */ : true, 0xca451a4e /* bcachefs */ : true,
}

func keepsChangeTime(f *os.File) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(int(f.Fd()), &st) == nil && withChangeTime[int64(st.Type)]
}

// realPath returns the path at which the very file lies in this process's view, without links; "" if it has
// none, such as one that was deleted. Neither who asks nor the kernel's name for a file in another mount namespace is
// believed: what lies there must be the file.
func realPath(f *os.File, asked string) string {
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	named, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	if err != nil || !filepath.IsAbs(named) {
		// Without /proc. The kernel's answer is better: it has no race between resolving and comparing.
		if named, err = filepath.EvalSymlinks(asked); err != nil {
			return ""
		}
		if named, err = filepath.Abs(named); err != nil {
			return ""
		}
	}
	if there, err := os.Lstat(named); err != nil || !os.SameFile(info, there) {
		return ""
	}
	return filepath.Clean(named)
}

// writableByOthers returns why others than the administrator can change what lies at a path, or "". The path must
// be one that [realPath] returned.
func writableByOthers(path string, info fs.FileInfo) string {
	if why := looseOwner("it", info); why != "" {
		return why
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		at, err := os.Lstat(dir)
		if err != nil {
			return fmt.Sprintf("%q cannot be looked at", dir)
		}
		if !at.IsDir() {
			return fmt.Sprintf("%q is no folder any more", dir)
		}
		if why := looseOwner(strconv.Quote(dir), at); why != "" {
			return why
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// looseOwner looks at one file or folder. Rights of access lists show in the group's bits (acl(5)). A folder with the sticky
// bit, such as /tmp, is as good as open: others can put files there.
func looseOwner(name string, info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return name + " has no owner"
	case st.Uid != 0:
		return fmt.Sprintf("%s belongs to user %d", name, st.Uid)
	case info.Mode().Perm()&0o002 != 0:
		return name + " can be written by everybody"
	case info.Mode().Perm()&0o020 != 0 && st.Gid != 0:
		return fmt.Sprintf("%s can be written by group %d", name, st.Gid)
	}
	return ""
}

// isSetuid reports whether a program gets other rights than its caller's.
func isSetuid(info fs.FileInfo) bool { return info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 }

// webMark returns from where a program fetched a file, as browsers and curl note it (freedesktop.org, "Common
// extended attributes").
func webMark(f *os.File, _ string) string {
	var value [256]byte
	for _, name := range []string{"user.xdg.origin.url", "user.xdg.referrer.url"} {
		n, err := unix.Fgetxattr(int(f.Fd()), name, value[:])
		if err == unix.ERANGE {
			return "an address that is too long to be shown"
		}
		if err == nil && n > 0 {
			return strconv.Quote(strings.ToValidUTF8(string(value[:n]), "\uFFFD"))
		}
	}
	return ""
}

// onRemovable is told by the path on this system.
func onRemovable(string) bool { return false }

// systemSignature: this system knows nothing of the signatures of Windows programs.
func systemSignature(*os.File, string) *authenticode.Signature { return nil }

// duplicate returns another descriptor of an open file, which a worker gets and which is closed behind it.
func duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
