package derive_test

import (
	"crypto/md5"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"tyto/sandboxlink/decide/packages"
	"tyto/sandboxlink/derive"
	"tyto/verdict"
)

// delivered is a database of packages that delivered files of this path and content.
type delivered map[string]string

func (d delivered) Claims(path string) ([]packages.Claim, error) {
	content, ok := d[path]
	if !ok {
		return nil, nil
	}
	sum := md5.Sum([]byte(content))
	return []packages.Claim{{Manager: "dpkg", Algorithm: "md5", Sum: sum[:]}}, nil
}

// A shell that was copied is the system's; what malware has put among the system's files is not, nor is a
// file of a package that was changed.
func TestOwnFiles(t *testing.T) {
	folder := t.TempDir()
	shell, changed, planted := strings.Repeat("shell", 100), strings.Repeat("evil!", 100), strings.Repeat("plant", 100)
	database := delivered{}
	for name, content := range map[string]string{"sh": shell, "ls": changed, "kdaemonx": planted} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
		database[path] = content
	}
	database[filepath.Join(folder, "ls")] = "what the package delivered"
	delete(database, filepath.Join(folder, "kdaemonx"))
	r := on(func(r *verdict.Report) {
		for _, content := range []string{shell, changed, planted} {
			r.Dropped = append(r.Dropped, verdict.Dropped{Path: "/tmp/kdaemonx", Size: int64(len(content)), SHA256: sha256Of(content)})
		}
	})
	own, err := derive.OwnFiles(t.Context(), r, derive.System{Folders: []string{folder, filepath.Join(folder, "missing")}, Packages: packages.Set{database}})
	if err != nil {
		t.Fatal(err)
	}
	if !own(sha256Of(shell)) || own(sha256Of(changed)) || own(sha256Of(planted)) {
		t.Errorf("the shell is the system's: %v, the changed file: %v, the planted: %v", own(sha256Of(shell)), own(sha256Of(changed)), own(sha256Of(planted)))
	}
	hashes := derive.Derive(r, derive.Options{Now: now, OwnFile: own}).Hashes()
	if len(hashes) != 3 || strings.Contains(strings.Join(hashes, " "), sha256Of(shell)) {
		t.Errorf("hashes are %q, want those of the object and of two files", hashes)
	}
}

// However many contents a report names, few are looked for, and none that was not looked for is an indicator.
func TestOwnFilesAreBounded(t *testing.T) {
	folder := t.TempDir()
	path, content := filepath.Join(folder, "sh"), strings.Repeat("shell", 100)
	if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
		t.Fatal(err)
	}
	shell := verdict.Dropped{Path: "/tmp/kdaemonx", Size: int64(len(content)), SHA256: sha256Of(content)}
	for at, want := range map[int]bool{199: true, 200: false} {
		r := on(func(r *verdict.Report) {
			for i := range 1000 {
				r.Dropped = append(r.Dropped, verdict.Dropped{Path: "/tmp/kdaemonx", Size: 500, SHA256: sha256Of(strings.Repeat("x", i+40))})
			}
			r.Dropped[at] = shell
		})
		own, err := derive.OwnFiles(t.Context(), r, derive.System{Folders: []string{folder}, Packages: packages.Set{delivered{path: content}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := own(shell.SHA256); got != want {
			t.Errorf("content %d was looked for: %v, want %v", at, got, want)
		}
		if slices.Contains(derive.Derive(r, derive.Options{Now: now, OwnFile: own}).Hashes(), shell.SHA256) {
			t.Errorf("content %d is an indicator, and a package's", at)
		}
	}
}

// This very computer knows its own shell.
func TestOwnFilesHere(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("packages are those of Linux")
	}
	content, err := os.ReadFile("/usr/bin/env")
	if err != nil {
		t.Skip("this computer has no /usr/bin/env")
	}
	if _, err := os.Stat("/var/lib/dpkg/info"); err != nil {
		t.Skip("this computer has no dpkg")
	}
	r := on(func(r *verdict.Report) {
		r.Object = verdict.Object{}
		r.Dropped = []verdict.Dropped{{Path: "/tmp/x", Size: int64(len(content)), SHA256: sha256Of(string(content))}}
	})
	own, err := derive.OwnFiles(t.Context(), r, derive.System{Folders: []string{"/usr/bin"}, Packages: packages.System(packages.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	if !own(sha256Of(string(content))) {
		t.Error("env is not known as the system's")
	}
}
