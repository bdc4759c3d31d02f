package control

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxGroups is NGROUPS_MAX of Linux.
const maxGroups = 65536

// peerOf asks the kernel who made the connection: SO_PEERCRED and SO_PEERGROUPS, see unix(7). These are the
// credentials of then, whatever the process has done since.
func peerOf(conn net.Conn) (peer, error) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return peer{}, errors.New("no socket")
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return peer{}, err
	}
	var p peer
	var asked error
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			asked = fmt.Errorf("ask who is at the other end: %w", err)
			return
		}
		p.uid, p.pid, p.groups = int(cred.Uid), int(cred.Pid), append(groupsOf(fd), int(cred.Gid))
	})
	return p, errors.Join(err, asked)
}

// groupsOf returns the supplementary groups of the peer; none if the kernel does not tell.
func groupsOf(fd uintptr) []int {
	gids := make([]uint32, 64)
	for {
		length := uint32(len(gids) * 4)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&gids[0])), uintptr(unsafe.Pointer(&length)), 0)
		if errno == unix.ERANGE && int(length/4) <= maxGroups && int(length/4) > len(gids) {
			gids = make([]uint32, length/4)
			continue
		}
		if errno != 0 {
			return nil
		}
		var groups []int
		for _, g := range gids[:min(int(length/4), len(gids))] {
			groups = append(groups, int(g))
		}
		return groups
	}
}
