package detect

import (
	"io/fs"
	"strings"

	"tyto/ioc/load"
	"tyto/rules"
	"tyto/rules/builtin"
)

// Builtin stands for the rules and lists that Tyto ships, where a file or folder of rules is named.
const Builtin = "builtin"

// IsBuiltin reports whether a path of rules stands for those that Tyto ships.
func IsBuiltin(path string) bool { return path == Builtin }

// builtinFiles returns the rules and lists that Tyto ships.
func builtinFiles() (ruleFiles []rules.SourceFile, lists []load.Extra, err error) {
	shipped, err := builtin.FS()
	if err != nil {
		return nil, nil, err
	}
	err = fs.WalkDir(shipped, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(shipped, path)
		if err != nil {
			return err
		}
		name := Builtin + "/" + path
		if strings.HasSuffix(path, ".yar") {
			ruleFiles = append(ruleFiles, rules.SourceFile{Path: name, Text: text})
		} else {
			lists = append(lists, load.Extra{Name: name, Content: text})
		}
		return nil
	})
	return ruleFiles, lists, err
}

// builtinNames returns the names under which findings tell of what Tyto ships.
func builtinNames() (map[string]bool, error) {
	ruleFiles, lists, err := builtinFiles()
	names := map[string]bool{}
	for _, f := range ruleFiles {
		names[f.Path] = true
	}
	for _, l := range lists {
		names[l.Name] = true
	}
	return names, err
}
