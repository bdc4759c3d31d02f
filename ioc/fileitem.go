package ioc

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"tyto/finding"
	"tyto/ioc/stringlist"
)

// FileItem returns the item of a file. Hits are what package stringlist found in its content for
// [Set.Strings]; searched says whether the content was searched to its end, so that what is not among
// them is not in it either. The object must not
// change while the item is in use.
//
// Values are given in each way that authors write them:
//
//   - FullPath: Path, and OriginalPath if there is one.
//   - FileName: what follows the last separator; of a member of an archive, the member's.
//   - FileExtension: without and with the dot; empty if there is none.
//   - FilePath: the folder with and without drive, and each with and without separator in front
//     and behind; of a member of an archive also the folder inside it. Leniently, for positive
//     conditions only, the full path.
//   - Drive: the letter, without and with the colon; none if no path has one.
//   - FileAttributes: each attribute and all of them with spaces between.
//   - Permissions: the permission bits as a number; leniently, the number that its octal digits
//     spell in decimal (755).
//   - Group and GroupID: what the object holds as group, as GroupID if it is a number.
//
// Times, hashes, owner and INode are unknown where the object does not have them. DevicePath, the
// times of the $FILE_NAME attribute, SecurityID, SecurityType and everything else are unknown.
func FileItem(object *finding.Object, hits []stringlist.Hit, searched bool) Item {
	return &fileItem{object, hits, searched}
}

// FileTerms returns the terms that [FileItem] can give, in the vocabulary's spelling.
func FileTerms() []string { return slices.Clone(fileTerms) }

var fileTerms = []string{
	"FileItem/Accessed", "FileItem/Changed", "FileItem/Created", "FileItem/Drive",
	"FileItem/FileAttributes", "FileItem/FileExtension", "FileItem/FileName", "FileItem/FilePath",
	"FileItem/FullPath", "FileItem/Group", "FileItem/GroupID", "FileItem/INode", "FileItem/Md5sum",
	"FileItem/Modified", "FileItem/Permissions", "FileItem/Sha1sum", "FileItem/Sha256sum",
	"FileItem/SizeInBytes", "FileItem/StringList/string", "FileItem/Username",
}

type fileItem struct {
	object   *finding.Object
	hits     []stringlist.Hit
	searched bool
}

func (f *fileItem) Document() string                     { return "FileItem" }
func (f *fileItem) Name() string                         { return f.object.Path }
func (f *fileItem) StringHits() ([]stringlist.Hit, bool) { return f.hits, f.searched }

func (f *fileItem) AppendValues(dst []Value, term string) ([]Value, bool) {
	o := f.object
	switch term {
	case "FileItem/FullPath":
		return f.eachPath(dst, func(dst []Value, path string) []Value { return append(dst, Text(path)) }), true
	case "FileItem/FileName":
		return f.eachPath(dst, appendNames), true
	case "FileItem/FileExtension":
		return f.eachPath(dst, appendExtensions), true
	case "FileItem/FilePath":
		return f.eachPath(dst, f.appendFolders), true
	case "FileItem/Drive":
		return f.eachPath(dst, appendDrive), true
	case "FileItem/SizeInBytes":
		return append(dst, Int(o.Size)), true
	case "FileItem/Created":
		return appendTime(dst, o.Created)
	case "FileItem/Modified":
		return appendTime(dst, o.Modified)
	case "FileItem/Accessed":
		return appendTime(dst, o.Accessed)
	case "FileItem/Changed":
		return appendTime(dst, o.Changed)
	case "FileItem/Username":
		return appendText(dst, o.Owner)
	case "FileItem/Group":
		return appendText(dst, o.Group)
	case "FileItem/GroupID":
		if _, err := strconv.ParseUint(o.Group, 10, 32); err != nil {
			return dst, false
		}
		return appendText(dst, o.Group)
	case "FileItem/Permissions":
		return f.appendPermissions(dst)
	case "FileItem/INode":
		if o.Inode == 0 {
			return dst, false
		}
		return append(dst, Uint(o.Inode)), true
	case "FileItem/FileAttributes":
		return f.appendAttributes(dst)
	case "FileItem/Md5sum":
		return appendText(dst, o.Hashes.MD5)
	case "FileItem/Sha1sum":
		return appendText(dst, o.Hashes.SHA1)
	case "FileItem/Sha256sum":
		return appendText(dst, o.Hashes.SHA256)
	}
	return dst, false
}

// appendText appends a text that is unknown if empty.
func appendText(dst []Value, s string) ([]Value, bool) {
	if s == "" {
		return dst, false
	}
	return append(dst, Text(s)), true
}

// appendTime appends a time that is unknown if zero.
func appendTime(dst []Value, t time.Time) ([]Value, bool) {
	if t.IsZero() {
		return dst, false
	}
	return append(dst, Time(t)), true
}

func (f *fileItem) appendPermissions(dst []Value) ([]Value, bool) {
	if f.object.Mode == 0 && f.object.Owner == "" {
		return dst, false // nobody looked
	}
	bits := int64(f.object.Mode.Perm())
	octal, _ := strconv.ParseInt(strconv.FormatInt(bits, 8), 10, 64)
	return append(dst, Int(bits), Int(octal).Lenient()), true
}

func (f *fileItem) appendAttributes(dst []Value) ([]Value, bool) {
	if f.object.Attributes == nil {
		return dst, false
	}
	for _, a := range f.object.Attributes {
		dst = append(dst, Text(a))
	}
	if len(f.object.Attributes) > 1 {
		dst = append(dst, Text(strings.Join(f.object.Attributes, " ")))
	}
	return dst, true
}

func (f *fileItem) eachPath(dst []Value, appendOf func([]Value, string) []Value) []Value {
	dst = appendOf(dst, f.object.Path)
	if f.object.OriginalPath != "" && f.object.OriginalPath != f.object.Path {
		dst = appendOf(dst, f.object.OriginalPath)
	}
	return dst
}

func isSeparator(c byte) bool { return c == '/' || c == '\\' }

// lastSeparator returns the place of the last separator of either kind, or -1.
func lastSeparator(path string) int { return strings.LastIndexAny(path, `/\`) }

// appendNames appends the name. Where a Unix name holds backslashes, it is given whole and from
// the last of them on: such a file may have come out of a Windows archive.
func appendNames(dst []Value, path string) []Value {
	name := path[strings.LastIndexByte(path, '/')+1:]
	last := name[strings.LastIndexByte(name, '\\')+1:]
	if last == "" {
		return append(dst, Text(name))
	}
	dst = append(dst, Text(last))
	if last != name && driveOf(path) == "" {
		dst = append(dst, Text(name))
	}
	return dst
}

func appendExtensions(dst []Value, path string) []Value {
	name := path[lastSeparator(path)+1:]
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return append(dst, Text(""))
	}
	return append(dst, Text(name[dot+1:]), Text(name[dot:]))
}

// driveOf returns the drive letter that a path begins with, or "".
func driveOf(path string) string {
	path = strings.TrimPrefix(path, `\\?\`)
	if len(path) >= 2 && path[1] == ':' && (len(path) == 2 || isSeparator(path[2])) &&
		('a' <= path[0]|0x20 && path[0]|0x20 <= 'z') {
		return path[:1]
	}
	return ""
}

func appendDrive(dst []Value, path string) []Value {
	letter := driveOf(path)
	if letter == "" {
		return dst
	}
	path = strings.TrimPrefix(path, `\\?\`)
	return append(dst, Text(letter), Text(path[:2]))
}

// appendFolders appends the folder in all ways of writing it.
func (f *fileItem) appendFolders(dst []Value, path string) []Value {
	dst = append(dst, Text(path).Lenient())
	last := lastSeparator(path)
	if last < 0 {
		return append(dst, Text(""))
	}
	dst = appendFolder(dst, path[:last+1])
	if f.object.Kind != finding.Member {
		return dst
	}
	if i := strings.LastIndex(path[:last+1], finding.MemberMark); i >= 0 {
		dst = appendFolder(dst, path[i+1:last+1])
	}
	return dst
}

// appendFolder appends a folder that ends in a separator.
func appendFolder(dst []Value, folder string) []Value {
	add := func(s string) {
		dst = append(dst, Text(s))
		if len(s) > 1 {
			dst = append(dst, Text(s[:len(s)-1]))
		}
	}
	folder = strings.TrimPrefix(folder, `\\?\`)
	add(folder)
	if driveOf(folder) != "" {
		folder = folder[2:]
		add(folder)
	}
	if bare := strings.TrimLeft(folder, `/\`); bare != folder && bare != "" {
		add(bare)
	}
	return dst
}
