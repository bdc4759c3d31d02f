package quarantine

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
)

// Damaged is an entry that cannot be read.
type Damaged struct {
	ID     string
	Stored int64 // bytes
	Err    error // wraps ErrDamaged, or what the file system said
}

// List returns the entries, the oldest first, and those that cannot be read. Each costs the reading of
// some 200 KiB at most, whatever its size.
func (v *Vault) List(ctx context.Context) ([]Entry, []Damaged, error) {
	if v.root() == nil {
		return nil, nil, nil
	}
	files, err := v.files()
	if err != nil {
		return nil, nil, v.vaultError("list quarantine", err)
	}
	var entries []Entry
	var damaged []Damaged
	for _, f := range files {
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		if f.suffix == suffixNew {
			continue
		}
		e, err := v.show(f)
		switch {
		case errors.Is(err, ErrNotFound): // deleted meanwhile
		case err != nil:
			damaged = append(damaged, Damaged{f.id, f.size, err})
		default:
			entries = append(entries, *e)
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		if c := a.Quarantined.Compare(b.Quarantined); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return entries, damaged, nil
}

// show reads the entry of a file, which may just have got its other name.
func (v *Vault) show(f stored) (*Entry, error) {
	e, err := v.read(f)
	if !errors.Is(err, os.ErrNotExist) {
		return e, err
	}
	if f, err = v.find(f.id); err != nil {
		return nil, err
	}
	return v.read(f)
}

// Show returns one entry and the finding for which it was quarantined: the line of the report, byte for
// byte, or nil if there was none. An id may be shortened to its first letters, if they are those of one
// entry only.
func (v *Vault) Show(ctx context.Context, id string) (*Entry, []byte, error) {
	f, err := v.lookup(id)
	if err != nil {
		return nil, nil, operation("show", id)(err)
	}
	o, err := v.open(f)
	if err != nil {
		return nil, nil, operation("show", id)(err)
	}
	defer o.close()
	i := o.index(partFinding)
	if i < 0 {
		return &o.entry, nil, nil
	}
	if o.entry.Parts[i].Size > maxFinding {
		return nil, nil, operation("show", id)(ErrDamaged)
	}
	var line strings.Builder
	if err := o.part(ctx, i, &line); err != nil {
		return nil, nil, operation("show", id)(err)
	}
	return &o.entry, []byte(line.String()), nil
}

// lookup finds an entry by its id or the beginning of it.
func (v *Vault) lookup(id string) (stored, error) {
	if v.root() == nil || id == "" {
		return stored{}, ErrNotFound
	}
	if validID(id) {
		return v.find(id)
	}
	files, err := v.files()
	if err != nil {
		return stored{}, err
	}
	var found []stored
	for _, f := range files {
		if f.suffix != suffixNew && strings.HasPrefix(f.id, id) {
			found = append(found, f)
		}
	}
	switch len(found) {
	case 0:
		return stored{}, ErrNotFound
	case 1:
		return found[0], nil
	}
	return stored{}, errAmbiguous
}

var errAmbiguous = errors.New("several entries begin like that: write more of the id")

// Delete removes an entry for good. One that is damaged can be deleted, too.
func (v *Vault) Delete(ctx context.Context, id string) error {
	wrap := operation("delete", id)
	if v.root() == nil {
		return wrap(ErrNotFound)
	}
	unlock, err := v.lock(ctx)
	if err != nil {
		return wrap(err)
	}
	defer unlock()
	f, err := v.lookup(id)
	if err != nil {
		return wrap(err)
	}
	entry, _ := v.read(f) // for the event
	if err := v.discard(f); err != nil {
		return wrap(err)
	}
	v.tell(Event{Kind: EventDeleted, ID: f.id, Entry: entry, Message: "deleted for good"})
	return wrap(v.drain(""))
}

// discard removes an entry's file.
func (v *Vault) discard(f stored) error {
	if err := v.root().Remove(f.name()); err != nil {
		return err
	}
	return syncFolder(v.root())
}

// Extract returns the content of an entry in a file that has no name, is at its start, and vanishes when
// it is closed: to be examined again, by workers too. On Linux it is in memory and never on a disk; on
// Windows it is a temporary file in the vault that nobody else can open.
func (v *Vault) Extract(ctx context.Context, id string) (*os.File, error) {
	wrap := operation("extract", id)
	f, err := v.lookup(id)
	if err != nil {
		return nil, wrap(err)
	}
	o, err := v.open(f)
	if err != nil {
		return nil, wrap(err)
	}
	defer o.close()
	file, err := anonymous(v.root())
	if err != nil {
		return nil, wrap(err)
	}
	if err := o.part(ctx, 0, file); err != nil {
		file.Close()
		return nil, wrap(err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		file.Close()
		return nil, wrap(err)
	}
	return file, nil
}
