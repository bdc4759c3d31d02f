//go:build unix

package place

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatOthersCanChangeIsRefused(t *testing.T) {
	const stranger = 12345
	for _, test := range []struct {
		name string
		root bool // needs to give files away
		make func(t *testing.T, dir string) (check func() error)
		want string // in the error; empty: safe
	}{
		{"a file of mode 0644", false, func(t *testing.T, dir string) func() error {
			return fileCheck(t, filepath.Join(dir, "f"), 0o644)
		}, ""},
		{"a file that others may write", false, func(t *testing.T, dir string) func() error {
			return fileCheck(t, filepath.Join(dir, "f"), 0o646)
		}, "chmod go-w"},
		{"a file that its group may write", false, func(t *testing.T, dir string) func() error {
			return fileCheck(t, filepath.Join(dir, "f"), 0o660)
		}, "chmod go-w"},
		{"a file in a folder that others may write", false, func(t *testing.T, dir string) func() error {
			must(t, os.Chmod(dir, 0o777))
			return fileCheck(t, filepath.Join(dir, "f"), 0o600)
		}, "others may write it (mode 0777)"},
		{"a file in a folder like tmp", false, func(t *testing.T, dir string) func() error {
			must(t, os.Chmod(dir, 0o777|os.ModeSticky))
			return fileCheck(t, filepath.Join(dir, "f"), 0o600)
		}, ""},
		{"a file of a stranger", true, func(t *testing.T, dir string) func() error {
			check := fileCheck(t, filepath.Join(dir, "f"), 0o600)
			must(t, os.Chown(filepath.Join(dir, "f"), stranger, -1))
			return check
		}, "belongs to user 12345"},
		{"a file in a folder of a stranger", true, func(t *testing.T, dir string) func() error {
			must(t, os.Chown(dir, stranger, -1))
			return fileCheck(t, filepath.Join(dir, "f"), 0o600)
		}, "belongs to user 12345"},
		{"a link of ours to a safe file", false, func(t *testing.T, dir string) func() error {
			fileCheck(t, filepath.Join(dir, "f"), 0o600)
			must(t, os.Symlink("f", filepath.Join(dir, "link")))
			return func() error { return CheckFile(filepath.Join(dir, "link")) }
		}, ""},
		{"a link through an open folder", false, func(t *testing.T, dir string) func() error {
			open := filepath.Join(dir, "open")
			must(t, os.Mkdir(open, 0o700), os.Chmod(open, 0o777))
			fileCheck(t, filepath.Join(open, "f"), 0o600)
			must(t, os.Symlink("open/f", filepath.Join(dir, "link")))
			return func() error { return CheckFile(filepath.Join(dir, "link")) }
		}, "others may write it"},
		{"a link of a stranger", true, func(t *testing.T, dir string) func() error {
			fileCheck(t, filepath.Join(dir, "f"), 0o600)
			link := filepath.Join(dir, "link")
			must(t, os.Symlink("f", link), os.Lchown(link, stranger, -1))
			return func() error { return CheckFile(link) }
		}, "belongs to user 12345"},
		{"a link to itself", false, func(t *testing.T, dir string) func() error {
			link := filepath.Join(dir, "link")
			must(t, os.Symlink("link", link))
			return func() error { return check(link, unchanged) }
		}, "too many symbolic links"},
		{"a folder that others may look into", false, func(t *testing.T, dir string) func() error {
			must(t, os.Chmod(dir, 0o755))
			return func() error { return CheckDir(dir) }
		}, "chmod 700"},
		{"a folder for its owner", false, func(t *testing.T, dir string) func() error {
			return func() error { return CheckDir(dir) }
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.root && os.Geteuid() != 0 {
				t.Skip("only root can give files away")
			}
			dir := filepath.Join(t.TempDir(), "place")
			must(t, os.Mkdir(dir, 0o700))
			err := test.make(t, dir)()
			if test.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got error %v, want one with %q", err, test.want)
			}
			var unsafe *Unsafe
			if errors.As(err, &unsafe) && unsafe.Next == "" {
				t.Error("the error does not say what to do")
			}
		})
	}
}

// fileCheck makes a file of that mode, whatever the umask, and returns the check of it.
func fileCheck(t *testing.T, path string, mode os.FileMode) func() error {
	t.Helper()
	must(t, os.WriteFile(path, nil, 0o600), os.Chmod(path, mode))
	return func() error { return CheckFile(path) }
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
