//go:build cgo

package builtin

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tyto/testdata"
)

// The rules are quiet on what this repository holds: sources, tests, documents, built binaries. More
// trees can be named, to see how quiet they are on a whole clean system, and at what cost:
//
//	TYTO_QUIET_TREES=/usr:/etc go test -v -timeout 0 -run TestQuiet ./rules/builtin
func TestQuiet(t *testing.T) {
	rules := compile(t)
	trees := append([]string{testdata.Root(t)}, filepath.SplitList(os.Getenv("TYTO_QUIET_TREES"))...)
	for _, tree := range trees {
		t.Run(tree, func(t *testing.T) {
			var files, bytes int64
			start := time.Now()
			err := filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
				if err != nil || !entry.Type().IsRegular() {
					return nil // somebody else may be working here; what is gone does not disturb anybody
				}
				info, err := entry.Info()
				if err != nil || info.Size() > 100<<20 {
					return nil
				}
				content, err := os.ReadFile(path)
				if err != nil {
					return nil
				}
				files++
				bytes += int64(len(content))
				for _, rule := range scan(t, rules, object{path, string(content)}) {
					t.Errorf("%s matches %s", rule, path)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d files, %d MiB, %s", files, bytes>>20, time.Since(start).Round(time.Millisecond))
		})
	}
}
