//go:build unix && !linux

package service

import "fmt"

// Install is not built for this system.
func Install(Options) ([]Step, error) {
	return nil, fmt.Errorf("%w: have your init run \"tyto agent run\" as root in the foreground", ErrUnsupported)
}

// Uninstall is not built for this system.
func Uninstall(Options) ([]Step, error) { return nil, ErrUnsupported }
