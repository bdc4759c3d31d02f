//go:build !linux && !windows

package intercept

import (
	"errors"
	"fmt"
	"runtime"
)

func open(Options) (system, error) {
	return nil, fmt.Errorf("intercepting accesses on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
