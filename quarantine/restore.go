package quarantine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// RestoreOptions say where to restore to.
type RestoreOptions struct {
	// To is an absolute path to restore to instead of the original one. If it is a folder, or ends like
	// one, the file gets its own name in it.
	To string
	// Replace removes what is in the place, if it is a file or a link; Rename takes a free name beside it.
	// Without either, Restore refuses with ErrExists. Not both.
	Replace, Rename bool
	// Parents makes the folders on the way that do not exist.
	Parents bool
	// Keep leaves the entry in the vault. Without it the entry is deleted once the file is safely in its
	// place.
	Keep bool
	// DryRun checks the place and the entry, all of its content too, and changes nothing.
	DryRun bool
}

// Restored says what Restore did.
type Restored struct {
	Entry Entry
	Path  string // where the file is now
	// Differences are what could not be given back, in words: an owner without the right to, an extended
	// attribute that the file system does not know. Empty: the file is exactly what it was.
	Differences []string
}

// Restore gives a file back: to its original path or another one, no link followed on the way, with
// all its metadata. The content is verified and on the disk before the file gets its name, in one step; a
// process killed in the middle leaves the entry, and at most an unfinished file that is called ".tyto-…"
// where the file system knows no files without a name.
//
// Change and birth times cannot be set on Linux; other names that were removed with the file are made
// again as hard links, if their place is free.
func (v *Vault) Restore(ctx context.Context, id string, o RestoreOptions) (*Restored, error) {
	wrap := operation("restore", id)
	if o.Replace && o.Rename {
		return nil, wrap(errors.New("what is there cannot be replaced and left at the same time"))
	}
	if v.root() == nil {
		return nil, wrap(ErrNotFound)
	}
	unlock, err := v.lock(ctx)
	if err != nil {
		return nil, wrap(err)
	}
	defer unlock()
	f, err := v.lookup(id)
	if err != nil {
		return nil, wrap(err)
	}
	sealed, err := v.open(f)
	if err != nil {
		return nil, wrap(err)
	}
	defer sealed.close()
	path, err := destination(&sealed.entry, o.To)
	if err != nil {
		return nil, wrap(err)
	}
	done := &Restored{Entry: sealed.entry, Path: path}
	wrap = operation("restore", path)
	if err := v.giveBack(ctx, sealed, o, done); err != nil || o.DryRun {
		return done, wrap(err)
	}
	if err := v.release(done.Entry.Hashes.SHA256); err != nil {
		v.opts.Log.Warn("note that an object was given back", "id", id, "error", err)
	}
	v.tell(Event{Kind: EventRestored, Entry: &done.Entry, Message: "restored to " + strconv.Quote(done.Path)})
	if o.Keep {
		return done, nil
	}
	if err := v.discard(f); err != nil {
		return done, wrap(fmt.Errorf("the file was restored, but its entry could not be deleted: %w", err))
	}
	return done, wrap(v.drain(""))
}

// destination returns the path to restore to.
func destination(e *Entry, to string) (string, error) {
	original := string(e.Path)
	if to == "" {
		if !filepath.IsAbs(original) {
			return "", fmt.Errorf("it comes from another system, where it was %q: say where to restore it to", original)
		}
		return original, nil
	}
	folder := os.IsPathSeparator(to[len(to)-1])
	to, err := filepath.Abs(to)
	if err != nil {
		return "", err
	}
	if info, err := os.Lstat(to); folder || err == nil && info.IsDir() {
		name := original[strings.LastIndexAny(original, `/`+string(filepath.Separator))+1:]
		to = filepath.Join(to, name)
	}
	return to, nil
}

// giveBack puts the file in its place. On an error there is nothing of it.
func (v *Vault) giveBack(ctx context.Context, sealed *opened, o RestoreOptions, done *Restored) error {
	e := &sealed.entry
	t, err := openTarget(done.Path, o.Parents && !o.DryRun)
	if err != nil {
		return err
	}
	defer t.close()
	if err := t.free(e, o.Replace || o.Rename); err != nil {
		return err
	}
	if o.DryRun {
		return sealed.verify(ctx)
	}
	forgetDraft, err := v.rememberDraft(e.ID, done.Path)
	if err != nil {
		return err
	}
	defer forgetDraft()
	d, err := t.draft(e)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.fill(ctx, sealed); err != nil {
		return err
	}
	differences, err := d.dress(&e.Metadata)
	if err != nil {
		return err
	}
	if err := d.sync(); err != nil {
		return err
	}
	if err := v.opts.fault("restored"); err != nil {
		return err
	}
	name, err := publish(d, t.name, o)
	if err != nil {
		return err
	}
	done.Path = filepath.Join(filepath.Dir(done.Path), name)
	done.Differences = append(differences, d.finish(e, o.To == "")...)
	return v.opts.fault("published")
}

// draftName is what an unfinished file is called where it must have a name.
func draftName(id string) string { return ".tyto-" + id }

// suffixRestore ends the name of a note that an entry is being restored, and where to.
const suffixRestore = ".restore"

// rememberDraft notes where an unfinished file may be, so that it is found if we are killed.
func (v *Vault) rememberDraft(id, path string) (forget func(), err error) {
	name := id + suffixRestore
	if err := v.root().WriteFile(name, []byte(path), 0o600); err != nil {
		return nil, inVault(err)
	}
	return func() { _ = v.root().Remove(name) }, nil
}

// maxPath bounds the path in such a note.
const maxPath = 128 << 10

// removeDrafts removes the unfinished files of restores whose process was killed.
func (v *Vault) removeDrafts() error {
	notes, err := fs.Glob(v.root().FS(), "*"+suffixRestore)
	if err != nil {
		return err
	}
	for _, name := range notes {
		id := strings.TrimSuffix(name, suffixRestore)
		if info, err := v.root().Lstat(name); err != nil || !validID(id) || info.Size() > maxPath {
			continue
		}
		path, err := v.root().ReadFile(name)
		if err != nil {
			return err
		}
		if removeDraft(string(path), id) {
			v.tell(Event{Kind: EventLeftover, ID: id, Path: string(path), Message: "removed an unfinished file of a restore; its entry is still there"})
		}
		if err := v.root().Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// maxRenames is how many names are tried beside one that is taken.
const maxRenames = 1000

// publish gives a finished file its name, and returns it.
func publish(d *draft, name string, o RestoreOptions) (string, error) {
	err := d.publish(name, o.Replace)
	for n := 1; o.Rename && isExist(err) && n <= maxRenames; n++ {
		beside := besideName(name, n)
		if err = d.publish(beside, false); err == nil {
			return beside, nil
		}
	}
	return name, err
}

func isExist(err error) bool { return errors.Is(err, os.ErrExist) || errors.Is(err, ErrExists) }

// besideName puts a number before a name's extension: "a.exe" becomes "a.restored-1.exe".
func besideName(name string, n int) string {
	const longest = 255 // bytes on Linux; fewer UTF-16 units on Windows
	ext := filepath.Ext(name)
	if ext == name || len(ext) > 20 {
		ext = ""
	}
	base := strings.TrimSuffix(name, ext)
	number := ".restored-" + strconv.Itoa(n)
	return base[:min(len(base), longest-len(number)-len(ext))] + number + ext
}

// holeWriter writes content to a file, but for the holes.
type holeWriter struct {
	file io.WriterAt
	data []Range // in order; nil: all of it
	at   int64
}

func (w *holeWriter) Write(p []byte) (int, error) {
	if w.data == nil {
		n, err := w.file.WriteAt(p, w.at)
		w.at += int64(n)
		return n, err
	}
	end := w.at + int64(len(p))
	for len(w.data) > 0 && w.data[0].Offset < end {
		r := w.data[0]
		from, to := max(r.Offset, w.at), min(r.Offset+r.Length, end)
		if from < to {
			if _, err := w.file.WriteAt(p[from-w.at:to-w.at], from); err != nil {
				return 0, err
			}
		}
		if r.Offset+r.Length > end {
			break
		}
		w.data = w.data[1:]
	}
	w.at = end
	return len(p), nil
}

// fillFile writes the content of an entry to an empty file, and verifies it.
func fillFile(ctx context.Context, f *os.File, sealed *opened) error {
	e := &sealed.entry
	if err := sealed.part(ctx, 0, &holeWriter{file: f, data: e.Metadata.Data}); err != nil {
		return err
	}
	return f.Truncate(e.Size)
}
