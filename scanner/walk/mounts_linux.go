package walk

import (
	"os"
	"strings"

	"tyto/scanner/mountinfo"
)

// mountTable is what is mounted. It is read when a walk begins, and again when a file system
// turns up that is not in it. Without /proc it is empty: then FUSE file systems count as local, and a
// file that is a bind mount's root may be visited twice.
type mountTable struct {
	mounts []mountinfo.Mount
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
	t.mounts = mountinfo.Parse(data)
}

// classOf judges a mount by its type's name, which serves to leave mounts alone that are not
// walked; what is walked is judged by statfs.
func classOf(m *mountinfo.Mount) class {
	if m.Kind == "fuse" || m.Kind == "fuseblk" || strings.HasPrefix(m.Kind, "fuse.") {
		return fuse(m).class
	}
	for _, fs := range byMagic {
		if fs.name == m.Kind || fs.name+"4" == m.Kind || fs.name+"3" == m.Kind { // nfs4, smb3
			return fs.class
		}
	}
	return local
}

// fuse judges a FUSE mount by its subtype or, where it has none, by a source that is an address.
func fuse(m *mountinfo.Mount) fileSystem {
	_, subtype, _ := strings.Cut(m.Kind, ".")
	if class, ok := fuseClasses[subtype]; ok {
		return fileSystem{name: m.Kind, class: class}
	}
	if subtype == "" && m.Kind == "fuse" && (strings.Contains(m.Source, "://") || strings.Contains(m.Source, ":/")) {
		return fileSystem{name: "fuse of " + m.Source, class: network}
	}
	return fileSystem{name: m.Kind, class: local}
}

// fuse judges the FUSE file system of a device number.
func (t *mountTable) fuse(device uint64) fileSystem {
	for range 2 {
		for i := range t.mounts {
			if t.mounts[i].Device == device {
				return fuse(&t.mounts[i])
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
		if c := classOf(&t.mounts[i]); c == local || c == network && withNetwork {
			points = append(points, t.mounts[i].Point)
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
		if strings.HasPrefix(t.mounts[i].Point, prefix) && classOf(&t.mounts[i]) != pseudo {
			points = append(points, t.mounts[i].Point)
		}
	}
	return points
}
