package examine

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"tyto/finding"
)

// TestForgedTime rewrites a file and sets its time of modification back.
func TestForgedTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "object")
	stat := func(content string) os.FileInfo {
		t.Helper()
		// The kernel's clock for files ticks every few milliseconds.
		time.Sleep(20 * time.Millisecond)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	if got, _ := changed(stat("old"), stat("new"), 3); got != finding.Changed {
		t.Errorf("%q, want %q", got, finding.Changed)
	}
}
