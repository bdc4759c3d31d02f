//go:build !linux && !windows

package walk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"tyto/finding"
)

const (
	maxOpenDirs = 2*MaxDepth + 2 // all directories of the stack stay open
	bufferSize  = 1              // the os package has its own
	batchSize   = 1024
)

// openDirs returns how many directories of the stack may be open.
func openDirs() int { return maxOpenDirs }

// dir is an open directory. This simple version works by path and makes sure that what it
// opened is what it found.
type dir struct {
	file *os.File
	path string
	pos  int64 // not needed here
}

// platformMeta is what only this system says of a file.
type platformMeta struct {
	uid, gid uint32
	info     fs.FileInfo
}

func (d *dir) close() {
	if d.file != nil {
		d.file.Close()
	}
}

func (d *dir) prepare(*Options) {}

func resolveLinks(path string) (string, error) { return filepath.EvalSymlinks(path) }

func openParent(path string) (*dir, string, error) {
	return &dir{path: filepath.Dir(path)}, filepath.Base(path), nil
}

func (d *dir) stat(name string) (meta, error) {
	info, err := os.Lstat(filepath.Join(d.path, name))
	if err != nil {
		return meta{}, err
	}
	return describe(info), nil
}

func describe(info fs.FileInfo) meta {
	m := meta{size: info.Size(), mode: info.Mode(), modified: info.ModTime(), platformMeta: platformMeta{info: info}}
	m.kind = modeKind(info.Mode())
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		m.id = FileID{Device: uint64(st.Dev), Inode: uint64(st.Ino)}
		m.links = uint64(st.Nlink)
		m.uid, m.gid = st.Uid, st.Gid
	}
	return m
}

func modeKind(mode fs.FileMode) kind {
	switch {
	case mode.IsRegular():
		return kindFile
	case mode.IsDir():
		return kindDir
	case mode&fs.ModeSymlink != 0:
		return kindSymlink
	}
	return kindSpecial
}

func (d *dir) openDir(name string, m *meta) (*dir, error) {
	path := filepath.Join(d.path, name)
	file, _, err := open(path, m)
	if err != nil {
		return nil, err
	}
	return &dir{file: file, path: path}, nil
}

func (d *dir) openFile(name string, m *meta, path string) (*os.File, meta, error) {
	return open(filepath.Join(d.path, name), m)
}

// open opens a file or directory and makes sure that it is the one that was found.
func open(path string, m *meta) (*os.File, meta, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, meta{}, err
	}
	info, err := file.Stat()
	if err == nil && !os.SameFile(info, m.info) {
		err = ErrChanged
	}
	if err != nil {
		file.Close()
		return nil, meta{}, err
	}
	return file, describe(info), nil
}

func (d *dir) read(_ []byte, list []dirent) ([]dirent, error) {
	entries, err := d.file.ReadDir(batchSize)
	if err == io.EOF {
		return nil, nil
	}
	for _, e := range entries {
		list = append(list, dirent{name: []byte(e.Name()), kind: modeKind(e.Type()), mode: e.Type()})
	}
	return list, err
}

func (d *dir) reopen(string, FileID, int64) (*dir, error) { return nil, errors.ErrUnsupported }

func (d *dir) fileSystem(string, string, *meta, *mountTable) (fileSystem, error) {
	return fileSystem{class: local}, nil
}

func (w *walker) streams(*dir, string, string, meta, bool) error { return nil }

func (m *meta) owners(names *owners, o *finding.Object, numbers bool) {
	o.Owner, o.Group = names.user(m.uid, numbers), names.group(m.gid, numbers)
}

func (m *meta) attributes(*finding.Object) {}

func (m *meta) reparseName() string { return "" }

func noDescriptors(err error) bool { return false }

func replacedByLink(err error) bool { return errors.Is(err, syscall.ELOOP) }

func vanished(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
