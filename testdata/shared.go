// Package testdata finds the data that tests work on.
//
// Small fixtures lie in the testdata folders of the packages. The large, real
// collections (public rules, indicators, disk images) lie outside the repository, in ../shared/data
// beside it; SOURCES.md there names their origins and licences.
package testdata

import (
	"os"
	"path/filepath"
	"testing"
)

// Root returns the root folder of the repository.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod in this folder or above it")
		}
		dir = parent
	}
}

// Shared returns a path below the folder of shared data. Where the folder is missing the test is skipped,
// but under CI it fails, so that a green run has really used the data.
func Shared(t testing.TB, path ...string) string {
	t.Helper()
	full := filepath.Join(append([]string{Root(t), "..", "shared", "data"}, path...)...)
	if _, err := os.Stat(full); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the shared data are missing under CI: %v", err)
		}
		t.Skipf("needs the shared data beside the repository: %v", err)
	}
	return full
}
