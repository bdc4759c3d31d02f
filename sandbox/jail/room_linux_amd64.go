package jail

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"tyto/sandbox/jail/trace"
)

// room is the inside of a jail as the tracer reaches it: by open folders, which stay readable after the jail's
// mounts are gone. What lies in them is made by a hostile program, so nothing is followed or waited for: no link,
// no pipe, no other file system.
type room struct {
	root    int            // the jail's root, open by path only
	folders map[string]int // the folders it can write to
	devices map[uint64]bool
	budget  int64             // bytes that may still be hashed
	before  map[string]string // decoys, with the SHA-256 of their content
}

// openRoom opens the folders of the jail in which a process stands.
func openRoom(pid int) (*room, error) {
	root, err := unix.Open(fmt.Sprintf("/proc/%d/root", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the jail's root: %w", err)
	}
	r := &room{root: root, folders: map[string]int{}, devices: map[uint64]bool{}, budget: maxHashed, before: map[string]string{}}
	for _, f := range folders {
		fd, err := unix.Openat2(root, f[1:], &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS})
		if err != nil {
			r.close()
			return nil, fmt.Errorf("open %q in the jail: %w", f, err)
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			r.close()
			return nil, fmt.Errorf("look at %q in the jail: %w", f, err)
		}
		r.folders[f], r.devices[st.Dev] = fd, true
	}
	return r, nil
}

func (r *room) close() {
	unix.Close(r.root)
	for _, fd := range r.folders {
		unix.Close(fd)
	}
}

// inside opens the folder that a path lies in, and returns the rest of the path.
func (r *room) inside(name string) (fd int, rest string, ok bool) {
	for f, fd := range r.folders {
		if rest, ok := strings.CutPrefix(name, f+"/"); ok {
			return fd, rest, true
		}
	}
	return 0, "", false
}

// furnish puts the decoys into the folders. The sample has not run yet, so nothing in them is hostile.
func (r *room) furnish() error {
	for _, f := range emptyFolders {
		if err := r.makeFolder(f); err != nil {
			return err
		}
	}
	for _, d := range decoys() {
		if err := r.makeFolder(path.Dir(d.path)); err != nil {
			return err
		}
		if err := r.makeFile(d); err != nil {
			return err
		}
	}
	return r.furnishSystem()
}

// furnishSystem copies from this computer's /etc what its programs do not start without: where libraries lie, and
// the links in /etc/alternatives that commands in /usr/bin lead through.
func (r *room) furnishSystem() error {
	const maxCache = 8 << 20
	if cache, err := readBounded("/etc/ld.so.cache", maxCache); err == nil {
		if err := r.makeFile(decoy{"/etc/ld.so.cache", string(cache), 0o644}); err != nil {
			return err
		}
	}
	const maxLinks = 2000
	entries, err := os.ReadDir("/etc/alternatives")
	if err != nil {
		return nil // other distributions have none
	}
	etc := r.folders["/etc"]
	for _, e := range entries[:min(len(entries), maxLinks)] {
		if to, err := os.Readlink("/etc/alternatives/" + e.Name()); err == nil && strings.HasPrefix(to, "/usr/") {
			if err := unix.Symlinkat(to, etc, "alternatives/"+e.Name()); err != nil {
				return fmt.Errorf("link %q: %w", e.Name(), err)
			}
			r.before["/etc/alternatives/"+e.Name()] = to
		}
	}
	return nil
}

func readBounded(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

func (r *room) makeFolder(name string) error {
	if _, ok := r.folders[name]; ok {
		return nil
	}
	if err := r.makeFolder(path.Dir(name)); err != nil {
		return err
	}
	at, rest, ok := r.inside(name)
	if !ok {
		return fmt.Errorf("%q is in no folder of the jail", name)
	}
	if err := unix.Mkdirat(at, rest, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("make %q in the jail: %w", name, err)
	}
	return nil
}

func (r *room) makeFile(d decoy) error {
	at, rest, ok := r.inside(d.path)
	if !ok {
		return fmt.Errorf("%q is in no folder of the jail", d.path)
	}
	fd, err := unix.Openat(at, rest, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("make %q in the jail: %w", d.path, err)
	}
	f := os.NewFile(uintptr(fd), d.path)
	defer f.Close()
	if _, err := f.WriteString(d.content); err != nil {
		return fmt.Errorf("write %q in the jail: %w", d.path, err)
	}
	r.before[d.path] = digest([]byte(d.content))
	return f.Chmod(os.FileMode(d.mode))
}

// exists reports whether there is something of that name in the jail.
func (r *room) exists(name string) bool {
	fd, err := unix.Openat2(r.root, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// remember reads a file that is about to be deleted, if it is small enough and lies where the sample can write.
func (r *room) remember(name string) (trace.Departure, bool) {
	f, st, err := r.open(r.root, name, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	if err != nil {
		return trace.Departure{}, false
	}
	defer f.Close()
	if !r.devices[st.Dev] || st.Size == 0 || st.Size > maxDeparture || st.Size > r.budget {
		return trace.Departure{}, false
	}
	s, err := r.sum(f, st.Size)
	if err != nil {
		return trace.Departure{}, false
	}
	return trace.Departure{Path: name, Size: s.size, MD5: s.md5, SHA1: s.sha1, SHA256: s.sha256, Head: s.head, Executable: st.Mode&0o111 != 0}, true
}

// open opens a regular file for reading, and nothing else: it never waits for a pipe or wakes a device.
func (r *room) open(at int, name string, resolve uint64) (*os.File, *unix.Stat_t, error) {
	fd, err := unix.Openat2(at, name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC,
		Resolve: resolve,
	})
	if err != nil {
		return nil, nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return nil, nil, errors.Join(err, errors.New("not a regular file"))
	}
	return os.NewFile(uintptr(fd), name), &st, nil
}
