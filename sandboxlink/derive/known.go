package derive

import (
	"embed"
	"net/netip"
	"regexp"
	"strings"
	"sync"
)

// What clean computers have, see the files for their sources. They are short on purpose: they hold what
// reports are full of; the inventory knows the rest.
//
//go:embed known/*.txt
var knownFiles embed.FS

// knownLists are the lists ready for use.
type knownLists struct {
	domains, hosts, words, vendors, files, programs map[string]bool
	networks                                        []netip.Prefix
	mutexes, carried, services                      *regexp.Regexp
}

// known reads the lists. They are part of the program, and a test reads each, so that errors cannot occur.
var known = sync.OnceValue(func() *knownLists {
	k := &knownLists{
		domains: set(lines("domains")), hosts: set(lines("hosts")), vendors: set(lines("vendors")),
		files: set(lines("files")), programs: set(lines("programs")), words: map[string]bool{},
	}
	for _, line := range lines("words") {
		for _, word := range strings.Fields(line) {
			k.words[word] = true
		}
	}
	for _, line := range lines("networks") {
		k.networks = append(k.networks, netip.MustParsePrefix(line))
	}
	k.mutexes, k.carried, k.services = names(lines("mutexes")), names(lines("carried")), names(lines("services"))
	return k
})

// lines returns the lines of a list without comments.
func lines(name string) []string {
	data, err := knownFiles.ReadFile("known/" + name + ".txt")
	if err != nil {
		panic("derive: list is not part of the program: " + err.Error())
	}
	var kept []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			kept = append(kept, line)
		}
	}
	return kept
}

// names returns an expression for whole names out of expressions, whatever their case.
func names(lines []string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)^(?:` + strings.Join(lines, "|") + `)$`)
}

// manyHave reports whether very many computers have files of this name, which programs bring with them.
func (k *knownLists) manyHave(name string) bool {
	return k.files[asciiLower(name)] || k.carried.MatchString(name)
}

func set(lines []string) map[string]bool {
	s := make(map[string]bool, len(lines))
	for _, line := range lines {
		s[strings.ToLower(line)] = true
	}
	return s
}

// below reports whether a domain is in a set, or below one that is.
func below(domains map[string]bool, name string) bool {
	for {
		if domains[name] {
			return true
		}
		_, parent, ok := strings.Cut(name, ".")
		if !ok {
			return false
		}
		name = parent
	}
}
