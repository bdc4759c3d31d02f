package walk

import "strings"

// fileSystem is what a directory belongs to.
type fileSystem struct {
	name  string
	class class
}

// class says whether a file system is walked.
type class uint8

const (
	local   class = iota // its files are on this computer
	network              // another computer keeps the files
	pseudo               // it has no files of its own
)

// noChangeTime holds the file systems that keep no time of change beside that of the content, and show
// the one as the other: there, who sets a file's time back has hidden the change.
var noChangeTime = map[string]bool{
	"vfat": true, "exfat": true, // Linux
	"FAT": true, "FAT32": true, "exFAT": true, // Windows
}

// honestFUSE holds the FUSE file systems that are known to keep a time of change. What others show
// is their own invention: sshfs, for one, has no such time to show, and "fuseblk" may be NTFS or exFAT.
var honestFUSE = map[string]bool{"fuse.ntfs-3g": true, "fuse.mergerfs": true, "fuse.fuse-overlayfs": true}

// keepsChangeTime reports whether a change of content cannot be hidden by setting times.
func (f *fileSystem) keepsChangeTime() bool {
	if strings.HasPrefix(f.name, "fuse") {
		return honestFUSE[f.name]
	}
	return !noChangeTime[f.name]
}
