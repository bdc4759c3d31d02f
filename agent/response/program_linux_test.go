package response

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"tyto/agent/place"
)

// alive reports whether a process runs: one that has ended may not have been waited for.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return !bytes.HasPrefix(state, []byte("Z")) && !bytes.HasPrefix(state, []byte("X"))
}

// The agent's own check is the one that is used.
func TestProgramThatOthersCanChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	p := Program{Args: []string{path}}
	var unsafe *place.Unsafe
	if _, err := p.Run(t.Context(), nil); !errors.As(err, &unsafe) {
		t.Errorf("error %v, want that it is unsafe", err)
	}
}
