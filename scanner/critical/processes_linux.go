package critical

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"tyto/finding"
	"tyto/scanner/walk"
)

// platform says where this computer tells of itself.
type platform struct {
	proc    string // where proc is mounted
	modules string // where the running kernel's modules are
}

func thisComputer() platform {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return platform{proc: "/proc"} // cannot be; kernel then says that the modules are not found
	}
	return platform{proc: "/proc", modules: "/lib/modules/" + unix.ByteSliceToString(name.Release[:])}
}

// processes takes the files of all processes.
func (s *Source) processes(ctx context.Context, c *collection) error {
	list, err := os.Open(s.proc)
	if err != nil {
		c.skip(finding.Skip{Path: s.proc, Reason: walk.Reason(err), Detail: err.Error()})
		return nil
	}
	defer list.Close()
	if _, err := os.Stat(filepath.Join(s.proc, "1")); errors.Is(err, fs.ErrNotExist) {
		c.skip(finding.Skip{Path: s.proc, Reason: finding.Unreadable,
			Detail: "it does not show the processes of other users (hidepid)"})
	}
	const batch = 1024
	for {
		names, err := list.Readdirnames(batch)
		for _, name := range names {
			if _, err := strconv.ParseUint(name, 10, 32); err != nil {
				continue
			}
			if err := s.opts.Gate(ctx); err != nil {
				return err
			}
			if err := s.process(ctx, c, name); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			c.skip(finding.Skip{Path: s.proc, Reason: walk.Reason(err), Detail: err.Error()})
			return nil
		}
	}
}

// process takes the program and the mapped files of one process.
func (s *Source) process(ctx context.Context, c *collection, pid string) error {
	path := filepath.Join(s.proc, pid)
	p := &process{collection: c, path: path}
	dir, err := walk.Place(nil, path)
	if err != nil {
		p.fail(err)
		return nil
	}
	defer dir.Close()
	p.dir = dir
	if p.namespace, err = p.readlink("ns/mnt"); err != nil {
		p.namespace = path // shared with no other process
	}
	if err := p.program(ctx); err != nil {
		return err
	}
	return p.mappings(ctx)
}

// process is one process while its files are gathered. Its methods return errors of the visitor and
// of the context only.
type process struct {
	*collection
	dir       *os.File // stays bound to this process, whoever gets the number next
	path      string   // "/proc/812"
	namespace string   // of mounts
	failed    bool     // what was tried last was refused; the rest will be, too
}

// fail tells that the files of the process are not known, unless it has merely ended.
func (p *process) fail(err error) {
	p.failed = true
	if gone(err) || p.dir != nil && p.bodiless() {
		return
	}
	p.skip(finding.Skip{Path: p.path, Reason: finding.Unreadable, Detail: fmt.Sprintf("its program and libraries: %v", err)})
}

// gone reports whether err says that a process or a mapping is there no more. A process that has ended
// but was not waited for, and a thread of the kernel, have no files either.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH)
}

// bodiless reports whether the process is a thread of the kernel or has ended but was not waited for. To
// those without rights the kernel refuses even to say that they have no files.
func (p *process) bodiless() bool {
	fd, err := unix.Openat(int(p.dir.Fd()), "stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return gone(err)
	}
	defer unix.Close(fd)
	buf := make([]byte, 1024)
	n, err := unix.Read(fd, buf)
	if err != nil {
		return gone(err)
	}
	return bodiless(buf[:n])
}

// bodiless takes apart the text of /proc/PID/stat: "2 (name) S ppid pgrp session tty tpgid flags …", see
// proc_pid_stat(5). The name may hold anything.
func bodiless(stat []byte) bool {
	const kernelThread = 0x00200000 // PF_KTHREAD in linux/sched.h
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 7 {
		return false
	}
	flags, err := strconv.ParseUint(string(fields[6]), 10, 64)
	return err == nil && flags&kernelThread != 0 || fields[0][0] == 'Z' || fields[0][0] == 'X'
}

func (p *process) program(ctx context.Context) error {
	place, err := walk.Place(p.dir, "exe")
	if err != nil {
		p.fail(err)
		return nil
	}
	defer place.Close()
	shown, err := p.readlink("exe")
	if err != nil {
		shown = p.path + "/exe" // too long to be told
	}
	return p.file(ctx, place, shown, p.path+"/exe")
}

func (p *process) mappings(ctx context.Context) error {
	if p.failed {
		return nil
	}
	fd, err := unix.Openat(int(p.dir.Fd()), "maps", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		p.fail(err)
		return nil
	}
	maps := os.NewFile(uintptr(fd), p.path+"/maps")
	defer maps.Close()
	var stop error
	err = readMaps(maps, func(m mapping) error {
		if stop = ctx.Err(); stop == nil {
			stop = p.mapping(ctx, &m)
		}
		return stop
	})
	if err != nil && stop == nil {
		p.fail(err)
	}
	return stop
}

// mapping takes the file behind one mapping.
func (p *process) mapping(ctx context.Context, m *mapping) error {
	type key struct {
		namespace, device, path string
		inode                   uint64
	}
	file := key{p.namespace, m.device, m.path, m.inode}
	if !m.code() || !first(p.collection, file) {
		return nil
	}
	place, via, err := p.mapped(m)
	switch {
	case err == nil:
	case gone(err):
		forget(p.collection, file) // another process may still have it
		return nil
	default:
		p.skip(finding.Skip{Path: m.path, Reason: walk.Reason(err), Detail: fmt.Sprintf("mapped by %s: %v", p.path, err)})
		return nil
	}
	defer place.Close()
	shown := m.path
	if exact, err := p.readlink("map_files/" + m.name); err == nil {
		shown = exact
	}
	return p.file(ctx, place, shown, via)
}

// mapped opens the file behind a mapping as a mere place and says by what name.
func (p *process) mapped(m *mapping) (place *os.File, via string, err error) {
	place, err = walk.Place(p.dir, "map_files/"+m.name)
	if !errors.Is(err, fs.ErrPermission) {
		return place, p.path + "/map_files/" + m.name, err
	}
	// That way is for administrators of the whole computer only (CAP_CHECKPOINT_RESTORE).
	refused := err
	if place, err = p.byPath(m); err != nil {
		// Not wrapped: that the path leads nowhere does not say that the mapping is gone.
		return nil, "", fmt.Errorf("%w, and by its path: %v", refused, err)
	}
	return place, p.path + "/root" + m.path, nil
}

// byPath opens what the process finds under the path of a mapping, if that is the file.
func (p *process) byPath(m *mapping) (*os.File, error) {
	place, err := p.inRoot(m.path)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(place.Fd()), &st); err != nil || st.Ino != m.inode {
		place.Close()
		return nil, walk.ErrChanged
	}
	return place, nil
}

// inRoot opens a path as a mere place as the process sees it. Nothing can lead out of its root.
func (p *process) inRoot(path string) (*os.File, error) {
	root, err := walk.Place(p.dir, "root")
	if err != nil {
		return nil, err
	}
	defer root.Close()
	fd, err := unix.Openat2(int(root.Fd()), path, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC | unix.O_NOFOLLOW,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// deletedMark stands behind the path of a file whose name was removed.
const deletedMark = " (deleted)"

// file takes the file at place, which the kernel shows as a path. If that path leads to it, it is
// gathered, else it is visited at once: nobody knows how long it will be there.
func (p *process) file(ctx context.Context, place *os.File, shown, via string) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(place.Fd()), &st); err != nil {
		p.skip(finding.Skip{Path: shown, Reason: walk.Reason(err), Detail: err.Error()})
		return nil
	}
	if leadsTo(shown, &st) {
		return p.add(ctx, shown)
	}
	id := walk.FileID{Device: st.Dev, Inode: st.Ino}
	if !first(p.collection, id) {
		return nil
	}
	path, deleted := strings.CutSuffix(shown, deletedMark)
	if p.leftOut(path, id) {
		return nil
	}
	entry, err := walk.NewEntry(place, finding.Object{Path: path, Via: via, Deleted: deleted})
	if err != nil {
		reason := walk.Reason(err)
		if errors.Is(err, walk.ErrNotRegular) {
			reason = finding.SpecialFile // a device that was mapped
		}
		p.skip(finding.Skip{Path: path, Reason: reason, Detail: err.Error()})
		return nil
	}
	return p.visit(entry)
}

// leadsTo reports whether path leads to the very file.
func leadsTo(path string, file *unix.Stat_t) bool {
	var st unix.Stat_t
	return filepath.IsAbs(path) && unix.Lstat(path, &st) == nil && st.Dev == file.Dev && st.Ino == file.Ino
}

// readlink tells where a link of the kernel leads, of at most 4 KiB.
func (p *process) readlink(name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(p.dir.Fd()), name, buf)
	if err != nil {
		return "", fmt.Errorf("read the link %q: %w", name, err)
	}
	return string(buf[:n]), nil
}

// forget makes the next time of key the first one.
func forget[K comparable](c *collection, key K) {
	delete(c.seen, maphash.Comparable(c.seed, key))
}

// leftOut reports whether a file is one of Tyto's own or excluded, and if so says it.
func (c *collection) leftOut(path string, id walk.FileID) bool {
	if c.own[id] {
		c.skip(finding.Skip{Path: path, Reason: finding.OwnFile})
		return true
	}
	for _, p := range c.exclude {
		if p.Match(path, false) {
			c.skip(finding.Skip{Path: path, Reason: finding.Excluded, Detail: p.String()})
			return true
		}
	}
	return false
}
