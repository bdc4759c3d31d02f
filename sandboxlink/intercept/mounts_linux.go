package intercept

import (
	"slices"
	"strings"
)

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
