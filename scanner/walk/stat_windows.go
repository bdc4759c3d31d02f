package walk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"tyto/finding"
)

// platformMeta is what only this system says of a file.
type platformMeta struct {
	owner   *windows.SID // nil if it may not be known
	attrs   uint32
	tag     uint32 // of a reparse point
	streams []Stream
	stream  bool // this is not the file's main stream
}

// notHere are the attributes of files whose content, or of directories whose listing, would
// have to be fetched from elsewhere: a cloud, a tape.
const notHere = windows.FILE_ATTRIBUTE_OFFLINE | windows.FILE_ATTRIBUTE_RECALL_ON_OPEN | windows.FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS

// Reparse tags that files and directories have which are nevertheless themselves: what stands
// in their place is the same object, stored in another way.
const (
	tagDedup = 0x80000013
	tagWOF   = 0x80000017 // compressed by the system
	tagCloud = 0x9000001a // or any other of the sixteen providers':
	cloudAny = 0x0000f000
)

// nameSurrogate reports whether a reparse tag stands for another named object: a symbolic
// link, a junction, a mount point (IsReparseTagNameSurrogate).
func nameSurrogate(tag uint32) bool { return tag&0x20000000 != 0 }

// stored reports whether a reparse tag only says how the content is stored.
func stored(tag uint32) bool {
	return tag == tagDedup || tag == tagWOF || tag&^cloudAny == tagCloud
}

// openReparse returns the option that opens a reparse point itself, but not for those whose
// content is only reached through it. What is opened then is compared with what was found.
func (m *meta) openReparse() uint32 {
	if stored(m.tag) {
		return 0
	}
	return windows.FILE_OPEN_REPARSE_POINT
}

// stat looks at an entry of the directory, at a reparse point itself. It opens it once, for
// everything that is to be known.
func (d *dir) stat(name string) (meta, error) {
	handle, err := ntOpen(d.handle, name, windows.READ_CONTROL, windows.FILE_OPEN_REPARSE_POINT)
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		handle, err = ntOpen(d.handle, name, 0, windows.FILE_OPEN_REPARSE_POINT)
	}
	if err != nil {
		return meta{}, err
	}
	defer windows.CloseHandle(handle)
	m, err := d.describe(handle)
	if err != nil {
		return meta{}, err
	}
	if sd, err := windows.GetSecurityInfo(handle, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION); err == nil {
		m.owner, _, _ = sd.Owner()
	}
	if m.kind == kindFile || m.kind == kindDir {
		if m.streams, err = Streams(handle); err != nil {
			return meta{}, fmt.Errorf("listing the streams: %w", err)
		}
	}
	return m, nil
}

// describe returns what the system says of an open file.
func (d *dir) describe(handle windows.Handle) (meta, error) {
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(handle, &info); err != nil {
		return meta{}, err
	}
	m := meta{
		id: FileID{
			Device: uint64(d.volume)<<32 | uint64(info.VolumeSerialNumber),
			Inode:  uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow),
		},
		size:         int64(info.FileSizeHigh)<<32 | int64(info.FileSizeLow),
		links:        uint64(info.NumberOfLinks),
		created:      fileTime(info.CreationTime),
		accessed:     fileTime(info.LastAccessTime),
		modified:     fileTime(info.LastWriteTime),
		platformMeta: platformMeta{attrs: info.FileAttributes},
	}
	var basic [40]byte // FILE_BASIC_INFO: four times, of which the last is that of the metadata
	if windows.GetFileInformationByHandleEx(handle, windows.FileBasicInfo, &basic[0], uint32(len(basic))) == nil {
		ticks := binary.LittleEndian.Uint64(basic[24:])
		m.changed = fileTime(windows.Filetime{LowDateTime: uint32(ticks), HighDateTime: uint32(ticks >> 32)})
	}
	if d.usn {
		m.usn = lastUSN(handle)
	}
	if m.attrs&windows.FILE_ATTRIBUTE_REPARSE_POINT != 0 {
		tag, err := reparseTag(handle)
		if err != nil {
			return meta{}, err
		}
		m.tag = tag
	}
	m.kind, m.mode = m.classify()
	return m, nil
}

// classify tells from attributes and reparse tag what a file is.
func (m *meta) classify() (kind, fs.FileMode) {
	mode := fs.FileMode(0o666)
	if m.attrs&windows.FILE_ATTRIBUTE_READONLY != 0 {
		mode = 0o444
	}
	switch {
	case m.tag == windows.IO_REPARSE_TAG_SYMLINK:
		return kindSymlink, mode | fs.ModeSymlink
	case m.tag != 0 && !stored(m.tag), m.attrs&notHere != 0:
		return kindReparse, mode | fs.ModeIrregular
	case m.attrs&windows.FILE_ATTRIBUTE_DIRECTORY != 0:
		return kindDir, mode | fs.ModeDir | 0o111
	case m.attrs&windows.FILE_ATTRIBUTE_DEVICE != 0:
		return kindSpecial, mode | fs.ModeDevice
	}
	return kindFile, mode
}

// reparseName says what a reparse point is.
func (m *meta) reparseName() string {
	switch {
	case m.tag == windows.IO_REPARSE_TAG_MOUNT_POINT:
		return "junction or mount point"
	case m.attrs&notHere != 0:
		return "the content is not on this computer and is not fetched"
	}
	return fmt.Sprintf("reparse tag %#x", m.tag)
}

// reparseTag returns the reparse tag of an open file, 0 if it is none.
func reparseTag(handle windows.Handle) (uint32, error) {
	var info struct{ attributes, tag uint32 } // FILE_ATTRIBUTE_TAG_INFO
	err := windows.GetFileInformationByHandleEx(handle, windows.FileAttributeTagInfo,
		(*byte)(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	if err != nil || info.attributes&windows.FILE_ATTRIBUTE_REPARSE_POINT == 0 {
		return 0, err
	}
	return info.tag, nil
}

// fileTime converts a time; zero means that the file system does not keep it.
func fileTime(t windows.Filetime) time.Time {
	if t == (windows.Filetime{}) {
		return time.Time{}
	}
	return time.Unix(0, t.Nanoseconds())
}

// volume is the volume as users and other tools know it: its serial number.
func (id FileID) volume() uint64 { return id.Device & 0xffffffff }

// attributeNames are the attributes in OpenIOC's words.
var attributeNames = []struct {
	bit  uint32
	name string
}{
	{windows.FILE_ATTRIBUTE_READONLY, "ReadOnly"},
	{windows.FILE_ATTRIBUTE_HIDDEN, "Hidden"},
	{windows.FILE_ATTRIBUTE_SYSTEM, "System"},
	{windows.FILE_ATTRIBUTE_DIRECTORY, "Directory"},
	{windows.FILE_ATTRIBUTE_ARCHIVE, "Archive"},
	{windows.FILE_ATTRIBUTE_DEVICE, "Device"},
	{windows.FILE_ATTRIBUTE_NORMAL, "Normal"},
	{windows.FILE_ATTRIBUTE_TEMPORARY, "Temporary"},
	{windows.FILE_ATTRIBUTE_SPARSE_FILE, "SparseFile"},
	{windows.FILE_ATTRIBUTE_REPARSE_POINT, "ReparsePoint"},
	{windows.FILE_ATTRIBUTE_COMPRESSED, "Compressed"},
	{windows.FILE_ATTRIBUTE_OFFLINE, "Offline"},
	{windows.FILE_ATTRIBUTE_NOT_CONTENT_INDEXED, "NotContentIndexed"},
	{windows.FILE_ATTRIBUTE_ENCRYPTED, "Encrypted"},
	{windows.FILE_ATTRIBUTE_INTEGRITY_STREAM, "IntegrityStream"},
	{windows.FILE_ATTRIBUTE_VIRTUAL, "Virtual"},
	{windows.FILE_ATTRIBUTE_NO_SCRUB_DATA, "NoScrubData"},
}

func (m *meta) attributes(o *finding.Object) {
	for _, a := range attributeNames {
		if m.attrs&a.bit != 0 {
			o.Attributes = append(o.Attributes, a.name)
		}
	}
}

func (m *meta) owners(names *owners, o *finding.Object, numbers bool) {
	o.Owner = names.user(m.owner, numbers)
}

// lastUSN returns the number of a file's last change in the journal of its volume, 0 if there is none. It
// is in the USN_RECORD that FSCTL_READ_FILE_USN_DATA gives, whose two first versions differ in the size
// of the file's id.
func lastUSN(handle windows.Handle) int64 {
	const (
		readFileUSNData = 0x900eb
		longestName     = 2 * 255
		versionAt       = 4 // the major version
		usnAt2, usnAt3  = 24, 40
	)
	var record [usnAt3 + 40 + longestName]byte
	var n uint32
	err := windows.DeviceIoControl(handle, readFileUSNData, nil, 0, &record[0], uint32(len(record)), &n, nil)
	if err != nil || n < usnAt3+8 {
		return 0
	}
	at := usnAt2
	if binary.LittleEndian.Uint16(record[versionAt:]) >= 3 {
		at = usnAt3
	}
	return int64(binary.LittleEndian.Uint64(record[at:]))
}
