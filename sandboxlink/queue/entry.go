package queue

import (
	"container/heap"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// entry is what is known of an object in memory: what decides when it is whose turn. All else is read from its
// file when it is wanted.
type entry struct {
	sum sum

	// Guarded by Queue.mu.
	risk      int
	added     time.Time
	size      int64     // what it counts for, see Options.Limit
	notBefore time.Time // by the computer's clock
	due       time.Time // the same by the monotonic clock, bounded
	expires   time.Time // by the monotonic clock
	doubtful  bool      // expires is a second look, as the computer's clock said at once that it had expired
	leased    bool
	in        *waiting
	at        int // in in

	// file guards the heads, and that the file exists until gone is set. It is taken before Queue.mu.
	file sync.Mutex
	gone bool
}

func (e *entry) name() string { return e.sum.String() }

// before is the order of what is due: the highest risk, then the oldest.
func before(a, b *entry) bool {
	if a.risk != b.risk {
		return a.risk > b.risk
	}
	if c := a.added.Compare(b.added); c != 0 {
		return c < 0
	}
	return string(a.sum[:]) < string(b.sum[:])
}

// earlier is the order of what is not due.
func earlier(a, b *entry) bool {
	if c := a.due.Compare(b.due); c != 0 {
		return c < 0
	}
	return before(a, b)
}

// waiting holds entries in an order.
type waiting struct {
	less func(a, b *entry) bool
	list []*entry
}

// Len, Less, Swap, Push and Pop are for package heap.
func (w *waiting) Len() int           { return len(w.list) }
func (w *waiting) Less(i, j int) bool { return w.less(w.list[i], w.list[j]) }
func (w *waiting) Push(x any) {
	e := x.(*entry)
	e.in, e.at = w, len(w.list)
	w.list = append(w.list, e)
}
func (w *waiting) Swap(i, j int) {
	w.list[i], w.list[j] = w.list[j], w.list[i]
	w.list[i].at, w.list[j].at = i, j
}
func (w *waiting) Pop() any {
	last := len(w.list) - 1
	e := w.list[last]
	w.list[last] = nil
	w.list = w.list[:last]
	e.in = nil
	return e
}

func (w *waiting) put(e *entry) { heap.Push(w, e) }

// take takes out an entry that is in w.
func (w *waiting) take(e *entry) *entry { return heap.Remove(w, e.at).(*entry) }

// place puts an entry where it belongs, if it is not in work. The caller holds q.mu.
func (q *Queue) place(e *entry) {
	if e.in != nil {
		e.in.take(e)
	}
	if e.leased || q.entries[e.sum] != e {
		return
	}
	if q.isDue(e) {
		q.ready.put(e)
	} else {
		q.delayed.put(e)
	}
	q.wake()
}

// isDue asks both clocks: to try too early does no harm. The caller holds q.mu.
func (q *Queue) isDue(e *entry) bool {
	return !e.due.After(time.Now()) || !e.notBefore.After(q.opts.Now())
}

// hold sets when an entry is due. The caller holds q.mu.
func (q *Queue) hold(e *entry, notBefore time.Time) {
	wait := min(notBefore.Sub(q.opts.Now()), q.opts.MaxWait)
	e.notBefore, e.due = notBefore, time.Now().Add(max(wait, 0))
}

// wake lets all who wait in Next look again. The caller holds q.mu.
func (q *Queue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// newEntry makes what memory has of an object with a file of a size, and puts it into the order. The caller holds q.mu.
func (q *Queue) newEntry(h *head, size int64) *entry {
	s, _ := parseSum(h.meta.object.SHA256)
	e := &entry{sum: s, risk: h.meta.object.Risk, added: h.meta.object.Added, size: blocks(size)}
	q.hold(e, h.meta.state.NotBefore)
	q.mature(e)
	q.entries[e.sum] = e
	q.place(e)
	return e
}

// block is the unit in which file systems give space to files, usually.
const block = 4 << 10

// blocks returns what a file of a size counts for.
func blocks(size int64) int64 { return (size + block - 1) / block * block }

// inOrder returns all entries in the order in which they would be sent.
func (q *Queue) inOrder() []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := make([]*entry, 0, len(q.entries))
	for _, e := range q.entries {
		list = append(list, e)
	}
	now := time.Now()
	wait := func(e *entry) time.Duration {
		if e.leased || q.isDue(e) {
			return 0
		}
		return e.due.Sub(now)
	}
	slices.SortFunc(list, func(a, b *entry) int {
		if x, y := wait(a), wait(b); x != y {
			return int(min(max(x-y, -1), 1))
		}
		if before(a, b) {
			return -1
		}
		return 1
	})
	return list
}

// find returns the entry with a SHA-256 or the beginning of one.
func (q *Queue) find(prefix string) (*entry, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s, ok := parseSum(prefix); ok {
		if e := q.entries[s]; e != nil {
			return e, nil
		}
		return nil, ErrNotFound
	}
	var found *entry
	for s, e := range q.entries {
		switch {
		case prefix == "" || !strings.HasPrefix(s.String(), strings.ToLower(prefix)):
		case found != nil:
			return nil, ErrAmbiguous
		default:
			found = e
		}
	}
	if found == nil {
		return nil, ErrNotFound
	}
	return found, nil
}

// show reads all that is known of an entry.
func (q *Queue) show(e *entry) (Entry, error) {
	h, err := q.head(e)
	if err != nil {
		return Entry{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	entry := Entry{Object: h.meta.object, State: h.meta.state, Stored: e.size, Leased: e.leased}
	if !q.isDue(e) {
		entry.Wait = time.Until(e.due)
	}
	return entry, nil
}

// head reads the head of an entry. A file without one is set aside.
func (q *Queue) head(e *entry) (*head, error) {
	f, h, err := q.openEntry(e, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return h, f.Close()
}

// openEntry opens the file of an entry and reads its head. A file that cannot be read is set aside.
func (q *Queue) openEntry(e *entry, flag int) (*os.File, *head, error) {
	e.file.Lock()
	f, h, err := q.openLocked(e, flag)
	e.file.Unlock()
	if errors.Is(err, ErrDamaged) {
		q.setAside(e, err)
	}
	return f, h, err
}

// openLocked is openEntry for who holds e.file.
func (q *Queue) openLocked(e *entry, flag int) (*os.File, *head, error) {
	if e.gone {
		return nil, nil, ErrNotFound
	}
	f, size, err := q.openFile(e.name(), flag)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: somebody has removed it from the folder", ErrDamaged)
	}
	if err != nil {
		return nil, nil, err
	}
	h, err := readHead(f, size)
	if err == nil && h.meta.object.SHA256 != e.name() {
		err = fmt.Errorf("%w: it holds the object %s", ErrDamaged, h.meta.object.SHA256)
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, h, nil
}

// change changes what is remembered of an entry, on the disk when it returns.
func (q *Queue) change(e *entry, what func(*meta)) error {
	err := q.rewrite(e, true, what)
	if errors.Is(err, ErrDamaged) {
		q.setAside(e, err)
	}
	return err
}

// rewrite writes the head that is the older one. Without sync it may be lost in a power cut, and nothing else.
func (q *Queue) rewrite(e *entry, sync bool, what func(*meta)) error {
	e.file.Lock()
	defer e.file.Unlock()
	f, h, err := q.openLocked(e, os.O_RDWR)
	if err != nil {
		return err
	}
	what(&h.meta)
	h.number++
	b, err := h.encode()
	if err == nil {
		_, err = f.WriteAt(b, h.slot())
		q.opts.fault("head")
	}
	if err == nil && sync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); isNoSpace(err) {
		err = fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}

// remove removes an entry and its file, for good when it returns.
func (q *Queue) remove(e *entry) error {
	e.file.Lock()
	if e.gone {
		e.file.Unlock()
		return nil
	}
	err := q.root.Remove(e.name())
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		q.forget(e, 0)
		err = nil
	}
	e.file.Unlock()
	if err != nil {
		return err
	}
	q.opts.fault("removed")
	return syncFolder(q.root)
}

// forget forgets an entry whose file is gone, or counts otherwise from now on. The caller holds e.file.
func (q *Queue) forget(e *entry, stays int64) {
	e.gone = true
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.in != nil {
		e.in.take(e)
	}
	delete(q.entries, e.sum)
	q.used -= e.size - stays
	q.drained()
}
