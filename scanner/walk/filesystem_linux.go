package walk

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// fileSystem tells to which file system name, which may be a mount, belongs. It opens the entry
// as a mere place (O_PATH), which triggers no automount and wakes no device.
func (d *dir) fileSystem(name, path string, m *meta, mounts *mountTable) (fileSystem, error) {
	fd, err := openat(d.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	if err != nil {
		return fileSystem{}, err
	}
	defer unix.Close(fd)
	if err := (&dir{fd: fd}).check(m.id); err != nil {
		return fileSystem{}, err
	}
	var st unix.Statfs_t
	if err := ignoringEINTR(func() error { return unix.Fstatfs(fd, &st) }); err != nil {
		return fileSystem{}, fmt.Errorf("asking for the type of the file system: %w", err)
	}
	magic := uint32(st.Type)
	if magic == fuseMagic {
		return mounts.fuse(m.id.Device), nil
	}
	if known, ok := byMagic[magic]; ok {
		return known, nil
	}
	return fileSystem{name: fmt.Sprintf("type %#x", magic), class: local}, nil
}

const fuseMagic = 0x65735546

// byMagic holds the file systems that are not simply local and those that are treated specially, by statfs's f_type. Sources:
// linux/magic.h, statfs(2), and the file systems' own sources for those that are in neither.
var byMagic = map[uint32]fileSystem{
	0x9fa0:     {"proc", pseudo},
	0x62656572: {"sysfs", pseudo},
	0x27e0eb:   {"cgroup", pseudo},
	0x63677270: {"cgroup2", pseudo},
	0x64626720: {"debugfs", pseudo},
	0x74726163: {"tracefs", pseudo},
	0x73636673: {"securityfs", pseudo},
	0x5a3c69f0: {"apparmorfs", pseudo},
	0xf97cff8c: {"selinuxfs", pseudo},
	0x43415d53: {"smackfs", pseudo},
	0x62656570: {"configfs", pseudo},
	0x1cd1:     {"devpts", pseudo},
	0xcafe4a11: {"bpf", pseudo},
	0x6165676c: {"pstore", pseudo},
	0xde5e81e4: {"efivarfs", pseudo},
	0x19800202: {"mqueue", pseudo},
	0x958458f6: {"hugetlbfs", pseudo},
	0x67596969: {"rpc_pipefs", pseudo},
	0x6e667364: {"nfsd", pseudo},
	0x42494e4d: {"binfmt_misc", pseudo},
	0x0187:     {"autofs", pseudo},
	0x65735543: {"fusectl", pseudo},
	0x6e736673: {"nsfs", pseudo},
	0x50494446: {"pidfs", pseudo},
	0xabba1974: {"xenfs", pseudo},
	0x7655821:  {"resctrl", pseudo},
	0x9fa1:     {"openpromfs", pseudo},
	0x9fa2:     {"usbdevfs", pseudo},
	0x6c6f6f70: {"binder", pseudo},
	0x0a647361: {"functionfs", pseudo},
	0x50495045: {"pipefs", pseudo},
	0x534f434b: {"sockfs", pseudo},
	0x09041934: {"anon_inodefs", pseudo},
	0x64646178: {"daxfs", pseudo},
	0x444d4142: {"dma_buf", pseudo},
	0x5345434d: {"secretmem", pseudo},

	0x4d44:     {"vfat", local},
	0x2011bab0: {"exfat", local},

	0x6969:     {"nfs", network},
	0x517b:     {"smb", network},
	0xfe534d42: {"smb2", network},
	0xff534d42: {"cifs", network},
	0x01021997: {"9p", network},
	0x5346414f: {"afs", network},
	0x6b414653: {"afs", network},
	0x00c36400: {"ceph", network},
	0x0bd00bd0: {"lustre", network},
	0x19830326: {"beegfs", network},
	0x47504653: {"gpfs", network},
	0x20030528: {"orangefs", network},
	0xaad7aaea: {"panfs", network},
	0x73757245: {"coda", network},
	0x564c:     {"ncp", network},
	0x786f4256: {"vboxsf", network},
	0xbacbacbc: {"vmhgfs", network},
}

// fuseClasses holds the FUSE file systems that are not local, by their subtype.
var fuseClasses = map[string]class{
	"sshfs": network, "rclone": network, "s3fs": network, "goofys": network, "mount-s3": network, "s3ql": network,
	"gcsfuse": network, "blobfuse": network, "blobfuse2": network, "davfs": network, "davfs2": network,
	"curlftpfs": network, "httpfs": network, "httpfs2": network, "smbnetfs": network, "fusesmb": network,
	"glusterfs": network, "ceph": network, "ceph-fuse": network, "cephfs": network, "juicefs": network,
	"JuiceFS": network, "moosefs": network, "mfs": network, "mfsmount": network, "lizardfs": network,
	"seaweedfs": network, "weed": network, "hdfs": network, "fuse_dfs": network, "cvmfs2": network,
	"gvfsd-fuse": network, "gvfs-fuse-daemon": network, "kio-fuse": network, "google-drive-ocamlfuse": network,
	"onedriver": network, "keybase": network, "kbfs": network, "afuse": network, "vmhgfs-fuse": network,
	"ipfs": network, "mergerfs": local, "lxcfs": pseudo, "portal": pseudo,
}
