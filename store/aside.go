package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// This file is about damaged state files: they may be evidence, and somebody may be able to get
// something out of them, so they are renamed and kept.

// companions are the files that SQLite keeps beside a database. They belong to it: a log that is left
// behind would be played into the next database of the name.
var companions = []string{"-wal", "-shm", "-journal"}

// setAside renames the file, and what SQLite left of its companions, out of the way.
func (s *Store) setAside(cause error) error {
	aside, err := s.freeName()
	if err != nil {
		return err
	}
	if err := os.Rename(s.path, aside); err != nil {
		return errors.Join(cause, fmt.Errorf("set the damaged file aside: %w", err))
	}
	for _, suffix := range companions {
		if err := os.Rename(s.path+suffix, aside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(cause, fmt.Errorf("set the damaged file's log aside: %w", err))
		}
	}
	s.clearSuspect()
	s.problem = fmt.Sprintf("The state file %q was damaged (%v). It was renamed to %q and a new one was begun: "+
		"files that were known are examined again, tasks and results of before are in the old file only.",
		s.path, cause, filepath.Base(aside))
	s.options.Log.Error("the state file was damaged and set aside", "file", s.path, "now", aside, "error", cause)
	return syncDir(filepath.Dir(s.path))
}

// freeName returns a name beside the file that is not taken.
func (s *Store) freeName() (string, error) {
	name := s.path + ".corrupt-" + s.options.Now().UTC().Format("20060102T150405Z")
	for n := 1; n < 1000; n++ {
		candidate := name
		if n > 1 {
			candidate = fmt.Sprintf("%s-%d", name, n)
		}
		if _, err := os.Lstat(candidate); errors.Is(err, fs.ErrNotExist) {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("set the damaged file aside: no free name like %q", name)
}

// suspectPath is a file that says: check the database before you use it again.
func (s *Store) suspectPath() string { return s.path + "-suspect" }

func (s *Store) markSuspect() {
	f, err := os.OpenFile(s.suspectPath(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		s.options.Log.Warn("the damaged state file could not be marked", "file", s.suspectPath(), "error", err)
	}
}

func (s *Store) clearSuspect() {
	if err := os.Remove(s.suspectPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.options.Log.Warn("the mark of a damaged state file could not be removed", "file", s.suspectPath(), "error", err)
	}
}
