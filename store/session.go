package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"tyto/finding"
	"tyto/report"
)

// SessionOptions say how a scan uses the inventory.
type SessionOptions struct {
	// Run is the run to whose records findings and skips are added as well; 0 for none. The run must
	// exist.
	Run int64
	// Report is the run as lines of reports name it.
	Report report.Run
	// Profile is what files are examined for, see [FileRecord].
	Profile string
	// Since is when what may be recalled was examined at the earliest; zero for ever. A full scan that
	// was interrupted sets it to the start of its run.
	Since time.Time
	// Batch and Every bound what a kill costs: records are committed together after so many (default
	// 256) or so long (default 1 s), whatever comes first.
	Batch int
	Every time.Duration
	// Gate, if set, is called between the pieces of longer work, which is that of Finish. It blocks for as
	// long as nothing shall happen; its error ends the work.
	Gate func(context.Context) error
}

func (o SessionOptions) withDefaults() SessionOptions {
	if o.Batch <= 0 {
		o.Batch = 256
	}
	if o.Every <= 0 {
		o.Every = time.Second
	}
	return o
}

// Session is one scan's use of the inventory. It may be used concurrently.
//
// A failing database never stops a scan: the first error is kept, see [Session.Err], nothing is recalled
// any more, and what is remembered is dropped.
type Session struct {
	store   *Store
	options SessionOptions
	ctx     context.Context // ends when the session is closed
	stop    context.CancelFunc
	writing sync.WaitGroup

	shelf shelf // for Recall
	queue queue // for Remember

	mu  sync.Mutex
	met bitset // row ids of the files that this session met
	err error
}

// Session begins a scan's use of the inventory. It must be closed.
func (s *Store) Session(o SessionOptions) *Session {
	ctx, stop := context.WithCancel(context.Background())
	session := &Session{store: s, options: o.withDefaults(), ctx: ctx, stop: stop}
	session.queue.full = make(chan struct{}, 1)
	session.queue.skips = map[finding.Reason]int{}
	if s.write == nil {
		session.fail(fmt.Errorf("use the inventory: the state file %q is open for reading only", s.path))
	} else {
		session.shelf.open(session)
	}
	if o.Run != 0 && s.write != nil {
		if err := session.forgetNotes(); err != nil {
			session.fail(err)
		}
	}
	session.writing.Go(session.commitRegularly)
	return session
}

// Err returns the first error of the database; nil if there was none.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// fail keeps the first error and returns it.
func (s *Session) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	return s.err
}

func (s *Session) meet(ids ...int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		s.met.add(id)
	}
}

func (s *Session) wasMet(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.met.has(id)
}

// Close commits what was remembered and ends the session. It returns the session's first error.
func (s *Session) Close() error {
	s.commit()
	s.stop()
	s.writing.Wait()
	if s.queue.unindexed > 0 && s.Err() == nil {
		if err := s.store.indexHashes(context.Background()); err != nil {
			s.fail(err)
		}
	}
	return errors.Join(s.Err(), s.shelf.close())
}

// bitset is a set of row ids. They are dense, so that a million of them take 125 KB.
type bitset map[uint64]*[pageWords]uint64

const (
	pageWords = 128
	pageBits  = 64 * pageWords
)

func (b *bitset) add(id int64) {
	if *b == nil {
		*b = bitset{}
	}
	n := uint64(id) // whatever a damaged file holds
	page := (*b)[n/pageBits]
	if page == nil {
		page = new([pageWords]uint64)
		(*b)[n/pageBits] = page
	}
	bit := n % pageBits
	page[bit/64] |= 1 << (bit % 64)
}

func (b bitset) has(id int64) bool {
	n := uint64(id)
	page, bit := b[n/pageBits], n%pageBits
	return page != nil && page[bit/64]&(1<<(bit%64)) != 0
}
