//go:build unix

package walk

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOriginalPath(t *testing.T) {
	m, err := newMappings([]Mapping{
		{From: "/mnt/evidence", To: "C:"},
		{From: "/mnt/evidence/data/", To: `D:\`},
		{From: "/mnt/image", To: "/"},
		{From: "/mnt/share", To: `\\server\share`},
		{From: "/mnt/home", To: "/home"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/mnt/evidence/Windows/a.exe": `C:\Windows\a.exe`,
		"/mnt/evidence":               `C:\`,
		"/mnt/evidence/data/x":        `D:\x`,
		"/mnt/evidence2/x":            "",
		"/mnt/image/etc/passwd":       "/etc/passwd",
		"/mnt/image":                  "/",
		"/mnt/share/a/b":              `\\server\share\a\b`,
		"/mnt/home/me":                "/home/me",
		"/mnt/evidence/back\\slash":   `C:\back\slash`,
		"/etc":                        "",
	} {
		if got := m.original(path); got != want {
			t.Errorf("original path of %q = %q, want %q", path, got, want)
		}
	}
}

func TestParseMapping(t *testing.T) {
	got, err := ParseMapping("/mnt/evidence=C:")
	if diff := cmp.Diff(Mapping{From: "/mnt/evidence", To: "C:"}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for _, text := range []string{"", "C:", "=C:", "/mnt="} {
		if _, err := ParseMapping(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}
