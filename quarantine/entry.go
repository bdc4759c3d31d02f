package quarantine

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"
)

// format is the version of descriptions that this program writes, and the newest that it reads.
const format = 1

// Entry describes one object in the vault.
type Entry struct {
	// Format is the version of this description.
	Format int `json:"format"`
	// ID is the entry's random name.
	ID string `json:"id"`
	// Quarantined is when.
	Quarantined time.Time `json:"quarantined"`
	// By names the user or task that did it, Version is Tyto's version.
	By      string `json:"by,omitempty"`
	Version string `json:"version,omitempty"`
	// Reason says why, in words.
	Reason string `json:"reason,omitempty"`

	// Path is where the object was.
	Path Bytes `json:"path"`
	// Size is that of the content, in bytes.
	Size int64 `json:"size"`
	// Hashes are those of the content.
	Hashes Hashes `json:"hashes"`
	// Type is the content's type as the examination told it.
	Type string `json:"type,omitempty"`
	// Level, Score and Matches sum up the finding; the whole of it is kept beside the content.
	Level   string   `json:"level,omitempty"`
	Score   float64  `json:"score,omitempty"`
	Matches []string `json:"matches,omitempty"`

	// Metadata is all that a restore gives back beside the content.
	Metadata Metadata `json:"metadata"`
	// Names are the other names of the file (hard links) that were known.
	Names []Name `json:"names,omitempty"`
	// Parts are the files of the sealed archive, with their digests.
	Parts []Part `json:"parts"`

	// Stored is how many bytes the entry takes in the vault, Original what became of the file: they
	// are told by the entry's file, not by its description.
	Stored   int64    `json:"-"`
	Original Original `json:"-"`
}

// Hashes are those of [finding.Hashes].
type Hashes struct {
	MD5    string `json:"md5"`
	SHA1   string `json:"sha1"`
	SHA256 string `json:"sha256"`
}

// Original says what became of the file that was quarantined.
type Original string

// What may have become of it.
const (
	// Removed: it was removed.
	Removed Original = "removed"
	// Unconfirmed: the copy is complete, but the process was killed before it said that the file was
	// removed; or, on Windows, the file will be deleted at the next start of the computer.
	Unconfirmed Original = "unconfirmed"
)

// Name is one more name of a file.
type Name struct {
	Path Bytes `json:"path"`
	// Remove says that it was to be removed with the file.
	Remove bool `json:"remove,omitempty"`
}

// Part is one file in the sealed archive of an entry.
type Part struct {
	Name   string `json:"name"`             // in the archive
	Stream string `json:"stream,omitempty"` // the alternate data stream that it holds
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Metadata is what a file system keeps of a file beside its content. What belongs to the other system
// is empty.
type Metadata struct {
	// Modified and Accessed are given back; Changed and Created only where the system can (Windows).
	Modified Time   `json:"modified"`
	Accessed Time   `json:"accessed"`
	Changed  Time   `json:"changed"`
	Created  Time   `json:"created,omitzero"`
	Links    uint64 `json:"links"`
	// Device and Inode are what the file was, to know it again.
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`

	Unix    *Unix    `json:"unix,omitempty"`
	Windows *Windows `json:"windows,omitempty"`

	// Data are the ranges of a sparse file that hold data; the rest are holes. Nil: there are none.
	Data []Range `json:"data,omitzero"`
}

// Unix is the metadata of a Unix file.
type Unix struct {
	Mode  uint32 `json:"mode"` // permission bits with setuid, setgid and sticky
	UID   uint32 `json:"uid"`
	GID   uint32 `json:"gid"`
	Owner string `json:"owner,omitempty"` // for people: numbers are what is restored
	Group string `json:"group,omitempty"`
	// Xattrs are all extended attributes, ACLs (system.posix_acl_access) and capabilities
	// (security.capability) among them.
	Xattrs []Xattr `json:"xattrs,omitempty"`
	// Flags are the inode flags of chattr (FS_IOC_GETFLAGS).
	Flags uint32 `json:"flags,omitempty"`
}

// Xattr is an extended attribute.
type Xattr struct {
	Name  Bytes  `json:"name"`
	Value []byte `json:"value"`
}

// Windows is the metadata of a Windows file.
type Windows struct {
	Attributes uint32 `json:"attributes"` // FILE_ATTRIBUTE_…
	// Security is owner, group and access list in the security descriptor definition language.
	Security string `json:"security,omitempty"`
	// Stream says that the object is this stream of the file, not the file.
	Stream string `json:"stream,omitempty"`
}

// Bytes is text from a file system, which may hold any byte. In JSON it is a string if it is UTF-8, and
// {"base64": "…"} if it is not, so that it is readable where that is possible and exact always.
type Bytes string

// MarshalJSON writes the string or the object.
func (b Bytes) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(b)) {
		return json.Marshal(string(b))
	}
	return json.Marshal(struct {
		Base64 []byte `json:"base64"`
	}{[]byte(b)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (b *Bytes) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, (*string)(b))
	}
	var encoded struct {
		Base64 []byte `json:"base64"`
	}
	err := json.Unmarshal(data, &encoded)
	*b = Bytes(encoded.Base64)
	return err
}

// Range is a piece of a file.
type Range struct {
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
}

// Time is a time as file systems keep it, exact to the nanosecond and of any year, which neither
// time.Time's JSON nor UnixNano is.
type Time struct {
	Sec  int64
	Nsec int32
}

// MarshalJSON writes [seconds, nanoseconds] since 1970.
func (t Time) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "[%d,%d]", t.Sec, t.Nsec), nil }

// UnmarshalJSON reads what MarshalJSON wrote.
func (t *Time) UnmarshalJSON(data []byte) error {
	var pair [2]int64
	if err := json.Unmarshal(data, &pair); err != nil {
		return err
	}
	if pair[1] < 0 || pair[1] >= 1e9 {
		return fmt.Errorf("%d nanoseconds", pair[1])
	}
	t.Sec, t.Nsec = pair[0], int32(pair[1])
	return nil
}

// IsZero reports whether the time is unknown.
func (t Time) IsZero() bool { return t == Time{} }

// Time converts.
func (t Time) Time() time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.Unix(t.Sec, int64(t.Nsec))
}

// fromTime converts; the zero time is unknown.
func fromTime(t time.Time) Time {
	if t.IsZero() {
		return Time{}
	}
	return Time{Sec: t.Unix(), Nsec: int32(t.Nanosecond())}
}
