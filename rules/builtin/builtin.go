// Package builtin carries the rules and indicators that Tyto ships, so that a single copied binary
// finds something on its first day.
//
// The rules are YARA files in this folder, one theme each, and stand alone: every file compiles by
// itself with the external variables that Tyto always defines. The indicators are lists in the
// folder iocs, in the format of Loki and THOR. docs/builtin-rules.md lists them and tells how they
// are written and tested.
//
// # Why they are packed
//
// The binary must not hold the text of its own rules: "tyto scan /usr/local/bin", or any other
// scanner, would take the strings of a hundred attacks for the attacks. So the files are embedded as
// builtin.pack, a ZIP archive whose bytes are changed by a constant. That hides nothing and is not
// meant to; it only keeps pattern matchers from reading it. After a change to a rule run
//
//	go generate ./rules/builtin
//
// A test fails when the pack and the files differ.
package builtin

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"fmt"
	"io/fs"
)

//go:generate go test -run "^(TestPackHoldsTheFiles|TestDocumentation)$" -update .

//go:embed builtin.pack
var packed string

// FS returns the shipped files: the rules as *.yar at its root, the indicator lists as iocs/*.txt.
// It holds nothing else. An error means that the binary was built from a damaged pack.
func FS() (fs.FS, error) {
	archive := mask([]byte(packed))
	files, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, fmt.Errorf("open the built-in rules: %w; run go generate ./rules/builtin and build again", err)
	}
	return files, nil
}

// mask turns an archive into a pack and a pack into an archive, in place. The constant has no meaning;
// it must not be zero.
func mask(data []byte) []byte {
	for i := range data {
		data[i] ^= 0xA7
	}
	return data
}
