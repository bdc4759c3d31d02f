package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"tyto/finding"
	"tyto/rules"
)

// A contestant is a command that scans a tree, and a way to read its matches.
type contestant struct {
	name    string
	command func(tree, output string) []string
	// matches reads what the command found: file → names of rules, sorted.
	matches func(stdout, output string) (map[string][]string, error)
}

// yaraCommand is the yara command over an index file that includes every rule file. It gives each
// external variable the same value for all files, so rules that depend on them are left out of the
// comparison of matches, on both sides (see incomparable); the work for them is done by both.
func yaraCommand(s settings, index string) contestant {
	return contestant{
		name: fmt.Sprintf("yara -p %d -r", s.threads),
		command: func(tree, _ string) []string {
			argv := []string{s.yara, "-p", strconv.Itoa(s.threads), "-r", "-w", "-N"}
			texts, numbers := rules.ExternalNames()
			for _, name := range texts {
				argv = append(argv, "-d", name+"=")
			}
			for _, name := range numbers {
				argv = append(argv, "-d", name+"=0")
			}
			return append(argv, index, tree)
		},
		matches: func(stdout, _ string) (map[string][]string, error) { return readYara(stdout) },
	}
}

// tytoCommand is a Tyto scan with hashes, name indicators and its report on top.
func tytoCommand(s settings, name string, flags ...string) contestant {
	return contestant{
		name: name,
		command: func(tree, output string) []string {
			argv := []string{s.tyto, "scan", "--fast", "--workers", strconv.Itoa(s.threads),
				"--quiet", "--notice-score", "1", "--rules", s.rules, "--report", output}
			return append(append(argv, flags...), tree)
		},
		matches: func(_, output string) (map[string][]string, error) { return readTyto(output) },
	}
}

// readYara parses lines of the form "rule path".
func readYara(stdout string) (map[string][]string, error) {
	found := map[string][]string{}
	for line := range strings.Lines(stdout) {
		rule, path, ok := strings.Cut(strings.TrimRight(line, "\n"), " ")
		if !ok {
			return nil, fmt.Errorf("unexpected line of yara: %q", line)
		}
		found[path] = append(found[path], rule)
	}
	return sorted(found), nil
}

// readTyto reads the rules' names from the findings of a JSON Lines report, and from what lies
// below the threshold.
func readTyto(output string) (map[string][]string, error) {
	f, err := os.Open(output)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found := map[string][]string{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var line struct {
			File struct {
				Path string `json:"path"`
			} `json:"file"`
			Tyto struct {
				Matches []struct {
					Kind string `json:"kind"`
					Name string `json:"name"`
				} `json:"matches"`
			} `json:"tyto"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, err
		}
		for _, m := range line.Tyto.Matches {
			if m.Kind == "rule" && !strings.Contains(line.File.Path, finding.MemberMark) {
				found[line.File.Path] = append(found[line.File.Path], m.Name)
			}
		}
	}
	return sorted(found), lines.Err()
}

func sorted(found map[string][]string) map[string][]string {
	for _, names := range found {
		sort.Strings(names)
	}
	return found
}

// writeIndex writes a rule file that includes every rule file below dir, for the yara command.
func writeIndex(dir, index string) error {
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if ext := filepath.Ext(path); ext == ".yar" || ext == ".yara" {
			abs, err := filepath.Abs(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "include %q\n", abs)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return os.WriteFile(index, []byte(b.String()), 0o600)
}
