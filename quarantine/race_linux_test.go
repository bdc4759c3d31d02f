package quarantine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"tyto/finding"
)

// memoryFolder is a folder in which syncing costs nothing.
func memoryFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "tyto-test-")
	if err != nil {
		return folder(t)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// scene is what an attacker plays with: the file that was examined, and another one, which must survive.
type scene struct {
	dir, file, other, aside string
}

// attacks exchange what is at the path of the file. Each does one round and may fail in any step,
// as Add works against it.
var attacks = []struct {
	name  string
	round func(s scene)
}{
	{"a link takes its place", func(s scene) {
		if os.Rename(s.file, s.aside) == nil {
			os.Symlink(s.other, s.file)
			unix.Unlink(s.file)
			renameNew(unix.AT_FDCWD, s.aside, unix.AT_FDCWD, s.file)
		}
	}},
	{"another file takes its place", func(s scene) {
		unix.Renameat2(unix.AT_FDCWD, s.file, unix.AT_FDCWD, s.other, unix.RENAME_EXCHANGE)
	}},
	{"another file is renamed over its place", func(s scene) {
		if os.Rename(s.file, s.aside) == nil {
			renameNew(unix.AT_FDCWD, s.other, unix.AT_FDCWD, s.file)
			renameNew(unix.AT_FDCWD, s.file, unix.AT_FDCWD, s.other)
			renameNew(unix.AT_FDCWD, s.aside, unix.AT_FDCWD, s.file)
		}
	}},
	{"it is rewritten", func(s scene) {
		if f, err := os.OpenFile(s.file, os.O_WRONLY|unix.O_NONBLOCK, 0); err == nil {
			f.WriteAt([]byte("NEW!"), 0)
			f.Close()
		}
	}},
	{"a hard link takes its place", func(s scene) {
		if os.Rename(s.file, s.aside) == nil {
			os.Link(s.other, s.file)
			os.Remove(s.aside + "2")
			os.Rename(s.file, s.aside+"2") // so that only a name of the other one goes
			os.Remove(s.aside + "2")
			renameNew(unix.AT_FDCWD, s.aside, unix.AT_FDCWD, s.file)
		}
	}},
	{"its folder is exchanged", func(s scene) {
		away := s.dir + "-away"
		if os.Rename(s.dir, away) == nil {
			os.Symlink(filepath.Dir(s.other), s.dir)
			os.Remove(s.dir)
			os.Rename(away, s.dir)
		}
	}},
}

// However the path is exchanged between examination and removal, no other file is removed or comes into
// the vault, ours is not lost, and the error is one that callers know.
func TestRacesNeverHitAnotherFile(t *testing.T) {
	tries := 1000
	if testing.Short() {
		tries = 100
	}
	for _, attack := range attacks {
		t.Run(attack.name, func(t *testing.T) {
			root := memoryFolder(t)
			outcomes := map[string]int{}
			for i := range tries {
				outcomes[try(t, filepath.Join(root, fmt.Sprint(i)), i, attack.round)]++
				if t.Failed() {
					break
				}
			}
			t.Logf("%d tries: %v", tries, outcomes)
		})
	}
}

// try is one try. In every second one the attacker acts in the very moment between the last look at the
// file and its removal; in the others it is as it comes.
func try(t *testing.T, root string, i int, round func(scene)) string {
	s := scene{dir: filepath.Join(root, "dir")}
	s.file, s.other, s.aside = filepath.Join(s.dir, "file"), filepath.Join(root, "other", "file"), filepath.Join(s.dir, "aside")
	for _, dir := range []string{s.dir, filepath.Dir(s.other)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, s.file, "mine")
	write(t, s.other, "none")
	mine, other := inode(t, s.file), inode(t, s.other)

	o := Options{Now: nil}
	stop, act := make(chan struct{}), sync.WaitGroup{}
	if i%2 == 0 {
		o.fault = func(step string) error {
			switch {
			case step == "looked" && i%4 == 0:
				replace(s, i/4)
			case step == "looked":
				round(s)
			case step == "moved" && i%3 == 0:
				if f, err := os.OpenFile(s.file, os.O_CREATE|os.O_EXCL, 0o600); err == nil {
					f.Close() // so that what was moved cannot go back
				}
			}
			return nil
		}
	} else {
		act.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					round(s)
				}
			}
		})
	}
	v, err := Open(filepath.Join(root, "vault"), o)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	out, err := v.Add(t.Context(), Request{Object: finding.Object{Kind: finding.File, Path: s.file, Inode: mine.inode, Device: mine.device, Size: 4}})
	close(stop)
	act.Wait()

	// The other file is somewhere in the scene, as it was.
	if content, found := find(t, root, other); !found || content != "none" {
		if !(i%2 == 0 || content == "NEW!") { // it was rewritten by the attacker itself while it was in the place
			t.Errorf("try %d: the other file is %q, %v; %v", i, content, found, err)
		} else if !found {
			t.Errorf("try %d: the other file is gone; %v", i, err)
		}
	}
	entries, damaged, listErr := v.List(t.Context())
	if listErr != nil || len(damaged) > 0 {
		t.Errorf("try %d: %v, %v", i, damaged, listErr)
	}
	for _, e := range entries {
		f, err := v.Extract(t.Context(), e.ID)
		if err != nil {
			t.Fatal(err)
		}
		content, _ := io.ReadAll(f)
		f.Close()
		if !bytes.Equal(content, []byte("mine")) && !bytes.Equal(content, []byte("NEW!")) {
			t.Errorf("try %d: %q came into the vault", i, content)
		}
	}
	_, left := find(t, root, mine)
	switch {
	case err == nil:
		if len(entries) != 1 || left && out.Remaining == 0 {
			t.Errorf("try %d: success, but %d entries and file left: %v", i, len(entries), left)
		}
		return "quarantined"
	case len(entries) != 0:
		t.Errorf("try %d: %v, but something is in the vault", i, err)
	case !left:
		t.Errorf("try %d: the file is lost: %v", i, err)
	}
	for _, kind := range []error{ErrDisplaced, ErrChanged, ErrGone, ErrLink} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	t.Errorf("try %d: an error that nobody expects: %v", i, err)
	return err.Error()
}

// replace leaves another file, a link, a hard link or a folder in the place of ours.
func replace(s scene, kind int) {
	switch kind % 4 {
	case 0:
		unix.Renameat2(unix.AT_FDCWD, s.file, unix.AT_FDCWD, s.other, unix.RENAME_EXCHANGE)
	case 1:
		os.Rename(s.file, s.aside)
		os.Symlink(s.other, s.file)
	case 2:
		os.Rename(s.file, s.aside)
		os.Link(s.other, s.file)
	case 3:
		os.Rename(s.file, s.aside)
		os.Mkdir(s.file, 0o755)
	}
}

func inode(t *testing.T, path string) fileKey {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return keyOf(&st)
}

// find looks for a file by its inode below a folder.
func find(t *testing.T, root string, file fileKey) (content string, found bool) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type().IsRegular() && inode(t, path) == file {
			content, found = mustRead(t, path), true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return content, found
}
