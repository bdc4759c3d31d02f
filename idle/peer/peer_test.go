//go:build linux

package peer

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const nobodyUID = 65534

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("this test needs root")
	}
	t.Skip("this test needs root")
}

// open makes a folder that everybody may enter, below a place where everybody may.
func open(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "tyto-peer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func listen(t *testing.T, path string, mode os.FileMode) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return l
}

// The other end sees the user, and what the user may not open we do not.
func TestDialAsUser(t *testing.T) {
	needRoot(t)
	dir := open(t)
	l := listen(t, filepath.Join(dir, "everybody"), 0o777)
	listen(t, filepath.Join(dir, "root"), 0o700)

	conn, err := Dial(filepath.Join(dir, "everybody"), nobodyUID, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	if uid, err := Owner(accepted.(*net.UnixConn)); err != nil || uid != nobodyUID {
		t.Errorf("the other end sees user %d (%v), want %d", uid, err, nobodyUID)
	}
	if _, err := Dial(filepath.Join(dir, "root"), nobodyUID, 0); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("root's socket with a user's rights: %v", err)
	}
	if _, err := Dial(filepath.Join(dir, "everybody"), nobodyUID, nobodyUID); err == nil || !strings.Contains(err.Error(), "served by user 0") {
		t.Errorf("a socket of another user: %v", err)
	}
	for range 100 { // and all threads are root again
		if _, err := os.Stat("/proc/1/fd"); err != nil {
			t.Fatal(err)
		}
		if unix.Geteuid() != 0 || unix.Getegid() != 0 {
			t.Fatal("a thread kept the user's id")
		}
	}
}

func TestReadFile(t *testing.T) {
	needRoot(t)
	dir := open(t)
	put := func(name string, uid int, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("0123456789"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, uid, uid); err != nil {
			t.Fatal(err)
		}
		return path
	}
	own, secret, readable := put("own", nobodyUID, 0o600), put("secret", 0, 0o600), put("readable", 0, 0o644)
	link, fifo := filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	if err := os.Symlink(own, link); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	if b, err := ReadFile(own, nobodyUID, 10); err != nil || string(b) != "0123456789" {
		t.Errorf("the user's own file: %q, %v", b, err)
	}
	for path, why := range map[string]string{
		secret: "permission denied", readable: "not a regular file of user", link: "too many levels", fifo: "not a regular file",
	} {
		if _, err := ReadFile(path, nobodyUID, 10); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", filepath.Base(path), err, why)
		}
	}
	if _, err := ReadFile(own, nobodyUID, 9); err == nil {
		t.Error("a file over the limit was read")
	}
}

// Reads end with the context, and the connection can be used again.
func TestWithin(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	read := func() error {
		var b [1]byte
		_, err := ours.Read(b[:])
		return err
	}
	cause := errors.New("no time left")
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, cause)
	defer cancel()
	if err := Within(ctx, ours, read); !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
	go theirs.Write([]byte("x"))
	if err := Within(t.Context(), ours, read); err != nil {
		t.Errorf("after that: %v", err)
	}
}
