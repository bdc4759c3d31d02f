package store

import (
	"context"
	"database/sql"
	"math"
	"time"
)

// Pruned says how much was deleted.
type Pruned struct {
	Runs   int64 // with their records
	Events int64
	Gone   int64 // files that were gone
}

// pruneBatch is how many rows are deleted in one transaction: others have to wait for it.
const pruneBatch = 500

// ended are the states of runs that do not go on.
const ended = "('finished', 'cancelled', 'failed')"

// Prune deletes what is older than a time: runs that ended with their records, events, and files that
// have been gone for longer. The space is given back to the file system.
func (s *Store) Prune(ctx context.Context, before time.Time) (p Pruned, err error) {
	for _, step := range []struct {
		count *int64
		query string
	}{
		{&p.Runs, "DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE state IN " + ended +
			" AND coalesce(finished, started, queued) < ?1 LIMIT ?2)"},
		{&p.Events, "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE time < ?1 LIMIT ?2)"},
		{&p.Gone, "DELETE FROM files WHERE id IN (SELECT id FROM files WHERE gone < ?1 LIMIT ?2)"},
	} {
		if *step.count, err = s.deleteAll(ctx, step.query, stamp(before), pruneBatch); err != nil {
			return p, err
		}
	}
	if p.Gone > 0 {
		if err := s.pruneDirs(ctx); err != nil {
			return p, err
		}
	}
	return p, s.shrink(ctx)
}

// deleteAll repeats a statement until it deletes nothing.
func (s *Store) deleteAll(ctx context.Context, statement string, args ...any) (total int64, err error) {
	for {
		var n int64
		err := s.update(ctx, "delete what is old", func(tx *sql.Tx) error {
			result, err := tx.ExecContext(ctx, statement, args...)
			if err == nil {
				n, err = result.RowsAffected()
			}
			return err
		})
		total += n
		if err != nil || n == 0 {
			return total, err
		}
	}
}

// pruneDirs deletes folders of which no file is known any more, going through them in the order of their
// row ids.
func (s *Store) pruneDirs(ctx context.Context) error {
	for after := int64(0); ; {
		var last sql.NullInt64
		err := s.update(ctx, "delete folders without files", func(tx *sql.Tx) error {
			const page = "SELECT id FROM dirs WHERE id > ?1 ORDER BY id LIMIT ?2"
			if err := tx.QueryRowContext(ctx, "SELECT max(id) FROM ("+page+")", after, pruneBatch).Scan(&last); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, "DELETE FROM dirs WHERE id IN ("+page+
				") AND NOT EXISTS (SELECT 1 FROM files WHERE files.dir = dirs.id)", after, pruneBatch)
			return err
		})
		if err != nil || !last.Valid {
			return err
		}
		after = last.Int64
	}
}

// shrink gives free pages back to the file system, in steps, as others have to wait for each.
func (s *Store) shrink(ctx context.Context) error {
	for before := int64(math.MaxInt64); ; {
		var free int64
		if err := s.write.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free); err != nil {
			return s.failed("shrink the file", err)
		}
		if free == 0 || free >= before {
			return nil
		}
		before = free
		// 1000 pages of 4 KiB at most; the statement frees one with each row that it is asked for.
		rows, err := s.write.QueryContext(ctx, "PRAGMA incremental_vacuum(1000)")
		if err != nil {
			return s.failed("shrink the file", err)
		}
		for rows.Next() {
		}
		if err := rows.Close(); err != nil {
			return s.failed("shrink the file", err)
		}
	}
}
