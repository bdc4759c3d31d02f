package quarantine

import "strings"

// Inode flags of linux/fs.h, as chattr sets them and FS_IOC_GETFLAGS tells them.
const (
	flagSecureRemoval = 0x00000001
	flagUndelete      = 0x00000002
	flagCompress      = 0x00000004
	flagSync          = 0x00000008
	flagImmutable     = 0x00000010
	flagAppend        = 0x00000020
	flagNoDump        = 0x00000040
	flagNoAtime       = 0x00000080
	flagNoCow         = 0x00800000
)

// The flags that users can set and we give back; the others are the file system's own. The locking ones
// come last of all, as no name can be given to a file that has them, and none taken away.
const (
	lockingFlags  = flagImmutable | flagAppend
	settableFlags = lockingFlags | flagSync | flagNoDump | flagNoAtime | flagNoCow | flagCompress |
		flagSecureRemoval | flagUndelete
)

// flagNames writes flags as chattr does.
func flagNames(flags uint32) string {
	var b strings.Builder
	for _, f := range []struct {
		bit    uint32
		letter byte
	}{
		{flagSecureRemoval, 's'}, {flagUndelete, 'u'}, {flagSync, 'S'}, {flagImmutable, 'i'}, {flagAppend, 'a'},
		{flagNoDump, 'd'}, {flagNoAtime, 'A'}, {flagCompress, 'c'}, {flagNoCow, 'C'},
	} {
		if flags&f.bit != 0 {
			b.WriteByte(f.letter)
		}
	}
	return b.String()
}
