package critical

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

const (
	// maxMappings is how many mappings of one process are looked at. The kernel allows 65,530 unless
	// vm.max_map_count was raised; databases are told to raise it to about a million.
	maxMappings = 2_000_000
	// maxMapsLine is how much of a line is read. Paths can be longer than the 4 KiB that the
	// kernel takes, as directories can be moved into each other.
	maxMapsLine = 64 << 10
)

// mapping is a line of /proc/PID/maps, see proc_pid_maps(5).
type mapping struct {
	name       string // of the link in map_files: "5581c000-5581d000"
	executable bool
	private    bool
	device     string // "fe:01"; of the file system below on overlayfs and btrfs
	inode      uint64
	path       string // as shown: "/tmp/a (deleted)"
}

// code reports whether the file was loaded, as programs and libraries are. What is shared and
// cannot be run is data, and a shared memfd that can be run is where a compiler writes: both are
// memory of the process.
func (m *mapping) code() bool {
	const memfd = "/memfd:"
	return m.private || m.executable && (len(m.path) < len(memfd) || m.path[:len(memfd)] != memfd)
}

// errTooMany ends the reading of mappings.
var errTooMany = fmt.Errorf("more than %d mappings", maxMappings)

// readMaps calls each for every mapping of a file in the text of /proc/PID/maps. It returns the
// first error of each as it is.
func readMaps(r io.Reader, each func(mapping) error) error {
	lines := bufio.NewReaderSize(r, maxMapsLine)
	for range maxMappings {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			line = bytes.Clone(line)
			err = skipLine(lines)
		}
		if m, ok := parseMapping(bytes.TrimSuffix(line, []byte("\n"))); ok {
			if err := each(m); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
	return errTooMany
}

// skipLine reads to the end of a line.
func skipLine(lines *bufio.Reader) error {
	for {
		if _, err := lines.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// parseMapping takes apart a line: "start-end perms offset device inode path". It reports false for
// what is no mapping of a file.
func parseMapping(line []byte) (m mapping, ok bool) {
	var fields [5][]byte
	for i := range fields {
		var found bool
		if fields[i], line, found = bytes.Cut(line, []byte(" ")); !found {
			return m, false
		}
	}
	line = bytes.TrimLeft(line, " ")
	permissions := fields[1]
	if len(permissions) != 4 || len(line) == 0 || line[0] != '/' {
		return m, false // anonymous, [heap], anon_inode:…
	}
	inode, err := strconv.ParseUint(string(fields[4]), 10, 64)
	name, ok := linkName(fields[0])
	if err != nil || !ok {
		return m, false
	}
	return mapping{
		name:       name,
		executable: permissions[2] == 'x',
		private:    permissions[3] == 'p',
		device:     string(fields[3]),
		inode:      inode,
		// The kernel escapes newlines, and nothing else.
		path: string(bytes.ReplaceAll(line, []byte(`\012`), []byte("\n"))),
	}, true
}

// linkName returns the name that a range of addresses has in map_files, where the numbers have no
// leading zeros.
func linkName(text []byte) (string, bool) {
	start, end, ok := bytes.Cut(text, []byte("-"))
	if !ok {
		return "", false
	}
	from, err1 := strconv.ParseUint(string(start), 16, 64)
	to, err2 := strconv.ParseUint(string(end), 16, 64)
	if err1 != nil || err2 != nil {
		return "", false
	}
	return fmt.Sprintf("%x-%x", from, to), true
}
