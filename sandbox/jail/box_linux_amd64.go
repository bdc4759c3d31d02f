package jail

import (
	"path/filepath"
	"strconv"
	"strings"
)

// The tracer's own descriptors when it begins, and those that bubblewrap gets.
const (
	sampleFD   = 3 // the sample's content, both for the tracer and for bubblewrap
	filterFD   = 4 // the seccomp filter, for bubblewrap
	lifelineFD = 4 // for the tracer only
	groupsFD   = 5 // cgroup.procs files, for the tracer only
)

// systemFolders are seen by the sample read-only, as far as this computer has them. Where a system has made one of them
// a link into /usr, the link is made in the jail too.
var systemFolders = []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}

// samplePath is where the sample lies in the jail.
func (o order) samplePath() string { return home + "/" + o.Name }

// command returns bubblewrap's command line. links are the systemFolders that are links, with where they lead;
// the others are those that are folders.
func (o order) command(links map[string]string, others []string) []string {
	args := []string{o.Bubblewrap,
		"--unshare-all", "--unshare-user", "--uid", userID, "--gid", userID, "--hostname", computer,
		"--die-with-parent", "--new-session", "--cap-drop", "ALL",
	}
	if o.DisableUsers {
		args = append(args, "--disable-userns")
	}
	add := func(more ...string) { args = append(args, more...) }
	add("--ro-bind", "/usr", "/usr")
	for _, f := range systemFolders {
		if to := links[f]; to != "" {
			add("--symlink", strings.TrimPrefix(to, "/"), f)
		}
	}
	for _, f := range others {
		add("--ro-bind", f, f)
	}
	// bubblewrap's own file systems, / and /dev, belong to the sample's user and have no limit: they are made
	// read-only when all is in place.
	add("--proc", "/proc", "--dev", "/dev")
	for _, f := range folders {
		mode := "0755"
		if f == "/tmp" || f == "/dev/shm" {
			mode = "1777"
		}
		add("--perms", mode, "--size", strconv.FormatInt(o.Disk, 10), "--tmpfs", f)
	}
	add("--perms", "0755", "--dir", home, "--perms", "0755", "--file", strconv.Itoa(sampleFD), o.samplePath())
	add("--remount-ro", "/dev", "--remount-ro", "/")
	add("--seccomp", strconv.Itoa(filterFD), "--chdir", home, "--clearenv")
	for _, v := range [][2]string{
		{"HOME", home}, {"USER", user}, {"LOGNAME", user}, {"SHELL", "/bin/bash"}, {"TERM", "xterm-256color"},
		{"LANG", "C.UTF-8"}, {"PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"}, {"PWD", home},
	} {
		add("--setenv", v[0], v[1])
	}
	add("--")
	if o.Shell {
		add("/bin/sh")
	}
	return append(args, o.samplePath())
}

// fileName makes a name that a client gave safe as a file name that looks the same as far as possible.
func fileName(name string) string {
	const longest = 64
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-', r == '+':
			return r
		}
		return '_'
	}, filepath.Base(name))
	if len(clean) > longest {
		ext := filepath.Ext(clean)
		if len(ext) > 8 {
			ext = ""
		}
		clean = clean[:longest-len(ext)] + ext
	}
	// A leading "-" could be an option to an interpreter; dots would hide it, or be a folder.
	if clean = strings.TrimLeft(clean, ".-"); clean == "" {
		return "sample"
	}
	for _, d := range decoys() {
		if d.path == home+"/"+clean {
			return "sample-" + clean
		}
	}
	return clean
}
