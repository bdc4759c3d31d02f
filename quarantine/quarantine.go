// Package quarantine keeps dangerous files where they can do nothing, and gives them back exactly as
// they were.
//
// A [Vault] is a folder that stands alone: it needs no database and no agent, only its key. [Vault.Add]
// moves a file into it, [Vault.Restore] moves it out, and between the two nothing of the file can be
// run, opened by mistake or taken for malware by another scanner.
//
// # What Add promises
//
// The content is never lost: at every moment either the file is in its place or a complete, verified
// and synced entry is in the vault, or both. And no other file is ever removed: the file is opened
// without following a link on any component of its path, must be the very one that was examined
// (device, inode, size, times, SHA-256), and its name is only given up after it was moved to where
// nobody else can put another file in its place (see remove_linux.go). If anything has changed, Add
// takes nothing and says [ErrChanged].
//
// # What is on disk
//
//	key.txt       the age identity that opens the entries, readable by its owner only
//	lock          held by whoever changes something in the vault
//	warned        there while the vault is fuller than four fifths, so that this is told once
//	ID.age        an entry whose original was removed
//	ID.copy       an entry whose original may still be in its place
//	ID.new        an entry in the making; what a killed process left of it is removed
//	ID.restore    where an entry is being restored to; what a killed process left there is removed
//
// Each entry is one file encrypted with age (age-encryption.org/v1): a tar archive of the content, the
// finding and a description from which all metadata is restored. So an entry survives the loss of
// everything but the key, and can be recovered by hand with two well-known programs; docs/quarantine.md
// says how.
//
// # Trust
//
// age does not say who encrypted. Everybody who knows the recipient, the public half of the key, could
// make entries, and a forged entry could have a file of any owner and mode restored. So the recipient is
// stored nowhere but in key.txt, and every description carries a MAC under a key derived from the secret
// half. What fails it is reported as [ErrDamaged] and never restored. Whoever can read key.txt is the
// vault's owner in every respect.
package quarantine

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"tyto/scanner/walk"
)

// Defaults of [Options].
const (
	DefaultLimit       = 200 << 20
	DefaultObjectLimit = 100 << 20
)

// WhenFull says what to do with an object for which there is no room.
type WhenFull string

// The ways to treat a full vault.
const (
	Reject     WhenFull = "reject"      // leave the object where it is and say so; the default
	DropOldest WhenFull = "drop-oldest" // delete the oldest entries, for good
)

// Options say how a vault is used. The zero value of a field means its default.
type Options struct {
	// Limit is how many bytes all entries may take; default is [DefaultLimit].
	Limit int64
	// ObjectLimit is the largest object in bytes, with its streams; default is [DefaultObjectLimit].
	ObjectLimit int64
	// WhenFull is what happens when Limit is reached; default is [Reject].
	WhenFull WhenFull
	// Protected are further files and folders of which nothing is ever moved, as patterns of package walk: a
	// name, or a path such as /srv/db. What the system and Tyto need is protected without being named.
	Protected []string
	// By names the user or task that acts; it is kept with each entry. Default is the user's name.
	By string
	// Version is Tyto's version, kept with each entry.
	Version string
	// Now tells the time; default is time.Now.
	Now func() time.Time
	// Log receives what is no event; default is to discard it.
	Log *slog.Logger
	// Event is told what happened to the vault, from the goroutine that did it, which holds the
	// vault's lock meanwhile: it must not call the vault. Default is to tell nobody.
	Event func(Event)

	fault func(step string) error // tests: called at each step of Add and Restore
}

// Vault is an open vault. It is safe for concurrent use, also by several processes.
type Vault struct {
	dir       string
	opts      Options
	protected []walk.Pattern

	mu     sync.Mutex
	folder *os.Root // nil until there is a folder
	secret *key     // nil until there is a key
}

// Open opens the vault in dir, which need not exist yet: it is made, with its key, by the first Add.
//
// What a killed process has left is put in order: unfinished entries are removed, and entries whose
// original turns out to be gone are noted as complete; both are told as events. A folder or a key that
// others may read or write is refused with [ErrUnsafe].
func Open(dir string, o Options) (*Vault, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open quarantine: %w", err)
	}
	v := &Vault{dir: dir, opts: o.withDefaults()}
	for _, text := range o.Protected {
		pattern, err := walk.ParsePattern(text)
		if err != nil {
			return nil, fmt.Errorf("open quarantine: protected path: %w", err)
		}
		v.protected = append(v.protected, pattern)
	}
	switch o.WhenFull {
	case "", Reject, DropOldest:
	default:
		return nil, fmt.Errorf("open quarantine: %q says not what to do when it is full: use %q or %q", o.WhenFull, Reject, DropOldest)
	}
	err = v.reach()
	if errors.Is(err, fs.ErrNotExist) {
		return v, nil
	}
	if err == nil {
		err = v.tidy()
	}
	if err != nil {
		return nil, errors.Join(v.vaultError("open quarantine", err), v.Close())
	}
	return v, nil
}

func (o Options) withDefaults() Options {
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	if o.ObjectLimit <= 0 {
		o.ObjectLimit = DefaultObjectLimit
	}
	if o.WhenFull == "" {
		o.WhenFull = Reject
	}
	if o.By == "" {
		o.By = currentUser()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Event == nil {
		o.Event = func(Event) {}
	}
	if o.fault == nil {
		o.fault = func(string) error { return nil }
	}
	return o
}

// Dir returns the vault's folder.
func (v *Vault) Dir() string { return v.dir }

// Exists reports whether there is a folder: without one nothing has ever been quarantined in it.
func (v *Vault) Exists() bool { return v.root() != nil }

// Close releases the folder. Files that Extract returned stay usable.
func (v *Vault) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.folder == nil {
		return nil
	}
	return v.folder.Close()
}

// root returns the folder, which another process may have made meanwhile; nil if there is none.
func (v *Vault) root() *os.Root {
	_ = v.reach() // the caller goes without; who needs it asks for the reason
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.folder
}

// key returns the key; nil if there is none.
func (v *Vault) key() *key {
	_ = v.reach()
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.secret
}

// reach opens the folder and the key, as far as they are not open yet and exist. The error is
// fs.ErrNotExist if there is no folder; a folder without entries needs no key.
func (v *Vault) reach() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.folder == nil {
		root, err := os.OpenRoot(v.dir)
		if err != nil {
			return err
		}
		if err := private(root, "."); err != nil {
			root.Close()
			return err
		}
		v.folder = root
	}
	if v.secret != nil {
		return nil
	}
	k, err := readKey(v.folder)
	if errors.Is(err, fs.ErrNotExist) {
		return keyLost(v.folder)
	}
	v.secret = k
	return err
}

// create makes the folder and the key, if they are not there yet, and returns with the lock held.
func (v *Vault) create(ctx context.Context) (unlock func(), err error) {
	if err := v.reach(); errors.Is(err, fs.ErrNotExist) {
		if err := makePrivate(v.dir); err != nil {
			return nil, v.vaultError("create quarantine", err)
		}
	}
	if err := v.reach(); err != nil {
		return nil, v.vaultError("open quarantine", err)
	}
	if unlock, err = v.lock(ctx); err != nil {
		return nil, v.vaultError("lock quarantine", err)
	}
	if v.key() == nil { // also if another process made one before it gave us the lock
		err = makeKey(v.root())
	}
	if err == nil {
		err = v.reach()
	}
	if err != nil {
		unlock()
		return nil, v.vaultError("create quarantine", err)
	}
	return unlock, nil
}

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
