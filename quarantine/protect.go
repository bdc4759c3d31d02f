package quarantine

import (
	"fmt"
	"path/filepath"
	"strings"

	"tyto/scanner/walk"
)

// protects says why a file must not be moved; empty if it may be. A file is protected by its path, or by
// being the very file that something vital runs from, whatever it is called.
func (v *Vault) protects(src *source) string {
	if inside(src.path, v.dir) {
		return "it is in the quarantine already"
	}
	for _, p := range v.protected {
		if named(p, src.path) {
			return fmt.Sprintf("the policy names it: %s", p)
		}
	}
	if why := systemFile(src.path); why != "" {
		return why
	}
	return src.vital()
}

// named reports whether a pattern names a path or a folder above it.
func named(p walk.Pattern, path string) bool {
	if p.Match(path, false) {
		return true
	}
	for dir := filepath.Dir(path); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if p.Match(dir, true) {
			return true
		}
	}
	return false
}

// inside reports whether a path is in a folder, or the folder itself.
func inside(path, folder string) bool {
	if foldCase {
		path, folder = strings.ToLower(path), strings.ToLower(folder)
	}
	rest, ok := strings.CutPrefix(path, strings.TrimRight(folder, string(filepath.Separator)))
	return ok && (rest == "" || rest[0] == filepath.Separator)
}

// systemFile says what a path is to the system, by the list of this platform.
func systemFile(path string) string {
	for _, list := range systemFiles() {
		for _, text := range list.patterns {
			if p, err := walk.ParsePattern(text); err == nil && p.Match(path, false) {
				return list.why
			}
		}
	}
	return ""
}

// systemList is files of one kind.
type systemList struct {
	why      string
	patterns []string
}
