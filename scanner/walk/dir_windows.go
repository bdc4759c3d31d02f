package walk

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

const (
	// maxOpenDirs is how many directories of the stack may be open: all of them, handles are
	// cheap here.
	maxOpenDirs = 2*MaxDepth + 2
	bufferSize  = 64 << 10
)

// openDirs returns how many directories of the stack may be open.
func openDirs() int { return maxOpenDirs }

// dir is an open directory. Everything in it is looked at and opened relative to its handle
// and without following reparse points (NtCreateFile with a root directory), so it does not
// matter what happens to its path, how long that is, and what Win32 thinks of a name.
type dir struct {
	handle windows.Handle
	// volume tells volumes apart that have the same serial number, such as a disk and its clone.
	volume uint32
	usn    bool  // see Options.USN
	plain  bool  // the file system lists no file ids
	begun  bool  // reading has begun
	pos    int64 // not needed here
}

func (d *dir) close() { windows.CloseHandle(d.handle) }

// prepare has the directory, and those below it, look at files as the options say.
func (d *dir) prepare(o *Options) { d.usn = o.USN }

const (
	shareAll = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
	// openOptions are those of every open: synchronous, and with the right of backup programs
	// where the process has it, as FILE_FLAG_BACKUP_SEMANTICS gives.
	openOptions = windows.FILE_SYNCHRONOUS_IO_NONALERT | windows.FILE_OPEN_FOR_BACKUP_INTENT
)

// ntOpen opens name relative to a directory, or an absolute name of the NT name space if the
// directory is 0.
func ntOpen(root windows.Handle, name string, access, options uint32) (windows.Handle, error) {
	wide, err := syscall.UTF16FromString(name)
	if err != nil {
		return 0, err
	}
	size := 2 * (len(wide) - 1)
	if size > 0xfffe {
		return 0, syscall.Errno(windows.ERROR_FILENAME_EXCED_RANGE)
	}
	unicode := windows.NTUnicodeString{Length: uint16(size), MaximumLength: uint16(size), Buffer: &wide[0]}
	attributes := windows.OBJECT_ATTRIBUTES{
		RootDirectory: root,
		ObjectName:    &unicode,
		Attributes:    windows.OBJ_CASE_INSENSITIVE,
	}
	attributes.Length = uint32(unsafe.Sizeof(attributes))
	var handle windows.Handle
	var status windows.IO_STATUS_BLOCK
	err = windows.NtCreateFile(&handle, access|windows.SYNCHRONIZE|windows.FILE_READ_ATTRIBUTES, &attributes, &status,
		nil, 0, shareAll, windows.FILE_OPEN, openOptions|options, 0, 0)
	return handle, errno(err)
}

// errno turns the status codes of the NT interface into the errors of Win32, which the os
// package understands.
func errno(err error) error {
	if status, ok := err.(windows.NTStatus); ok {
		return status.Errno()
	}
	return err
}

// resolveLinks returns the path of what an absolute path leads to, drive letters of
// network drives and of folders resolved too.
func resolveLinks(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	final, err := finalPath(windows.Handle(file.Fd()), 0)
	if err != nil {
		return path, nil // a volume without a letter, or a file system that cannot tell
	}
	if rest, ok := strings.CutPrefix(final, `\\?\UNC\`); ok {
		return `\\` + rest, nil
	}
	return strings.TrimPrefix(final, `\\?\`), nil
}

// finalPath returns the path of an open file; flags are those of GetFinalPathNameByHandle.
func finalPath(handle windows.Handle, flags uint32) (string, error) {
	const longest = 32 << 10
	buf := make([]uint16, longest)
	n, err := windows.GetFinalPathNameByHandle(handle, &buf[0], uint32(len(buf)), flags)
	if err != nil {
		return "", err
	}
	if int(n) > len(buf) {
		return "", windows.ERROR_FILENAME_EXCED_RANGE
	}
	return windows.UTF16ToString(buf[:n]), nil
}

// openParent opens the directory in which a resolved path lies, without following reparse
// points, and returns the name of the path in it: empty for the root of a volume.
func openParent(path string) (*dir, string, error) {
	volume := filepath.VolumeName(path)
	d, err := openVolume(volume)
	if err != nil {
		return nil, "", err
	}
	parents, name := filepath.Split(strings.Trim(path[len(volume):], `\/`))
	for _, component := range strings.FieldsFunc(parents, func(r rune) bool { return r == '\\' || r == '/' }) {
		next, err := d.through(component)
		d.close()
		if err != nil {
			return nil, "", err
		}
		d = next
	}
	return d, name, nil
}

// openVolume opens the root directory of a volume: "C:", `\\server\share`, `\\?\Volume{…}`.
func openVolume(volume string) (*dir, error) {
	var nt string
	switch {
	case strings.HasPrefix(volume, `\\?\`), strings.HasPrefix(volume, `\\.\`):
		nt = `\??\` + volume[4:] + `\`
	case strings.HasPrefix(volume, `\\`):
		nt = `\??\UNC\` + volume[2:] + `\`
	default:
		nt = `\??\` + volume + `\`
	}
	handle, err := ntOpen(0, nt, 0, windows.FILE_DIRECTORY_FILE)
	if err != nil {
		return nil, err
	}
	const volumeNameNT = 2
	device, err := finalPath(handle, volumeNameNT)
	if err != nil {
		device = strings.ToUpper(volume)
	}
	hash := fnv.New32a()
	hash.Write([]byte(device))
	return &dir{handle: handle, volume: hash.Sum32()}, nil
}

// through opens a directory on the way to a root.
func (d *dir) through(name string) (*dir, error) {
	handle, err := ntOpen(d.handle, name, 0, windows.FILE_DIRECTORY_FILE|windows.FILE_OPEN_REPARSE_POINT)
	if err != nil {
		return nil, err
	}
	if tag, err := reparseTag(handle); err != nil || nameSurrogate(tag) {
		windows.CloseHandle(handle)
		return nil, errors.Join(ErrChanged, err)
	}
	return &dir{handle: handle, volume: d.volume}, nil
}

// openDir opens the directory name, which must be the one that was looked at.
func (d *dir) openDir(name string, m *meta) (*dir, error) {
	handle, err := ntOpen(d.handle, name, windows.FILE_LIST_DIRECTORY, windows.FILE_DIRECTORY_FILE|m.openReparse())
	if err != nil {
		return nil, err
	}
	child := &dir{handle: handle, volume: d.volume, usn: d.usn}
	now, err := child.describe(handle)
	if err == nil && now.id != m.id {
		err = ErrChanged
	}
	if err != nil {
		child.close()
		return nil, err
	}
	return child, nil
}

// reopen is never called: no directory is closed before it is left.
func (d *dir) reopen(string, FileID, int64) (*dir, error) { return nil, errors.ErrUnsupported }

func noDescriptors(error) bool { return false }

// openFile opens the file name, or a stream of it, and returns what it really is. Content that
// is not on this computer is not fetched.
func (d *dir) openFile(name string, m *meta, path string) (*os.File, meta, error) {
	const options = windows.FILE_NON_DIRECTORY_FILE | windows.FILE_SEQUENTIAL_ONLY | windows.FILE_OPEN_NO_RECALL
	handle, err := ntOpen(d.handle, name, windows.FILE_READ_DATA, options|m.openReparse())
	if err != nil {
		return nil, meta{}, err
	}
	now, err := d.describe(handle)
	if err != nil {
		windows.CloseHandle(handle)
		return nil, meta{}, err
	}
	if m.stream {
		now.kind = kindFile // of a directory, too
	}
	return os.NewFile(uintptr(handle), path), now, nil
}

// Offsets in FILE_ID_BOTH_DIR_INFO, which FILE_FULL_DIR_INFO shares but for the end.
const (
	infoNext       = 0
	infoAttributes = 56
	infoNameLength = 60
	infoFileID     = 96
	infoName       = 104
	infoPlainName  = 68
)

// read fills the buffer with entries of the directory and appends them to list, all but "." and
// "..". At the end it returns an empty list.
func (d *dir) read(buf []byte, list []dirent) ([]dirent, error) {
	for len(list) == 0 {
		err := d.list(buf)
		if errors.Is(err, windows.ERROR_NO_MORE_FILES) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		list = d.parse(buf, list)
	}
	return list, nil
}

func (d *dir) list(buf []byte) error {
	if !d.begun {
		d.begun = true
		err := windows.GetFileInformationByHandleEx(d.handle, windows.FileIdBothDirectoryRestartInfo, &buf[0], uint32(len(buf)))
		// FAT over a network and other simple file systems have no ids to list.
		switch {
		case errors.Is(err, windows.ERROR_INVALID_PARAMETER), errors.Is(err, windows.ERROR_NOT_SUPPORTED),
			errors.Is(err, windows.ERROR_INVALID_FUNCTION), errors.Is(err, windows.ERROR_CALL_NOT_IMPLEMENTED):
			d.plain = true
		default:
			return err
		}
	}
	var class uint32 = windows.FileIdBothDirectoryInfo
	if d.plain {
		class = windows.FileFullDirectoryInfo
	}
	return windows.GetFileInformationByHandleEx(d.handle, class, &buf[0], uint32(len(buf)))
}

// parse takes apart a list of FILE_ID_BOTH_DIR_INFO or FILE_FULL_DIR_INFO. A driver wrote it,
// so nothing in it is believed that leads out of the buffer.
func (d *dir) parse(buf []byte, list []dirent) []dirent {
	le := binary.LittleEndian
	nameAt := infoName
	if d.plain {
		nameAt = infoPlainName
	}
	for len(buf) >= nameAt {
		length := int(le.Uint32(buf[infoNameLength:]))
		if length > len(buf)-nameAt {
			break
		}
		name := wideString(buf[nameAt : nameAt+length])
		if name != "" && name != "." && name != ".." && !strings.ContainsAny(name, `\/`) {
			ent := dirent{name: []byte(name), kind: listedKind(le.Uint32(buf[infoAttributes:]))}
			if !d.plain {
				ent.ino = le.Uint64(buf[infoFileID:])
			}
			list = append(list, ent)
		}
		next := int(le.Uint32(buf[infoNext:]))
		if next == 0 || next > len(buf) {
			break
		}
		buf = buf[next:]
	}
	return list
}

// listedKind returns what attributes in a listing tell for sure. Of the rest a closer look will
// be taken.
func listedKind(attributes uint32) kind {
	switch {
	case attributes&(windows.FILE_ATTRIBUTE_REPARSE_POINT|notHere|windows.FILE_ATTRIBUTE_DEVICE) != 0:
		return kindUnknown
	case attributes&windows.FILE_ATTRIBUTE_DIRECTORY != 0:
		return kindDir
	}
	return kindFile
}

// wideString decodes UTF-16, in which file names may hold halves of surrogate pairs; those
// survive (WTF-8).
func wideString(data []byte) string {
	wide := make([]uint16, len(data)/2)
	for i := range wide {
		wide[i] = binary.LittleEndian.Uint16(data[2*i:])
	}
	return syscall.UTF16ToString(wide)
}

// fileSystem tells to which file system a root belongs; below it, other volumes are reparse
// points and not walked.
func (d *dir) fileSystem(name, path string, m *meta, _ *mountTable) (fileSystem, error) {
	handle, err := ntOpen(d.handle, name, 0, windows.FILE_OPEN_REPARSE_POINT)
	if err != nil {
		return fileSystem{}, err
	}
	defer windows.CloseHandle(handle)
	result := fileSystem{name: "unknown", class: local}
	var label [windows.MAX_PATH + 1]uint16
	if windows.GetVolumeInformationByHandle(handle, nil, 0, nil, nil, nil, &label[0], uint32(len(label))) == nil {
		result.name = windows.UTF16ToString(label[:])
	}
	if remote(handle, filepath.VolumeName(path)) {
		result.class = network
	}
	return result, nil
}

// remote reports whether a volume is another computer's.
func remote(handle windows.Handle, volume string) bool {
	var info [256]byte // FILE_REMOTE_PROTOCOL_INFO, only given for remote files
	if windows.GetFileInformationByHandleEx(handle, windows.FileRemoteProtocolInfo, &info[0], uint32(len(info))) == nil {
		return true
	}
	root, err := windows.UTF16PtrFromString(volume + `\`)
	return err == nil && windows.GetDriveType(root) == windows.DRIVE_REMOTE
}

func replacedByLink(error) bool { return false }

func vanished(err error) bool {
	return errors.Is(err, windows.ERROR_DELETE_PENDING) || errors.Is(err, windows.ERROR_PATH_NOT_FOUND) ||
		errors.Is(err, fs.ErrNotExist)
}
