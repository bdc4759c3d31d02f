package jail

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"tyto/verdict"
)

// Bounds of holding what a sample wrote against the system's own files.
const (
	maxSystemFiles = 1_000_000     // known by their size
	maxSystemLooks = 50_000        // opened for one sample
	maxSystemRead  = 1 << 30       // bytes hashed for one sample
	systemAge      = 6 * time.Hour // after which the sizes are gathered again: packages are installed and updated
)

// system knows the contents that a sample found in its jail. A sample that copies them to its own folder has not
// written them, and whoever took them for its own would accuse each computer that has this system. It is safe for
// concurrent use; one sample is looked at at a time.
type system struct {
	folders []string // those that are bound into the jail
	files   []string // single ones that are copied into it

	mu     sync.Mutex
	when   time.Time
	sizes  map[int64][]string
	hashed map[string]systemFile
}

// systemFile is a content that was read before, and what the file was like then.
type systemFile struct {
	size     int64
	modified time.Time
	sum      [sha256.Size]byte
}

func newSystem() *system {
	_, others := systemLinks()
	return &system{folders: append([]string{"/usr"}, others...), files: []string{"/etc/ld.so.cache"}}
}

// mark sets [verdict.Dropped.System] where it holds, and returns how many files could not be compared because of
// the bounds, or because ctx ended.
func (s *system) mark(ctx context.Context, dropped []verdict.Dropped) (left int) {
	own := map[string]bool{}
	for _, d := range decoys() {
		own[digest([]byte(d.content))] = true
	}
	var wanted []*verdict.Dropped
	for i := range dropped {
		if d := &dropped[i]; own[d.SHA256] {
			d.System = true
		} else if d.Size > 0 {
			wanted = append(wanted, d)
		}
	}
	if len(wanted) == 0 {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sizes == nil || time.Since(s.when) > systemAge {
		s.gather(ctx)
	}
	// First what costs least: very many files of sizes that very many have must not use up what others need.
	slices.SortStableFunc(wanted, func(a, b *verdict.Dropped) int {
		return int(min(1<<40, a.Size*int64(len(s.sizes[a.Size]))) - min(1<<40, b.Size*int64(len(s.sizes[b.Size]))))
	})
	looks, budget := maxSystemLooks, int64(maxSystemRead)
	for _, d := range wanted {
		for _, path := range s.sizes[d.Size] {
			if looks--; looks < 0 || budget < d.Size || ctx.Err() != nil {
				left++
				break
			}
			sum, ok := s.sum(path, d.Size, &budget)
			if d.System = ok && hex.EncodeToString(sum[:]) == d.SHA256; d.System {
				break
			}
		}
	}
	return left
}

// gather notes the size of each file. A walk that ctx ended is done again for the next sample.
func (s *system) gather(ctx context.Context) {
	s.sizes, s.when = map[int64][]string{}, time.Now()
	if s.hashed == nil {
		s.hashed = map[string]systemFile{}
	}
	files := 0
	for _, root := range slices.Concat(s.files, s.folders) {
		_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error { // what cannot be read cannot be copied
			if ctx.Err() != nil || files > maxSystemFiles {
				return fs.SkipAll
			}
			if err != nil || !entry.Type().IsRegular() {
				return nil
			}
			if info, err := entry.Info(); err == nil && info.Size() > 0 {
				files++
				s.sizes[info.Size()] = append(s.sizes[info.Size()], path)
			}
			return nil
		})
	}
	if ctx.Err() != nil {
		s.when = time.Time{}
	}
}

// sum returns the SHA-256 of a file of this size, on account of the budget if it was not read before.
func (s *system) sum(path string, size int64, budget *int64) (sum [sha256.Size]byte, ok bool) {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != size {
		return sum, false
	}
	known, ok := s.hashed[path]
	if ok && known.size == size && known.modified.Equal(info.ModTime()) {
		return known.sum, true
	}
	f, err := os.Open(path)
	if err != nil {
		return sum, false
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(f, size))
	*budget -= n
	if err != nil {
		return sum, false
	}
	h.Sum(sum[:0])
	s.hashed[path] = systemFile{size, info.ModTime(), sum}
	return sum, true
}
