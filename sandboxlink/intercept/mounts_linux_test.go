package intercept

import (
	"testing"

	"tyto/scanner/mountinfo"
)

func TestByDevice(t *testing.T) {
	mounts := []mountinfo.Mount{{ID: 22, Device: 1, Point: "/"}, {ID: 30, Device: 2, Point: "/mnt"}, {ID: 33, Device: 1, Point: "/bind"}}
	if groups := byDevice(mounts); len(groups) != 2 || len(groups[0]) != 2 {
		t.Errorf("by device: %v", groups)
	}
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
