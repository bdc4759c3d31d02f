//go:build !linux

package rules

import (
	"fmt"
	"os"
)

// anonymousFile returns a temporary file that vanishes when it is closed, or on systems that cannot
// remove open files stays in the temporary folder.
func anonymousFile() (*os.File, error) {
	f, err := os.CreateTemp("", "tyto-rules-*.tmp")
	if err != nil {
		return nil, fmt.Errorf("create a temporary file: %w", err)
	}
	os.Remove(f.Name())
	return f, nil
}

// makeReadOnly does nothing: workers get a handle of their own, without the right to write.
func makeReadOnly(*os.File) error { return nil }
