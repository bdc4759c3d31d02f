package report

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// splitPath returns the folder, the name and the extension (without its dot) of a path. The host
// that the path is from decides whether backslashes separate; this host does not matter.
func splitPath(path string, windows bool) (dir, name, ext string) {
	separators := "/"
	if windows {
		separators = `/\`
	}
	i := strings.LastIndexAny(path, separators)
	name = path[i+1:]
	switch {
	case i > 0:
		dir = path[:i]
	case i == 0:
		dir = path[:1]
	}
	if dot := strings.LastIndexByte(name, '.'); dot > 0 {
		ext = name[dot+1:]
	}
	return dir, name, ext
}

// fileTypes are the kinds of file in ECS's words (file.type), and for those which ECS leaves
// out, in ours.
var fileTypes = []struct {
	name string
	bits fs.FileMode
}{
	{"dir", fs.ModeDir},
	{"symlink", fs.ModeSymlink},
	{"pipe", fs.ModeNamedPipe},
	{"socket", fs.ModeSocket},
	{"char-device", fs.ModeDevice | fs.ModeCharDevice},
	{"device", fs.ModeDevice},
	{"irregular", fs.ModeIrregular},
}

// fileType returns file.type for a mode.
func fileType(m fs.FileMode) string {
	for _, t := range fileTypes {
		if m.Type() == t.bits {
			return t.name
		}
	}
	return "file"
}

// specialBits are the bits above the nine permissions, as chmod counts them.
var specialBits = []struct {
	octal uint32
	bit   fs.FileMode
}{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}}

// fileMode returns file.mode, the permissions in octal as chmod takes them; "" for the zero mode,
// which means "not known".
func fileMode(m fs.FileMode) string {
	if m == 0 {
		return ""
	}
	n := uint32(m.Perm())
	for _, s := range specialBits {
		if m&s.bit != 0 {
			n |= s.octal
		}
	}
	return fmt.Sprintf("%04o", n)
}

// parseMode is the inverse of fileMode and fileType.
func parseMode(octal, kind string) (fs.FileMode, error) {
	if octal == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(octal, 8, 12)
	if err != nil {
		return 0, fmt.Errorf("file.mode %q is not an octal number up to 7777", octal)
	}
	m := fs.FileMode(n & 0o777)
	for _, s := range specialBits {
		if uint32(n)&s.octal != 0 {
			m |= s.bit
		}
	}
	for _, t := range fileTypes {
		if kind == t.name {
			m |= t.bits
		}
	}
	return m, nil
}
