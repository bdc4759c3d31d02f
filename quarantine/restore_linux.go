package quarantine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// target is the place where a file will be restored.
type target struct {
	place
}

// openTarget opens the directory of a path as openPlace does; with parents it makes those that are not there.
func openTarget(path string, parents bool) (*target, error) {
	p, err := openPlace(path)
	if errors.Is(err, unix.ENOENT) && parents {
		if err = makeParents(path); err == nil {
			p, err = openPlace(path)
		}
	}
	if errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("%w: %q", ErrNoFolder, filepath.Dir(path))
	}
	if err != nil {
		return nil, err
	}
	return &target{p}, nil
}

// makeParents makes the directories on the way to a path, following no links.
func makeParents(path string) error {
	folder := filepath.Dir(path)
	p, err := openPlace(folder)
	if errors.Is(err, unix.ENOENT) {
		if err = makeParents(folder); err == nil {
			p, err = openPlace(folder)
		}
	}
	if err != nil {
		return err
	}
	defer p.close()
	err = unix.Mkdirat(p.dir, p.name, 0o755)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return errors.Join(err, p.sync())
}

// free refuses early if something is in the place. Whether it still is free is decided when the file gets
// its name.
func (t *target) free(_ *Entry, allowed bool) error {
	_, err := t.is(t.name)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil || allowed:
		return err
	}
	return ErrExists
}

// draft is a file that has its content but not yet its name.
type draft struct {
	t    *target
	id   string // of the entry
	file *os.File
	temp string // the name it has meanwhile; empty if it has none
}

// draft makes an empty file in the target's directory, without a name where the file system can, so that
// nothing is left of it if we are killed.
func (t *target) draft(e *Entry) (*draft, error) {
	d := &draft{t: t, id: e.ID}
	fd, err := openat(t.dir, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EINVAL) {
		d.temp = draftName(e.ID)
		fd, err = openat(t.dir, d.temp, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	}
	if err != nil {
		return nil, err
	}
	d.file = os.NewFile(uintptr(fd), "draft")
	// Some flags, such as "no copy on write", can only be set while the file is empty.
	if u := e.Metadata.Unix; u != nil {
		_ = d.setFlags(u.Flags, settableFlags&^lockingFlags)
	}
	return d, nil
}

func (d *draft) fd() int { return int(d.file.Fd()) }

// close gives the draft up, if it has not been published.
func (d *draft) close() {
	if d.temp != "" && d.named(d.temp) {
		_ = unix.Unlinkat(d.t.dir, d.temp, 0)
	}
	d.file.Close()
}

// named reports whether a name is that of the draft.
func (d *draft) named(name string) bool {
	var st unix.Stat_t
	k, err := d.t.is(name)
	return err == nil && unix.Fstat(d.fd(), &st) == nil && k == keyOf(&st)
}

func (d *draft) fill(ctx context.Context, sealed *opened) error {
	return fillFile(ctx, d.file, sealed)
}

func (d *draft) sync() error { return d.file.Sync() }

// setFlags sets those flags of mask that are in flags, and takes off the others of mask.
func (d *draft) setFlags(flags, mask uint32) error {
	now, err := unix.IoctlGetInt(d.fd(), unix.FS_IOC_GETFLAGS)
	if err != nil {
		if flags&mask == 0 {
			return nil
		}
		return err
	}
	want := uint32(now)&^mask | flags&mask
	if want == uint32(now) {
		return nil
	}
	return unix.IoctlSetPointerInt(d.fd(), unix.FS_IOC_SETFLAGS, int(want))
}

// dress gives the draft its metadata: the owner first, as a change of owner takes setuid and capabilities
// off; the times last. A file whose owner cannot be set gets no setuid, which would be another's.
func (d *draft) dress(m *Metadata) (differences []string, err error) {
	u := m.Unix
	if u == nil {
		return []string{"owner, mode and attributes are those of another system"}, d.setTimes(m)
	}
	differ := func(what string, err error) {
		if err != nil {
			differences = append(differences, fmt.Sprintf("%s: %v", what, err))
		}
	}
	mode := u.Mode
	if err := unix.Fchown(d.fd(), int(u.UID), int(u.GID)); err != nil {
		differ(fmt.Sprintf("owner %d:%d", u.UID, u.GID), err)
		if mode&0o6000 != 0 {
			mode &^= 0o6000
			differ("setuid and setgid", errors.New("not for another owner"))
		}
	}
	if err := unix.Fchmod(d.fd(), mode); err != nil {
		return nil, fmt.Errorf("set the mode: %w", err)
	}
	d.setXattrs(u.Xattrs, differ)
	var st unix.Stat_t
	if err := unix.Fstat(d.fd(), &st); err == nil && st.Mode&0o7777 != mode {
		if err := unix.Fchmod(d.fd(), mode); err != nil { // an access list had its say
			return nil, fmt.Errorf("set the mode: %w", err)
		}
	}
	return differences, d.setTimes(m)
}

// setXattrs sets the attributes of the entry and takes off those that the directory gave the draft.
func (d *draft) setXattrs(want []Xattr, differ func(string, error)) {
	now, _ := readXattrs(d.fd())
	value := map[Bytes][]byte{}
	for _, x := range now {
		value[x.Name] = x.Value
	}
	for _, x := range want {
		if has, ok := value[x.Name]; !ok || !bytes.Equal(has, x.Value) {
			differ(fmt.Sprintf("extended attribute %q", x.Name), unix.Fsetxattr(d.fd(), string(x.Name), x.Value, 0))
		}
		delete(value, x.Name)
	}
	for name := range value {
		differ(fmt.Sprintf("extended attribute %q, which it did not have", name), unix.Fremovexattr(d.fd(), string(name)))
	}
}

func (d *draft) setTimes(m *Metadata) error {
	times := []unix.Timespec{
		{Sec: m.Accessed.Sec, Nsec: int64(m.Accessed.Nsec)},
		{Sec: m.Modified.Sec, Nsec: int64(m.Modified.Nsec)},
	}
	// By descriptor, for which utimensat has no flag before Linux 5.8: an empty path and the descriptor
	// as directory is futimens only through /proc.
	err := unix.UtimesNanoAt(d.fd(), "", times, unix.AT_EMPTY_PATH)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		err = unix.UtimesNanoAt(unix.AT_FDCWD, procPath(d.fd()), times, 0)
	}
	return err
}

func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// publish gives the draft a name, and replaces what has it only if asked.
func (d *draft) publish(name string, replace bool) error {
	if d.temp != "" {
		return d.rename(name, replace)
	}
	if !replace {
		if err := d.link(name); err != nil {
			return err
		}
		return d.t.sync()
	}
	d.temp = draftName(d.id) // which only exists for this moment
	if err := d.link(d.temp); err != nil {
		d.temp = ""
		return err
	}
	return d.rename(name, true)
}

// link gives a file without a name one.
func (d *draft) link(name string) error {
	err := unix.Linkat(unix.AT_FDCWD, procPath(d.fd()), d.t.dir, name, unix.AT_SYMLINK_FOLLOW)
	if errors.Is(err, unix.ENOENT) { // no /proc
		err = unix.Linkat(d.fd(), "", d.t.dir, name, unix.AT_EMPTY_PATH)
	}
	return err
}

// rename gives a draft that has a temporary name its own.
func (d *draft) rename(name string, replace bool) error {
	if !d.named(d.temp) {
		return fmt.Errorf("%w: the unfinished file was exchanged", ErrChanged)
	}
	var err error
	if replace {
		err = unix.Renameat(d.t.dir, d.temp, d.t.dir, name)
	} else {
		err = renameNew(d.t.dir, d.temp, d.t.dir, name)
	}
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENOTEMPTY) {
		err = fmt.Errorf("%w, and is a folder", ErrExists)
	}
	if err != nil {
		return err
	}
	d.temp = ""
	return d.t.sync()
}

// finish does what needs the file to have its name: its other names, and the flags that lock it.
func (d *draft) finish(e *Entry, inPlace bool) (differences []string) {
	for _, n := range e.Names {
		if !n.Remove || !inPlace {
			continue
		}
		if err := d.linkAlso(string(n.Path)); err != nil {
			differences = append(differences, fmt.Sprintf("other name %q: %v", n.Path, err))
		}
	}
	if u := e.Metadata.Unix; u != nil {
		if err := d.setFlags(u.Flags, settableFlags); err != nil {
			differences = append(differences, "attributes ("+flagNames(u.Flags&settableFlags)+"): "+err.Error())
		}
	}
	return differences
}

// linkAlso makes another name of the file.
func (d *draft) linkAlso(path string) error {
	p, err := openPlace(path)
	if err != nil {
		return err
	}
	defer p.close()
	err = unix.Linkat(unix.AT_FDCWD, procPath(d.fd()), p.dir, p.name, unix.AT_SYMLINK_FOLLOW)
	return errors.Join(err, p.sync())
}

// removeDraft removes an unfinished file, if there is one.
func removeDraft(path, id string) bool {
	p, err := openPlace(path)
	if err != nil {
		return false
	}
	defer p.close()
	return unix.Unlinkat(p.dir, draftName(id), 0) == nil
}
