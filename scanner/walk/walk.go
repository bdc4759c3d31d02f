// Package walk is the directory source: it yields every file below some paths exactly once,
// with what the file system says of it, and tells what it left out and why.
//
//	err := walk.Walk(ctx, walk.Options{Roots: []string{"/"}},
//		func(e *walk.Entry) error {
//			file, err := e.Open()
//			…
//		},
//		func(s finding.Skip) { … })
//
// # What is walked
//
// Directories are read one after the other, depth first. Symbolic links are never followed:
// what they point to is found where it is. Only a root that is, or lies behind, a symbolic
// link is resolved, because the user named it; the paths below it are the resolved ones.
// Devices, pipes and sockets are skipped, and so are junctions, mount points and cloud
// placeholders on Windows.
//
// File systems are judged by their type, not by their path. Pseudo file systems (proc, sysfs,
// cgroup, …) are skipped, but what is mounted below them is not, so that nothing hides on a
// tmpfs under /proc. Network file systems are skipped unless [Options].Network is set, also when a root
// lies on one. An automount point is never triggered. A FUSE file system is judged by
// its subtype: sshfs is a network, ntfs-3g is not. 9p, VirtualBox's and VMware's folders count
// as network, since another machine keeps the files; virtiofs does not, since small virtual
// machines and containers live on it. Cluster file systems on shared disks (GFS2, OCFS2) do not either.
//
// # Once
//
// A file with several names is visited for each, but all visits after the first have
// [Entry].SeenBefore set: the names may matter, the content need not be read again. Directories that can
// be reached by two paths, because a mount or a root repeats them, are walked once. A file
// that changed between two of its names counts as a new one.
//
// # Races
//
// The machine may be hostile and may change under the walk. On Linux and Windows every
// directory is opened relative to the one above it without following links, and must prove to
// be the one that was looked at; nothing outside the roots is ever yielded or opened. On other
// systems links are not followed either, but a component of the path that is replaced while
// it is walked can lead astray.
//
// # Limits
//
// Directories below more than [MaxDepth] others are skipped as too deep. Memory does not depend on
// the number of files or on the size of directories; 500,000 files with several names are
// remembered, further ones are visited as new under each name. No more than 256 directories are
// open at a time; beyond, those in the middle are closed and opened again on the way back.
package walk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"tyto/finding"
)

// MaxDepth is how many directories may lie inside each other, the root counted.
const MaxDepth = 4096

// Options say what is walked.
type Options struct {
	// Roots are directories or files. They may overlap. One that does not exist is skipped
	// as vanished or unreadable; a caller for whom that is an error checks before.
	Roots []string
	// Exclude holds patterns of files and directories to leave out; see [ParsePattern].
	// What an excluded directory holds is not looked at.
	Exclude []string
	// OneFileSystem leaves out directories on other file systems than their root's.
	OneFileSystem bool
	// Network includes network file systems.
	Network bool
	// Own are files and directories that are never visited: Tyto itself, and the rules,
	// indicators and reports of this very scan. See [Identify].
	Own []FileID
	// MapRoot says where file systems of another computer are mounted, so that objects get
	// the paths that they have there. Of several that fit the longest counts.
	MapRoot []Mapping
	// USN has the objects tell the number of their last change, which costs a call per file. It is for
	// Windows, and for volumes that have a journal.
	USN bool
	// Gate, if set, is called before each look at a directory or an entry of one. It blocks for as long
	// as the walk is to stand still; its error ends the walk.
	Gate func(context.Context) error
}

// FileID is the identity of a file, whatever its names: st_dev and st_ino, or the volume's
// serial number and the file's index on Windows.
type FileID struct {
	Device, Inode uint64
}

// Walk calls visit for every file below the roots, and skip for everything that it leaves out.
// Neither is called concurrently, and the entry belongs to Walk again when visit returns.
//
// Walk returns the first error that visit returns, as it is; the context's error when that is
// done; and an error if the options make no sense. What cannot be read is not an error but a
// skip.
func Walk(ctx context.Context, opts Options, visit func(*Entry) error, skip func(finding.Skip)) error {
	w, err := newWalker(&opts, visit, skip)
	if err != nil {
		return err
	}
	defer w.close()
	return w.walk(ctx)
}

// Count walks as [Walk] does, but opens nothing, and returns how many files there are and how
// many bytes they hold, for an estimate of what a scan has to do. A file with several names
// counts once; one larger than maxSize counts with no bytes, as its content will not be read (0
// is no limit). On an error, which may be the context's, it returns what it has counted so far.
func Count(ctx context.Context, opts Options, maxSize int64) (files, bytes int64, err error) {
	err = Walk(ctx, opts, func(e *Entry) error {
		if e.SeenBefore {
			return nil
		}
		files++
		if maxSize <= 0 || e.Object.Size <= maxSize {
			bytes += e.Object.Size
		}
		return nil
	}, func(finding.Skip) {})
	return files, bytes, err
}

// Identify returns the identity of the file or directory at path, for [Options].Own. Symbolic links
// are followed.
func Identify(path string) (FileID, error) {
	resolved, err := resolve(path)
	if err != nil {
		return FileID{}, fmt.Errorf("identify %q: %w", path, err)
	}
	parent, name, err := openParent(resolved)
	if err != nil {
		return FileID{}, fmt.Errorf("identify %q: %w", path, err)
	}
	defer parent.close()
	m, err := parent.stat(name)
	if err != nil {
		return FileID{}, fmt.Errorf("identify %q: %w", path, err)
	}
	return m.id, nil
}

// ErrChanged is returned by [Entry.Open] if what stands at the path is no longer the file that
// was found there.
var ErrChanged = errors.New("replaced by another file since it was found")

// ErrNotRegular is returned by NewEntry for a directory, device, pipe or socket.
var ErrNotRegular = errors.New("no regular file")

// Reason returns the reason for skipping an object because of an error of this package or of
// reading from an opened entry.
func Reason(err error) finding.Reason {
	switch {
	case errors.Is(err, ErrChanged), replacedByLink(err):
		return finding.Changed
	case errors.Is(err, os.ErrNotExist), vanished(err):
		return finding.Vanished
	}
	return finding.Unreadable
}

// Resolve returns the paths below which [Walk] finds the files of roots: absolute, and without
// symbolic links. Roots that cannot be resolved are left out, as the walk leaves them out.
func Resolve(roots []string) []string {
	var resolved []string
	for _, root := range roots {
		if path, err := resolve(root); err == nil {
			resolved = append(resolved, path)
		}
	}
	return resolved
}

// resolve makes a root absolute and resolves its symbolic links.
func resolve(path string) (string, error) {
	if path == "" {
		return "", errors.New("the path is empty")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return resolveLinks(abs)
}
