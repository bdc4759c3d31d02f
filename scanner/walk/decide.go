package walk

import (
	"errors"
	"fmt"
	"strings"

	"tyto/finding"
)

// This file decides what becomes of a file or directory once it is known what it is.

// object visits a file, or says why not.
func (w *walker) object(d *dir, name, path string, m meta) error {
	switch m.kind {
	case kindSymlink:
		w.leave(path, finding.Symlink, "")
		return nil
	case kindSpecial:
		w.leave(path, finding.SpecialFile, specialName(m.mode))
		return nil
	case kindReparse:
		w.leave(path, finding.Reparse, m.reparseName())
		return nil
	}
	if w.once.own[m.id] {
		w.leave(path, finding.OwnFile, "")
		return nil
	}
	if m.mount && !w.fileSystem(d, name, path, &m) {
		return nil
	}
	return w.file(d, name, path, m)
}

// file visits a regular file and, on Windows, its further streams.
func (w *walker) file(d *dir, name, path string, m meta) error {
	e := &w.entry
	*e = Entry{dir: d, name: name, meta: m, SeenBefore: w.once.seen(&m)}
	w.fill(e, path)
	if err := w.visit(e); err != nil {
		return err
	}
	failed, seen := e.failed, e.SeenBefore
	if seen {
		w.leave(path, finding.HardLink, "")
	} else if !failed {
		// What could not be opened under this name may be readable under the next.
		w.once.visited(&m)
	}
	return w.streams(d, name, path, m, seen)
}

// fill writes what is known of a file into the entry's object.
func (w *walker) fill(e *Entry, path string) {
	o := &e.Object
	o.Kind, o.Path = finding.File, path
	o.OriginalPath = w.maps.original(path)
	// The names of another computer's users are not known here, only their numbers.
	e.meta.owners(w.owners, o, o.OriginalPath != "")
	e.timeless = w.timeless[e.meta.id.Device]
	e.describe(&e.meta)
	e.meta.attributes(o)
}

// subdirectory walks a directory that a batch left pending.
func (w *walker) subdirectory(d *dir, name string) error {
	path, _ := w.join([]byte(name))
	if w.excluded(path, true) {
		return nil
	}
	m, err := d.stat(name)
	switch {
	case err != nil:
		w.fail(path, err)
	case m.kind == kindReparse:
		w.leave(path, finding.Reparse, m.reparseName())
	case m.kind != kindDir:
		w.leave(path, finding.Changed, "it was a directory when it was listed")
	default:
		return w.directory(d, name, path, m, false)
	}
	return nil
}

// directory opens a directory and puts it on the stack, or says why not. Its file system is
// judged if it may be another than that of the directory above, and in any case if judge is set.
func (w *walker) directory(d *dir, name, path string, m meta, judge bool) error {
	if w.once.own[m.id] {
		w.leave(path, finding.OwnFile, "")
		return nil
	}
	if crossing := judge || m.mount || m.id.Device != w.device(); crossing && !w.fileSystem(d, name, path, &m) {
		return nil
	}
	if len(w.stack) >= MaxDepth {
		w.leave(path, finding.TooDeep, fmt.Sprintf("more than %d directories inside each other", MaxDepth))
		return nil
	}
	if !w.once.enter(&m) || w.inside(m.id) {
		w.leave(path, finding.Duplicate, "the same directory was reached by another path")
		return nil
	}
	child, err := w.openDir(d, name, &m)
	if errors.Is(err, ErrChanged) && !judge {
		// On a network file system, opening a directory may mount another one on it.
		if now, err := d.stat(name); err == nil && now.kind == kindDir {
			return w.directory(d, name, path, now, true)
		}
	}
	if err != nil {
		w.fail(path, err)
		return nil
	}
	if err := w.streams(d, name, path, m, false); err != nil {
		child.close()
		return err
	}
	w.path = append(w.path[:0], path...)
	w.stack = append(w.stack, frame{dir: child, name: strings.Clone(name), id: m.id, pathLen: len(w.path)})
	w.makeRoom()
	return nil
}

// inside reports whether the walk is inside the directory id already, which only a damaged or
// a lying file system makes possible.
func (w *walker) inside(id FileID) bool {
	for i := range w.stack {
		if w.stack[i].id == id {
			return true
		}
	}
	return false
}

// device returns the file system of the innermost directory.
func (w *walker) device() uint64 {
	if len(w.stack) == 0 {
		return w.rootDevice
	}
	return w.stack[len(w.stack)-1].id.Device
}

// fileSystem reports whether what begins another file system is to be walked.
func (w *walker) fileSystem(d *dir, name, path string, m *meta) bool {
	if w.opts.OneFileSystem && m.id.Device != w.rootDevice {
		w.leave(path, finding.OtherVolume, "")
		return false
	}
	kind, err := d.fileSystem(name, path, m, w.mounts)
	if err != nil {
		w.fail(path, err)
		return false
	}
	w.timeless[m.id.Device] = !kind.keepsChangeTime()
	switch {
	case kind.class == pseudo:
		w.leave(path, finding.PseudoFS, kind.name)
		if !w.opts.OneFileSystem {
			w.later = append(w.later, w.mounts.below(path)...)
		}
		return false
	case kind.class == network && !w.opts.Network:
		w.leave(path, finding.NetworkFS, kind.name+"; use --network to include it")
		return false
	}
	return true
}
