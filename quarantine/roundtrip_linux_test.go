package quarantine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tyto/finding"
)

// needRoot skips a test for want of privileges, but not in CI, which has them.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("must run as root")
	}
	t.Skip("needs root")
}

// snapshot is all that must be the same after a restore, asked of the kernel without any code of ours.
type snapshot struct {
	SHA256   string
	Size     int64
	Mode     uint32
	UID, GID uint32
	Modified unix.Timespec
	Accessed unix.Timespec
	Xattrs   map[string]string
	Flags    int
	Holes    bool
}

func snap(t *testing.T, path string) snapshot {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil { // before the content is read, which sets the access time
		t.Fatalf("%q: %v", path, err)
	}
	s := snapshot{
		Size: st.Size, Mode: st.Mode, UID: st.Uid, GID: st.Gid, Modified: st.Mtim, Accessed: st.Atim,
		Xattrs: map[string]string{}, Holes: st.Blocks*512 < st.Size-64<<10,
	}
	list := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, list)
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(string(list[:n]), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			t.Fatal(err)
		}
		s.Xattrs[name] = string(value[:n])
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOATIME, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	s.Flags, _ = unix.IoctlGetInt(fd, unix.FS_IOC_GETFLAGS)
	sum := sha256.New()
	if _, err := f.WriteTo(sum); err != nil {
		t.Fatal(err)
	}
	s.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return s
}

// zoo makes one file of each of many kinds.
type zoo struct {
	t    *testing.T
	dir  string
	rand *rand.Rand
}

// acl is the binary form of "user::rw-,user:1234:r--,group::r--,mask::rw-,other::---" (posix_acl_xattr.h).
func acl() []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{{0x01, 6, ^uint32(0)}, {0x02, 4, 1234}, {0x04, 4, ^uint32(0)}, {0x10, 6, ^uint32(0)}, {0x20, 0, ^uint32(0)}} {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

// capability is the binary form of cap_net_raw=ep (linux/capability.h, revision 2).
func capability() []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0x02000001)
	b = binary.LittleEndian.AppendUint32(b, 1<<13)
	return append(b, make([]byte, 12)...)
}

// make creates file i of the zoo: every property comes with every other one sooner or later.
func (z *zoo) make(i int) string {
	r := z.rand
	name := fmt.Sprintf("file %d", i)
	switch i % 7 {
	case 1:
		name += "\n\x1b[31m"
	case 2:
		name += "\xff\xfe\x80"
	case 3:
		name += strings.Repeat("n", 255-len(name))
	case 4:
		name = fmt.Sprintf("-%d 'quoted' \"twice\" $HOME *?", i)
	}
	dir := z.dir
	if i%5 == 0 {
		for range 1 + i%10 {
			dir = filepath.Join(dir, strings.Repeat("d", 200))
		}
		z.check(os.MkdirAll(dir, 0o755))
	}
	path := filepath.Join(dir, name)
	f, err := os.Create(path)
	z.check(err)
	sizes := []int64{0, 1, 511, 512, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20, 5 << 20}
	size := sizes[i%len(sizes)]
	content := make([]byte, size)
	for at := 0; at < len(content); at += 8 {
		copy(content[at:], binary.LittleEndian.AppendUint64(nil, r.Uint64()))
	}
	switch {
	case i%3 == 0 && size >= 1<<20: // sparse: data in the middle, a hole at either end
		z.check(f.Truncate(size))
		_, err = f.WriteAt(content[:8192], 512<<10)
	case i%11 == 0 && size > 0: // one hole
		err = f.Truncate(size)
	default:
		_, err = f.Write(content)
	}
	z.check(err)
	z.check(f.Close())
	if i%4 == 1 {
		z.check(os.Chown(path, 1000+i, 2000+i))
	}
	modes := []uint32{0o644, 0o400, 0o000, 0o4755, 0o2755, 0o6711, 0o1666, 0o777}
	z.check(unix.Chmod(path, modes[i%len(modes)]))
	if i%6 == 2 {
		z.set(path, "user.comment", []byte("any\x00bytes\xff"))
		z.set(path, "user.empty", nil)
		z.set(path, "trusted.tyto", bytes.Repeat([]byte{'t'}, 1000))
	}
	if i%6 == 3 {
		z.set(path, "system.posix_acl_access", acl())
	}
	if i%6 == 4 {
		z.set(path, "security.capability", capability())
	}
	if i%9 == 5 {
		z.set(path, "security.tyto", []byte("label"))
	}
	times := [][2]unix.Timespec{
		{{Sec: 1700000000, Nsec: 123456789}, {Sec: 1600000000, Nsec: 999999999}},
		{{Sec: 0, Nsec: 0}, {Sec: 0, Nsec: 1}},
		{{Sec: -1000000000, Nsec: 5}, {Sec: -1, Nsec: 999999999}},
		{{Sec: 4294967296, Nsec: 7}, {Sec: 9000000000, Nsec: 1}},
	}[i%4]
	z.check(unix.UtimesNanoAt(unix.AT_FDCWD, path, times[:], 0))
	switch i % 13 {
	case 6:
		z.chattr(path, flagImmutable)
	case 7:
		z.chattr(path, flagAppend|flagNoDump)
	}
	return path
}

func (z *zoo) check(err error) {
	z.t.Helper()
	if err != nil {
		z.t.Fatal(err)
	}
}

func (z *zoo) set(path, name string, value []byte) {
	z.t.Helper()
	z.check(unix.Setxattr(path, name, value, 0))
}

// chattr sets inode flags, where the file system knows them.
func (z *zoo) chattr(path string, flags int) {
	f, err := os.Open(path)
	z.check(err)
	defer f.Close()
	now, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, now|flags)
	}
	if err != nil {
		z.t.Logf("no flags here: %v", err)
		return
	}
	z.t.Cleanup(func() { // or the folder cannot be removed
		if f, err := os.Open(path); err == nil {
			_ = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, now)
			f.Close()
		}
	})
}

// 500 files of all kinds go in and come back identical.
func TestAllKindsOfFilesComeBackIdentical(t *testing.T) {
	needRoot(t)
	const files = 500
	v, _ := newVault(t, Options{Limit: 2 << 30, By: "test"})
	z := &zoo{t: t, dir: folder(t), rand: rand.New(rand.NewPCG(1, 2))}
	var paths, ids []string
	var before []snapshot
	seen, links := map[string]int{}, map[int]uint64{}
	for i := range files {
		path := z.make(i)
		linked := i%17 == 8 && i%13 != 6 && i%13 != 7 // those cannot be linked
		if linked {                                   // with another name, which stays
			links[i] = 1
			z.check(os.Link(path, path[:len(path)-1]+"~"))
		}
		s := snap(t, path)
		for what, has := range map[string]bool{
			"holes": s.Holes, "flags": s.Flags&lockingFlags != 0, "xattrs": len(s.Xattrs) > 0, "setuid": s.Mode&unix.S_ISUID != 0,
		} {
			if has {
				seen[what]++
			}
		}
		paths, before = append(paths, path), append(before, s)
	}
	t.Logf("%d files: %v", files, seen)
	for i, path := range paths {
		out, err := v.Add(t.Context(), Request{Object: finding.Object{Path: path, Hashes: finding.Hashes{SHA256: before[i].SHA256}}})
		if err != nil {
			t.Fatalf("file %d: %v", i, err)
		}
		if out.Remaining != links[i] || len(out.Names) != int(links[i]) {
			t.Errorf("file %d: %d names remain, %q, want %d", i, out.Remaining, out.Names, links[i])
		}
		if exists(path) {
			t.Fatalf("%q is still there", path)
		}
		ids = append(ids, out.Entry.ID)
	}
	list, damaged, err := v.List(t.Context())
	if err != nil || len(list) != files || len(damaged) != 0 {
		t.Fatalf("%d entries, %v, %v", len(list), damaged, err)
	}
	for i, path := range paths {
		done, err := v.Restore(t.Context(), ids[i], RestoreOptions{})
		if err != nil {
			t.Fatalf("file %d: %v", i, err)
		}
		if len(done.Differences) > 0 {
			t.Errorf("file %d: %q", i, done.Differences)
		}
		if diff := cmp.Diff(before[i], snap(t, path)); diff != "" {
			t.Errorf("file %d, %q (-before +after):\n%s", i, path, diff)
		}
	}
	leftovers(t, z.dir)
}

// leftovers looks for what Tyto should not leave in a folder.
func leftovers(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".tyto-") {
			t.Errorf("%q was left behind", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A path may be longer than any system call takes.
func TestPathLongerThanTheKernelTakes(t *testing.T) {
	v, _ := newVault(t, Options{})
	root, err := os.OpenRoot(folder(t))
	if err != nil {
		t.Fatal(err)
	}
	path := root.Name()
	for range 25 {
		name := strings.Repeat("x", 200)
		if err := root.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := root.OpenRoot(name)
		if err != nil {
			t.Fatal(err)
		}
		root.Close()
		root, path = next, path+"/"+name
	}
	defer root.Close()
	if err := root.WriteFile("deep", []byte("deep"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := v.Add(context.Background(), Request{Object: finding.Object{Path: path + "/deep"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := root.Lstat("deep"); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
	if _, err := v.Restore(t.Context(), out.Entry.ID, RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if content, err := root.ReadFile("deep"); string(content) != "deep" {
		t.Errorf("restored %q, %v", content, err)
	}
}
