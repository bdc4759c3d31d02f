package quarantine

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/windows"

	"tyto/finding"
)

// openShared opens a file for a test.
func openShared(t *testing.T, path string, access, share uint32) windows.Handle {
	t.Helper()
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := windows.CreateFile(name, access, share, nil, windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// basicOf is what the system says of attributes and times.
func basicOf(t *testing.T, path string) basicInfo {
	t.Helper()
	h := openShared(t, path, windows.FILE_READ_ATTRIBUTES, shareAll)
	defer windows.CloseHandle(h)
	b, err := getBasic(h)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAttributesAndTimesComeBack(t *testing.T) {
	v, _ := newVault(t, Options{})
	dir := folder(t)
	for _, test := range []struct {
		name       string
		attributes uint32
	}{
		{"normal", windows.FILE_ATTRIBUTE_NORMAL},
		{"read only", windows.FILE_ATTRIBUTE_READONLY},
		{"hidden system", windows.FILE_ATTRIBUTE_HIDDEN | windows.FILE_ATTRIBUTE_SYSTEM},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, filepath.Join(dir, test.name+" \u00fc\u2603.exe"), "MZ")
			h := openShared(t, path, windows.FILE_WRITE_ATTRIBUTES, shareAll)
			err := setBasic(h, basicInfo{
				created: 130_000_000_000_000_001, accessed: 131_000_000_000_000_020, modified: 132_000_000_000_000_300, attributes: test.attributes,
			})
			windows.CloseHandle(h)
			if err != nil {
				t.Fatal(err)
			}
			before := basicOf(t, path)
			out := add(t, v, path)
			if exists(path) {
				t.Fatal("it is still there")
			}
			done, err := v.Restore(t.Context(), out.Entry.ID, RestoreOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if len(done.Differences) > 0 {
				t.Errorf("differences: %q", done.Differences)
			}
			after := basicOf(t, path)
			if onWine() {
				// Wine keeps times of change and birth as the system below does, and sets that of access
				// when the file is opened for reading.
				before.changed, after.changed, before.created, after.created = 0, 0, 0, 0
				before.accessed, after.accessed = 0, 0
			}
			if diff := cmp.Diff(before, after, cmp.AllowUnexported(basicInfo{})); diff != "" {
				t.Errorf("(-before +after):\n%s", diff)
			}
		})
	}
}

// onWine reports whether this is Wine and not Windows.
func onWine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}

// What another program holds is copied, and deleted at the next start.
func TestLockedFileIsDeletedAtRestart(t *testing.T) {
	v, _ := newVault(t, Options{})
	dir := folder(t)
	path := write(t, filepath.Join(dir, "locked"), "content")
	h := openShared(t, path, windows.GENERIC_READ, windows.FILE_SHARE_READ)
	out := add(t, v, path)
	if !out.AtRestart || !exists(path) || out.Entry.Original != Unconfirmed {
		t.Errorf("outcome %+v", out)
	}
	entries, _, err := v.List(t.Context())
	if err != nil || len(entries) != 1 || entries[0].Original != Unconfirmed {
		t.Errorf("list: %+v, %v", entries, err)
	}
	windows.CloseHandle(h)
	if err := os.Remove(path); err != nil { // as the start of the computer would
		t.Fatal(err)
	}
	again, err := Open(v.Dir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if entries, _, err = again.List(t.Context()); err != nil || len(entries) != 1 || entries[0].Original != Removed {
		t.Errorf("after the restart: %+v, %v", entries, err)
	}
}

func TestFileThatNobodyMayRead(t *testing.T) {
	v, _ := newVault(t, Options{})
	path := write(t, filepath.Join(folder(t), "exclusive"), "content")
	h := openShared(t, path, windows.GENERIC_READ, 0)
	defer windows.CloseHandle(h)
	_, err := v.Add(t.Context(), Request{Object: finding.Object{Path: path}})
	if !errors.Is(err, ErrBusy) || Hint(err) == "" {
		t.Errorf("%v", err)
	}
}

// While a file is in our hands, nobody else can exchange or write to it.
func TestFileIsHeld(t *testing.T) {
	path := write(t, filepath.Join(folder(t), "file"), "content")
	src, err := openSource(path)
	if err != nil {
		t.Fatal(err)
	}
	defer src.close()
	if os.Rename(path, path+"2") == nil || os.Remove(path) == nil || os.WriteFile(path, nil, 0o600) == nil {
		t.Error("somebody could change it")
	}
}

// A running program goes on; its file is copied, and goes now or at the next start.
func TestRunningProgram(t *testing.T) {
	v, _ := newVault(t, Options{})
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder(t), "miner.exe")
	if err := os.WriteFile(path, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "victim", "wait", filepath.Join(t.TempDir(), "vault"), "", "")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	done := add(t, v, path)
	t.Logf("at restart: %v, holders: %v", done.AtRestart, done.Holders)
	if exists(path) != done.AtRestart {
		t.Errorf("it is there: %v, and will be deleted at the next start: %v", exists(path), done.AtRestart)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func TestStreams(t *testing.T) {
	v, _ := newVault(t, Options{})
	path := write(t, filepath.Join(folder(t), "file.txt"), "content")
	if err := os.WriteFile(path+":hidden", []byte("evil"), 0o600); err != nil {
		t.Skipf("no streams here: %v", err)
	}
	if list, err := os.ReadDir(filepath.Dir(path)); err != nil || len(list) != 1 {
		t.Skip("no streams here: they are files of their own")
	}
	out := add(t, v, path)
	if _, err := v.Restore(t.Context(), out.Entry.ID, RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if mustRead(t, path) != "content" || mustRead(t, path+":hidden") != "evil" {
		t.Error("a stream did not come back")
	}
	out = add(t, v, path+":hidden")
	if mustRead(t, path) != "content" || exists(path+":hidden") {
		t.Error("not the stream alone was taken")
	}
	if _, err := v.Restore(t.Context(), out.Entry.ID, RestoreOptions{}); err != nil || mustRead(t, path+":hidden") != "evil" {
		t.Errorf("the stream did not come back: %v", err)
	}
}

func TestSystemFilesOfWindows(t *testing.T) {
	for path, want := range map[string]bool{
		`C:\Windows\System32\ntdll.dll`: true, `c:\windows\system32\LSASS.exe`: true, `C:\Windows\System32\config\SAM`: true,
		`C:\bootmgr`: true, `C:\Windows\explorer.exe`: true, `C:\Windows\Temp\ntdll.dll`: false, `C:\Users\u\a.exe`: false,
	} {
		if got := systemFile(path) != ""; got != want {
			t.Errorf("%q is a file of the system: %v, want %v", path, got, want)
		}
	}
}
