package walk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Mapping says that the folder From is where the file system To of another computer is
// mounted: /mnt/evidence is C:.
type Mapping struct {
	From string // a folder of this computer
	To   string // "C:", "/", `\\server\share`
}

// ParseMapping reads a mapping as a person writes it: /mnt/evidence=C:
func ParseMapping(text string) (Mapping, error) {
	from, to, ok := strings.Cut(text, "=")
	if !ok || from == "" || to == "" {
		return Mapping{}, fmt.Errorf("invalid mapping %q: write FOLDER=ROOT, such as /mnt/evidence=C: or /mnt/image=/", text)
	}
	return Mapping{From: from, To: to}, nil
}

// mappings translates paths. Longer folders stand first.
type mappings []Mapping

// newMappings makes the folders absolute, resolves their links, as the paths of a walk are
// resolved, and takes off separators at the end.
func newMappings(list []Mapping) (mappings, error) {
	var m mappings
	for _, entry := range list {
		if entry.From == "" || entry.To == "" {
			return nil, errors.New("invalid mapping: both the folder and the root must be named")
		}
		from, err := filepath.Abs(entry.From)
		if err != nil {
			return nil, fmt.Errorf("mapping of %q: %w", entry.From, err)
		}
		if resolved, err := resolveLinks(from); err == nil {
			from = resolved
		}
		m = append(m, Mapping{
			From: strings.TrimRight(from, string(os.PathSeparator)),
			To:   strings.TrimRight(entry.To, `/\`),
		})
	}
	slices.SortStableFunc(m, func(a, b Mapping) int { return len(b.From) - len(a.From) })
	return m, nil
}

// original returns the path that a file has on the system it belongs to, or the empty string
// if no mapping fits.
func (m mappings) original(path string) string {
	for _, entry := range m {
		rest, ok := strings.CutPrefix(path, entry.From)
		if !ok || rest != "" && !os.IsPathSeparator(rest[0]) {
			continue
		}
		if hasDrive(entry.To) || strings.HasPrefix(entry.To, `\\`) {
			if rest == "" {
				rest = "/"
			}
			return entry.To + windowsPath(rest)
		}
		if rest == "" && entry.To == "" {
			return "/"
		}
		return entry.To + filepath.ToSlash(rest)
	}
	return ""
}

// windowsPath replaces the separators of this system by those of Windows.
func windowsPath(path string) string {
	if os.PathSeparator == '\\' {
		return path
	}
	return strings.ReplaceAll(path, "/", `\`)
}
