package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/windows"
)

// wholeComputer returns the paths that hold all files of this computer: the roots of its fixed drives.
func wholeComputer() ([]string, error) {
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
