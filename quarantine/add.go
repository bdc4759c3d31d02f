package quarantine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"tyto/finding"
)

// Request says what to quarantine.
type Request struct {
	// Object is the file as it was examined. Path is required and absolute; of the identity (device, inode,
	// size, times, hashes) all that is known must still hold. An object without an identity is taken as it
	// is found: for files that a person names.
	Object finding.Object
	// Finding is why; nil if a person asked for it.
	Finding *finding.Finding
	// Line is the finding as its report has it, kept byte for byte; may be empty.
	Line []byte
	// Reason says why in words.
	Reason string
	// Outer takes the whole archive if the object is a member of one. Without it that is refused with
	// ErrMember, because the archive may be a mailbox or a backup.
	Outer bool
	// Names are other names of the file (hard links) that the caller knows, for example from the
	// inventory. Those in the same folder are found without being named.
	Names []string
	// AllNames removes the file's other known names too, which makes the content unreachable if all are
	// known.
	AllNames bool
	// DryRun checks everything, reads the content too, and changes nothing.
	DryRun bool
}

// Outcome says what Add did.
type Outcome struct {
	Entry Entry
	// DryRun: nothing was done, but it could be. Entry has no ID then.
	DryRun bool
	// AtRestart: another program holds the file (Windows). It will be deleted at the next start of the
	// computer; until then it stays where it is.
	AtRestart bool
	// Remaining is how many other names (hard links) the file still has: its content can be reached by
	// them as before. Names are those that are known.
	Remaining uint64
	Names     []string
	// Holders are the processes that run the file, have it mapped or open, as far as we may see them, and
	// at most some dozens. Removing the file does not end them.
	Holders []Holder
	// Note is more to know, in words; empty if there is nothing.
	Note string
}

// Holder is a process that uses a file.
type Holder struct {
	PID  int
	Name string // of the program, from a hostile machine
	How  string // "runs", "maps" or "opens"
}

// identity is what a file is known by.
type identity struct {
	device, inode uint64
	size          int64
	modified      Time
	changed       Time
}

// Add moves a file into the vault: copies it, verifies the copy, syncs it, and removes the file.
//
// If it fails, nothing was changed, the vault neither, and the error is one of this package's. On success
// the file is gone, but for what the Outcome says.
func (v *Vault) Add(ctx context.Context, r Request) (*Outcome, error) {
	wrap := operation("quarantine", r.Object.Path)
	src, err := openExamined(&r)
	if err != nil {
		return nil, wrap(err)
	}
	defer src.close()
	if why := v.protects(src); why != "" {
		v.tell(Event{Kind: EventRefused, Path: src.path, Message: "protected, and not moved: " + why})
		return nil, wrap(fmt.Errorf("%w: %s", ErrProtected, why))
	}
	if err := src.removable(); err != nil {
		return nil, wrap(err)
	}
	e := v.describe(src, &r)
	out := &Outcome{Entry: *e, Holders: src.holders(ctx), DryRun: r.DryRun, Note: src.note}
	if r.DryRun {
		return out, wrap(v.rehearse(ctx, src, &r, out))
	}
	unlock, err := v.create(ctx)
	if err != nil {
		return nil, wrap(err)
	}
	defer unlock()
	if err := v.contain(ctx, src, &r, out); err != nil {
		return nil, wrap(err)
	}
	return out, nil
}

// openExamined opens the file of a request and makes sure that it is the one that was examined.
func openExamined(r *Request) (*source, error) {
	if r.Object.Kind != finding.Member {
		return openSame(r.Object.Path, &r.Object)
	}
	if !r.Outer {
		return nil, ErrMember
	}
	// Of a member only the archive's device and inode are told. The mark may be part of the archive's
	// name as well.
	whole := finding.Object{Device: r.Object.Device, Inode: r.Object.Inode}
	var src *source
	err := error(ErrGone)
	for at := 0; ; {
		next := strings.Index(r.Object.Path[at:], finding.MemberMark)
		if next < 0 {
			return nil, err
		}
		at += next
		if src, err = openSame(r.Object.Path[:at], &whole); err == nil {
			return src, nil
		}
		at++
	}
}

func openSame(path string, o *finding.Object) (*source, error) {
	src, err := openSource(path)
	if err != nil {
		return nil, err
	}
	if what := src.id.differs(o, src.volume()); what != "" {
		src.close()
		return nil, fmt.Errorf("%w: %s", ErrChanged, what)
	}
	return src, nil
}

// differs names what of an examined object is not so any more; what is not known of it is not compared.
// device is the volume in the words of package walk.
func (id *identity) differs(o *finding.Object, device uint64) string {
	other := func(t time.Time, now Time) bool { return !t.IsZero() && fromTime(t) != now }
	known := o.Inode != 0
	switch {
	case o.Device != 0 && o.Device != device, known && o.Inode != id.inode:
		return "another file is there now"
	case known && o.Kind == finding.File && o.Size != id.size:
		return "it had " + strconv.FormatInt(o.Size, 10) + " bytes and has " + strconv.FormatInt(id.size, 10)
	case other(o.Modified, id.modified):
		return "its modification time is another"
	case other(o.Changed, id.changed):
		return "its change time is another"
	}
	return ""
}

// describe begins the description of an entry.
func (v *Vault) describe(src *source, r *Request) *Entry {
	e := &Entry{
		Format:      format,
		Quarantined: v.opts.Now().UTC(),
		By:          v.opts.By,
		Version:     v.opts.Version,
		Reason:      r.Reason,
		Path:        Bytes(src.path),
		Size:        src.id.size,
		Type:        r.Object.Type,
		Metadata:    src.meta,
	}
	if r.Object.Kind == finding.Member {
		e.Type = "" // is that of the member
	}
	if f := r.Finding; f != nil {
		e.Level, e.Score = f.Level.String(), f.Score
		for i, m := range f.Matches {
			if i == maxMatches {
				break
			}
			e.Matches = append(e.Matches, cut(m.Name))
		}
	}
	for _, name := range src.otherNames(r.Names) {
		e.Names = append(e.Names, Name{Path: Bytes(name), Remove: r.AllNames})
	}
	return e
}

// What of a finding a description sums up; all of it is in the finding's own part.
const (
	maxMatches   = 100
	maxMatchName = 200
)

func cut(s string) string {
	if len(s) > maxMatchName {
		s = s[:maxMatchName]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// rehearse does what Add would do, but for all that leaves a trace.
func (v *Vault) rehearse(ctx context.Context, src *source, r *Request, out *Outcome) error {
	if err := v.room(src.bytes()); err != nil {
		return err
	}
	d := newDigests()
	if _, err := io.Copy(d, cancellable(ctx, src.file)); err != nil {
		return err
	}
	out.Entry.Hashes = d.sums()
	out.Remaining, out.Names = remaining(&out.Entry)
	return sameContent(r, &out.Entry)
}

// remaining says which names will be left, if all that is to be removed is.
func remaining(e *Entry) (n uint64, names []string) {
	n = max(e.Metadata.Links, 1) - 1
	for _, other := range e.Names {
		if other.Remove {
			n = max(n, 1) - 1
		} else {
			names = append(names, string(other.Path))
		}
	}
	return n, names
}

// contain copies the file into the vault and removes it. The caller holds the lock.
func (v *Vault) contain(ctx context.Context, src *source, r *Request, out *Outcome) error {
	if err := v.room(src.bytes()); err != nil {
		if errors.Is(err, ErrFull) {
			used, _ := v.used()
			v.tell(Event{Kind: EventFull, Path: src.path, Used: used, Message: err.Error()})
		}
		return err
	}
	e := &out.Entry
	e.ID = newID()
	f, err := v.copyIn(ctx, src, r, e)
	if err != nil {
		return err
	}
	if err := v.opts.fault("copied"); err != nil {
		return err
	}
	left, err := src.remove(e, v.opts.fault)
	if err != nil {
		return errors.Join(err, v.discard(f))
	}
	if err := v.opts.fault("removed"); err != nil {
		return err
	}
	out.AtRestart, out.Remaining = left.atRestart, left.names
	if left.note != "" {
		out.Note = strings.TrimPrefix(out.Note+"; "+left.note, "; ")
	}
	_, out.Names = remaining(e)
	e.Stored, e.Original = f.size, Unconfirmed
	if !left.atRestart {
		e.Original = Removed
		if err := v.settle(f); err != nil {
			v.opts.Log.Warn("note an entry as done", "id", f.id, "error", err) // the next Open will
		}
	}
	v.tell(Event{Kind: EventQuarantined, Entry: e, Message: out.story()})
	if err := v.drain(e.ID); err != nil {
		v.opts.Log.Warn("keep the quarantine within its limit", "error", err)
	}
	return nil
}

// mostTold bounds how many names and processes an event tells.
const mostTold = 5

// story says for an event why the file was taken, and by what its content is still reached or run: nobody may
// be there to look at the Outcome.
func (out *Outcome) story() string {
	story := "quarantined"
	if out.Entry.Reason != "" {
		story += ": " + out.Entry.Reason
	}
	if out.AtRestart {
		story += "; another program holds the file, which is deleted at the next start of the computer"
	}
	if out.Remaining > 0 {
		story += fmt.Sprintf("; its content is still reached by other names: %d", out.Remaining)
		for _, name := range out.Names[:min(len(out.Names), mostTold)] {
			story += " " + strconv.Quote(name)
		}
	}
	for _, h := range out.Holders[:min(len(out.Holders), mostTold)] {
		story += fmt.Sprintf("; process %d (%q) %s it and goes on", h.PID, h.Name, h.How)
	}
	return story
}

// copyIn writes a complete, verified and synced entry of a file, and gives it the name of one whose
// original is still there. On failure it leaves nothing.
func (v *Vault) copyIn(ctx context.Context, src *source, r *Request, e *Entry) (stored, error) {
	f := stored{id: e.ID, suffix: suffixNew}
	file, err := v.root().OpenFile(f.name(), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return f, inVault(err)
	}
	err = v.seal(ctx, file, src, r, e)
	if err == nil {
		err = inVault(file.Sync())
	}
	err = errors.Join(err, inVault(file.Close()))
	if err == nil {
		err = v.opts.fault("written")
	}
	if err == nil {
		f.size, err = v.readBack(ctx, f)
	}
	if err == nil {
		err = inVault(v.root().Rename(f.name(), f.id+suffixCopy))
	}
	if err != nil {
		return f, errors.Join(err, ignoreNotExist(v.root().Remove(f.name())))
	}
	f.suffix = suffixCopy
	if err := syncFolder(v.root()); err != nil {
		return f, errors.Join(inVault(err), v.discard(f))
	}
	return f, nil
}

// seal writes an entry.
func (v *Vault) seal(ctx context.Context, file *os.File, src *source, r *Request, e *Entry) error {
	s, err := newSealer(file, v.key())
	if err != nil {
		return inVault(err)
	}
	if e.Hashes, err = s.part(ctx, partContent, "", src.id.size, src.file); err != nil {
		return inVault(err)
	}
	if err := sameContent(r, e); err != nil {
		return err
	}
	if err := src.eachStream(func(i int, name string, size int64, content io.Reader) error {
		_, err := s.part(ctx, partStream+strconv.Itoa(i), name, size, content)
		return err
	}); err != nil {
		return inVault(err)
	}
	if err := src.unchanged(); err != nil {
		return err
	}
	if line := r.Line; len(line) > 0 && len(line) <= maxFinding {
		if _, err := s.part(ctx, partFinding, "", int64(len(line)), strings.NewReader(string(line))); err != nil {
			return inVault(err)
		}
	}
	return inVault(s.finish(e))
}

// sameContent compares the content with what was examined.
func sameContent(r *Request, e *Entry) error {
	if r.Object.Kind == finding.Member {
		return nil // whose hashes are not the archive's
	}
	known, got := r.Object.Hashes, e.Hashes
	if known.SHA256 != "" && known.SHA256 != got.SHA256 || known.SHA1 != "" && known.SHA1 != got.SHA1 ||
		known.MD5 != "" && known.MD5 != got.MD5 {
		return fmt.Errorf("%w: its content is another", ErrChanged)
	}
	return nil
}

// readBack reads an entry from the disk as a restore would, every byte of it.
func (v *Vault) readBack(ctx context.Context, f stored) (size int64, err error) {
	o, err := v.open(f)
	if err != nil {
		return 0, err
	}
	defer o.close()
	forget(o.file)
	return o.entry.Stored, o.verify(ctx)
}

// inVault says that an error is about the vault's disk and not the file's, where it can be either.
func inVault(err error) error {
	if kind := systemKind(err); kind != nil {
		return &storeError{kind, err}
	}
	return err
}

// storeError is an error of the vault's own disk.
type storeError struct{ kind, err error }

func (e *storeError) Error() string {
	return fmt.Sprintf("the quarantine's own folder: %v: %v", e.kind, e.err)
}
func (e *storeError) Unwrap() []error { return []error{e.kind, e.err} }
