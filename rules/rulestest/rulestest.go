// Package rulestest makes content on which YARA rules match, for tests and benchmarks.
//
// No malware is needed to see rules fire: for each rule it builds a file that holds concrete
// instances of the rule's strings, under a header and of a size that the condition asks for.
// 95 % of the rules of signature-base match their file; the rest wants more, such as a
// signed program. For an oracle test that does not matter: both sides see the same files.
//
// The files contain what scanners look for and will alarm any other scanner on the machine. They
// are written to a temporary folder and never stored.
package rulestest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"tyto/rules"
	"tyto/rules/source"
)

// Example is content made for a rule.
type Example struct {
	// Rule and Source name the rule.
	Rule, Source string
	// Path is where the file was written.
	Path string
	// Externals are the variables that the condition asks for.
	Externals rules.Externals
}

// Write makes an example for each rule of the sources and writes them to files below dir. Beside
// each there is a second one, ".twin", with the same strings under another header, on which a rule
// that asks for the header must stay silent. Files that cannot be parsed are left out.
//
// The same sources give the same files.
func Write(dir string, sources *rules.Sources) ([]Example, error) {
	random := rand.New(rand.NewPCG(1, 2))
	var out []Example
	for i, f := range sources.Files {
		parsed, err := source.Parse(f.Text)
		if err != nil {
			continue
		}
		folder := filepath.Join(dir, fmt.Sprintf("%04d", i))
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
		for k, r := range parsed.Rules {
			w := newWish(r, parsed.Rules, random)
			example := Example{
				Rule:      r.Name,
				Source:    f.Path,
				Path:      filepath.Join(folder, fmt.Sprintf("%04d", k)),
				Externals: w.externals,
			}
			content := w.build()
			if err := os.WriteFile(example.Path, content, 0o600); err != nil {
				return nil, err
			}
			if err := os.WriteFile(example.Path+".twin", twin(content, len(out)), 0o600); err != nil {
				return nil, err
			}
			out = append(out, example)
		}
	}
	return out, nil
}

// twin returns the content under another header, and every fortieth time much larger, so that all
// classes of content occur.
func twin(content []byte, n int) []byte {
	heads := [...]string{"\x7fELF", "MZ\x90\x00", "\x00\x00\x00\x00", "PK\x03\x04", "M\x00\x00\x00", "\x7fEL\x00"}
	out := append([]byte(nil), content...)
	for len(out) < 4 {
		out = append(out, 0)
	}
	copy(out, heads[n%len(heads)])
	if n%40 == 0 {
		sizes := [...]int{90 << 10, 150 << 10, 250 << 10, 600 << 10, 1<<20 + 1, 3 << 20}
		out = append(out, make([]byte, sizes[n/40%len(sizes)])...)
	}
	return out
}
