package jail

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path"
	"sort"

	"golang.org/x/sys/unix"
)

// Bounds of what is read from a sample's folders.
const (
	maxHashed    = 256 << 20 // bytes of all files together
	maxDeparture = 8 << 20   // bytes of one that is being deleted
	maxEntries   = 20_000    // looked at
	maxLeft      = 500       // kept in the answer
	maxDepth     = 40
	maxHead      = 512
	maxStartText = 16 << 10
)

// hashes are what is known of a content.
type hashes struct {
	size              int64
	md5, sha1, sha256 string
	head              []byte
}

// sum reads a file of a known size, on account of the budget.
func (r *room) sum(f io.Reader, size int64) (hashes, error) {
	m, s1, s2 := md5.New(), sha1.New(), sha256.New()
	head := &prefix{limit: maxHead}
	n, err := io.Copy(io.MultiWriter(m, s1, s2, head), io.LimitReader(f, min(size, r.budget)))
	r.budget -= n
	return hashes{n, hex.EncodeToString(m.Sum(nil)), hex.EncodeToString(s1.Sum(nil)), hex.EncodeToString(s2.Sum(nil)), head.bytes}, err
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// prefix keeps the first bytes that are written to it.
type prefix struct {
	limit int
	bytes []byte
}

func (p *prefix) Write(b []byte) (int, error) {
	p.bytes = append(p.bytes, b[:min(len(b), p.limit-len(p.bytes))]...)
	return len(b), nil
}

// survey looks at everything that a sample left behind. It must have ended.
func (r *room) survey() layer {
	s := &surveyor{room: r, seen: map[string]bool{}}
	// First where a file tells most, so that nothing can be hidden behind very many others.
	for _, p := range startPlaces {
		s.place(path.Clean(p.at))
	}
	s.entries = 0
	for _, f := range folders {
		s.folder(r.folders[f], f, 0)
	}
	return s.layer
}

type surveyor struct {
	*room
	layer
	entries int
	seen    map[string]bool // files that were looked at
}

// place looks at one file or folder.
func (s *surveyor) place(name string) {
	at, rest, ok := s.inside(name)
	if !ok {
		return
	}
	fd, err := unix.Openat2(at, path.Dir(rest), &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV})
	if err != nil {
		return // not there, or made unreadable: the walk over everything comes to it
	}
	defer unix.Close(fd)
	s.entry(fd, path.Base(rest), name, 0)
}

// folder looks into an open folder.
func (s *surveyor) folder(fd int, name string, depth int) {
	// A copy, because reading moves a position that later readers share, and os.File closes it.
	own, err := unix.Openat2(fd, ".", &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV})
	if err != nil {
		s.Cut++
		return
	}
	dir := os.NewFile(uintptr(own), name)
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(256)
		sort.Strings(names)
		for _, n := range names {
			if s.entries++; s.entries > maxEntries {
				s.Cut++
				return
			}
			s.entry(own, n, path.Join(name, n), depth)
		}
		if err != nil {
			return
		}
	}
}

// entry looks at one name in an open folder.
func (s *surveyor) entry(dir int, name, full string, depth int) {
	if s.seen[full] {
		return
	}
	var st unix.Stat_t
	if unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		if depth >= maxDepth {
			s.Cut++
			return
		}
		if fd, err := s.reach(dir, name, unix.O_DIRECTORY, st.Mode, 0o700); err == nil {
			s.folder(fd, full, depth+1)
			unix.Close(fd)
		}
	case unix.S_IFLNK:
		s.seen[full] = true
		b := make([]byte, unix.PathMax)
		if n, err := unix.Readlinkat(dir, name, b); err == nil && s.before[full] != string(b[:n]) {
			s.keep(leftFile{Path: full, Link: string(b[:n])})
		}
	case unix.S_IFREG:
		s.seen[full] = true
		s.file(dir, name, full, &st)
	}
}

// reach opens what the sample's user owns, also where he took the right to read it from himself.
func (s *surveyor) reach(dir int, name string, flags uint64, mode, need uint32) (int, error) {
	open := func() (int, error) {
		return unix.Openat2(dir, name, &unix.OpenHow{
			Flags:   flags | unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
		})
	}
	fd, err := open()
	if err != unix.EACCES {
		return fd, err
	}
	if unix.Fchmodat(dir, name, mode&0o7777|need, 0) != nil {
		return -1, err
	}
	return open()
}

func (s *surveyor) file(dir int, name, full string, st *unix.Stat_t) {
	fd, err := s.reach(dir, name, 0, st.Mode, 0o400)
	if err != nil {
		s.Cut++
		return
	}
	f := os.NewFile(uintptr(fd), full)
	defer f.Close()
	if s.full(full) || st.Size > s.budget {
		s.Cut++
		return
	}
	h, err := s.sum(f, st.Size)
	if err != nil {
		s.Cut++
		return
	}
	old, decoy := s.before[full]
	if decoy && old == h.sha256 {
		return
	}
	left := leftFile{
		Path: full, Decoy: decoy, Size: st.Size, MD5: h.md5, SHA1: h.sha1, SHA256: h.sha256, Head: h.head,
		Executable: st.Mode&0o111 != 0, Setuid: st.Mode&(unix.S_ISUID|unix.S_ISGID) != 0,
	}
	if startPlace(full) != "" {
		b := make([]byte, min(st.Size, maxStartText))
		n, _ := f.ReadAt(b, 0)
		left.Text = string(b[:n])
	}
	s.keep(left)
}

// full reports whether there is no more room for a file; where it tells most there is twice the room.
func (s *surveyor) full(name string) bool {
	return len(s.Files) >= maxLeft && (len(s.Files) >= 2*maxLeft || startPlace(name) == "")
}

func (s *surveyor) keep(f leftFile) {
	if s.full(f.Path) {
		s.Cut++
		return
	}
	s.Files = append(s.Files, f)
}
