//go:build unix

package scanner

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// specials makes what is no regular file, and regular files that are not what they seem.
func (h *hostile) specials() {
	dir := filepath.Join(h.dir, "special")
	must := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	h.count += 7 // beside the files that are written
	must(os.MkdirAll(dir, 0o755))
	must(syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644))
	must(os.Symlink("loop", filepath.Join(dir, "loop")))
	must(os.Symlink(h.dir, filepath.Join(dir, "up")))
	must(os.Symlink("/proc/kcore", filepath.Join(dir, "kcore")))
	must(os.Link(h.write("special/linked", []byte("a needle in the hay")), filepath.Join(dir, "other name")))
	must(os.Truncate(h.write("special/sparse terabyte", nil), 1<<40))
	must(os.Truncate(h.write("special/sparse", []byte(strings.Repeat("x", 100))), 50<<20))
	must(os.Chmod(h.write("special/unreadable", []byte("a needle in the hay")), 0))
	must(os.MkdirAll(filepath.Join(dir, "closed"), 0))

	// A socket's path is limited to some hundred bytes.
	wd, err := os.Getwd()
	must(err)
	must(os.Chdir(dir))
	l, err := net.Listen("unix", "socket")
	must(err)
	h.t.Cleanup(func() { l.Close() })
	must(os.Chdir(wd))
}
