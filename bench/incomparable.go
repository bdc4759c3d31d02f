package main

import (
	"os"
	"path/filepath"
	"slices"

	"tyto/rules"
	"tyto/rules/source"
)

// incomparable returns the names of the rules below dir whose matches the two cannot be compared by:
// those that ask for an external variable, which the yara command gives the same value for all files, and
// those with a score of 0 or less, which Tyto does not report.
func incomparable(dir string) (map[string]bool, error) {
	found, err := usesExternals(dir)
	if err != nil {
		return nil, err
	}
	set, err := rules.Load([]string{dir}, rules.Options{})
	if err != nil {
		return nil, err
	}
	defer set.Close()
	for _, r := range set.Rules {
		if r.Score < 1 {
			found[r.Name] = true
		}
	}
	return found, nil
}

// usesExternals returns the names of the rules below dir that ask for an external variable.
func usesExternals(dir string) (map[string]bool, error) {
	found := map[string]bool{}
	externals := slices.Concat(rules.ExternalNames())
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || (filepath.Ext(path) != ".yar" && filepath.Ext(path) != ".yara") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := source.Parse(text)
		if err != nil {
			return err
		}
		for _, rule := range file.Rules {
			if slices.ContainsFunc(rule.References, func(name string) bool {
				return slices.Contains(externals, name)
			}) {
				found[rule.Name] = true
			}
		}
		return nil
	})
	return found, err
}
