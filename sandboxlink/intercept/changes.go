package intercept

import (
	"encoding/binary"
	"unicode/utf16"
)

// The actions of FILE_NOTIFY_INFORMATION after which there is a file to look at.
const (
	actionAdded      = 1
	actionModified   = 3
	actionRenamedNew = 5
)

// parseChanges reads a chain of FILE_NOTIFY_INFORMATION (winnt.h): offset of the next one, action, length of the name in
// bytes, name in UTF-16. It returns the names of files that came or changed, relative to the watched folder. What is
// damaged ends the chain: the buffer may come from a server.
func parseChanges(buf []byte) (names []string) {
	const header = 12
	for len(buf) >= header {
		next := binary.LittleEndian.Uint32(buf)
		action := binary.LittleEndian.Uint32(buf[4:])
		length := binary.LittleEndian.Uint32(buf[8:])
		if uint64(length) > uint64(len(buf)-header) {
			return names
		}
		if action == actionAdded || action == actionModified || action == actionRenamedNew {
			names = append(names, decodeUTF16(buf[header:header+length]))
		}
		if next < header || uint64(next) > uint64(len(buf)) {
			return names
		}
		buf = buf[next:]
	}
	return names
}

func decodeUTF16(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}
