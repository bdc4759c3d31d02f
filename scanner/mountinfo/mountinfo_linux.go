// Package mountinfo reads the kernel's table of what is mounted: /proc/PID/mountinfo, see proc(5). Each process has
// one of its own, that of its mount namespace; which one is read is the caller's to say.
package mountinfo

import (
	"bytes"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Most is how many mounts are taken at most; thousands are usual where containers run.
const Most = 100_000

// Mount is one line of the table.
type Mount struct {
	ID     uint64 // of the mount, as statx(2) tells it
	Device uint64 // of the file system, as unix.Mkdev makes it
	Point  string // where it is mounted
	Kind   string // "ext4", "fuse.sshfs"
	Source string // what is mounted; may be empty
}

// Parse reads lines of the form
//
//	36 35 98:0 /root /point options optional-fields… - type source super-options
//
// What it does not understand it leaves out: the kernel writes this.
func Parse(data []byte) (mounts []Mount) {
	for line := range bytes.Lines(data) {
		front, back, ok := strings.Cut(string(line), " - ")
		fields, rest := strings.Fields(front), strings.Fields(back)
		if !ok || len(fields) < 6 || len(rest) < 1 || len(mounts) >= Most {
			continue
		}
		major, minor, _ := strings.Cut(fields[2], ":")
		id, err1 := strconv.ParseUint(fields[0], 10, 64)
		ma, err2 := strconv.ParseUint(major, 10, 32)
		mi, err3 := strconv.ParseUint(minor, 10, 32)
		if err1 != nil || err2 != nil || err3 != nil {
			continue
		}
		m := Mount{ID: id, Device: unix.Mkdev(uint32(ma), uint32(mi)), Point: unescape(fields[4]), Kind: unescape(rest[0])}
		if len(rest) > 1 {
			m.Source = unescape(rest[1])
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// unescape replaces \040 and the like, as which the kernel writes white space and backslashes.
func unescape(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) {
			if c, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}
