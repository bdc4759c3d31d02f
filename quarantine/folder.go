package quarantine

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The suffixes of entries, by how far they have come.
const (
	suffixNew  = ".new"
	suffixCopy = ".copy"
	suffixDone = ".age"
)

// newID returns a random name. It says nothing about the object.
func newID() string {
	var random [15]byte
	rand.Read(random[:])
	return strings.ToLower(base32.StdEncoding.EncodeToString(random[:]))
}

// validID reports whether id could be one of newID's, so that an id never leads out of the folder.
func validID(id string) bool {
	return len(id) == 24 && strings.IndexFunc(id, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '2' && r <= '7')
	}) < 0
}

// stored is one entry's file in the folder.
type stored struct {
	id, suffix string
	size       int64
	modified   time.Time
}

func (s stored) name() string { return s.id + s.suffix }

// files lists the files of entries, in the making too.
func (v *Vault) files() ([]stored, error) {
	folder, err := v.root().Open(".")
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	list, err := folder.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	var files []stored
	for _, e := range list {
		suffix := filepath.Ext(e.Name())
		id := strings.TrimSuffix(e.Name(), suffix)
		if !validID(id) || !slices.Contains([]string{suffixNew, suffixCopy, suffixDone}, suffix) {
			continue
		}
		info, err := v.root().Lstat(e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			continue
		}
		files = append(files, stored{id, suffix, info.Size(), info.ModTime()})
	}
	return files, nil
}

// find returns the file of an entry.
func (v *Vault) find(id string) (stored, error) {
	if v.root() == nil || !validID(id) {
		return stored{}, ErrNotFound
	}
	for _, suffix := range []string{suffixDone, suffixCopy, suffixDone} { // it may change from copy to done meanwhile
		info, err := v.root().Lstat(id + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return stored{}, err
		}
		return stored{id, suffix, info.Size(), info.ModTime()}, nil
	}
	return stored{}, ErrNotFound
}

// tidy puts in order what a killed process has left. While another process works in the vault, it
// leaves everything alone: what looks unfinished is that one's.
func (v *Vault) tidy() error {
	unlock, err := v.tryLock()
	if errors.Is(err, errLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	return v.tidyLocked()
}

func (v *Vault) tidyLocked() error {
	if keys, err := fs.Glob(v.root().FS(), keyName+"-*"); err == nil { // that were never put to use
		for _, name := range keys {
			_ = v.root().Remove(name)
		}
	}
	if err := v.removeDrafts(); err != nil {
		return err
	}
	files, err := v.files()
	if err != nil {
		return err
	}
	for _, f := range files {
		switch f.suffix {
		case suffixNew:
			if err := v.root().Remove(f.name()); err != nil {
				return err
			}
			v.tell(Event{Kind: EventLeftover, ID: f.id, Message: "removed an entry that was never finished; its original was not touched"})
		case suffixCopy:
			v.confirm(f)
		}
	}
	return nil
}

// confirm notes an entry as done whose original has gone since: by a restart of the computer, or right
// before the process that removed it was killed.
func (v *Vault) confirm(f stored) {
	e, err := v.read(f)
	if err != nil || v.key() == nil || stillThere(e) {
		return
	}
	if err := v.settle(f); err != nil {
		v.opts.Log.Warn("note an entry as done", "id", f.id, "error", err)
		return
	}
	e.Original = Removed
	v.tell(Event{Kind: EventLeftover, ID: f.id, Entry: e, Message: "the original has gone; the entry is complete"})
}

// settle gives an entry its last name.
func (v *Vault) settle(f stored) error {
	if err := v.root().Rename(f.name(), f.id+suffixDone); err != nil {
		return err
	}
	return syncFolder(v.root())
}

// lock waits until nobody else changes the vault. The caller must call the function it returns.
func (v *Vault) lock(ctx context.Context) (unlock func(), err error) {
	const pause = 10 * time.Millisecond
	for {
		unlock, err = v.tryLock()
		if !errors.Is(err, errLocked) {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for another process that works in the quarantine: %w", context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

var errLocked = errors.New("the quarantine is locked")

// tryLock takes the lock or returns errLocked. The file is opened anew each time, so that goroutines
// exclude each other as processes do.
func (v *Vault) tryLock() (unlock func(), err error) {
	f, err := v.root().OpenFile("lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
