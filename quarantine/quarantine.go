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
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
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
