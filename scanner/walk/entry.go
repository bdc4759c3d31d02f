package walk

import (
	"fmt"
	"io/fs"
	"os"
	"time"

	"tyto/finding"
)

// Entry is one file that [Walk], or another source, found. It is valid during the visit only; Object may be copied
// to keep it.
type Entry struct {
	// Object holds what the file system says of the file; its content has not been touched.
	Object finding.Object
	// SeenBefore is true if the content was visited under another name already. Walk reports
	// the skip for it; the visitor has nothing to do but to look at the name.
	SeenBefore bool

	dir    *dir
	name   string // in dir
	meta   meta
	failed bool // Open failed
	// timeless is set if the file system keeps no time of change of its own.
	timeless bool

	place *os.File // where the file is if dir is nil; see NewEntry
	given func() (*os.File, error)
}

// Given returns an entry for an object that is at no path of this computer, such as one in the quarantine:
// Open returns what open returns.
func Given(o finding.Object, open func() (*os.File, error)) *Entry {
	return &Entry{Object: o, given: open}
}

// ID returns the file's identity.
func (e *Entry) ID() FileID { return e.meta.id }

// Open opens the file for reading and refreshes the size and times of Object. It may only be
// called during the visit; the file that it returns belongs to the caller and may be kept.
//
// No symbolic link is followed, no pipe is waited for, and the access time is kept where the
// system allows it. The error is or wraps [ErrChanged] if another file has taken the place; [Reason]
// tells which skip an error is.
func (e *Entry) Open() (*os.File, error) {
	if e.given != nil {
		return e.given()
	}
	file, m, err := e.openFile()
	if err == nil && (m.kind != kindFile || m.id != e.meta.id) {
		file.Close()
		err = ErrChanged
	}
	if err != nil {
		e.failed = true
		return nil, fmt.Errorf("open %q: %w", e.Object.Path, err)
	}
	e.describe(&m)
	return file, nil
}

func (e *Entry) openFile() (*os.File, meta, error) {
	if e.dir == nil {
		return reopenPlace(e.place, &e.meta, e.Object.Path)
	}
	return e.dir.openFile(e.name, &e.meta, e.Object.Path)
}

// kind says what a directory entry is.
type kind uint8

const (
	kindUnknown kind = iota
	kindFile
	kindDir
	kindSymlink
	kindSpecial
	kindReparse
)

// dirent is one entry of a directory as it is listed. The name is only valid until the
// directory is read on.
type dirent struct {
	name []byte
	kind kind
	mode fs.FileMode // of a special file: which
	ino  uint64      // for the order only
}

// meta is what a file system says of a file.
type meta struct {
	kind  kind
	id    FileID
	mount bool // the root of a mount

	size  int64
	links uint64
	mode  fs.FileMode

	modified, accessed, changed, created time.Time
	usn                                  int64 // see Options.USN

	platformMeta
}

// describe fills the parts of the object that change with its content.
func (e *Entry) describe(m *meta) {
	m.describe(&e.Object)
	if e.timeless {
		e.Object.Changed = time.Time{}
	}
}

// describe fills the parts of an object that change with its content.
func (m *meta) describe(o *finding.Object) {
	o.Size, o.Mode = m.size, m.mode
	o.Device, o.Inode, o.Links = m.id.volume(), m.id.Inode, m.links
	o.Modified, o.Accessed, o.Changed, o.Created = m.modified, m.accessed, m.changed, m.created
	o.USN = m.usn
}
