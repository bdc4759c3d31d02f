package quarantine

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

const foldCase = true

// place is where a file is or will be: an open directory and a name in it, "file" or "file:stream". Nobody
// can lead it elsewhere by changing the path.
type place struct {
	dir  windows.Handle
	name string
}

const (
	shareAll = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
	// openOptions are those of every open: synchronous, and with the rights of a backup program where the
	// process has them.
	openOptions = windows.FILE_SYNCHRONOUS_IO_NONALERT | windows.FILE_OPEN_FOR_BACKUP_INTENT
	// fileOptions open a file itself and no reparse point's target, and fetch nothing from a cloud.
	fileOptions = windows.FILE_NON_DIRECTORY_FILE | windows.FILE_OPEN_REPARSE_POINT | windows.FILE_OPEN_NO_RECALL
)

// openPlace walks from the root of the volume to the directory of an absolute path, one component at a
// time, and follows no reparse point on the way.
func openPlace(path string) (place, error) {
	if !filepath.IsAbs(path) {
		return place{}, fmt.Errorf("%q is not an absolute path", path)
	}
	volume := filepath.VolumeName(path)
	parents, name := filepath.Split(strings.TrimRight(path[len(volume):], `\/`))
	if name == "" || name == "." || name == ".." {
		return place{}, ErrNotFile
	}
	dir, err := ntOpen(0, ntVolume(volume), 0, shareAll, windows.FILE_OPEN, windows.FILE_DIRECTORY_FILE)
	if err != nil {
		return place{}, err
	}
	for component := range strings.FieldsFuncSeq(parents, func(r rune) bool { return r == '\\' || r == '/' }) {
		next, err := openDir(dir, component)
		windows.CloseHandle(dir)
		if err != nil {
			return place{}, err
		}
		dir = next
	}
	return place{dir, name}, nil
}

// ntVolume is the root directory of "C:", `\\server\share` or `\\?\Volume{…}` in the NT name space.
func ntVolume(volume string) string {
	switch {
	case strings.HasPrefix(volume, `\\?\`), strings.HasPrefix(volume, `\\.\`):
		return `\??\` + volume[4:] + `\`
	case strings.HasPrefix(volume, `\\`):
		return `\??\UNC\` + volume[2:] + `\`
	}
	return `\??\` + volume + `\`
}

// openDir opens a directory that is no reparse point which stands for another one.
func openDir(dir windows.Handle, name string) (windows.Handle, error) {
	if name == "." || name == ".." {
		return 0, fmt.Errorf("%w: %q in the path", ErrLink, name)
	}
	h, err := ntOpen(dir, name, 0, shareAll, windows.FILE_OPEN, windows.FILE_DIRECTORY_FILE|windows.FILE_OPEN_REPARSE_POINT)
	if err != nil {
		return 0, err
	}
	if tag, err := reparseTag(h); err != nil || nameSurrogate(tag) {
		windows.CloseHandle(h)
		if err == nil {
			err = fmt.Errorf("%w: %q on the way", ErrLink, name)
		}
		return 0, err
	}
	return h, nil
}

func (p place) close() { windows.CloseHandle(p.dir) }

// open opens what is at a name in the directory.
func (p place) open(name string, access, share, disposition uint32) (windows.Handle, error) {
	return ntOpen(p.dir, name, access, share, disposition, fileOptions)
}

// fileKey is the identity of a file.
type fileKey struct{ device, inode uint64 }

// is returns what is at a name, reparse points not followed.
func (p place) is(name string) (fileKey, error) {
	h, err := ntOpen(p.dir, name, 0, shareAll, windows.FILE_OPEN, windows.FILE_OPEN_REPARSE_POINT)
	if err != nil {
		return fileKey{}, err
	}
	defer windows.CloseHandle(h)
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &info); err != nil {
		return fileKey{}, err
	}
	return keyOf(&info), nil
}

func keyOf(info *windows.ByHandleFileInformation) fileKey {
	return fileKey{uint64(info.VolumeSerialNumber), uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow)}
}

// ntOpen opens or makes name relative to a directory, or an absolute name of the NT name space if the
// directory is 0.
func ntOpen(root windows.Handle, name string, access, share, disposition, options uint32) (windows.Handle, error) {
	wide, err := syscall.UTF16FromString(name)
	if err != nil {
		return 0, err
	}
	size := 2 * (len(wide) - 1)
	if size > 0xfffe {
		return 0, windows.ERROR_FILENAME_EXCED_RANGE
	}
	unicode := windows.NTUnicodeString{Length: uint16(size), MaximumLength: uint16(size), Buffer: &wide[0]}
	attributes := windows.OBJECT_ATTRIBUTES{RootDirectory: root, ObjectName: &unicode, Attributes: windows.OBJ_CASE_INSENSITIVE}
	attributes.Length = uint32(unsafe.Sizeof(attributes))
	var handle windows.Handle
	var status windows.IO_STATUS_BLOCK
	err = windows.NtCreateFile(&handle, access|windows.SYNCHRONIZE|windows.FILE_READ_ATTRIBUTES, &attributes, &status,
		nil, windows.FILE_ATTRIBUTE_NORMAL, share, disposition, openOptions|options, 0, 0)
	return handle, errno(err)
}

// errno turns the status codes of the NT interface into the errors of Win32, which package os understands.
func errno(err error) error {
	if status, ok := err.(windows.NTStatus); ok {
		return status.Errno()
	}
	return err
}

// reparseTag returns the reparse tag of an open file, 0 if it is none.
func reparseTag(h windows.Handle) (uint32, error) {
	var info struct{ attributes, tag uint32 } // FILE_ATTRIBUTE_TAG_INFO
	err := windows.GetFileInformationByHandleEx(h, windows.FileAttributeTagInfo, (*byte)(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	if err != nil || info.attributes&windows.FILE_ATTRIBUTE_REPARSE_POINT == 0 {
		return 0, err
	}
	return info.tag, nil
}

// nameSurrogate reports whether a reparse tag stands for another named object: a symbolic link, a junction,
// a mount point (IsReparseTagNameSurrogate).
func nameSurrogate(tag uint32) bool { return tag&0x20000000 != 0 }

// basicInfo is FILE_BASIC_INFO: times in units of 100 ns since 1601; 0 leaves one as it is.
type basicInfo struct {
	created, accessed, modified, changed int64
	attributes                           uint32
	_                                    uint32
}

func getBasic(h windows.Handle) (b basicInfo, err error) {
	err = windows.GetFileInformationByHandleEx(h, windows.FileBasicInfo, (*byte)(unsafe.Pointer(&b)), uint32(unsafe.Sizeof(b)))
	return b, err
}

func setBasic(h windows.Handle, b basicInfo) error {
	return windows.SetFileInformationByHandle(h, windows.FileBasicInfo, (*byte)(unsafe.Pointer(&b)), uint32(unsafe.Sizeof(b)))
}

const (
	ticks         = 10_000_000     // in a second
	epochInFiles  = 11_644_473_600 // seconds from 1601 to 1970
	nanosInATicks = 100
)

func fromTicks(t int64) Time {
	if t == 0 {
		return Time{}
	}
	return Time{Sec: t/ticks - epochInFiles, Nsec: int32(t % ticks * nanosInATicks)}
}

func toTicks(t Time) int64 {
	if t.IsZero() {
		return 0
	}
	return (t.Sec+epochInFiles)*ticks + int64(t.Nsec)/nanosInATicks
}

// systemKind returns the outcome for an error number.
func systemKind(err error) error {
	for kind, numbers := range map[error][]syscall.Errno{
		ErrNoSpace:  {windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED},
		ErrReadOnly: {windows.ERROR_WRITE_PROTECT},
		ErrBusy:     {windows.ERROR_SHARING_VIOLATION, windows.ERROR_LOCK_VIOLATION, windows.ERROR_BUSY},
		ErrGone:     {windows.ERROR_PATH_NOT_FOUND, windows.ERROR_DELETE_PENDING, windows.ERROR_DIRECTORY},
	} {
		for _, n := range numbers {
			if errors.Is(err, n) {
				return kind
			}
		}
	}
	return nil
}
