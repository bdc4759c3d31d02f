package decide

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// identify returns what tells this state of an open file from all others. A program can set each of the times that NTFS
// keeps, but not the number of the last change in the volume's journal.
func identify(f *os.File) (identity, fs.FileInfo, error) {
	info, err := f.Stat()
	if err != nil {
		return identity{}, nil, err
	}
	handle := windows.Handle(f.Fd())
	var by windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(handle, &by); err != nil {
		return identity{}, nil, fmt.Errorf("look at the file: %w", err)
	}
	id := identity{
		device: uint64(by.VolumeSerialNumber), inode: uint64(by.FileIndexHigh)<<32 | uint64(by.FileIndexLow),
		size: info.Size(), modified: info.ModTime().UnixNano(), version: lastChange(handle),
	}
	var times struct {
		Created, Accessed, Modified, Changed windows.Filetime
		Attributes                           uint32
	}
	err = windows.GetFileInformationByHandleEx(handle, windows.FileBasicInfo, (*byte)(unsafe.Pointer(&times)), uint32(unsafe.Sizeof(times)))
	if err == nil {
		id.changed = times.Changed.Nanoseconds()
	}
	return id, info, nil
}

// lastChange returns the number of a file's last change in its volume's journal (FSCTL_READ_FILE_USN_DATA), 0 if there
// is no journal.
func lastChange(handle windows.Handle) uint64 {
	const readFileUSNData, version2, offset2, version3, offset3 = 0x000900eb, 2, 24, 3, 40
	var record [1024]byte
	var n uint32
	if windows.DeviceIoControl(handle, readFileUSNData, nil, 0, &record[0], uint32(len(record)), &n, nil) != nil || n < 64 {
		return 0
	}
	switch binary.LittleEndian.Uint16(record[4:]) {
	case version2:
		return binary.LittleEndian.Uint64(record[offset2:])
	case version3:
		return binary.LittleEndian.Uint64(record[offset3:])
	}
	return 0
}

func keepsChangeTime(f *os.File) bool { return lastChange(windows.Handle(f.Fd())) != 0 }

// realPath returns the path of the open file as the system tells it.
func realPath(f *os.File, _ string) string {
	buffer := make([]uint16, windows.MAX_LONG_PATH)
	n, err := windows.GetFinalPathNameByHandle(windows.Handle(f.Fd()), &buffer[0], uint32(len(buffer)), 0)
	if err != nil || int(n) > len(buffer) {
		return ""
	}
	path := windows.UTF16ToString(buffer[:n])
	if server, ok := strings.CutPrefix(path, `\\?\UNC\`); ok {
		return `\\` + server
	}
	return strings.TrimPrefix(path, `\\?\`)
}

// Rights by which a file, or what lies in a folder, can be changed or replaced. That others may add new files to a
// folder does not let them touch those that are there.
const (
	changeFile = windows.FILE_WRITE_DATA | windows.FILE_APPEND_DATA | windows.DELETE | windows.WRITE_DAC | windows.WRITE_OWNER |
		windows.GENERIC_WRITE | windows.GENERIC_ALL
	deleteChild  = 0x40
	changeFolder = deleteChild | windows.DELETE | windows.WRITE_DAC | windows.WRITE_OWNER | windows.GENERIC_ALL
)

// writableByOthers returns why others than the administrator can change what lies at a path, or "".
func writableByOthers(path string, _ fs.FileInfo) string {
	if why := looseAccess(path, changeFile); why != "" {
		return why
	}
	for dir := filepath.Dir(path); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if why := looseAccess(dir, changeFolder); why != "" {
			return why
		}
	}
	return ""
}

// trustedInstaller is the account to which the files of Windows belong.
const trustedInstaller = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"

// looseAccess looks at the owner and access list of one file or folder.
func looseAccess(path string, rights windows.ACCESS_MASK) string {
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return fmt.Sprintf("it cannot be told who may change %q", path)
	}
	owner, _, err := sd.Owner()
	if err != nil || !isAdministrator(owner) {
		return fmt.Sprintf("%q does not belong to the administrator", path)
	}
	acl, _, err := sd.DACL()
	if err != nil || acl == nil {
		return fmt.Sprintf("%q has no access list", path)
	}
	for i := range uint32(acl.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if windows.GetAce(acl, i, &ace) != nil {
			return fmt.Sprintf("the access list of %q cannot be read", path)
		}
		if ace.Header.AceType == windows.ACCESS_DENIED_ACE_TYPE || ace.Header.AceFlags&windows.INHERIT_ONLY_ACE != 0 || ace.Mask&rights == 0 {
			continue
		}
		sid := (*windows.SID)(unsafe.Pointer(&ace.SidStart))
		if ace.Header.AceType != windows.ACCESS_ALLOWED_ACE_TYPE || !isAdministrator(sid) {
			return fmt.Sprintf("others may change %q", path)
		}
	}
	return ""
}

func isAdministrator(sid *windows.SID) bool {
	return sid.IsWellKnown(windows.WinLocalSystemSid) || sid.IsWellKnown(windows.WinBuiltinAdministratorsSid) || sid.String() == trustedInstaller
}

// isSetuid: this system has nothing like it.
func isSetuid(fs.FileInfo) bool { return false }

// webMark returns what the stream Zone.Identifier says, which browsers and mail programs write, and unpackers pass on.
func webMark(_ *os.File, path string) string {
	if path == "" {
		return ""
	}
	stream, err := os.Open(path + ":Zone.Identifier")
	if err != nil {
		return ""
	}
	defer stream.Close()
	text, _ := io.ReadAll(io.LimitReader(stream, 4<<10)) // what came before an error counts
	text = bytes.ReplaceAll(text, []byte{0}, nil)
	zone, host := "", ""
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch strings.ToLower(key) {
		case "zoneid":
			zone = value
		case "hosturl":
			host = value
		}
	}
	if zone != "3" && zone != "4" { // the internet, and sites that are distrusted
		return ""
	}
	if host == "" {
		return "zone " + zone
	}
	return strconv.Quote(strings.ToValidUTF8(host[:min(len(host), 256)], "\uFFFD"))
}

// onRemovable reports whether a path is on a removable, optical or network drive.
func onRemovable(path string) bool {
	root, err := windows.UTF16PtrFromString(filepath.VolumeName(path) + `\`)
	if err != nil {
		return false
	}
	switch windows.GetDriveType(root) {
	case windows.DRIVE_REMOVABLE, windows.DRIVE_CDROM, windows.DRIVE_REMOTE:
		return true
	}
	return false
}

// duplicate returns another handle of an open file, which a worker gets and which is closed behind it.
func duplicate(f *os.File) (*os.File, error) {
	self := windows.CurrentProcess()
	var handle windows.Handle
	if err := windows.DuplicateHandle(self, windows.Handle(f.Fd()), self, &handle, 0, false, windows.DUPLICATE_SAME_ACCESS); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(handle), f.Name()), nil
}
