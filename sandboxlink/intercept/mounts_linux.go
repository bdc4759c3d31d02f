package intercept

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxMounts bounds the table of mounts; thousands are usual where containers run.
const maxMounts = 100_000

// mount is one line of /proc/self/mountinfo.
type mount struct {
	id     uint64
	device uint64
	point  string
	kind   string // "ext4", "fuse.sshfs"
}

// parseMounts reads lines of the form of proc(5):
//
//	36 35 98:0 /root /point options optional-fields… - type source super-options
//
// What it does not understand it leaves out: the kernel writes this.
func parseMounts(data []byte) (mounts []mount) {
	for line := range bytes.Lines(data) {
		front, back, ok := strings.Cut(string(line), " - ")
		fields, rest := strings.Fields(front), strings.Fields(back)
		if !ok || len(fields) < 6 || len(rest) < 1 || len(mounts) >= maxMounts {
			continue
		}
		major, minor, _ := strings.Cut(fields[2], ":")
		id, err1 := strconv.ParseUint(fields[0], 10, 64)
		ma, err2 := strconv.ParseUint(major, 10, 32)
		mi, err3 := strconv.ParseUint(minor, 10, 32)
		if err1 != nil || err2 != nil || err3 != nil {
			continue
		}
		mounts = append(mounts, mount{id, unix.Mkdev(uint32(ma), uint32(mi)), unescape(fields[4]), unescape(rest[0])})
	}
	return mounts
}

// unescape replaces \040 and the like, as which the kernel writes white space and backslashes.
func unescape(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) {
			if c, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// Kinds of file systems that are left out unless they are named: what the kernel makes up as it is read, and what comes
// over the network, where opening a file can take as long as it likes.
var (
	madeByKernel = []string{
		"autofs", "bdev", "binder", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "cpuset", "debugfs", "devpts",
		"devtmpfs", "efivarfs", "fusectl", "functionfs", "hugetlbfs", "mqueue", "nfsd", "nsfs", "proc", "pstore",
		"resctrl", "rpc_pipefs", "securityfs", "selinuxfs", "smackfs", "sysfs", "tracefs", "xenfs",
	}
	overNetwork = []string{
		"9p", "afs", "beegfs", "ceph", "cifs", "coda", "fhgfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4",
		"ocfs2", "orangefs", "panfs", "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
	}
)

// leftOut says why a kind of file system is not watched unless it is named, or nothing.
func leftOut(kind string) string {
	switch {
	case slices.Contains(madeByKernel, kind):
		return "made by the kernel"
	case slices.Contains(overNetwork, kind):
		return "comes over the network"
	case kind == "fuse", strings.HasPrefix(kind, "fuse."):
		// Anybody can mount one, and leave the responder waiting for its answer. fuseblk, as which NTFS is
		// mounted, takes an administrator.
		return "answered by another program (FUSE)"
	}
	return ""
}
