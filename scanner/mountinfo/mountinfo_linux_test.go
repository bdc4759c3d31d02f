package mountinfo

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestParse(t *testing.T) {
	const table = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:26 / /mnt/with\040space\011and\134backslash ro - fuse.sshfs host:/ rw
nonsense
31 22 0:x / /bad rw - ext4 /dev/sdb rw
32 22 0:27 / /no/type rw
33 22 8:1 /sub /bind rw,nosuid master:1 propagate_from:2 - ext4 /dev/sda1 rw
`
	want := []Mount{
		{22, unix.Mkdev(8, 1), "/", "ext4", "/dev/sda1"},
		{30, unix.Mkdev(0, 26), "/mnt/with space\tand\\backslash", "fuse.sshfs", "host:/"},
		{33, unix.Mkdev(8, 1), "/bind", "ext4", "/dev/sda1"},
	}
	got := Parse([]byte(table))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	own, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own)
	f.Add([]byte(`1 2 3:4 \ \1\12\777 5 6 - \`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range Parse(data) {
			if len(m.Point) > len(data) || m.Kind == "" {
				t.Errorf("%+v", m)
			}
		}
	})
}
