package archive

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tyto/finding"
)

// TestSevenZipLibraryArchives reads the archives that come with the 7z library, of which each
// member has a checksum. What is not readable is listed.
func TestSevenZipLibraryArchives(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/bodgit/sevenzip").Output()
	if err != nil {
		t.Skipf("no go command to find the library's files: %v", err)
	}
	files, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "testdata", "*.7z"))
	if len(files) == 0 {
		t.Fatal("the library has no archives any more")
	}
	wrong := map[string]finding.Reason{
		"7zcracker.7z":    finding.Encrypted,
		"aes7z.7z":        finding.Encrypted,
		"pr472.7z":        finding.Encrypted,
		"t3.7z":           finding.Encrypted,
		"COMPRESS-492.7z": finding.Damaged, // 7-Zip refuses it too
		"t2.7z":           finding.Encrypted,
		"t4.7z":           finding.Encrypted,
		"t5.7z":           finding.Encrypted,
		"zstd.7z":         finding.Unsupported,
		"brotli.7z":       finding.Unsupported,
		"lz4.7z":          finding.Unsupported,
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all := walkAll(t, file, data, newBudget(len(data)))
			if len(all) == 0 && !strings.HasPrefix(filepath.Base(file), "empty") {
				t.Error("no members")
			}
			for _, s := range all {
				if s.Reason != wrong[filepath.Base(file)] {
					t.Errorf("%q: %s: %s", s.Name, s.Reason, s.Detail)
				}
			}
		})
	}
}
