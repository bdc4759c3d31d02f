package store

import (
	"encoding/hex"
	"math"
	"os"
	"strings"
	"time"

	"tyto/finding"
)

// FileRecord is what the inventory knows of one file.
type FileRecord struct {
	// Object is the file as it was when it was examined, its hashes and its type included.
	Object finding.Object
	// Profile identifies what the file was examined for and how: whatever may change the outcome. The
	// store compares it and nothing else.
	Profile string
	// Run is the run that examined it, or to which it was told again last; 0 is none.
	Run int64
	// Examined is when the file was opened: what is written to it later was not seen.
	Examined time.Time
	// Members counts the files inside it that were examined, too.
	Members int
	// Findings are those on it and on its members. What is recalled may have less evidence than what
	// was remembered, as a line of a report has a longest length.
	Findings []finding.Finding
	// Skips say what of it was not examined.
	Skips []finding.Skip
	// Undecided are the numbers of the indicators that could not be decided on it.
	Undecided []int
	// Below and Trusted count objects, for the summary: those that matched with too low a score, and
	// those that matched and are known to be harmless.
	Below, Trusted int
}

// racy is the time that has to lie between the last change of a file and its examination for the change
// time to prove anything. Time stamps are as coarse as the clock of the kernel (up to 10 ms) or of the
// file system (2 s on FAT): a file that is written while or just after it was read may keep its time.
// It is the same trap as in git's index, which calls such entries racily clean; like git, Tyto then
// looks at the content again.
const racy = 2 * time.Second

// identity is what tells that a file has not changed.
//
// The number of its device is not part of it, as it is another after a reboot. The modification time,
// which anybody can set, proves nothing but does no harm; the change time and, on NTFS, the update
// sequence number do.
type identity struct {
	inode, size  int64
	mtime, ctime int64 // as from stamp
	usn          int64
}

func identityOf(o *finding.Object) identity {
	return identity{
		inode: int64(o.Inode), size: o.Size, // inodes are 64 bits without a sign; SQLite's integers have one
		mtime: stamp(o.Modified), ctime: stamp(o.Changed), usn: o.USN,
	}
}

// provedAt reports whether a file of this identity that was examined at the given time cannot have
// changed since without becoming another.
func (i identity) provedAt(examined int64) bool {
	if i.ctime == unknownTime {
		return i.usn != 0
	}
	return examined > 0 && i.ctime <= examined-int64(racy)
}

// unknownTime stands for the zero time.
const unknownTime = math.MinInt64

// stamp returns t in nanoseconds since 1970. Times beyond the years 1678 to 2262, which an intruder can
// set, become the first or the last of these.
func stamp(t time.Time) int64 {
	const most = math.MaxInt64/int64(time.Second) - 1 // seconds
	switch seconds := t.Unix(); {
	case t.IsZero():
		return unknownTime
	case seconds > most:
		return math.MaxInt64
	case seconds < -most:
		return math.MinInt64 + 1
	}
	return t.UnixNano()
}

// timeOf is the reverse of stamp.
func timeOf(stamp int64) time.Time {
	if stamp == unknownTime {
		return time.Time{}
	}
	return time.Unix(0, stamp).UTC()
}

// column returns what the database holds for a time.
func column(t time.Time) any {
	if s := stamp(t); s != unknownTime {
		return s
	}
	return nil
}

// splitPath cuts a path behind its last separator.
func splitPath(path string) (dir, name string) {
	i := len(path)
	for i > 0 && !os.IsPathSeparator(path[i-1]) {
		i--
	}
	return path[:i], path[i:]
}

// digest returns the bytes of a hash, or nil if it is not known.
func digest(hash string) any {
	if b, err := hex.DecodeString(hash); err == nil && len(b) > 0 {
		return b
	}
	return nil
}

const attributeSeparator = ","

func splitAttributes(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, attributeSeparator)
}
