package queue

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	suffixDamaged = ".damaged"
	lockName      = "lock"
	// maxDamaged is how many damaged files are kept. Together they also take at most a tenth of the limit.
	maxDamaged = 8
	// readAtOnce is how many names are read from the folder at once.
	readAtOnce = 512
)

// damagedFile is one that was set aside.
type damagedFile struct {
	name string
	size int64 // what it counts for
	time time.Time
}

// load puts the folder in order and learns what is in it.
func (q *Queue) load() error {
	folder, err := q.root.Open(".")
	if err != nil {
		return err
	}
	defer folder.Close()
	l := loader{q: q, events: burst{q: q, kind: EventDamaged}}
	for {
		list, err := folder.ReadDir(readAtOnce)
		for _, d := range list {
			if err := l.file(d.Name()); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || err == nil && len(list) == 0 {
			break
		}
		if err != nil {
			return err
		}
	}
	return l.finish()
}

// loader is one pass over the folder.
type loader struct {
	q       *Queue
	events  burst
	broken  []brokenFile // to be renamed when the folder has been read
	foreign []string     // some names that are not ours
	more    int          // entries beyond the limit
}

type brokenFile struct {
	name string
	why  error
}

func (l *loader) file(name string) error {
	base, suffix := name, ""
	if i := strings.IndexByte(name, '.'); i >= 0 {
		base, suffix = name[:i], name[i:]
	}
	_, ours := parseSum(base)
	switch {
	case name == lockName:
		return nil
	case ours && suffix == "":
		return l.entry(name)
	case ours && suffix == suffixNew:
		l.q.opts.Log.Info("removing an object that was never finished", "file", name)
		return ignoreMissing(l.q.root.RemoveAll(name))
	case ours && suffix == suffixDamaged:
		return l.damaged(name)
	}
	if len(l.foreign) < maxEvents {
		l.foreign = append(l.foreign, name)
	}
	return nil
}

func (l *loader) damaged(name string) error {
	info, err := l.q.root.Lstat(name)
	if err != nil {
		return ignoreMissing(err)
	}
	d := damagedFile{name, blocks(info.Size()), info.ModTime()}
	if !info.Mode().IsRegular() {
		d.size = 0
	}
	l.q.damaged = append(l.q.damaged, d)
	l.q.used += d.size
	return nil
}

func (l *loader) entry(name string) error {
	q := l.q
	if len(q.entries) >= q.opts.Entries {
		l.more++
		return nil
	}
	f, size, err := q.openFile(name, os.O_RDONLY)
	var h *head
	if err == nil {
		h, err = readHead(f, size)
		_ = f.Close()
	}
	if err == nil && h.meta.object.SHA256 != name {
		err = fmt.Errorf("%w: it holds the object %s", ErrDamaged, h.meta.object.SHA256)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, ErrDamaged):
		l.broken = append(l.broken, brokenFile{name, err})
		return nil
	case err != nil: // the disk or the system refuses: another time, perhaps
		l.events.tell(name, fmt.Sprintf("a file of the sandbox queue cannot be read, its object is not sent before the next start: %v", err), nil)
		return nil
	}
	now := q.opts.Now()
	future := h.meta.object.Added.After(now)
	if future { // the clock was set back: it would not expire for long
		h.meta.object.Added = now
	}
	q.mu.Lock()
	e := q.newEntry(h, size)
	q.used += e.size
	q.mu.Unlock()
	if future {
		if err := q.rewrite(e, false, func(m *meta) { m.object.Added = now }); err != nil {
			q.opts.Log.Warn("date back an object of the sandbox queue", "sha256", name, "error", err)
		}
	}
	return nil
}

// finish does what would disturb the reading of the folder, and tells.
func (l *loader) finish() error {
	q := l.q
	slices.SortFunc(q.damaged, func(a, b damagedFile) int { return a.time.Compare(b.time) })
	for _, b := range l.broken {
		info, err := q.root.Lstat(b.name)
		if err != nil {
			continue
		}
		size := int64(0)
		if info.Mode().IsRegular() {
			size = blocks(info.Size())
		}
		q.mu.Lock()
		q.used += size
		q.mu.Unlock()
		q.putAside(b.name, size)
		l.events.tell(b.name, asideMessage(b.why), nil)
	}
	l.events.end()
	if len(l.foreign) > 0 {
		q.opts.Log.Warn("the folder of the sandbox queue has files of others, which are left alone", "files", l.foreign)
	}
	if l.more > 0 {
		q.opts.Log.Warn("the sandbox queue has more objects than it may: the rest is left for the next start", "objects", l.more, "limit", q.opts.Entries)
	}
	return syncFolder(q.root)
}

// openFile opens a regular file and returns its size. Links are not followed: nobody but us writes here, but
// nothing is taken for granted.
func (q *Queue) openFile(name string, flag int) (*os.File, int64, error) {
	before, err := q.root.Lstat(name)
	if err != nil {
		return nil, 0, err
	}
	if !before.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%w: it is no regular file but %s", ErrDamaged, before.Mode().Type())
	}
	f, err := q.root.OpenFile(name, flag, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !os.SameFile(before, info) {
		err = fmt.Errorf("%w: it is being exchanged", ErrDamaged)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

func asideMessage(why error) string {
	return fmt.Sprintf("a file of the sandbox queue cannot be read and was set aside, its object is not sent: %v", why)
}

// setAside takes an entry whose file is damaged out of the queue.
func (q *Queue) setAside(e *entry, why error) {
	e.file.Lock()
	if e.gone {
		e.file.Unlock()
		return
	}
	q.forget(e, e.size)
	q.putAside(e.name(), e.size)
	e.file.Unlock()
	q.tell(Event{Kind: EventDamaged, SHA256: e.name(), Message: asideMessage(why)})
}

// putAside renames a damaged file, which counts already, and sees to it that they do not become many.
func (q *Queue) putAside(name string, size int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	aside := name + suffixDamaged
	for i, d := range q.damaged {
		if d.name == aside { // an earlier one of the same content
			q.dropDamagedAt(i)
			break
		}
	}
	if err := q.root.Rename(name, aside); errors.Is(err, fs.ErrNotExist) {
		q.used -= size
		return
	} else if err != nil {
		q.opts.Log.Error("set a damaged file aside", "file", name, "error", err)
		if err := q.root.RemoveAll(name); err != nil {
			q.opts.Log.Error("remove a damaged file", "file", name, "error", err)
		}
		q.used -= size
		return
	}
	q.damaged = append(q.damaged, damagedFile{aside, size, time.Now()})
	var all int64
	for _, d := range q.damaged {
		all += d.size
	}
	for len(q.damaged) > maxDamaged || len(q.damaged) > 0 && all > q.opts.Limit/10 {
		all -= q.damaged[0].size
		q.dropDamaged()
	}
}

// dropDamaged removes the oldest damaged file. The caller holds q.mu, which is no matter, as it is rare.
func (q *Queue) dropDamaged() { q.dropDamagedAt(0) }

func (q *Queue) dropDamagedAt(i int) {
	d := q.damaged[i]
	if err := q.root.RemoveAll(d.name); err != nil {
		q.opts.Log.Error("remove a damaged file", "file", d.name, "error", err)
	}
	q.damaged = slices.Delete(q.damaged, i, i+1)
	q.used -= d.size
	q.drained()
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
