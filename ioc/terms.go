package ioc

import (
	_ "embed"
	"strings"
	"sync"

	"tyto/ioc/internal/pattern"
)

// termTable lists OpenIOC's terms, one a line: path, tab, and a letter each for the type in the
// 1.0 and in the 1.1 vocabulary (s string, i int, u uint64, d dateTime, b boolean, - absent).
// TestTermTable makes it from the reference list (with -update), which is a digest of the term
// lists that Mandiant published under Apache-2.0.
//
//go:embed terms.tsv
var termTable string

// vocabularyTerm is what the vocabulary says of a term.
type vocabularyTerm struct {
	path  string // in the vocabulary's own spelling
	types string // see termTable
}

// vocabulary maps paths in lower case to their terms.
var vocabulary = sync.OnceValue(func() map[string]vocabularyTerm {
	terms := make(map[string]vocabularyTerm)
	for line := range strings.Lines(termTable) {
		path, types, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		terms[strings.ToLower(path)] = vocabularyTerm{path, types}
	}
	return terms
})

// lookupTerm finds a term however its case is written.
func lookupTerm(path string) (vocabularyTerm, bool) {
	t, ok := vocabulary()[strings.ToLower(path)]
	return t, ok
}

// pathTerms are the terms whose values are file paths, where both separators are equal and drive
// letters optional; see package pattern.
var pathTerms = map[string]bool{
	"FileItem/FilePath":                          true,
	"FileItem/FullPath":                          true,
	"FileItem/DevicePath":                        true,
	"ModuleItem/ModulePath":                      true,
	"PortItem/path":                              true,
	"ProcessItem/path":                           true,
	"ProcessItem/PortList/PortItem/path":         true,
	"ProcessItem/SectionList/MemorySection/Name": true,
	"ServiceItem/path":                           true,
	"ServiceItem/serviceDLL":                     true,
}

// listElements returns the prefixes of a path that stand for elements of a list, outermost
// first: "…/PEInfo/Sections/Section" for "…/PEInfo/Sections/Section/Name". In the vocabulary such
// a component follows one that ends in List or Array or is its own plural. A last component is a
// plain value that may repeat, not an element with siblings.
func listElements(path string) []string {
	var elements []string
	parts := strings.Split(path, "/")
	end := len(parts[0])
	for i := 1; i < len(parts)-1; i++ {
		end += 1 + len(parts[i])
		parent := parts[i-1]
		if strings.HasSuffix(parent, "List") || strings.HasSuffix(parent, "Array") ||
			strings.HasSuffix(parent, parts[i]+"s") || parts[i] == "DeviceItem" {
			elements = append(elements, path[:end])
		}
	}
	return elements
}

// hashLength returns the number of hexadecimal digits of the hash that a term holds, or 0.
func hashLength(path string) int {
	switch lower := strings.ToLower(path); {
	case strings.HasSuffix(lower, "md5sum"):
		return 32
	case strings.HasSuffix(lower, "sha1sum"):
		return 40
	case strings.HasSuffix(lower, "sha256sum"):
		return 64
	}
	return 0
}

// stringListTerms are evaluated by package stringlist while the content is read.
var stringListTerms = map[string]bool{
	"FileItem/StringList/string":    true,
	"ProcessItem/StringList/string": true,
}

// textKinds maps the conditions on texts.
var textKinds = map[Condition]pattern.Kind{
	Is: pattern.Is, Contains: pattern.Contains, StartsWith: pattern.StartsWith,
	EndsWith: pattern.EndsWith, Matches: pattern.Matches,
}
