package intercept

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestParseMounts(t *testing.T) {
	const table = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:26 / /mnt/with\040space\011and\134backslash ro - fuse.sshfs host:/ rw
nonsense
31 22 0:x / /bad rw - ext4 /dev/sdb rw
32 22 0:27 / /no/type rw
33 22 8:1 /sub /bind rw,nosuid master:1 propagate_from:2 - ext4 /dev/sda1 rw
`
	want := []mount{
		{22, unix.Mkdev(8, 1), "/", "ext4"},
		{30, unix.Mkdev(0, 26), "/mnt/with space\tand\\backslash", "fuse.sshfs"},
		{33, unix.Mkdev(8, 1), "/bind", "ext4"},
	}
	got := parseMounts([]byte(table))
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(mount{})); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
	if groups := byDevice(got); len(groups) != 2 || len(groups[0]) != 2 {
		t.Errorf("by device: %v", groups)
	}
}

func FuzzParseMounts(f *testing.F) {
	own, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own)
	f.Add([]byte(`1 2 3:4 \ \1\12\777 5 6 - \`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range parseMounts(data) {
			if len(m.point) > len(data) || m.kind == "" {
				t.Errorf("%+v", m)
			}
		}
	})
}

func TestLeftOut(t *testing.T) {
	for kind, left := range map[string]bool{
		"ext4": false, "btrfs": false, "xfs": false, "vfat": false, "tmpfs": false, "overlay": false, "squashfs": false, "iso9660": false,
		"fuseblk": false, "a new one": false,
		"proc": true, "cgroup2": true, "devtmpfs": true, "nfs4": true, "cifs": true, "fuse": true, "fuse.sshfs": true,
	} {
		if got := leftOut(kind) != ""; got != left {
			t.Errorf("%s is left out: %v", kind, got)
		}
	}
}
