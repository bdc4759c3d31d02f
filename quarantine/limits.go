package quarantine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

const warnedName = "warned"

// overhead is more than an entry takes beyond its content: headers, description, and what encryption
// adds to each 64 KiB.
func overhead(size int64) int64 { return 16<<10 + size/2048 }

// Used returns how many bytes the vault takes.
func (v *Vault) Used() (int64, error) {
	n, err := v.used()
	if err != nil {
		return 0, v.vaultError("measure quarantine", err)
	}
	return n, nil
}

// used returns how many bytes the vault holds, entries in the making too.
func (v *Vault) used() (int64, error) {
	if v.root() == nil {
		return 0, nil
	}
	files, err := v.files()
	var sum int64
	for _, f := range files {
		sum += f.size
	}
	return sum, err
}

// room checks whether an object of so many bytes may come in. Under DropOldest it always may, if the empty
// vault could hold it; the oldest are dropped when it is in.
func (v *Vault) room(size int64) error {
	if size > v.opts.ObjectLimit {
		return fmt.Errorf("%w: it has %d bytes, and the limit is %d", ErrTooLarge, size, v.opts.ObjectLimit)
	}
	need := size + overhead(size)
	if need > v.opts.Limit {
		return fmt.Errorf("%w: it has %d bytes, and the whole quarantine may take %d", ErrTooLarge, size, v.opts.Limit)
	}
	used, err := v.used()
	if err != nil || used+need <= v.opts.Limit || v.opts.WhenFull == DropOldest {
		return err
	}
	return fmt.Errorf("%w: %d of %d bytes are used, and the object has %d", ErrFull, used, v.opts.Limit, size)
}

// drain drops the oldest entries until the vault is within its limit, all but the one that has just come
// in, and tells when it fills up.
func (v *Vault) drain(keep string) error {
	files, err := v.files()
	if err != nil {
		return err
	}
	var used int64
	for _, f := range files {
		used += f.size
	}
	slices.SortFunc(files, func(a, b stored) int { return a.modified.Compare(b.modified) })
	for _, f := range files {
		if used <= v.opts.Limit || v.opts.WhenFull != DropOldest {
			break
		}
		if f.id == keep || f.suffix != suffixDone {
			continue // the original of a copy may still be there, and be the only thing that is contained by it
		}
		entry, _ := v.read(f) // for the event; what cannot be read is dropped as well
		if err := v.root().Remove(f.name()); err != nil {
			return err
		}
		used -= f.size
		v.tell(Event{Kind: EventDropped, ID: f.id, Entry: entry, Used: used, Message: "dropped as the oldest entry of a full quarantine"})
	}
	return v.warn(used)
}

// warn tells once that the vault is nearly full, until it is emptier again.
func (v *Vault) warn(used int64) error {
	_, err := v.root().Lstat(warnedName)
	warned := err == nil
	full := used > v.opts.Limit/5*4
	switch {
	case full && !warned:
		f, err := v.root().OpenFile(warnedName, os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		v.tell(Event{Kind: EventAlmostFull, Used: used,
			Message: fmt.Sprintf("the quarantine is nearly full: %d of %d bytes are used", used, v.opts.Limit)})
		return f.Close()
	case !full && warned:
		if err := v.root().Remove(warnedName); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
