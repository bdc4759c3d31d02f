package quarantine

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tyto/finding"
)

// mounted mounts a file system for the test.
func mounted(t *testing.T, source, dir, kind string, flags uintptr, data string) {
	t.Helper()
	needRoot(t)
	if err := unix.Mount(source, dir, kind, flags, data); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("mount: %v", err)
		}
		t.Skipf("cannot mount here: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

// refused checks that an Add fails with a kind and a hint, and leaves the file.
func refused(t *testing.T, v *Vault, path string, want error, says string) {
	t.Helper()
	_, err := v.Add(t.Context(), Request{Object: finding.Object{Path: path}})
	if !errors.Is(err, want) {
		t.Fatalf("%v, want %v", err, want)
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("%q does not say %q", err, says)
	}
	if Hint(err) == "" {
		t.Errorf("%v: nothing says what to do", err)
	}
	if !exists(path) {
		t.Error("the file is gone")
	}
	if list, _, _ := v.List(t.Context()); len(list) != 0 {
		t.Error("something is in the vault")
	}
	names, _ := os.ReadDir(v.Dir())
	for _, n := range names {
		if strings.HasSuffix(n.Name(), suffixNew) || strings.HasSuffix(n.Name(), suffixCopy) {
			t.Errorf("%q was left behind", n.Name())
		}
	}
}

func TestReadOnlyMount(t *testing.T) {
	dir := folder(t)
	mounted(t, "tmpfs", dir, "tmpfs", 0, "size=1m")
	path := write(t, filepath.Join(dir, "file"), "content")
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=1m"); err != nil {
		t.Fatal(err)
	}
	v, _ := newVault(t, Options{})
	refused(t, v, path, ErrReadOnly, "")
}

func TestFullDiskOfTheVault(t *testing.T) {
	disk := folder(t)
	mounted(t, "tmpfs", disk, "tmpfs", 0, "size=1m,mode=700")
	v, err := Open(filepath.Join(disk, "vault"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	path := write(t, filepath.Join(folder(t), "file"), strings.Repeat("x", 2<<20))
	refused(t, v, path, ErrNoSpace, "the quarantine's own folder")
}

func TestFullDiskForTheKey(t *testing.T) {
	disk := folder(t)
	mounted(t, "tmpfs", disk, "tmpfs", 0, "size=64k,mode=700")
	if err := os.WriteFile(filepath.Join(disk, "filler"), make([]byte, 64<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := Open(filepath.Join(disk, "vault"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	path := write(t, filepath.Join(folder(t), "file"), "content")
	refused(t, v, path, ErrNoSpace, "")
	if exists(filepath.Join(disk, "vault", keyName)) {
		t.Error("there is a key that is not whole")
	}
	if err := os.Remove(filepath.Join(disk, "filler")); err != nil {
		t.Fatal(err)
	}
	add(t, v, path) // once there is room, it goes on
}

func TestMountPoint(t *testing.T) {
	dir := folder(t)
	source := write(t, filepath.Join(dir, "source"), "content")
	path := write(t, filepath.Join(dir, "mounted"), "")
	mounted(t, source, path, "", unix.MS_BIND, "")
	v, _ := newVault(t, Options{})
	refused(t, v, path, ErrBusy, "mount point")
}

// Malware makes itself immutable. That does not save it, and comes back with it.
func TestImmutableFile(t *testing.T) {
	needRoot(t)
	v, _ := newVault(t, Options{})
	path := write(t, filepath.Join(folder(t), "file"), "content")
	(&zoo{t: t}).chattr(path, flagImmutable)
	if os.Remove(path) == nil {
		t.Skip("this file system has no immutable files")
	}
	out := add(t, v, path)
	if exists(path) {
		t.Fatal("the file is still there")
	}
	if _, err := v.Restore(t.Context(), out.Entry.ID, RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if os.Remove(path) == nil {
		t.Error("it is not immutable any more")
	}
}

func TestImmutableFolder(t *testing.T) {
	needRoot(t)
	v, _ := newVault(t, Options{})
	dir := folder(t)
	path := write(t, filepath.Join(dir, "file"), "content")
	(&zoo{t: t}).chattr(dir, flagImmutable)
	if os.Mkdir(filepath.Join(dir, "x"), 0o700) == nil {
		t.Skip("this file system has no immutable folders")
	}
	refused(t, v, path, ErrImmutable, "nothing can be removed from")
}

// A user without the right to write to a folder cannot have anything removed from it. The test runs
// itself as nobody.
func TestFolderWithoutPermission(t *testing.T) {
	if dir := os.Getenv("TYTO_TEST_AS_NOBODY"); dir != "" {
		v, err := Open(filepath.Join(dir, "vault"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		refused(t, v, filepath.Join(dir, "roots", "file"), ErrPermission, "")
		return
	}
	needRoot(t)
	dir := memoryFolder(t) // which others may reach
	for _, name := range []string{"roots", "vault"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "roots", "file"), "content")
	if err := os.Chmod(filepath.Join(dir, "roots", "file"), 0o644); err != nil {
		t.Fatal(err)
	}
	vault := filepath.Join(dir, "vault")
	if err := errors.Join(os.Chown(vault, 65534, 65534), os.Chmod(vault, 0o700)); err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	test := filepath.Join(dir, "test")
	if err := os.WriteFile(test, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(test, "-test.run", "^TestFolderWithoutPermission$")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TYTO_TEST_AS_NOBODY="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// A running program goes on; its process is named.
func TestRunningProgram(t *testing.T) {
	need(t, "sleep")
	v, _ := newVault(t, Options{})
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder(t), "miner")
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	out := add(t, v, path)
	if diff := cmp.Diff([]Holder{{PID: cmd.Process.Pid, Name: "miner", How: "runs"}}, out.Holders); diff != "" {
		t.Errorf("holders (-want +got):\n%s", diff)
	}
	if exists(path) || cmd.ProcessState != nil {
		t.Error("the file is there, or the program ended")
	}
}

func TestFileInUse(t *testing.T) {
	v, _ := newVault(t, Options{})
	dir := folder(t)
	for _, test := range []struct {
		name string
		flag int
		note string
	}{
		{"read", os.O_RDONLY, ""},
		{"written", os.O_RDWR, "a process has the file open for writing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, filepath.Join(dir, test.name), "content")
			cmd := exec.Command("sleep", "1000")
			f, err := os.OpenFile(path, test.flag, 0)
			if err != nil {
				t.Fatal(err)
			}
			cmd.ExtraFiles = []*os.File{f}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			f.Close()
			defer func() {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}()
			out := add(t, v, path)
			if diff := cmp.Diff([]Holder{{PID: cmd.Process.Pid, Name: "sleep", How: "opens"}}, out.Holders); diff != "" {
				t.Errorf("holders (-want +got):\n%s", diff)
			}
			if !strings.Contains(out.Note, test.note) || test.note == "" && out.Note != "" {
				t.Errorf("note %q", out.Note)
			}
		})
	}
}

func TestHardLinks(t *testing.T) {
	dir := folder(t)
	far := filepath.Join(folder(t), "far")
	make := func() string {
		path := write(t, filepath.Join(dir, "file"), "content")
		for _, other := range []string{filepath.Join(dir, "near"), far} {
			if err := os.Link(path, other); err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	t.Run("the others are named", func(t *testing.T) {
		v, events := newVault(t, Options{})
		path := make()
		out := add(t, v, path)
		if told := (*events)[0].Message; !strings.Contains(told, "other names: 2 "+strconv.Quote(filepath.Join(dir, "near"))) {
			t.Errorf("the event says %q", told)
		}
		if diff := cmp.Diff([]string{filepath.Join(dir, "near")}, out.Names); diff != "" || out.Remaining != 2 {
			t.Errorf("%d remain, names (-want +got):\n%s", out.Remaining, diff)
		}
		if mustRead(t, far) != "content" {
			t.Error("the content under another name was changed")
		}
		os.Remove(far)
		os.Remove(filepath.Join(dir, "near"))
	})
	t.Run("all go and come back if asked", func(t *testing.T) {
		v, _ := newVault(t, Options{})
		path := make()
		request := Request{Object: finding.Object{Path: path}, AllNames: true, Names: []string{far, filepath.Join(dir, "nothing"), path}}
		dry := request
		dry.DryRun = true
		if out, err := v.Add(t.Context(), dry); err != nil || out.Remaining != 0 {
			t.Errorf("dry run: %+v, %v", out, err)
		}
		out, err := v.Add(t.Context(), request)
		if err != nil || out.Remaining != 0 || len(out.Names) != 0 {
			t.Fatalf("%+v, %v", out, err)
		}
		for _, name := range []string{path, far, filepath.Join(dir, "near")} {
			if exists(name) {
				t.Errorf("%q is still there", name)
			}
		}
		if done, err := v.Restore(t.Context(), out.Entry.ID, RestoreOptions{}); err != nil || len(done.Differences) > 0 {
			t.Fatalf("%+v, %v", done, err)
		}
		if inode(t, path) != inode(t, far) || inode(t, path) != inode(t, filepath.Join(dir, "near")) {
			t.Error("they are not one file any more")
		}
	})
}

func TestProtected(t *testing.T) {
	v, events := newVault(t, Options{Protected: []string{"*.keep", "/srv/never"}})
	dir := folder(t)
	for path, says := range map[string]string{
		write(t, filepath.Join(dir, "a.keep"), "x"): "the policy names it: *.keep",
		"/etc/passwd":        "nobody could log in without it",
		"/proc/self/exe":     "",
		os.Args[0]:           "it is Tyto itself",
		v.Dir() + "/key.txt": "",
	} {
		_, err := v.Add(t.Context(), Request{Object: finding.Object{Path: path}, DryRun: true})
		if says != "" && (!errors.Is(err, ErrProtected) || !strings.Contains(err.Error(), says)) || err == nil {
			t.Errorf("%q: %v, want %q", path, err, says)
		}
	}
	if diff := cmp.Diff([]EventKind{EventRefused, EventRefused, EventRefused}, kinds(*events)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for path, want := range map[string]bool{
		"/boot/vmlinuz-6.1": true, "/usr/lib/x86_64-linux-gnu/libc.so.6": true, "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": true,
		"/lib64/ld-linux-x86-64.so.2": true, "/usr/lib/systemd/systemd": true, "/usr/bin/bash": true, "/usr/bin/dpkg": true,
		"/usr/lib/libcurl.so": false, "/home/u/boot/x": false, "/tmp/bash": false, "/usr/bin/python3": false,
	} {
		if got := systemFile(path) != ""; got != want {
			t.Errorf("%q is a file of the system: %v, want %v", path, got, want)
		}
	}
}

// The first process and its libraries are known whatever they are called.
func TestFirstProcessIsProtected(t *testing.T) {
	needRoot(t)
	path, err := os.Readlink("/proc/1/exe")
	if err != nil {
		t.Skipf("nobody may know what the first process runs from: %v", err) // a container
	}
	src, err := openSource(path)
	if err != nil {
		t.Skipf("the first process runs from elsewhere: %v", err)
	}
	defer src.close()
	if why := src.vital(); why != "the first process (init) runs from it" {
		t.Errorf("%q: %q", path, why)
	}
}

// A restore follows no link, and replaces nothing unasked.
func TestRestoreStaysWhereItBelongs(t *testing.T) {
	v, _ := newVault(t, Options{})
	dir := folder(t)
	path := write(t, filepath.Join(dir, "file"), "content")
	id := add(t, v, path).Entry.ID
	elsewhere := folder(t)
	if err := os.Symlink(elsewhere, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(elsewhere, "target"), path); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		o    RestoreOptions
		want error
	}{
		{"a link in its place", RestoreOptions{Keep: true}, ErrExists},
		{"a link on the way", RestoreOptions{To: filepath.Join(dir, "link", "file"), Keep: true}, ErrLink},
		{"a link on the way to new folders", RestoreOptions{To: filepath.Join(dir, "link", "new", "file"), Parents: true, Keep: true}, ErrLink},
		{"no folder", RestoreOptions{To: filepath.Join(dir, "no", "file"), Keep: true}, ErrNoFolder},
		{"no entry", RestoreOptions{}, ErrNotFound},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := id
			if test.want == ErrNotFound {
				name = newID()
			}
			if _, err := v.Restore(t.Context(), name, test.o); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
	if _, err := v.Restore(t.Context(), id, RestoreOptions{Replace: true}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the link was not replaced: %v, %v", info, err)
	}
	if left, _ := os.ReadDir(elsewhere); len(left) != 0 {
		t.Errorf("something was written where a link leads to: %v", left)
	}
}

// Nothing in the vault looks like what is in it.
func TestVaultShowsNothing(t *testing.T) {
	v, _ := newVault(t, Options{})
	eicar := `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS` + `-TEST-FILE!$H+H*`
	add(t, v, write(t, filepath.Join(folder(t), "eicar.com"), eicar))
	names, err := os.ReadDir(v.Dir())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		info, err := n.Info()
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%q has mode %o", n.Name(), mode)
		}
		content := mustRead(t, filepath.Join(v.Dir(), n.Name()))
		for _, piece := range []string{"EICAR", "eicar", "entry.json", "X5O"} {
			if strings.Contains(content, piece) || strings.Contains(n.Name(), piece) {
				t.Errorf("%q shows %q", n.Name(), piece)
			}
		}
	}
	t.Run("yara", func(t *testing.T) {
		need(t, "yara")
		rule := write(t, filepath.Join(t.TempDir(), "eicar.yar"), `rule E { strings: $a = "EICAR-STANDARD" condition: $a }`)
		control := write(t, filepath.Join(t.TempDir(), "control"), eicar)
		if out, err := exec.Command("yara", rule, control).CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "E ") {
			t.Fatalf("the rule does not find the file itself: %s, %v", out, err)
		}
		if out, err := exec.Command("yara", "-r", rule, v.Dir()).CombinedOutput(); err != nil || len(out) != 0 {
			t.Errorf("yara finds %s, %v", out, err)
		}
	})
}

// What is extracted is on no disk, cannot be run, and vanishes.
func TestExtractLeavesNothing(t *testing.T) {
	v, _ := newVault(t, Options{})
	id := add(t, v, write(t, filepath.Join(folder(t), "file"), "#!/bin/sh\n")).Entry.ID
	f, err := v.Extract(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil || fs.Type != unix.TMPFS_MAGIC {
		t.Errorf("it is on file system %#x, %v", fs.Type, err)
	}
	if err := exec.Command(procPath(int(f.Fd()))).Run(); err == nil {
		t.Error("it can be run")
	}
	if content, err := io.ReadAll(f); err != nil || string(content) != "#!/bin/sh\n" {
		t.Errorf("%q, %v", content, err)
	}
}
