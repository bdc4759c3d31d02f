package finding

import (
	"io/fs"
	"time"
)

// ObjectKind names what an object is.
type ObjectKind string

// The kinds of object that are examined so far.
const (
	File   ObjectKind = "file"   // a file of the host's file systems
	Member ObjectKind = "member" // a file inside an archive
)

// MemberMark stands in a path between an archive and the path of a member in it. It may occur in the
// name of a file as well; whether an object is a member is said by its kind.
const MemberMark = "!/"

// Object is one thing on the host that can be examined, with what is known of it.
// Zero values mean "not known": a zero time, an empty hash, an empty owner.
type Object struct {
	Kind ObjectKind

	// Path is where the object was found, byte for byte. A member of an archive is written
	// "outer.zip!/dir/inner.exe", see [MemberMark].
	Path string
	// OriginalPath is the path that the object has on the system it belongs to, when that
	// is not Path: a file below a mounted image, "C:\Windows\a.exe" for
	// "/mnt/evidence/Windows/a.exe".
	OriginalPath string
	// Via is where the content was read if Path does not lead to it: "/proc/812/exe" for a program that
	// was deleted after its start, or that lies in the file system of a container. Path is then only
	// what the process calls it, and this computer may have another file of that name. Empty for
	// whatever was found by its path.
	Via string
	// Deleted reports that the name Path was removed: the content lives only as long as something
	// uses it.
	Deleted bool

	Size     int64 // bytes
	Mode     fs.FileMode
	Owner    string // user name, or the numeric id where there is no name
	Group    string
	Device   uint64 // identity of the volume
	Inode    uint64 // identity of the file on its volume
	Links    uint64 // number of hard links
	Modified time.Time
	Accessed time.Time
	Changed  time.Time // of the metadata (ctime), where the file system keeps a time of its own for it
	Created  time.Time // birth time, where the file system keeps it
	// USN is the number of the last change of the file in its volume's journal, on Windows and
	// where somebody asked for it. Times can be set back there, this number cannot; 0 is unknown.
	USN int64

	// Attributes are the Windows file attributes in OpenIOC's words: "Hidden", "System",
	// "ReadOnly", "Archive", …
	Attributes []string

	Hashes Hashes
	// Type is the content's type by its magic bytes, in the words of package filetype, such
	// as "EXE" or "ZIP"; empty if unknown or not read.
	Type string
}

// Hashes holds the digests of an object's whole content as lower-case hexadecimal. Only those
// that some loaded indicator needs are computed; the others are empty.
type Hashes struct {
	MD5    string
	SHA1   string
	SHA256 string
}
