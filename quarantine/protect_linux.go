package quarantine

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const foldCase = false

// systemFiles are what a Linux computer does not start or cannot be repaired without. Paths are resolved,
// so on most systems /lib is /usr/lib; both are named for the others.
func systemFiles() []systemList {
	both := func(paths ...string) (list []string) {
		for _, p := range paths {
			list = append(list, p, "/usr"+p)
		}
		return list
	}
	return []systemList{
		{"the system starts from it", append([]string{
			"/boot/**", "/efi/**", "/vmlinuz*", "/initrd*",
			"/etc/fstab", "/etc/crypttab", "/etc/inittab",
		}, both("/lib/systemd/systemd", "/lib/systemd/libsystemd-*.so", "/sbin/init", "/bin/systemd", "/sbin/openrc*", "/sbin/runit*")...)},
		{"no program runs without it", append([]string{
			"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/nsswitch.conf",
		}, both(
			"/lib/ld-*.so*", "/lib*/ld-*.so*", "/lib/*/ld-*.so*",
			"/lib/libc.so*", "/lib*/libc.so*", "/lib/*/libc.so*", "/lib/libc-*.so", "/lib*/libc-*.so", "/lib/*/libc-*.so",
			"/lib/libpthread*.so*", "/lib*/libpthread*.so*", "/lib/*/libpthread*.so*",
			"/lib/libdl*.so*", "/lib*/libdl*.so*", "/lib/*/libdl*.so*",
			"/lib/libm.so*", "/lib*/libm.so*", "/lib/*/libm.so*",
		)...)},
		{"nobody could log in without it", append([]string{
			"/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/pam.d/*", "/etc/security/*", "/etc/sudoers",
		}, both("/bin/login", "/bin/su", "/bin/sudo", "/sbin/sshd", "/sbin/agetty", "/sbin/unix_chkpwd", "/lib/security/*", "/lib/*/security/*", "/lib64/security/*")...)},
		{"a shell is needed to repair anything", both("/bin/sh", "/bin/bash", "/bin/dash", "/bin/busybox", "/bin/zsh", "/bin/ksh*")},
		{"the package manager repairs the system", both("/bin/dpkg*", "/bin/apt*", "/bin/rpm", "/bin/dnf*", "/bin/yum", "/bin/zypper", "/bin/pacman", "/sbin/apk", "/lib/apt/methods/*")},
	}
}

// vital says whether the open file is one that the first process, the kernel or Tyto itself runs from.
func (s *source) vital() string {
	file := fileKey{s.id.device, s.id.inode}
	switch {
	case leadsTo("/proc/self/exe", file):
		return "it is Tyto itself"
	case leadsTo("/proc/1/exe", file), mapsFile("/proc/1", file):
		return "the first process (init) runs from it"
	case strings.Contains(filepath.Base(s.path), ".ko") && loadedModule(filepath.Base(s.path)) && s.ofThisKernel():
		return "it is a module of the running kernel"
	}
	return ""
}

// ofThisKernel reports whether the file is where modules of the running kernel are.
func (s *source) ofThisKernel() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return true
	}
	release := unix.ByteSliceToString(u.Release[:])
	return inside(s.path, "/lib/modules/"+release) || inside(s.path, "/usr/lib/modules/"+release)
}

// loadedModule reports whether a module file's name is one of /proc/modules, where hyphens are
// underscores.
func loadedModule(base string) bool {
	name, _, _ := strings.Cut(base, ".ko")
	name = strings.ReplaceAll(name, "-", "_")
	f, err := os.Open("/proc/modules")
	if err != nil {
		return false
	}
	defer f.Close()
	const longest = 1 << 20
	for lines := bufio.NewScanner(io.LimitReader(f, longest)); lines.Scan(); {
		loaded, _, _ := strings.Cut(lines.Text(), " ")
		if strings.ReplaceAll(loaded, "-", "_") == name {
			return true
		}
	}
	return false
}
