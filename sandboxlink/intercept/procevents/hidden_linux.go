package procevents

import (
	"bytes"
	"io"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	maxCommandLine = 64 << 10 // bytes of a command line that are looked at
	maxArguments   = 4        // arguments that are tried as a script
)

// interpreters are programs, by the last part of their path, that run a file which is given as an argument: shells,
// languages, and the dynamic linker.
var interpreters = regexp.MustCompile(`^(` +
	`(ba|da|z|k|mk|pdk|a|c|tc|fi)?sh|busybox|toybox|` +
	`python[0-9.]*|pypy[0-9.]*|perl[0-9.]*|ruby[0-9.]*|node(js)?|deno|bun|php[0-9.]*|lua(jit)?[0-9.]*|` +
	`tclsh[0-9.]*|expect|pwsh|[gmn]?awk|java|mono|wine(64)?(-preloader)?|` +
	`ld-linux[^/]*|ld-musl[^/]*|ld-[0-9.]+\.so|ld64?\.so\.[12]` +
	`)$`)

// Hidden opens what a process runs that no permission event on a file system tells of, for reading: its
// program, if that has no file (memfd) or none any more, or if it is unseen; and the script, if it is an interpreter that
// was given one. What cannot be found any more is left out. The caller closes the descriptors; all are of regular files.
//
// unseen reports whether the file of a descriptor that was opened with O_PATH lies where nobody asks for leave to open
// it. It is not asked about scripts.
func Hidden(pid int, unseen func(fd int) bool) (files []int) {
	dir := path.Join("/proc", strconv.Itoa(pid))
	exe, err := os.Readlink(dir + "/exe")
	if err != nil {
		return nil
	}
	if strings.HasPrefix(exe, "/memfd:") || strings.HasSuffix(exe, " (deleted)") {
		unseen = anyFile
	}
	if fd, ok := openRegular(unix.AT_FDCWD, dir+"/exe", 0, unseen); ok {
		files = append(files, fd)
	}
	if interpreters.MatchString(path.Base(exe)) {
		if fd, ok := openScript(dir); ok {
			files = append(files, fd)
		}
	}
	return files
}

// openScript opens the first of the arguments that names a regular file, as the process sees names.
func openScript(dir string) (fd int, ok bool) {
	cwd, err := os.Readlink(dir + "/cwd")
	if err != nil {
		return 0, false
	}
	root, err := unix.Open(dir+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, false
	}
	defer unix.Close(root)
	for _, name := range candidates(commandLine(dir)) {
		if !path.IsAbs(name) {
			name = cwd + "/" + name
		}
		// No link, not even an absolute one, leads out of the process's own root.
		if fd, ok := openRegular(root, name, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS, anyFile); ok {
			return fd, true
		}
	}
	return 0, false
}

func commandLine(dir string) []byte {
	f, err := os.Open(dir + "/cmdline")
	if err != nil {
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxCommandLine))
	if err != nil {
		return nil
	}
	return data
}

// candidates are the first few arguments that are no options.
func candidates(commandLine []byte) (names []string) {
	for i, argument := range bytes.Split(commandLine, []byte{0}) {
		switch {
		case i == 0, len(argument) == 0, argument[0] == '-', len(argument) >= unix.PathMax:
			continue
		case len(names) == maxArguments:
			return names
		}
		names = append(names, string(argument))
	}
	return names
}

func anyFile(int) bool { return true }

// openRegular opens a regular file for reading if it is wanted, and never anything else: to open a FIFO or a device does
// something. wanted is given a descriptor of O_PATH.
func openRegular(dir int, name string, resolve uint64, wanted func(fd int) bool) (fd int, ok bool) {
	found, err := unix.Openat2(dir, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: resolve})
	if err != nil {
		return 0, false
	}
	defer unix.Close(found)
	var st unix.Stat_t
	if unix.Fstat(found, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || !wanted(found) {
		return 0, false
	}
	fd, err = unix.Open("/proc/self/fd/"+strconv.Itoa(found), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	return fd, err == nil
}
