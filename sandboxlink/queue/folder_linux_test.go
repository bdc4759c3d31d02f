package queue

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Only the owner gets at the folder and what is in it.
func TestModes(t *testing.T) {
	dir := folder(t)
	q, _ := open(t, dir, Options{})
	add(t, q, "content", 0)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o; want %o", path, got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestUnsafeFolders(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(dir string) error
	}{
		{"others may look", func(dir string) error { return os.Mkdir(dir, 0o755) }},
		{"a link", func(dir string) error { return os.Symlink(t.TempDir(), dir) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := folder(t)
			if err := test.make(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir, Options{}); !errors.Is(err, ErrUnsafe) {
				t.Errorf("%v; want %v", err, ErrUnsafe)
			}
		})
	}
}

// What is no regular file is not opened, whatever its name, and never keeps the queue from working.
func TestStrangeFiles(t *testing.T) {
	dir := folder(t)
	q, _ := open(t, dir, Options{})
	o := add(t, q, "content", 0)
	shut(t, q)
	name := func(digit string) string { return filepath.Join(dir, strings.Repeat(digit, 64)) }
	secret := filepath.Join(t.TempDir(), "secret")
	for _, err := range []error{
		os.WriteFile(secret, []byte("secret"), 0o600),
		os.Symlink(secret, name("1")),
		os.Symlink(o.SHA256, name("2")),
		syscall.Mkfifo(name("3"), 0o600),
		os.MkdirAll(filepath.Join(name("4"), "sub"), 0o700),
		os.MkdirAll(filepath.Join(name("5")+suffixNew, "sub"), 0o700),
		os.Symlink(secret, name("6")+suffixNew),
		os.Mkdir(name("7")+suffixDamaged, 0o700),
		os.WriteFile(filepath.Join(dir, "README"), nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	q, events := open(t, dir, Options{})
	if diff := cmp.Diff([]EventKind{EventDamaged, EventDamaged, EventDamaged, EventDamaged}, events.kinds()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if u := q.Usage(); u.Entries != 1 || u.Damaged != 5 || u.Bytes != 12<<10 {
		t.Errorf("%+v", u)
	}
	if content, err := os.ReadFile(secret); string(content) != "secret" || err != nil {
		t.Errorf("what a link led to: %q, %v", content, err)
	}
	if item := next(t, q); item.Object.SHA256 != o.SHA256 {
		t.Errorf("next is %v", item.Object)
	}
}

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

// On a full disk nothing is added and one event told; what is there can be worked on.
func TestFullDisk(t *testing.T) {
	mount := volume(t, "size=1m")
	dir := filepath.Join(mount, "queue")
	q, events := open(t, dir, Options{})
	first := add(t, q, "content", 0)
	item := next(t, q)
	refused := 0
	for i := range 20 {
		content := noise(uint64(i), 100<<10)
		_, err := q.Add(t.Context(), object(content, 0), strings.NewReader(content))
		switch {
		case errors.Is(err, ErrNoSpace):
			refused++
		case err != nil:
			t.Fatal(err)
		}
	}
	if refused < 8 || refused > 12 {
		t.Errorf("%d of 20 were refused", refused)
	}
	if diff := cmp.Diff([]EventKind{EventNoSpace}, events.kinds()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	ballast := filepath.Join(mount, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	if err := item.Update(State{Task: "t", Attempts: 7}); err != nil {
		t.Errorf("update on a full disk: %v", err)
	}
	if content, err := read(item); content != "content" || err != nil {
		t.Errorf("read on a full disk: %q, %v", content, err)
	}
	if e, err := q.Show(first.SHA256); e.State.Attempts != 7 || err != nil {
		t.Errorf("%+v, %v", e, err)
	}
	for _, name := range files(t, dir) {
		if strings.HasSuffix(name, suffixNew) {
			t.Errorf("%q was left", name)
		}
	}
	if u := q.Usage(); u.Bytes != onDisk(t, dir) {
		t.Errorf("%+v, %d bytes", u, onDisk(t, dir))
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := item.Remove(); err != nil {
		t.Error(err)
	}
	add(t, q, "there is room again", 0)
	for i := range 20 {
		content := noise(uint64(i+100), 100<<10)
		_, _ = q.Add(t.Context(), object(content, 0), strings.NewReader(content))
	}
	if diff := cmp.Diff([]EventKind{EventNoSpace}, events.kinds()); diff != "" {
		t.Errorf("events after there was room (-want +got):\n%s", diff)
	}
}
