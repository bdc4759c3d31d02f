package quarantine

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Bounds of the search for processes that use a file. What lies beyond is not told.
const (
	maxHolders     = 32
	maxProcesses   = 50_000
	maxDescriptors = 4096     // looked at per process
	maxMaps        = 16 << 20 // bytes read of a process's maps
)

// findHolders returns the processes that run a file, have it mapped or have it open.
func findHolders(ctx context.Context, file fileKey) (holders []Holder) {
	own := os.Getpid()
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(maxProcesses)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == own {
			continue
		}
		if ctx.Err() != nil || len(holders) == maxHolders {
			break
		}
		if how := uses(filepath.Join("/proc", name), file); how != "" {
			comm, _ := os.ReadFile(filepath.Join("/proc", name, "comm"))
			holders = append(holders, Holder{PID: pid, Name: strings.TrimSuffix(string(comm), "\n"), How: how})
		}
	}
	return holders
}

// uses says how a process uses a file; empty if it does not, or if we may not know.
func uses(process string, file fileKey) string {
	switch {
	case leadsTo(process+"/exe", file):
		return "runs"
	case mapsFile(process, file):
		return "maps"
	case opens(process, file):
		return "opens"
	}
	return ""
}

// leadsTo follows one of /proc's links.
func leadsTo(link string, file fileKey) bool {
	var st unix.Stat_t
	return unix.Stat(link, &st) == nil && keyOf(&st) == file
}

func opens(process string, file fileKey) bool {
	dir, err := os.Open(process + "/fd")
	if err != nil {
		return false
	}
	defer dir.Close()
	list, _ := dir.Readdirnames(maxDescriptors)
	for _, fd := range list {
		if leadsTo(process+"/fd/"+fd, file) {
			return true
		}
	}
	return false
}

// mapsFile looks for the file's inode in a process's maps (proc_pid_maps(5)). Some file systems name
// another device there than stat does, so a line with the inode is looked at by its link.
func mapsFile(process string, file fileKey) bool {
	f, err := os.Open(process + "/maps")
	if err != nil {
		return false
	}
	defer f.Close()
	inode := []byte(strconv.FormatUint(file.inode, 10))
	lines := bufio.NewScanner(io.LimitReader(f, maxMaps))
	for lines.Scan() {
		fields := bytes.Fields(lines.Bytes())
		if len(fields) < 5 || !bytes.Equal(fields[4], inode) {
			continue
		}
		major, minor := unix.Major(file.device), unix.Minor(file.device)
		if string(fields[3]) == fmt.Sprintf("%02x:%02x", major, minor) || leadsTo(fmt.Sprintf("%s/map_files/%s", process, mapName(fields[0])), file) {
			return true
		}
	}
	return false
}

// mapName is the name in map_files of a range of addresses, which has no leading zeros.
func mapName(addresses []byte) string {
	from, to, _ := strings.Cut(string(addresses), "-")
	trim := func(s string) string {
		if s = strings.TrimLeft(s, "0"); s == "" {
			return "0"
		}
		return s
	}
	return trim(from) + "-" + trim(to)
}
