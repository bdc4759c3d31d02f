package events

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
)

// File is a file of JSON Lines, for its owner alone, that begins anew when it has reached its size. Older
// ones are called path.1 (the youngest), path.2 and so on.
//
// Each event is appended in one write, so a killed agent leaves whole lines. What a full disk cuts is
// taken back; a line that a power cut left unfinished is ended before the next. A file that was moved or
// deleted by others, such as logrotate, is opened anew.
type File struct {
	path  string
	limit int64
	count int

	file *os.File
	size int64 // of whole lines
}

// NewFile returns a sink for path. A file holds about limit bytes, one event more at most, and count
// older ones are kept. Nothing is opened before the first event.
func NewFile(path string, limit int64, count int) *File {
	return &File{path: path, limit: limit, count: count}
}

// Write appends the event.
func (f *File) Write(e Event) error {
	line, err := Line(e)
	if err != nil {
		return err
	}
	if err := f.open(); err != nil {
		return err
	}
	if f.size > 0 && f.size+int64(len(line)) > f.limit {
		if err := f.rotate(); err != nil {
			return err
		}
		if err := f.open(); err != nil {
			return err
		}
	}
	if _, err := f.file.Write(line); err != nil {
		// What was written of the line is taken back. If that fails too, opening anew ends the line.
		if cut := f.file.Truncate(f.size); cut != nil {
			err = errors.Join(err, cut)
		}
		return errors.Join(fmt.Errorf("write events: %w", err), f.Close())
	}
	f.size += int64(len(line))
	return nil
}

// Close closes the file, with its content on the disk.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("close the file of events: %w", err)
	}
	return nil
}

// open makes sure that the file at the path is open and ends with a whole line.
func (f *File) open() error {
	if f.file != nil {
		if f.isThere() {
			return nil
		}
		_ = f.Close() // it is gone; events go into the new one
	}
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_RDWR|os.O_APPEND|noFollow, 0o600)
	if err != nil {
		return fmt.Errorf("open the file of events: %w", err)
	}
	size, err := mend(file)
	if err != nil {
		return errors.Join(fmt.Errorf("open the file of events %q: %w", f.path, err), file.Close())
	}
	f.file, f.size = file, size
	return nil
}

// mend ends a line that was cut off, and returns the size.
func mend(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, errors.New("it is no regular file: name another in events.file")
	}
	size := info.Size()
	if size == 0 {
		return 0, nil
	}
	var last [1]byte
	if _, err := file.ReadAt(last[:], size-1); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if last[0] == '\n' {
		return size, nil
	}
	n, err := file.Write([]byte("\n"))
	return size + int64(n), err
}

// isThere reports whether the open file is still the one at the path.
func (f *File) isThere() bool {
	at, err := os.Lstat(f.path)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	open, err := f.file.Stat()
	return err != nil || os.SameFile(at, open)
}

// rotate makes each file one older and leaves none at the path.
func (f *File) rotate() error {
	if err := f.Close(); err != nil {
		return err
	}
	if f.count == 0 {
		if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("begin a new file of events: %w", err)
		}
		return nil
	}
	for age := f.count; age > 0; age-- {
		err := os.Rename(f.older(age-1), f.older(age))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("begin a new file of events: %w", err)
		}
	}
	return nil
}

// older returns the path of a file by its age; 0 is the one that is written.
func (f *File) older(age int) string {
	if age == 0 {
		return f.path
	}
	return f.path + "." + strconv.Itoa(age)
}
