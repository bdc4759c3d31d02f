package queue

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// suffixNew is that of a file in the making.
const suffixNew = ".new"

// Add puts an object with its content into the queue. If the content is there already, only the names are
// added, the risk is raised, and the content is not read.
//
// When it returns without an error, the object is on the disk. Otherwise nothing of it is left, and the error is
// [ErrFull], [ErrNoSpace], [ErrTooLarge], [ErrChanged], that of ctx, of the content, or of the file system.
func (q *Queue) Add(ctx context.Context, o Object, content io.Reader) (Outcome, error) {
	outcome, err := q.add(ctx, o, content)
	if err == nil {
		return outcome, nil
	}
	switch err = fmt.Errorf("add %.64q to the sandbox queue: %w", o.SHA256, err); {
	case errors.Is(err, ErrFull):
		q.refuse(EventFull, &q.full, "the sandbox queue is full: new objects are not sent to a sandbox until there is room")
	case errors.Is(err, ErrNoSpace):
		q.refuse(EventNoSpace, &q.noSpace, "the disk of the sandbox queue is full: new objects are not sent to a sandbox until there is room")
	}
	return "", err
}

func (q *Queue) add(ctx context.Context, o Object, content io.Reader) (Outcome, error) {
	s, ok := parseSum(o.SHA256)
	switch {
	case !ok:
		return "", errors.New("it is no SHA-256 in lower-case hexadecimal digits")
	case o.Size < 0 || o.Size > q.opts.ObjectLimit:
		return "", fmt.Errorf("%w: it has %d bytes, the limit is %d", ErrTooLarge, o.Size, q.opts.ObjectLimit)
	}
	o = o.bound()
	o.Added = q.opts.Now()
	q.expire()
	for {
		known, done, err := q.enter(ctx, s)
		switch {
		case err != nil:
			return "", err
		case known != nil:
			err := q.again(known, o)
			if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDamaged) {
				continue // removed meanwhile, or set aside: it is new
			}
			return Known, err
		}
		err = q.write(ctx, o, content)
		done()
		if err != nil {
			return "", err
		}
		return Added, nil
	}
}

// enter returns the entry with a sum. If there is none, nobody else adds it until done is called.
func (q *Queue) enter(ctx context.Context, s sum) (known *entry, done func(), err error) {
	for {
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return nil, nil, ErrClosed
		}
		if e := q.entries[s]; e != nil {
			q.mu.Unlock()
			return e, nil, nil
		}
		other := q.adding[s]
		if other == nil {
			mine := make(chan struct{})
			q.adding[s] = mine
			q.mu.Unlock()
			return nil, func() { q.left(s, mine) }, nil
		}
		q.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

func (q *Queue) left(s sum, mine chan struct{}) {
	q.mu.Lock()
	delete(q.adding, s)
	q.mu.Unlock()
	close(mine)
}

// again notes that an object was met again.
func (q *Queue) again(e *entry, o Object) error {
	raised := false
	err := q.change(e, func(m *meta) {
		m.object.MoreNames += o.MoreNames
		for _, n := range o.Names {
			m.object.name(n)
		}
		if raised = o.Risk > m.object.Risk; raised {
			m.object.Risk, m.object.Why = o.Risk, o.Why
		}
	})
	if err == nil && raised {
		q.mu.Lock()
		e.risk = o.Risk
		q.place(e)
		q.mu.Unlock()
	}
	return err
}

// write writes a new object.
func (q *Queue) write(ctx context.Context, o Object, content io.Reader) error {
	select {
	case q.codec.slots <- struct{}{}:
		defer func() { <-q.codec.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	h, err := newHead(o)
	if err != nil {
		return err
	}
	d := &draft{q: q, name: o.SHA256 + suffixNew}
	if err := d.create(ctx, h, content); err != nil {
		d.discard()
		if isNoSpace(err) {
			return fmt.Errorf("%w: %w", ErrNoSpace, err)
		}
		return err
	}
	return d.publish(h)
}

// draft is a file in the making.
type draft struct {
	q        *Queue
	name     string
	file     *os.File
	size     int64 // of the file, as it grows
	reserved int64 // of the limit
}

// create writes and syncs the whole file.
func (d *draft) create(ctx context.Context, h *head, content io.Reader) error {
	if err := d.grow(h.content()); err != nil {
		return err
	}
	err := d.q.root.Remove(d.name) // of an Add whose rests could not be removed
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if d.file, err = d.q.root.OpenFile(d.name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return err
	}
	d.q.opts.fault("created")
	if _, err := d.file.Seek(h.content(), io.SeekStart); err != nil {
		return err
	}
	if err := d.q.codec.compress(ctx, d, h, content); err != nil {
		return err
	}
	h.meta.stored = d.size - h.content()
	for range 2 {
		b, err := h.encode()
		if err != nil {
			return err
		}
		if _, err := d.file.WriteAt(b, h.slot()); err != nil {
			return err
		}
		h.number++
	}
	d.q.opts.fault("written")
	if err := d.file.Sync(); err != nil {
		return err
	}
	d.q.opts.fault("synced")
	return nil
}

// Write writes encoded content, if the limit allows it.
func (d *draft) Write(p []byte) (int, error) {
	if err := d.grow(int64(len(p))); err != nil {
		return 0, err
	}
	return d.file.Write(p)
}

// grow reserves room for n more bytes.
func (d *draft) grow(n int64) error {
	more := blocks(d.size+n) - d.reserved
	if more > 0 && !d.q.reserve(more) {
		return ErrFull
	}
	d.size += n
	d.reserved += max(more, 0)
	return nil
}

// discard removes what there is of the file.
func (d *draft) discard() {
	if d.file != nil {
		_ = d.file.Close()
		if err := d.q.root.Remove(d.name); err != nil {
			d.q.opts.Log.Error("remove what was left of an object; the next start does it", "file", d.name, "error", err)
		}
	}
	d.q.giveBack(d.reserved)
}

// publish gives the file its name, and the queue the entry.
func (d *draft) publish(h *head) error {
	q, name := d.q, h.meta.object.SHA256
	err := d.file.Close()
	if err == nil {
		err = q.root.Rename(d.name, name)
	}
	q.opts.fault("renamed")
	if err == nil {
		if err = syncFolder(q.root); err != nil {
			d.name = name // to be discarded
		}
	}
	if err != nil {
		d.discard()
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.newEntry(h, d.size)
	q.noSpace = false
	return nil
}

// reserve takes room of the limit, and has damaged files make way if need be.
func (q *Queue) reserve(n int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.entries)+len(q.adding) > q.opts.Entries { // this one is in adding
		return false
	}
	for q.used+n > q.opts.Limit && len(q.damaged) > 0 {
		q.dropDamaged()
	}
	if q.used+n > q.opts.Limit {
		return false
	}
	q.used += n
	return true
}

func (q *Queue) giveBack(n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used -= n
	q.drained()
}

// drained notes when there is so much room again that a full queue is to be told anew. The caller holds q.mu.
func (q *Queue) drained() {
	if q.used < q.opts.Limit/10*9 && len(q.entries) < max(q.opts.Entries/10*9, 1) {
		q.full = false
	}
}

// compress writes the content encoded, and checks that it is the one that was announced.
func (c *codec) compress(ctx context.Context, w io.Writer, h *head, content io.Reader) error {
	e, err := c.encoder(&scrambler{w: w, head: h, buf: make([]byte, chunk)})
	if err != nil {
		return err
	}
	defer c.putEncoder(e)
	digest := sha256.New()
	o := &h.meta.object
	in := io.TeeReader(&cancelReader{ctx, io.LimitReader(content, o.Size+1)}, digest)
	n, err := io.Copy(e, in)
	if err == nil {
		err = e.Close()
	}
	switch {
	case err != nil:
		return err
	case n != o.Size:
		return fmt.Errorf("%w: it had %d bytes", ErrChanged, o.Size)
	case sum(digest.Sum(nil)).String() != o.SHA256:
		return fmt.Errorf("%w: its SHA-256 is another", ErrChanged)
	}
	return nil
}

// cancelReader fails once ctx has ended.
type cancelReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
