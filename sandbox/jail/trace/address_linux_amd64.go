package trace

import (
	"encoding/binary"
	"net/netip"
)

// Address families, see bits/socket.h of Linux.
const (
	familyUnix  = 1
	familyInet  = 2
	familyInet6 = 10
)

// address is what a sockaddr says. Exactly one of its two halves is set.
type address struct {
	ip   netip.AddrPort
	unix string // a path, or "@name" in the abstract name space
}

// parseAddress reads a struct sockaddr as it stands in a program's memory on a little-endian computer, see
// ip(7), ipv6(7) and unix(7). It returns false for what is too short and for other families.
func parseAddress(b []byte) (address, bool) {
	if len(b) < 2 {
		return address{}, false
	}
	switch binary.LittleEndian.Uint16(b) {
	case familyInet:
		if len(b) < 8 {
			return address{}, false
		}
		ip := netip.AddrFrom4([4]byte(b[4:8]))
		return address{ip: netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[2:]))}, true
	case familyInet6:
		if len(b) < 24 {
			return address{}, false
		}
		ip := netip.AddrFrom16([16]byte(b[8:24])).Unmap()
		return address{ip: netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[2:]))}, true
	case familyUnix:
		path := b[2:]
		if len(path) == 0 {
			return address{}, false
		}
		if path[0] == 0 {
			return address{unix: "@" + string(path[1:])}, true
		}
		return address{unix: untilNUL(path)}, true
	}
	return address{}, false
}

func untilNUL(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
