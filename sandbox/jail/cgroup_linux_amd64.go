package jail

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// groups are the cgroups of one run, one folder for each hierarchy: one where they are unified (cgroup v2), one for each
// controller where they are not (v1).
type groups struct {
	dirs      []string
	memory    bool // the memory of all is bounded
	processes bool // their number is
}

// cgroupRoot is where cgroups are mounted, by convention of all distributions.
const cgroupRoot = "/sys/fs/cgroup"

// groupPrefix begins the names of our groups; the process that made them follows.
const groupPrefix = "tyto-jail-"

// makeGroups makes cgroups as far as this process may.
func makeGroups(name string, memory int64, processes int) *groups {
	g := &groups{}
	limits := strconv.FormatInt(memory, 10)
	// A few more than the sample may have: bubblewrap and its init are in there too.
	count := strconv.Itoa(processes + 8)
	if unified(cgroupRoot) {
		dir := filepath.Join(cgroupRoot, groupPrefix+name)
		if os.Mkdir(dir, 0o755) != nil {
			return g
		}
		g.dirs = append(g.dirs, dir)
		g.memory = set(dir, "memory.max", limits)
		_ = set(dir, "memory.swap.max", "0")
		_ = set(dir, "memory.oom.group", "1")
		g.processes = set(dir, "pids.max", count)
		return g
	}
	if dir := filepath.Join(cgroupRoot, "memory", groupPrefix+name); os.Mkdir(dir, 0o755) == nil {
		g.dirs = append(g.dirs, dir)
		g.memory = set(dir, "memory.limit_in_bytes", limits)
		// Memory and swap together. Missing where swap is not accounted.
		_ = set(dir, "memory.memsw.limit_in_bytes", limits)
	}
	if dir := filepath.Join(cgroupRoot, "pids", groupPrefix+name); os.Mkdir(dir, 0o755) == nil {
		g.dirs = append(g.dirs, dir)
		g.processes = set(dir, "pids.max", count)
	}
	return g
}

// unified reports whether a folder is the root of cgroup v2.
func unified(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
}

func set(dir, file, value string) bool {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return false
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close()) == nil
}

// open opens the files into which the tracer writes its child's number. They are opened here, because the kernel goes by the
// rights of whoever opened them.
func (g *groups) open() (files []*os.File, err error) {
	for _, dir := range g.dirs {
		f, err := os.OpenFile(filepath.Join(dir, "cgroup.procs"), os.O_WRONLY, 0)
		if err != nil {
			return files, fmt.Errorf("open cgroup: %w", err)
		}
		files = append(files, f)
	}
	return files, nil
}

// exhausted reports whether the kernel has killed a process of the run because the memory of all was used up.
func (g *groups) exhausted() bool {
	for _, dir := range g.dirs {
		for _, file := range []string{"memory.events", "memory.oom_control"} {
			text, err := readBounded(filepath.Join(dir, file), 4<<10)
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(text)) {
				if f := strings.Fields(line); len(f) == 2 && f[0] == "oom_kill" && f[1] != "0" {
					return true
				}
			}
		}
	}
	return false
}

// removal bounds how long the removal waits for processes that were killed to be gone.
const removal = 10 * time.Second

// remove kills what is left in the groups, which is nothing unless the tracer was killed, and removes them.
func (g *groups) remove() error {
	var errs []error
	for _, dir := range g.dirs {
		errs = append(errs, removeGroup(dir, removal))
	}
	return errors.Join(errs...)
}

func removeGroup(dir string, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		err := os.Remove(dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("remove cgroup: %w", err)
		}
		killGroup(dir)
		time.Sleep(5 * time.Millisecond)
	}
}

// killGroup kills the processes of a group. Their numbers cannot have become others': who listed them is still dying.
func killGroup(dir string) {
	if set(dir, "cgroup.kill", "1") {
		return
	}
	list, err := readBounded(filepath.Join(dir, "cgroup.procs"), 64<<10)
	if err != nil {
		return
	}
	for _, line := range strings.Fields(string(list)) {
		if pid, err := strconv.Atoi(line); err == nil && pid > 1 {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// sweepGroups removes the groups of engines that were killed.
func sweepGroups() {
	for _, pattern := range []string{cgroupRoot, cgroupRoot + "/memory", cgroupRoot + "/pids"} {
		dirs, _ := filepath.Glob(pattern + "/" + groupPrefix + "*")
		for _, dir := range dirs {
			pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), groupPrefix), "-")
			if n, err := strconv.Atoi(pid); err != nil || n <= 0 || unix.Kill(n, 0) != unix.ESRCH {
				continue
			}
			_ = removeGroup(dir, time.Second)
		}
	}
}
