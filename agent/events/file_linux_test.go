package events

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tiny mounts a file system of 64 KiB.
func tiny(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tyto-test", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("a small file system is needed, which takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A full disk leaves whole lines only. When there is room again the events that were kept follow, and the
// number of those that were not, in their place.
func TestFullDisk(t *testing.T) {
	dir := tiny(t)
	path, ballast := filepath.Join(dir, "events.jsonl"), filepath.Join(dir, "ballast")
	h := NewHub(Options{Queue: 10, Retry: time.Millisecond})
	h.SetOutputs(Output{"file", NewFile(path, 1<<20, 1)})
	stop := running(t, h)
	h.Send(RunStarted, "before", nil)
	await(t, "the first event", func() bool { _, err := os.Stat(path); return err == nil })
	if err := os.WriteFile(ballast, make([]byte, 48<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := 0; h.Status()[0].Dropped == 0; i++ {
		if i == 10000 {
			t.Fatal("the disk does not fill")
		}
		h.Send(RunStarted, fmt.Sprintf("%04d %s", i, strings.Repeat("x", 500)), nil)
		time.Sleep(100 * time.Microsecond)
	}
	if err := h.Status()[0].Error; err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("the error is %v", err)
	}
	messages(t, path) // are whole
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	await(t, "the output works again", func() bool { s := h.Status()[0]; return s.Error == nil && s.Waiting == 0 })
	h.Send(RunStarted, "after", nil)
	stop()

	all := messages(t, path)
	if all[0] != "before" || all[len(all)-1] != "after" {
		t.Errorf("the first is %.20q, the last %.20q", all[0], all[len(all)-1])
	}
	// Each event is there once, in order, or counted.
	next, told := 0, 0
	for _, m := range all {
		var n int
		if _, err := fmt.Sscanf(m, "missing here: %d since", &n); err == nil {
			told += n
			next += n
			continue
		}
		if _, err := fmt.Sscanf(m, "%04d x", &n); err == nil {
			if n != next {
				// The hub's own events about the failure are among those that are missing.
				if n > next || next-n > 2 {
					t.Fatalf("event %d where %d is due", n, next)
				}
				next = n
			}
			next++
		}
	}
	if told == 0 {
		t.Error("nothing tells that events are missing")
	}
}
