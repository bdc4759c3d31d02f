package store_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tyto/store"
)

// volume mounts a small file system in memory, for this test only.
func volume(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, options); err != nil {
		if os.Getenv("CI") != "" && os.Geteuid() == 0 {
			t.Fatalf("mount: %v", err)
		}
		t.Skipf("mounting needs privileges: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A full disk is said, what was committed stays, and when there is room again all goes on.
func TestFullDisk(t *testing.T) {
	dir := volume(t, "size=2m")
	path := filepath.Join(dir, "state.db")
	s, err := store.Open(ctx, path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	remember(t, s, options, wicked(object("/dir", 0)))
	ballast := filepath.Join(dir, "ballast")
	if out, err := exec.Command("sh", "-c", "cat /dev/zero >"+ballast).CombinedOutput(); err == nil {
		t.Fatalf("the disk is not full: %s", out)
	}
	session := s.Session(options)
	for n := range 2000 {
		session.Remember(wicked(object("/dir", n)))
	}
	if err := session.Close(); err == nil || !strings.Contains(err.Error(), "free some space") || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v; want one that says what to do", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	o := object("/dir", 0)
	if _, ok := recall(t, s, options, o); !ok {
		t.Error("what was known before is lost")
	}
	remember(t, s, options, wicked(object("/dir", 1)))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	again, err := store.Open(ctx, path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := again.Counts(ctx); again.Problem() != "" || err != nil || c.Files < 2 {
		t.Errorf("%q, %+v, %v", again.Problem(), c, err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestReadOnlyVolume(t *testing.T) {
	dir := volume(t, "size=4m")
	path := filepath.Join(dir, "state.db")
	s, err := store.Open(ctx, path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	remember(t, s, options, examined(object("/dir", 1)))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(ctx, path, store.Options{}); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("error %v; want one that says why", err)
	}
	// To look is allowed.
	reader, err := store.Open(ctx, path, store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := reader.Counts(ctx); err != nil || c.Files != 1 {
		t.Errorf("%+v, %v; want 1 file", c, err)
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
}
