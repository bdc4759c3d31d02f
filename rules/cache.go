package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// cache is a folder of compiled rules. What libyara loads is trusted like a program, so a file is
// used only if nobody but this user could have written it. Files appear by renaming, so any number
// of processes may share the folder.
type cache struct {
	dir string
}

const (
	cachePrefix = "rules-"
	cacheSuffix = ".compiled"
	// cacheKept is how many files stay in the folder; one for signature-base is some 75 MB. Those
	// used longest ago go first.
	cacheKept = 4
)

// cacheKey identifies what compiling sources of that digest yields: it also covers everything in
// this build that bears on the result.
func cacheKey(digest [sha256.Size]byte) [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%s\n%s/%s\n%s\n", format, LibyaraVersion, runtime.GOOS, runtime.GOARCH, strings.Join(Modules(), " "))
	for _, x := range externals {
		fmt.Fprintf(h, "%s %T\n", x.name, x.value(&Externals{}))
	}
	for _, c := range classes() {
		fmt.Fprintf(h, "%s %+v\n", c.Name, c.facts)
	}
	h.Write(digest[:])
	return [sha256.Size]byte(h.Sum(nil))
}

func (c cache) path(key [32]byte) string {
	return filepath.Join(c.dir, cachePrefix+hex.EncodeToString(key[:16])+cacheSuffix)
}

// open returns the set from the cache. Both results are nil if it is not there.
func (c cache) open(key [32]byte) (*Set, error) {
	name := c.path(key)
	if err := checkFolder(c.dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("the cache is not used: %w", err)
	}
	f, err := openNoFollow(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("compiled anew, because the cached rules cannot be opened: %w", err)
	}
	if err := checkFile(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("compiled anew: %w", err)
	}
	set, err := openSet(f, key)
	if err != nil {
		return nil, fmt.Errorf("compiled anew: %w", err)
	}
	set.Cached = true
	now := time.Now()
	os.Chtimes(name, now, now) // for prune; of no consequence if it fails
	return set, nil
}

// fill compiles into the cache and returns the set.
func (c cache) fill(key [32]byte, compile func(*os.File) error) (*Set, error) {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, fmt.Errorf("the cache is not used: %w", err)
	}
	if err := checkFolder(c.dir); err != nil {
		return nil, fmt.Errorf("the cache is not used: %w", err)
	}
	tmp, err := os.CreateTemp(c.dir, cachePrefix+"*.tmp") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("the cache is not used: %w", err)
	}
	defer os.Remove(tmp.Name())
	if err := errors.Join(compile(tmp), tmp.Close()); err != nil {
		return nil, fmt.Errorf("the cache is not used: %w", err)
	}
	// On Windows this fails if another process has the same rules open. Then they are there.
	if err := os.Rename(tmp.Name(), c.path(key)); err != nil && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("the cache is not used: %w", err)
	}
	c.prune()
	set, err := c.open(key)
	if set != nil {
		set.Cached = false
	}
	return set, err
}

// prune removes the files used longest ago, and what crashed processes left.
func (c cache) prune() {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return
	}
	type old struct {
		name string
		used time.Time
	}
	var files []old
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), cachePrefix) {
			continue
		}
		switch {
		case strings.HasSuffix(e.Name(), cacheSuffix):
			files = append(files, old{e.Name(), info.ModTime()})
		case strings.HasSuffix(e.Name(), ".tmp") && time.Since(info.ModTime()) > time.Hour:
			os.Remove(filepath.Join(c.dir, e.Name()))
		}
	}
	slices.SortFunc(files, func(a, b old) int { return b.used.Compare(a.used) })
	for _, f := range files[min(cacheKept, len(files)):] {
		os.Remove(filepath.Join(c.dir, f.name))
	}
}
