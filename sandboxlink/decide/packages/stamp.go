package packages

import (
	"io/fs"
	"os"
	"sync"
	"time"
)

// stamp tells whether a file or folder has changed since it was looked at.
type stamp struct {
	exists   bool
	size     int64
	modified time.Time
	file     fs.FileInfo // tells one that was renamed into its place
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{exists: true, size: info.Size(), modified: info.ModTime(), file: info}
}

func (s stamp) same(t stamp) bool {
	if s.exists != t.exists || !s.exists {
		return s.exists == t.exists
	}
	return s.size == t.size && s.modified.Equal(t.modified) && os.SameFile(s.file, t.file)
}

// lazy reads a database when it is first needed, and again when its files have changed.
type lazy[T any] struct {
	files []string // by which changes are noticed; the first says whether there is a database at all
	read  func() (T, error)
	now   func() time.Time

	mu     sync.Mutex
	value  T
	err    error
	stamps []stamp
	last   time.Time // of reading
	looked time.Time // at the files
}

// glance is how long the files are not looked at again.
const glance = time.Second

// get returns the database as it was last read. ok is false if there is none.
func (l *lazy[T]) get() (value T, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if since := now.Sub(l.looked); !l.looked.IsZero() && since >= 0 && since < glance {
		return l.value, l.stamps != nil, l.err
	}
	l.looked = now
	stamps := make([]stamp, len(l.files))
	for i, f := range l.files {
		stamps[i] = stampOf(f)
	}
	if !stamps[0].exists {
		var none T
		l.value, l.err, l.stamps = none, nil, nil // what was in memory is of no use any more
		return none, false, nil
	}
	if l.stamps == nil || l.changed(stamps) && (now.Sub(l.last) >= pause || now.Before(l.last)) {
		l.value, l.err = l.read()
		l.stamps, l.last = stamps, now
	}
	return l.value, true, l.err
}

func (l *lazy[T]) changed(stamps []stamp) bool {
	for i := range stamps {
		if !stamps[i].same(l.stamps[i]) {
			return true
		}
	}
	return false
}
