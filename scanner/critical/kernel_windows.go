package critical

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"

	"tyto/finding"
)

// kernel takes the files of the kernel and of the drivers that are loaded.
func (s *Source) kernel(ctx context.Context, c *collection) error {
	names, err := drivers()
	if err != nil {
		c.skip(finding.Skip{Path: "drivers", Reason: finding.Unreadable, Detail: err.Error()})
	}
	for _, name := range names {
		path := win32Path(name)
		if !filepath.IsAbs(path) {
			c.skip(finding.Skip{Path: name, Reason: finding.Unreadable, Detail: "a loaded driver; where its file is, is not known"})
			continue
		}
		if err := c.add(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

// drivers returns the names of the files of all loaded drivers, as the kernel keeps them.
func drivers() ([]string, error) {
	const mostBytes = 64 << 20
	size := uint32(256 << 10)
	for {
		buf := make([]uint64, size/8) // aligned for what is written there
		var needed uint32
		err := windows.NtQuerySystemInformation(windows.SystemModuleInformation, unsafe.Pointer(&buf[0]), size, &needed)
		switch {
		case err == nil:
			return parseModules(unsafe.Slice((*byte)(unsafe.Pointer(&buf[0])), size)), nil
		case !errors.Is(err, windows.STATUS_INFO_LENGTH_MISMATCH) || size >= mostBytes:
			return nil, fmt.Errorf("list the drivers: %w", err)
		}
		size *= 2 // needed may be out of date by the next call
	}
}

// parseModules returns the paths in an RTL_PROCESS_MODULES structure.
func parseModules(buf []byte) []string {
	const (
		header = unsafe.Offsetof(windows.RTL_PROCESS_MODULES{}.Modules)
		each   = unsafe.Sizeof(windows.RTL_PROCESS_MODULE_INFORMATION{})
		path   = unsafe.Offsetof(windows.RTL_PROCESS_MODULE_INFORMATION{}.FullPathName)
	)
	if uintptr(len(buf)) < header {
		return nil
	}
	n := *(*uint32)(unsafe.Pointer(&buf[0]))
	var names []string
	for entry := range uintptr(n) {
		start, end := header+entry*each+path, header+(entry+1)*each
		if end > uintptr(len(buf)) {
			break // cannot be, the kernel made it
		}
		name, _, _ := bytes.Cut(buf[start:end], []byte{0})
		names = append(names, string(name))
	}
	return names
}

// win32Path turns the path of a module or driver, in one of the ways in which the kernel writes it, into
// one that programs can open. What it does not know stays as it is.
func win32Path(path string) string {
	root, err := windows.GetSystemWindowsDirectory()
	if err != nil {
		return path
	}
	lower := strings.ToLower(path)
	switch {
	case strings.HasPrefix(lower, `\systemroot\`):
		return root + path[len(`\systemroot`):]
	case strings.HasPrefix(lower, `\??\unc\`):
		return `\\` + path[len(`\??\unc\`):]
	case strings.HasPrefix(lower, `\??\`):
		return path[len(`\??\`):]
	case strings.HasPrefix(lower, `\device\`):
		return fromDevice(path)
	case strings.HasPrefix(lower, `\windows\`):
		return filepath.VolumeName(root) + path // relative to the system's drive
	case strings.HasPrefix(lower, `system32\`):
		return filepath.Join(root, path)
	}
	return path
}

// fromDevice replaces the device of a path by its drive letter: `\Device\HarddiskVolume3\a.sys` may be
// `C:\a.sys`.
func fromDevice(path string) string {
	const longest = 1024
	for letter := 'A'; letter <= 'Z'; letter++ {
		drive := string(letter) + ":"
		name, err := windows.UTF16PtrFromString(drive)
		if err != nil {
			continue
		}
		var buf [longest]uint16
		if n, err := windows.QueryDosDevice(name, &buf[0], longest); err != nil || n == 0 {
			continue
		}
		device := windows.UTF16ToString(buf[:])
		if len(path) > len(device) && strings.EqualFold(path[:len(device)], device) && path[len(device)] == '\\' {
			return drive + path[len(device):]
		}
	}
	return path
}
