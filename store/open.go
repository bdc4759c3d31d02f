package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// checkBelow is the size in bytes up to which a file is checked whenever it is opened, as that takes less
// than a tenth of a second.
const checkBelow = 16 << 20

// leastSize is the size in bytes of the smallest page.
const leastSize = 512

// open opens the file to write it. A damaged one is set aside once.
func (s *Store) open(ctx context.Context) error {
	err := s.prepare()
	if err == nil {
		err = s.openChecked(ctx)
	}
	if err == nil || !damaged(err) {
		return err
	}
	if closed := s.closeDatabases(); closed != nil {
		s.options.Log.Debug("closing the damaged state file", "error", closed)
	}
	s.read, s.write = nil, nil
	if err := s.setAside(err); err != nil {
		return err
	}
	if err := s.prepare(); err != nil {
		return err
	}
	return s.openChecked(ctx)
}

// prepare makes the folder and an empty file, or sees to it that only the owner can read an existing
// one. SQLite gives its other files the mode of this one.
func (s *Store) prepare() error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("make its folder: %w", err)
	}
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	if info.Mode().Perm()&0o077 != 0 && secureModes {
		if err := f.Chmod(0o600); err != nil {
			return fmt.Errorf("make it readable for its owner only: %w", err)
		}
	}
	if size := info.Size(); size > 0 && size < leastSize {
		return fmt.Errorf("%w: %d bytes are no database", errDamaged, size) // SQLite would write over it
	} else if size == 0 {
		return syncDir(filepath.Dir(s.path)) // the name survives a power cut, too
	}
	return nil
}

// openChecked opens the file, checks it if there is reason to, and brings its schema up to date.
func (s *Store) openChecked(ctx context.Context) error {
	why := s.reasonToCheck()
	s.write = sql.OpenDB(s.connector(writing))
	s.write.SetMaxOpenConns(1)
	if err := s.write.PingContext(ctx); err != nil {
		return err
	}
	if why != "" {
		begun := time.Now()
		if err := quickCheck(ctx, s.write); err != nil {
			return err
		}
		s.options.Log.Debug("the state file is sound", "checked because", why, "took", time.Since(begun))
		s.clearSuspect()
	}
	if err := migrate(ctx, s.write, migrations()); err != nil {
		return err
	}
	return s.openReaders(ctx, reading)
}

// openReadOnly opens the file without changing anything of it.
func (s *Store) openReadOnly(ctx context.Context) error {
	info, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return errors.New("not a state file of Tyto")
	}
	how := reading
	if _, err := os.Stat(s.path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		how = immutable // without a log nobody has it open
	}
	if err := s.openReaders(ctx, how); err != nil {
		return err
	}
	return checkVersion(ctx, s.read, len(migrations()))
}

func (s *Store) openReaders(ctx context.Context, how access) error {
	s.read = sql.OpenDB(s.connector(how))
	s.read.SetMaxOpenConns(readers)
	return s.read.PingContext(ctx)
}

// reasonToCheck says why the whole file should be checked before it is used; empty if it need not be.
func (s *Store) reasonToCheck() string {
	if _, err := os.Stat(s.suspectPath()); err == nil {
		return "it was found damaged while in use"
	}
	// The last connection removes the log when it is closed in order.
	if info, err := os.Stat(s.path + "-wal"); err == nil && info.Size() > 0 {
		return "it was not closed the last time"
	}
	if info, err := os.Stat(s.path); err == nil && info.Size() > 0 && info.Size() <= checkBelow {
		return "it is small"
	}
	return ""
}

// quickCheck reads the whole file and returns an error if it is not a sound database.
func quickCheck(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "PRAGMA quick_check(3)")
	if err != nil {
		return err
	}
	defer rows.Close()
	var problems []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		if text != "ok" {
			problems = append(problems, strings.Join(strings.Fields(text), " "))
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if len(problems) > 0 {
		return fmt.Errorf("%w: %s", errDamaged, strings.Join(problems, "; "))
	}
	return nil
}
