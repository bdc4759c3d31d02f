package walk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"tyto/finding"
)

// walker is one walk. It keeps a stack of the directories that lie inside each other, from the
// root to the one that is being read.
type walker struct {
	opts    *Options
	visit   func(*Entry) error
	skip    func(finding.Skip)
	exclude []Pattern
	maps    mappings
	mounts  *mountTable
	owners  *owners
	once    *once

	// later holds further roots that were found below skipped file systems.
	later []string
	// timeless says of file systems whether they keep no time of change, by device.
	timeless map[uint64]bool
	// rootDevice is the file system of the current root, for OneFileSystem.
	rootDevice uint64

	stack   []frame
	maxOpen int    // how many directories of the stack may be open
	path    []byte // of the innermost directory
	buf     []byte // for reading directories
	dirents []dirent
	entry   Entry
}

// frame is a directory whose entries are being visited.
type frame struct {
	dir     *dir   // nil while closed to save descriptors; see makeRoom
	name    string // in the directory above
	id      FileID
	pathLen int      // the length of walker.path up to here
	pending []string // directories of the last batch that are still to be walked
	ended   bool     // nothing is left to be read
	pos     int64    // where reading goes on after it was closed
}

func newWalker(opts *Options, visit func(*Entry) error, skip func(finding.Skip)) (*walker, error) {
	if len(opts.Roots) == 0 {
		return nil, errors.New("walk: no path is given")
	}
	if slices.Contains(opts.Roots, "") {
		return nil, errors.New("walk: a path is empty")
	}
	w := &walker{
		opts: opts, visit: visit, skip: skip,
		once: newOnce(opts.Own), owners: newOwners(), maxOpen: openDirs(), timeless: map[uint64]bool{},
		buf: make([]byte, bufferSize),
	}
	for _, text := range opts.Exclude {
		p, err := ParsePattern(text)
		if err != nil {
			return nil, fmt.Errorf("walk: %w", err)
		}
		w.exclude = append(w.exclude, p)
	}
	var err error
	if w.maps, err = newMappings(opts.MapRoot); err != nil {
		return nil, fmt.Errorf("walk: %w", err)
	}
	w.mounts = readMounts()
	return w, nil
}

// close closes the directories that an error left open.
func (w *walker) close() {
	for i := range w.stack {
		if w.stack[i].dir != nil {
			w.stack[i].dir.close()
		}
	}
}

// walk walks the roots, and then what it found mounted below skipped file systems.
func (w *walker) walk(ctx context.Context) error {
	roots := make([]string, 0, len(w.opts.Roots))
	for _, root := range w.opts.Roots {
		path, err := resolve(root)
		if err != nil {
			w.fail(root, err)
			continue
		}
		roots = append(roots, path)
		w.anchorPath(path)
	}
	for _, path := range w.mounts.anchors(w.opts.Network) {
		w.anchorPath(path)
	}
	for _, root := range roots {
		if err := w.root(ctx, root); err != nil {
			return err
		}
	}
	for len(w.later) > 0 {
		root := w.later[0]
		w.later = w.later[1:]
		if err := w.root(ctx, root); err != nil {
			return err
		}
	}
	return nil
}

// anchorPath notes that several paths may lead to the file or directory at path. Errors do not
// matter here; they are met again when the path's turn comes.
func (w *walker) anchorPath(path string) {
	parent, name, err := openParent(path)
	if err != nil {
		return
	}
	defer parent.close()
	if m, err := parent.stat(name); err == nil {
		w.once.anchor(m.id)
	}
}

// root walks what stands at a resolved path, be it a directory or a file.
func (w *walker) root(ctx context.Context, path string) error {
	if err := w.pass(ctx); err != nil {
		return err
	}
	parent, name, err := openParent(path)
	if err != nil {
		w.fail(path, err)
		return nil
	}
	defer parent.close()
	parent.prepare(w.opts)
	m, err := parent.stat(name)
	if err != nil {
		w.fail(path, err)
		return nil
	}
	w.rootDevice = m.id.Device
	w.path = append(w.path[:0], path...)
	if w.excluded(path, m.kind == kindDir) {
		return nil
	}
	if m.kind == kindFile && !w.fileSystem(parent, name, path, &m) {
		return nil
	}
	if m.kind != kindDir {
		return w.object(parent, name, path, m)
	}
	if err := w.directory(parent, name, path, m, true); err != nil {
		return err
	}
	return w.run(ctx)
}

// run visits everything in the directories on the stack.
func (w *walker) run(ctx context.Context) error {
	for len(w.stack) > 0 {
		top := &w.stack[len(w.stack)-1]
		w.path = w.path[:top.pathLen]
		switch {
		case len(top.pending) > 0:
			name := top.pending[0]
			top.pending = top.pending[1:]
			if err := w.pass(ctx); err != nil {
				return err
			}
			if err := w.subdirectory(top.dir, name); err != nil {
				return err
			}
		case top.ended:
			w.pop()
		default:
			if err := w.batch(ctx, top); err != nil {
				return err
			}
		}
	}
	return nil
}

// pass returns when the walk may go on, or why it ends. It is asked before anything is looked at.
func (w *walker) pass(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.opts.Gate == nil {
		return nil
	}
	return w.opts.Gate(ctx)
}

// batch reads one buffer full of entries, visits its files, and leaves its directories pending.
func (w *walker) batch(ctx context.Context, top *frame) error {
	if err := w.pass(ctx); err != nil {
		return err
	}
	dirents, err := top.dir.read(w.batchBuffer(), w.dirents[:0])
	if err != nil {
		w.fail(string(w.path), fmt.Errorf("reading the directory: %w", err))
	}
	if err != nil || len(dirents) == 0 {
		top.ended = true
		return nil
	}
	w.dirents, top.pos = dirents, top.dir.pos
	// In the order of inodes, stat and open of a batch touch a disk in one sweep.
	slices.SortFunc(dirents, func(a, b dirent) int { return cmp.Compare(a.ino, b.ino) })
	top.pending = top.pending[:0]
	for i := range dirents {
		if err := w.dirent(ctx, top, &dirents[i]); err != nil {
			return err
		}
	}
	return nil
}

// batchBuffer returns the buffer for reading the innermost directory. Deep inside it is small,
// as each directory on the stack keeps names of one batch.
func (w *walker) batchBuffer() []byte {
	const deep, small = 64, 4 << 10
	if len(w.stack) > deep {
		return w.buf[:small]
	}
	return w.buf
}

// dirent decides what becomes of one entry, as far as its listing tells.
func (w *walker) dirent(ctx context.Context, top *frame, ent *dirent) error {
	if err := w.pass(ctx); err != nil {
		return err
	}
	if ent.kind == kindDir {
		top.pending = append(top.pending, string(ent.name))
		return nil
	}
	path, name := w.join(ent.name)
	if w.excluded(path, false) {
		return nil
	}
	m := meta{kind: ent.kind, mode: ent.mode}
	if ent.kind == kindFile || ent.kind == kindUnknown {
		var err error
		if m, err = top.dir.stat(name); err != nil {
			w.fail(path, err)
			return nil
		}
	}
	if m.kind == kindDir { // the listing did not say so
		top.pending = append(top.pending, name)
		return nil
	}
	return w.object(top.dir, name, path, m)
}

// join returns the path of an entry of the innermost directory, and its name as a part of it.
func (w *walker) join(name []byte) (path, base string) {
	n := len(w.path)
	if n > 0 && !os.IsPathSeparator(w.path[n-1]) {
		w.path = append(w.path, os.PathSeparator)
	}
	path = string(append(w.path, name...))
	w.path = w.path[:n]
	return path, path[len(path)-len(name):]
}

// excluded reports whether a pattern leaves out the path, and if so tells which.
func (w *walker) excluded(path string, isDir bool) bool {
	if len(w.exclude) == 0 {
		return false
	}
	original := w.maps.original(path)
	for _, p := range w.exclude {
		if p.Match(path, isDir) || original != "" && p.Match(original, isDir) {
			w.leave(path, finding.Excluded, p.String())
			return true
		}
	}
	return false
}

// leave tells that something was left out.
func (w *walker) leave(path string, reason finding.Reason, detail string) {
	w.skip(finding.Skip{Path: path, Reason: reason, Detail: detail})
}

// fail tells that something was left out because of an error.
func (w *walker) fail(path string, err error) {
	var perr *os.PathError
	if errors.As(err, &perr) && perr.Path == path {
		err = perr.Err // the path is told already
	}
	w.leave(path, Reason(err), err.Error())
}

// specialName says what a special file is.
func specialName(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return "pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeDevice != 0:
		return "device"
	}
	return ""
}
