package idle

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Whoever puts a pipe in the place of the file must not make the agent wait for what never comes.
func TestFileIsNoPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "presence")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := readShort(path); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("read %q, %v", text, err)
	}
}
