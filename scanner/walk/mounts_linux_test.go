package walk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"tyto/scanner/mountinfo"
)

// withMounts runs f on a thread with a mount namespace of its own, so that what it mounts is
// seen by nobody else and gone afterwards.
func withMounts(t *testing.T, f func()) {
	t.Helper()
	var done sync.WaitGroup
	denied := error(nil)
	done.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if denied = unix.Unshare(unix.CLONE_NEWNS); denied != nil {
			return
		}
		if denied = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); denied == nil {
			f()
		}
	})
	done.Wait()
	if denied != nil {
		t.Skip("this user may not mount:", denied)
	}
}

func TestMounts(t *testing.T) {
	type set struct{ source, target, fsType string }
	bind := func(source, target string) set { return set{source, target, "bind"} }
	for _, test := range []struct {
		name   string
		mounts []set
		opts   Options
		want   result
	}{
		{
			"tmpfs is walked", []set{{"x", "m", "tmpfs"}}, Options{},
			result{Files: []string{"a/f", "d/e/f", "m/on-mount"}},
		},
		{
			"other file systems are left out on request", []set{{"x", "m", "tmpfs"}}, Options{OneFileSystem: true},
			result{Files: []string{"a/f", "d/e/f"}, Skips: []string{"other-volume m"}},
		},
		{
			"bind mount of a folder", []set{bind("d", "m")}, Options{},
			result{Files: []string{"a/f", "d/e/f"}, Skips: []string{"duplicate m"}},
		},
		{
			"bind mount of a folder in it", []set{bind("d/e", "m")}, Options{},
			result{Files: []string{"a/f", "d/e/f"}, Skips: []string{"duplicate m"}},
		},
		{
			"bind mount on one file system", []set{bind("d/e", "m")}, Options{OneFileSystem: true},
			result{Files: []string{"a/f", "d/e/f"}, Skips: []string{"duplicate m"}},
		},
		{
			"bind mount that is reached first", []set{bind("d/e", "a")}, Options{},
			result{Files: []string{"a/f"}, Skips: []string{"duplicate d/e"}},
		},
		{
			"loop", []set{bind(".", "m")}, Options{},
			result{Files: []string{"a/f", "d/e/f"}, Skips: []string{"duplicate m"}},
		},
		{
			"bind mount of a file", []set{bind("d/e/f", "a/f")}, Options{},
			result{Files: []string{"a/f", "d/e/f (again)"}, Skips: []string{"hard-link d/e/f"}},
		},
		{
			"pseudo file systems are skipped by type", []set{{"x", "m", "proc"}}, Options{},
			result{Files: []string{"a/f", "d/e/f"}, Skips: []string{"pseudo-fs m"}},
		},
		{
			"but not what is mounted below them", []set{{"x", "m", "proc"}, {"x", "m/sys/fs", "tmpfs"}}, Options{},
			result{Files: []string{"a/f", "d/e/f", "m/sys/fs/on-mount"}, Skips: []string{"pseudo-fs m"}},
		},
		{
			"automount points are not triggered", []set{{"x", "m", "autofs"}}, Options{},
			result{Files: []string{"a/f", "d/e/f"}, Skips: []string{"pseudo-fs m"}},
		},
	} {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			inMemory(t) // where folders made later have higher inodes, so that the order is known
			root := tree(t, "a/f", "d/e/f", "m/")
			withMounts(t, func() {
				for _, m := range test.mounts {
					mountFor(t, root, m.source, m.target, m.fsType)
				}
				opts := test.opts
				opts.Roots = []string{root}
				got := collect(t, root, opts)
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// mountFor mounts below root. A tmpfs gets a file.
func mountFor(t *testing.T, root, source, target, fsType string) {
	t.Helper()
	target = filepath.Join(root, target)
	switch fsType {
	case "bind":
		must(t, unix.Mount(filepath.Join(root, source), target, "", unix.MS_BIND, ""))
	case "autofs":
		mountAuto(t, target)
	default:
		if err := unix.Mount(source, target, fsType, 0, ""); errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENODEV) {
			t.Skip("cannot mount:", err)
		} else {
			must(t, err)
		}
	}
	if fsType == "tmpfs" {
		must(t, os.WriteFile(filepath.Join(target, "on-mount"), nil, 0o600))
	}
}

// mountAuto mounts an automount point that nobody serves: who triggers it waits for ever, and
// the kernel's request stands in the pipe.
func mountAuto(t *testing.T, target string) {
	t.Helper()
	var pipe [2]int
	must(t, unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	options := fmt.Sprintf("fd=%d,pgrp=1,minproto=5,maxproto=5,direct", pipe[1])
	if err := unix.Mount("auto", target, "autofs", 0, options); err != nil {
		t.Skip("cannot mount autofs:", err)
	}
	t.Cleanup(func() {
		if n, err := unix.Read(pipe[0], make([]byte, 1)); n > 0 || err != unix.EAGAIN {
			t.Errorf("the automount point was triggered: read %d, %v", n, err)
		}
		unix.Close(pipe[0])
		unix.Close(pipe[1])
	})
}

func TestMountInfo(t *testing.T) {
	const info = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:25 / /home/a\040b rw master:2 - fuse.sshfs me@host:/dir rw,user_id=0
31 22 0:26 / /mnt/win rw - fuseblk /dev/sdb1 rw
32 22 0:27 / /mnt/dav rw - fuse https://host/dav rw
33 22 0:28 / /net rw - nfs4 host:/export rw
34 22 0:29 / /vm rw - virtiofs share rw
35 22 0:30 / /proc rw - proc proc rw
garbage
36 22 x:y / /bad rw - ext4 x rw
`
	type entry struct {
		Point string
		Class class
	}
	var got []entry
	table := &mountTable{mounts: mountinfo.Parse([]byte(info))}
	for i := range table.mounts {
		got = append(got, entry{table.mounts[i].Point, classOf(&table.mounts[i])})
	}
	want := []entry{{"/", local}, {"/home/a b", network}, {"/mnt/win", local}, {"/mnt/dav", network}, {"/net", network}, {"/vm", local}, {"/proc", pseudo}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := table.fuse(unix.Mkdev(0, 25)); got != (fileSystem{"fuse.sshfs", network}) {
		t.Errorf("file system of device 0:25: %v", got)
	}
}

func FuzzMountInfo(f *testing.F) {
	f.Add([]byte("22 1 254:0 / /a\\040b rw,relatime shared:1 - ext4 /dev/vda rw\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range mountinfo.Parse(data) {
			classOf(&m)
		}
	})
}

func TestPseudoFileSystems(t *testing.T) {
	for path, name := range map[string]string{"/proc": "proc", "/proc/version": "proc", "/sys": "sysfs", "/dev/pts": "devpts"} {
		var st unix.Statfs_t
		if unix.Statfs(path, &st) != nil || byMagic[uint32(st.Type)].name != name {
			continue // not mounted here
		}
		got := collect(t, "/", Options{Roots: []string{path}, OneFileSystem: true})
		want := result{Skips: []string{"pseudo-fs " + path[1:]}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}
