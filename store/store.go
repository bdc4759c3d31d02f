// Package store keeps what Tyto knows between scans in one SQLite file: the inventory of examined
// files, tasks and their runs, what the runs found, events, and small state of the scheduler.
//
//	s, err := store.Open(ctx, "/var/lib/tyto/state.db", store.Options{})
//	session := s.Session(store.SessionOptions{Profile: profile})
//	if record, ok := session.Recall(&object); ok { … } // unchanged: record tells what was found
//	session.Remember(&store.FileRecord{Object: object, …})
//	err = session.Close()
//
// People may open the file with the sqlite3 shell; its tables are described in docs/state.md.
//
// # What survives
//
// The database is in write-ahead-log mode with synchronous=FULL. With NORMAL a power cut would leave it
// whole as well, but could take back what was committed last, and a caller of [Session.Flush] is
// promised that it stays. One commit holds hundreds of files, so the one sync that FULL adds to each
// costs little.
//
// A file that is damaged nevertheless is never deleted and never repaired in place: [Open] renames it
// and begins a new one, see [Store.Problem].
//
// # Who uses it
//
// One connection writes, up to four read; all methods may be used concurrently. Other processes may
// read at the same time. The page caches together are below 5 MiB, whatever the size of the file.
//
// Nothing here knows what a task or a finding means: tasks are JSON of the scheduler's, findings are
// lines of the report's own format.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/mattn/go-sqlite3"
)

// Options say how a store is opened. The zero value is the default.
type Options struct {
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Log is told of what is done about a damaged file; default nothing is logged.
	Log *slog.Logger
	// ReadOnly opens an existing store to look at it, also while an agent writes it. Nothing of it is
	// changed: no schema is migrated, no damaged file is set aside.
	ReadOnly bool
	// VFS is the SQLite file system to use, for tests of power cuts; default that of the system.
	VFS string
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Store is an open state file.
type Store struct {
	path    string
	options Options
	write   *sql.DB // one connection; nil if the store is read-only
	read    *sql.DB
	problem string
	suspect atomic.Bool // SQLite said that the file is damaged
}

// Open opens the state file at path, and makes it and its folder if there is none, readable for their
// owner only.
//
// A file that SQLite finds damaged is renamed to the same name followed by ".corrupt-" and the time, and a new one is begun; [Store.Problem] tells. A file of a newer Tyto
// ([NewerError]) or of another program is left alone: that is an error.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open the state file: %w", err)
	}
	s := &Store{path: path, options: o.withDefaults()}
	if o.ReadOnly {
		err = s.openReadOnly(ctx)
	} else {
		err = s.open(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the state file %q: %w", path, explain(err)), s.closeDatabases())
	}
	return s, nil
}

// Path returns the absolute path of the state file.
func (s *Store) Path() string { return s.path }

// Problem says in a sentence what was wrong with the file when it was opened and what was done about
// it; empty if nothing was.
func (s *Store) Problem() string { return s.problem }

// Close ends the use of the store. Sessions must be closed before.
func (s *Store) Close() error {
	if err := s.closeDatabases(); err != nil {
		return fmt.Errorf("close the state file %q: %w", s.path, err)
	}
	return nil
}

// closeDatabases closes the readers first: the last connection that is closed moves the write-ahead log
// into the file, and only one that may write can.
func (s *Store) closeDatabases() error {
	var errs []error
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// update runs change in a transaction of its own. what names it in errors.
func (s *Store) update(ctx context.Context, what string, change func(*sql.Tx) error) error {
	if s.write == nil {
		return fmt.Errorf("%s: the state file %q is open for reading only", what, s.path)
	}
	err := s.transact(ctx, change)
	if err != nil {
		return s.failed(what, err)
	}
	return nil
}

func (s *Store) transact(ctx context.Context, change func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // does nothing after Commit
	if err := change(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// failed names what failed. If the reason is a damaged file, it also makes the next Open check the
// whole file, as nothing else might notice.
func (s *Store) failed(what string, err error) error {
	if damaged(err) && !s.options.ReadOnly && !s.suspect.Swap(true) {
		s.options.Log.Error("the state file is damaged; it is checked and set aside when it is opened next", "file", s.path, "error", err)
		s.markSuspect()
	}
	return fmt.Errorf("%s: state file %q: %w", what, s.path, explain(err))
}

// damaged reports whether err says that the content of the file is not that of a sound database.
func damaged(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && (e.Code == sqlite3.ErrCorrupt || e.Code == sqlite3.ErrNotADB) ||
		errors.Is(err, errDamaged)
}

// errDamaged is returned where Tyto, not SQLite, finds the content unusable.
var errDamaged = errors.New("the state file is damaged")

// explain adds to SQLite's words what to do about it.
func explain(err error) error {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case sqlite3.ErrFull:
		return fmt.Errorf("%w: free some space on its disk", err)
	case sqlite3.ErrReadonly:
		return fmt.Errorf("%w: Tyto needs to write the file and its folder", err)
	case sqlite3.ErrCantOpen:
		return fmt.Errorf("%w: Tyto needs to make files in its folder", err)
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return fmt.Errorf("%w: another program keeps it locked, such as a sqlite3 shell in a transaction", err)
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return fmt.Errorf("%w: when Tyto opens it to write it the next time, it sets the file aside and begins a new one", err)
	}
	return err
}
