package quarantine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// target is the place where a file will be restored.
type target struct {
	place
}

// openTarget opens the directory of a path as openPlace does; with parents it makes those that are not there.
func openTarget(path string, parents bool) (*target, error) {
	p, err := openPlace(path)
	if missing(err) && parents {
		if err = makeParents(path); err == nil {
			p, err = openPlace(path)
		}
	}
	if missing(err) {
		return nil, fmt.Errorf("%w: %q", ErrNoFolder, filepath.Dir(path))
	}
	if err != nil {
		return nil, err
	}
	return &target{p}, nil
}

func missing(err error) bool {
	return errors.Is(err, windows.ERROR_FILE_NOT_FOUND) || errors.Is(err, windows.ERROR_PATH_NOT_FOUND)
}

// makeParents makes the directories on the way to a path, following no links.
func makeParents(path string) error {
	folder := filepath.Dir(path)
	p, err := openPlace(folder)
	if missing(err) {
		if err = makeParents(folder); err == nil {
			p, err = openPlace(folder)
		}
	}
	if err != nil {
		return err
	}
	defer p.close()
	h, err := ntOpen(p.dir, p.name, windows.FILE_LIST_DIRECTORY, shareAll, windows.FILE_OPEN_IF, windows.FILE_DIRECTORY_FILE|windows.FILE_OPEN_REPARSE_POINT)
	if err != nil {
		return err
	}
	return windows.CloseHandle(h)
}

// free refuses early if something is in the place. Whether it still is free is decided when the file gets
// its name.
func (t *target) free(e *Entry, allowed bool) error {
	_, err := t.is(t.name)
	if missing(err) {
		if e.Metadata.Windows != nil && e.Metadata.Windows.Stream != "" && streamName(t.name) != "" {
			return t.hasFile()
		}
		return nil
	}
	if err != nil || allowed {
		return err
	}
	return ErrExists
}

// hasFile makes sure that there is a file for a stream to belong to.
func (t *target) hasFile() error {
	file := t.name[:len(t.name)-len(streamName(t.name))-1]
	if _, err := t.is(file); err != nil {
		return fmt.Errorf("the file %q, whose stream it was, is not there: %w", file, err)
	}
	return nil
}

// draft is a file that has its content but not yet its name. A stream has its name from the start, as
// streams cannot be renamed safely.
type draft struct {
	t         *target
	file      *os.File
	temp      string
	inPlace   bool // it is a stream
	published bool
	basic     basicInfo
}

const draftAccess = windows.FILE_GENERIC_READ | windows.FILE_GENERIC_WRITE | windows.DELETE | windows.WRITE_DAC | windows.WRITE_OWNER

// draft makes an empty file in the target's directory that nobody else can open.
func (t *target) draft(e *Entry) (*draft, error) {
	d := &draft{t: t, temp: draftName(e.ID)}
	disposition := uint32(windows.FILE_CREATE)
	access := uint32(draftAccess)
	if streamName(t.name) != "" {
		d.temp, d.inPlace = t.name, true
		access = windows.FILE_GENERIC_READ | windows.FILE_GENERIC_WRITE | windows.DELETE
	}
	h, err := t.open(d.temp, access, 0, disposition)
	if errors.Is(err, windows.ERROR_FILE_EXISTS) || errors.Is(err, windows.ERROR_ALREADY_EXISTS) {
		h, err = t.open(d.temp, access, 0, windows.FILE_OVERWRITE)
	}
	if err != nil {
		return nil, err
	}
	d.file = os.NewFile(uintptr(h), d.temp)
	if w := e.Metadata.Windows; w != nil && !d.inPlace {
		if w.Attributes&windows.FILE_ATTRIBUTE_SPARSE_FILE != 0 {
			_ = d.control(windows.FSCTL_SET_SPARSE, nil)
		}
		if w.Attributes&windows.FILE_ATTRIBUTE_COMPRESSED != 0 {
			const setCompression = 0x9c040
			_ = d.control(setCompression, []byte{1, 0}) // COMPRESSION_FORMAT_DEFAULT
		}
	}
	return d, nil
}

func (d *draft) handle() windows.Handle { return windows.Handle(d.file.Fd()) }

func (d *draft) control(code uint32, in []byte) error {
	var n uint32
	var p *byte
	if len(in) > 0 {
		p = &in[0]
	}
	return windows.DeviceIoControl(d.handle(), code, p, uint32(len(in)), nil, 0, &n, nil)
}

// close gives the draft up, if it has not been published.
func (d *draft) close() {
	if !d.published {
		_ = deleteByHandle(d.handle(), 0)
	}
	d.file.Close()
}

// fill writes the content and the streams.
func (d *draft) fill(ctx context.Context, sealed *opened) error {
	if err := fillFile(ctx, d.file, sealed); err != nil {
		return err
	}
	for i, part := range sealed.entry.Parts {
		if part.Stream == "" {
			continue
		}
		h, err := d.t.open(d.temp+":"+part.Stream, windows.FILE_GENERIC_WRITE, shareAll, windows.FILE_CREATE)
		if err != nil {
			return fmt.Errorf("stream %q: %w", part.Stream, err)
		}
		f := os.NewFile(uintptr(h), part.Stream)
		err = errors.Join(sealed.part(ctx, i, f), f.Sync(), f.Close())
		if err != nil {
			return fmt.Errorf("stream %q: %w", part.Stream, err)
		}
	}
	return nil
}

func (d *draft) sync() error { return d.file.Sync() }

// settable are the attributes that can be set like this; sparse and compressed are set above, encrypted
// is not given back.
const settable = windows.FILE_ATTRIBUTE_READONLY | windows.FILE_ATTRIBUTE_HIDDEN | windows.FILE_ATTRIBUTE_SYSTEM |
	windows.FILE_ATTRIBUTE_ARCHIVE | windows.FILE_ATTRIBUTE_TEMPORARY | windows.FILE_ATTRIBUTE_NOT_CONTENT_INDEXED

// dress gives the draft its metadata; attributes and times come with its name.
func (d *draft) dress(m *Metadata) (differences []string, err error) {
	d.basic = basicInfo{
		created: toTicks(m.Created), accessed: toTicks(m.Accessed), modified: toTicks(m.Modified), changed: toTicks(m.Changed),
	}
	w := m.Windows
	if w == nil {
		d.basic.created, d.basic.changed = 0, 0
		return []string{"owner, rights and attributes are those of another system"}, nil
	}
	if d.inPlace {
		d.basic = basicInfo{} // they are the file's, which is there
		return nil, nil
	}
	if d.basic.attributes = w.Attributes & settable; d.basic.attributes == 0 {
		d.basic.attributes = windows.FILE_ATTRIBUTE_NORMAL
	}
	if w.Attributes&windows.FILE_ATTRIBUTE_ENCRYPTED != 0 {
		differences = append(differences, "the file was encrypted by the file system (EFS); it is not any more")
	}
	return append(differences, d.secure(w.Security)...), nil
}

// secure sets owner, group and access list.
func (d *draft) secure(sddl string) (differences []string) {
	if sddl == "" {
		return nil
	}
	sd, err := windows.SecurityDescriptorFromString(sddl)
	if err != nil {
		return []string{fmt.Sprintf("owner and rights: %v", err)}
	}
	owner, _, _ := sd.Owner()
	group, _, _ := sd.Group()
	dacl, _, daclErr := sd.DACL()
	set := func(what string, info windows.SECURITY_INFORMATION) {
		if err := windows.SetSecurityInfo(d.handle(), windows.SE_FILE_OBJECT, info, owner, group, dacl, nil); err != nil {
			differences = append(differences, fmt.Sprintf("%s: %v", what, err))
		}
	}
	if daclErr == nil && dacl != nil {
		protection := windows.SECURITY_INFORMATION(windows.UNPROTECTED_DACL_SECURITY_INFORMATION)
		if control, _, err := sd.Control(); err == nil && control&windows.SE_DACL_PROTECTED != 0 {
			protection = windows.PROTECTED_DACL_SECURITY_INFORMATION
		}
		set("access list", windows.DACL_SECURITY_INFORMATION|protection)
	}
	now, err := windows.GetSecurityInfo(d.handle(), windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.GROUP_SECURITY_INFORMATION)
	if err != nil {
		return append(differences, fmt.Sprintf("owner: %v", err))
	}
	if is, _, err := now.Owner(); owner != nil && (err != nil || !is.Equals(owner)) {
		set("owner", windows.OWNER_SECURITY_INFORMATION) // another's only with the right to restore
	}
	if is, _, err := now.Group(); group != nil && (err != nil || !is.Equals(group)) {
		set("group", windows.GROUP_SECURITY_INFORMATION)
	}
	return differences
}

// renameInfo is FILE_RENAME_INFORMATION.
type renameInfo struct {
	replace uint32
	root    windows.Handle
	length  uint32
	name    [1]uint16
}

// publish gives the draft its name by its handle, and replaces what has it only if asked.
func (d *draft) publish(name string, replace bool) error {
	if d.inPlace {
		if name != d.temp {
			return fmt.Errorf("%w: a stream cannot take another name", ErrExists)
		}
		d.published = true
		return nil
	}
	wide, err := syscall.UTF16FromString(name)
	if err != nil {
		return err
	}
	wide = wide[:len(wide)-1]
	size := int(unsafe.Offsetof(renameInfo{}.name)) + 2*len(wide)
	buf := make([]uint64, size/8+2) // aligned
	info := (*renameInfo)(unsafe.Pointer(&buf[0]))
	if replace {
		info.replace = 1
	}
	info.root, info.length = d.t.dir, uint32(2*len(wide))
	copy(unsafe.Slice(&info.name[0], len(wide)), wide)
	var status windows.IO_STATUS_BLOCK
	err = errno(windows.NtSetInformationFile(d.handle(), &status, (*byte)(unsafe.Pointer(&buf[0])), uint32(size), windows.FileRenameInformation))
	if errors.Is(err, windows.ERROR_ALREADY_EXISTS) || errors.Is(err, windows.ERROR_FILE_EXISTS) {
		return ErrExists
	}
	if err == nil {
		d.published, d.temp = true, name
	}
	return err
}

// finish sets attributes and times, which the renaming has changed, and makes the other names.
func (d *draft) finish(e *Entry, inPlace bool) (differences []string) {
	for _, n := range e.Names {
		if n.Remove && inPlace {
			if err := d.linkAlso(string(n.Path)); err != nil {
				differences = append(differences, fmt.Sprintf("other name %q: %v", n.Path, err))
			}
		}
	}
	if d.basic == (basicInfo{}) {
		return differences
	}
	if err := setBasic(d.handle(), d.basic); err != nil {
		differences = append(differences, fmt.Sprintf("times and attributes: %v", err))
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
	wide, err := syscall.UTF16FromString(p.name)
	if err != nil {
		return err
	}
	wide = wide[:len(wide)-1]
	const fileLinkInformation = 11 // has the form of FILE_RENAME_INFORMATION
	size := int(unsafe.Offsetof(renameInfo{}.name)) + 2*len(wide)
	buf := make([]uint64, size/8+2)
	info := (*renameInfo)(unsafe.Pointer(&buf[0]))
	info.root, info.length = p.dir, uint32(2*len(wide))
	copy(unsafe.Slice(&info.name[0], len(wide)), wide)
	var status windows.IO_STATUS_BLOCK
	return errno(windows.NtSetInformationFile(d.handle(), &status, (*byte)(unsafe.Pointer(&buf[0])), uint32(size), fileLinkInformation))
}

// removeDraft removes an unfinished file, if there is one.
func removeDraft(path, id string) bool {
	p, err := openPlace(path)
	if err != nil {
		return false
	}
	defer p.close()
	name := draftName(id)
	if streamName(p.name) != "" {
		name = p.name // it was written in its place, and its entry is still there
	}
	h, err := p.open(name, windows.DELETE|windows.FILE_WRITE_ATTRIBUTES, 0, windows.FILE_OPEN)
	if err != nil {
		return false
	}
	defer windows.CloseHandle(h)
	return deleteByHandle(h, 0) == nil
}
