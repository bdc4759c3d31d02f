package walk

import (
	"errors"
	"fmt"

	"golang.org/x/sys/windows"
)

// Computer returns roots below which all files of this computer lie: those of its fixed drives.
func Computer() ([]string, error) {
	mask, err := windows.GetLogicalDrives()
	if err != nil {
		return nil, fmt.Errorf("list the drives: %w", err)
	}
	var roots []string
	for letter := range 26 {
		if mask&(1<<letter) == 0 {
			continue
		}
		root := string(rune('A'+letter)) + `:\`
		name, err := windows.UTF16PtrFromString(root)
		if err != nil {
			return nil, err
		}
		if windows.GetDriveType(name) == windows.DRIVE_FIXED {
			roots = append(roots, root)
		}
	}
	if len(roots) == 0 {
		return nil, errors.New("this computer has no fixed drive: name the paths to scan")
	}
	return roots, nil
}

// SystemDrives returns roots below which the files lie that the system needs to start and to run: the
// drive of Windows itself.
func SystemDrives() ([]string, error) {
	dir, err := windows.GetSystemWindowsDirectory()
	if err != nil {
		return nil, fmt.Errorf("find the system's drive: %w", err)
	}
	if len(dir) < 2 || dir[1] != ':' {
		return nil, fmt.Errorf("find the system's drive: Windows is in %q, which is on no drive", dir)
	}
	return existing(dir[:2] + `\`), nil
}
