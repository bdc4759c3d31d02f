package walk

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxMounts bounds the table of mounts; thousands are usual where containers run.
const maxMounts = 100_000

// mount is one line of /proc/self/mountinfo.
type mount struct {
	device uint64
	point  string
	fsType string // "ext4", "fuse.sshfs"
	source string
}

// mountTable is what is mounted. It is read when a walk begins, and again when a file system
// turns up that is not in it. Without /proc it is empty: then FUSE file systems count as local, and a
// file that is a bind mount's root may be visited twice.
type mountTable struct {
	mounts []mount
}

func readMounts() *mountTable {
	t := &mountTable{}
	t.read()
	return t
}

func (t *mountTable) read() {
	data, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil { // before Linux 3.17
		data, err = os.ReadFile("/proc/self/mountinfo")
	}
	if err != nil {
		return
	}
	t.mounts = parseMountInfo(data)
}

// parseMountInfo reads lines of the form of proc(5):
//
//	36 35 98:0 /root /point options optional-fields… - type source super-options
func parseMountInfo(data []byte) []mount {
	var mounts []mount
	for line := range bytes.Lines(data) {
		front, back, ok := strings.Cut(string(line), " - ")
		fields, rest := strings.Fields(front), strings.Fields(back)
		if !ok || len(fields) < 6 || len(rest) < 1 || len(mounts) >= maxMounts {
			continue
		}
		major, minor, _ := strings.Cut(fields[2], ":")
		maj, err1 := strconv.ParseUint(major, 10, 32)
		min, err2 := strconv.ParseUint(minor, 10, 32)
		if err1 != nil || err2 != nil {
			continue
		}
		m := mount{device: unix.Mkdev(uint32(maj), uint32(min)), point: unescape(fields[4]), fsType: unescape(rest[0])}
		if len(rest) > 1 {
			m.source = unescape(rest[1])
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

// classOf judges a mount by its type's name, which serves to leave mounts alone that are not
// walked; what is walked is judged by statfs.
func (m *mount) classOf() class {
	if m.fsType == "fuse" || m.fsType == "fuseblk" || strings.HasPrefix(m.fsType, "fuse.") {
		return m.fuse().class
	}
	for _, fs := range byMagic {
		if fs.name == m.fsType || fs.name+"4" == m.fsType || fs.name+"3" == m.fsType { // nfs4, smb3
			return fs.class
		}
	}
	return local
}

// fuse judges a FUSE mount by its subtype or, where it has none, by a source that is an address.
func (m *mount) fuse() fileSystem {
	_, subtype, _ := strings.Cut(m.fsType, ".")
	if class, ok := fuseClasses[subtype]; ok {
		return fileSystem{name: m.fsType, class: class}
	}
	if subtype == "" && m.fsType == "fuse" && (strings.Contains(m.source, "://") || strings.Contains(m.source, ":/")) {
		return fileSystem{name: "fuse of " + m.source, class: network}
	}
	return fileSystem{name: m.fsType, class: local}
}

// fuse judges the FUSE file system of a device number.
func (t *mountTable) fuse(device uint64) fileSystem {
	for range 2 {
		for i := range t.mounts {
			if t.mounts[i].device == device {
				return t.mounts[i].fuse()
			}
		}
		t.read() // it may have been mounted since
	}
	return fileSystem{name: "fuse", class: local}
}

// anchors returns the mount points that a walk may come to.
func (t *mountTable) anchors(withNetwork bool) []string {
	var points []string
	for i := range t.mounts {
		if c := t.mounts[i].classOf(); c == local || c == network && withNetwork {
			points = append(points, t.mounts[i].point)
		}
	}
	return points
}

// below returns the mount points in the directory at path that are worth a visit although
// path is not.
func (t *mountTable) below(path string) []string {
	var points []string
	prefix := strings.TrimRight(path, "/") + "/"
	for i := range t.mounts {
		if strings.HasPrefix(t.mounts[i].point, prefix) && t.mounts[i].classOf() != pseudo {
			points = append(points, t.mounts[i].point)
		}
	}
	return points
}
