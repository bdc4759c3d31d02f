package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Finish tells the session that all below roots was walked: known files there that were not met are
// gone. They are kept with the time, as what deletes itself is wanted by its hash later; [Store.Prune]
// ends that. It returns how many are newly gone. It must not be called after a walk that was stopped.
//
// A file may also not have been met because its folder was excluded, could not be read or is not mounted.
// So each is gone only if there says that nothing has its path now; nil asks the file system.
func (s *Session) Finish(ctx context.Context, roots []string, there func(path string) bool) (gone int64, err error) {
	if err := s.Flush(); err != nil {
		return 0, err
	}
	if there == nil {
		there = isThere
	}
	for _, root := range roots {
		n, err := s.finishRoot(ctx, root, there)
		gone += n
		if err != nil {
			return gone, s.store.failed("mark files that are gone", err)
		}
	}
	return gone, nil
}

// isThere reports whether something has the path, or whether that cannot be known.
func isThere(path string) bool {
	_, err := os.Lstat(path)
	return !os.IsNotExist(err)
}

// goneBatch is how many files are marked gone in one transaction.
const goneBatch = 1000

// Of the files that were met only row ids are read, from the index.
const (
	rootQuery  = "SELECT f.id FROM dirs d JOIN files f ON f.dir = d.id WHERE d.path = ? AND f.name = ?"
	belowQuery = "SELECT f.id FROM dirs d JOIN files f ON f.dir = d.id WHERE d.path >= ? AND d.path < ?"
)

// finishRoot looks at the known files below one root.
func (s *Session) finishRoot(ctx context.Context, root string, there func(string) bool) (gone int64, err error) {
	dir, name := splitPath(root)
	below, end := prefixRange(root)
	// The root may be a file or a folder.
	rows, err := s.store.read.QueryContext(ctx, rootQuery+" UNION ALL "+belowQuery, []byte(dir), []byte(name), below, end)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var missing []int64
	mark := func() error {
		n, err := s.markGone(ctx, missing, there)
		missing, gone = missing[:0], gone+n
		return err
	}
	for n := 1; rows.Next(); n++ {
		if n%goneBatch == 0 && s.options.Gate != nil {
			if err := s.options.Gate(ctx); err != nil {
				return gone, err
			}
		}
		var id int64
		if err := rows.Scan(&id); err != nil {
			return gone, err
		}
		if s.wasMet(id) {
			continue
		}
		if missing = append(missing, id); len(missing) == goneBatch {
			if err := mark(); err != nil {
				return gone, err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return gone, err
	}
	return gone, mark()
}

// prefixRange returns the bounds of the paths of all folders from root downwards: the first, and the
// first behind them.
func prefixRange(root string) (first, behind []byte) {
	dir, _ := splitPath(root)
	separator := string(filepath.Separator)
	if dir != "" {
		separator = dir[len(dir)-1:] // Windows takes both
	}
	first = []byte(strings.TrimRight(root, separator) + separator)
	behind = append([]byte(nil), first...)
	behind[len(behind)-1]++ // neither '/' nor '\' is the last byte
	return first, behind
}

// markGone marks those of the files that are not there.
func (s *Session) markGone(ctx context.Context, ids []int64, there func(string) bool) (int64, error) {
	var gone []int64
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		var dir, name []byte
		err := s.store.read.QueryRowContext(ctx,
			"SELECT d.path, f.name FROM files f JOIN dirs d ON d.id = f.dir WHERE f.id = ? AND f.gone IS NULL", id).Scan(&dir, &name)
		switch {
		case errors.Is(err, sql.ErrNoRows): // it was gone before
		case err != nil:
			return 0, err
		case !there(string(dir) + string(name)):
			gone = append(gone, id)
		}
	}
	if len(gone) == 0 {
		return 0, nil
	}
	now := column(s.store.options.Now())
	err := s.store.transact(ctx, func(tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, "UPDATE files SET gone = ? WHERE id = ?")
		if err != nil {
			return err
		}
		defer stmt.Close()
		for _, id := range gone {
			if _, err := stmt.ExecContext(ctx, now, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return int64(len(gone)), nil
}
