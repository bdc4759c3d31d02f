package detect

import (
	"io/fs"
	"slices"
	"strings"

	"tyto/ioc/load"
	"tyto/rules"
	"tyto/rules/builtin"
)

// Builtin stands for the rules and lists that Tyto ships, where a file or folder of rules is named.
const Builtin = "builtin"

// IsBuiltin reports whether a path of rules stands for those that Tyto ships.
func IsBuiltin(path string) bool { return path == Builtin }

// shipped is what Tyto brings along; empty where nobody asks for it.
type shipped struct {
	rules []rules.SourceFile
	lists []load.Extra
}

// readShipped returns what Tyto ships if the paths of rules name it.
func readShipped(paths []string) (s shipped, err error) {
	if !slices.ContainsFunc(paths, IsBuiltin) {
		return s, nil
	}
	files, err := builtin.FS()
	if err != nil {
		return s, err
	}
	err = fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		name := Builtin + "/" + path
		if strings.HasSuffix(path, ".yar") {
			s.rules = append(s.rules, rules.SourceFile{Path: name, Text: text})
		} else {
			s.lists = append(s.lists, load.Extra{Name: name, Content: text})
		}
		return nil
	})
	return s, err
}

// names returns the names under which findings tell of what Tyto ships.
func (s *shipped) names() map[string]bool {
	names := map[string]bool{}
	for _, f := range s.rules {
		names[f.Path] = true
	}
	for _, l := range s.lists {
		names[l.Name] = true
	}
	return names
}
