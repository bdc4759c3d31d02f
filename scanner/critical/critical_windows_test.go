package critical

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/windows"

	"tyto/finding"
	"tyto/scanner/walk"
)

// This very process runs and has libraries, so the walk must come to them.
func TestOwnProcess(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	var skips []string
	err = New(Options{}).Walk(t.Context(), func(e *walk.Entry) error {
		found[strings.ToLower(filepath.Base(e.Object.Path))]++
		return nil
	}, func(s finding.Skip) {
		if s.Reason == finding.NotBuilt {
			skips = append(skips, s.Path)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{strings.ToLower(filepath.Base(program)), "kernel32.dll", "ntdll.dll"} {
		if found[name] == 0 {
			t.Errorf("%q is not among %v", name, found)
		}
	}
	if diff := cmp.Diff(notBuilt, skips); diff != "" {
		t.Errorf("areas that are not built (-want +got):\n%s", diff)
	}
}

func TestWin32Path(t *testing.T) {
	root, err := windows.GetSystemWindowsDirectory()
	if err != nil {
		t.Fatal(err)
	}
	drive := filepath.VolumeName(root)
	tests := []struct{ name, path, want string }{
		{"system root", `\SystemRoot\system32\ntoskrnl.exe`, root + `\system32\ntoskrnl.exe`},
		{"system root in capitals", `\SYSTEMROOT\a.sys`, root + `\a.sys`},
		{"nt name space", `\??\D:\odd\a.sys`, `D:\odd\a.sys`},
		{"share", `\??\UNC\server\share\a.sys`, `\\server\share\a.sys`},
		{"relative to the root", `system32\drivers\a.sys`, root + `\system32\drivers\a.sys`},
		{"relative to the drive", `\Windows\system32\a.sys`, drive + `\Windows\system32\a.sys`},
		{"win32", `C:\a.dll`, `C:\a.dll`},
		{"unknown device", `\Device\Nowhere\a.sys`, `\Device\Nowhere\a.sys`},
		{"bare name", `a.sys`, `a.sys`},
		{"empty", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := win32Path(test.path); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// The structure is laid out by hand, as documented for 64 bits: a count, padding, and entries of 296
// bytes whose path begins at 40.
func TestParseModules(t *testing.T) {
	const header, each, path = 8, 296, 40
	buf := make([]byte, header+2*each)
	binary.LittleEndian.PutUint32(buf, 2)
	copy(buf[header+path:], `\SystemRoot\system32\ntoskrnl.exe`)
	copy(buf[header+each+path:], strings.Repeat("x", each-path)) // without an end
	want := []string{`\SystemRoot\system32\ntoskrnl.exe`, strings.Repeat("x", each-path)}
	if diff := cmp.Diff(want, parseModules(buf)); diff != "" {
		t.Error(diff)
	}
	binary.LittleEndian.PutUint32(buf, 1<<31) // more than there are
	if diff := cmp.Diff(want, parseModules(buf)); diff != "" {
		t.Error(diff)
	}
	if got := parseModules(nil); got != nil {
		t.Errorf("of nothing: %q", got)
	}
}
