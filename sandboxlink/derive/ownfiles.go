package derive

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"tyto/sandboxlink/decide/packages"
	"tyto/verdict"
)

// Limits of looking for a report's contents among the files of packages.
const (
	maxOwnFiles = 3_000_000 // files that are looked at
	maxOwnSize  = 256 << 20 // bytes of one that is read
)

// System says where the files of this computer's packages are.
type System struct {
	// Folders are looked through; what is a link is not. Empty: the folders of Linux systems.
	Folders []string
	// Packages are the databases that say what packages delivered.
	Packages packages.Set
}

// OwnFiles returns a function for [Options.OwnFile]. It knows the contents that a report names, its object and
// what that dropped, if packages of this computer delivered them: programs copy a shell or an interpreter and
// rename it, and an indicator of that would accuse each computer. A file that merely lies among those of the
// system says nothing, for that is where malware may have put it.
//
// Only files that are as large as one of the contents are read, and only the 200 contents that would become
// indicators are looked for, so this takes a second or two. A report that lies about the size of a content has it
// not found here: that is caught by [Options.Widespread] alone, and, where the report is that of our own jail, which does
// not lie, by [verdict.Dropped.System]. What cannot be read belongs to nobody. The error is that of the context.
func OwnFiles(ctx context.Context, r *verdict.Report, s System) (func(sha256 string) bool, error) {
	if len(s.Folders) == 0 {
		s.Folders = []string{"/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec", "/usr/share", "/bin", "/sbin", "/lib", "/lib64", "/etc"}
	}
	search := &ownSearch{system: s, sizes: map[int64]bool{}, sums: map[string]bool{}, own: map[string]bool{}}
	search.want(r.Object.Size, r.Object.SHA256)
	candidates := droppedWithReason(r, func(verdict.Dropped, string) {})
	for _, d := range candidates[:min(len(candidates), maxContents)] {
		search.want(d.Size, d.SHA256)
	}
	for _, folder := range s.Folders {
		if err := search.walk(ctx, folder); err != nil {
			return nil, err
		}
	}
	return func(sum string) bool { return search.own[sum] }, nil
}

type ownSearch struct {
	system System
	sizes  map[int64]bool
	sums   map[string]bool // SHA-256
	own    map[string]bool
	files  int
}

func (s *ownSearch) want(size int64, sum string) {
	if size > 0 && size <= maxOwnSize && sum != "" {
		s.sizes[size], s.sums[sum] = true, true
	}
}

func (s *ownSearch) walk(ctx context.Context, folder string) error {
	if len(s.sums) == 0 {
		return nil
	}
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return fmt.Errorf("look for files of packages: %w", context.Cause(ctx))
		}
		if err != nil || !entry.Type().IsRegular() {
			return nil // a folder that is gone, or that is a link
		}
		if s.files++; s.files > maxOwnFiles {
			return fs.SkipAll
		}
		if info, err := entry.Info(); err == nil && s.sizes[info.Size()] {
			s.look(path)
		}
		return nil
	})
}

// look holds one file against the contents, and if it has one of them, against what packages say.
func (s *ownSearch) look(path string) {
	sums, err := digest(path)
	if err != nil {
		return
	}
	sum := hex.EncodeToString(sums["sha256"])
	if !s.sums[sum] || s.own[sum] {
		return
	}
	claims, err := s.system.Packages.Claims(path)
	if err != nil && len(claims) == 0 {
		return
	}
	for _, c := range claims {
		if len(c.Sum) > 0 && bytes.Equal(c.Sum, sums[c.Algorithm]) {
			s.own[sum] = true
		}
	}
}

// digest returns the hashes of a file by name.
func digest(path string) (map[string][]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	hashes := map[string]hash.Hash{"md5": md5.New(), "sha1": sha1.New(), "sha256": sha256.New()}
	n, err := io.Copy(io.MultiWriter(hashes["md5"], hashes["sha1"], hashes["sha256"]), io.LimitReader(f, maxOwnSize+1))
	if err != nil || n > maxOwnSize {
		return nil, errors.Join(err, fmt.Errorf("read %q: %d bytes", path, n))
	}
	sums := map[string][]byte{}
	for name, h := range hashes {
		sums[name] = h.Sum(nil)
	}
	return sums, nil
}
