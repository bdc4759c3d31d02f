package trace

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"tyto/verdict"
)

// Bounds of what is read of one call.
const (
	maxSockaddr = 128 // sizeof(struct sockaddr_storage)
	maxDatagram = 1500
	maxVectors  = 8
	maxMessages = 8
)

const dnsPort = 53

// socket notes the protocol of an internet socket, and raw ones.
func (t *tracer) socket(k *task, c call) reply {
	const typeMask = 0xf
	protocol := "tcp"
	switch c.args[1] & typeMask {
	case unix.SOCK_DGRAM:
		protocol = "udp"
	case unix.SOCK_RAW:
		t.deed(RawSocket, "internet socket")
		return reply{}
	}
	return then(func(result int64) {
		p := k.process
		if result < 0 || len(p.kinds) >= maxPeers {
			return
		}
		if p.kinds == nil {
			p.kinds = map[int]string{}
		}
		p.kinds[int(result)] = protocol
		delete(p.peers, int(result))
	})
}

// addressAt reads a struct sockaddr.
func (k *task) addressAt(pointer uint64, length uint64) (address, bool) {
	return parseAddress(k.process.mem().read(pointer, int(min(length, maxSockaddr))))
}

func (t *tracer) connect(k *task, c call) reply {
	a, ok := k.addressAt(c.args[1], uint64(uint32(c.args[2])))
	if ok {
		t.reached(k, int(int32(c.args[0])), a)
	}
	return reply{}
}

// reached notes where a socket leads.
func (t *tracer) reached(k *task, fd int, a address) {
	if a.unix != "" {
		t.deed(UnixSocket, a.unix)
		return
	}
	p := k.process
	if p.peers == nil {
		p.peers = map[int]netip.AddrPort{}
	}
	if len(p.peers) < maxPeers {
		p.peers[fd] = a.ip
	}
	t.call(k, fd, a.ip)
}

// call notes a connection that is tried. Port 0 is how libc asks which of its own addresses it would use.
func (t *tracer) call(k *task, fd int, to netip.AddrPort) {
	if to.Port() == 0 {
		return
	}
	protocol := k.process.kinds[fd]
	if protocol == "" {
		protocol = "tcp"
	}
	t.connection(verdict.Connection{Protocol: protocol, Address: to.Addr().String(), Port: int(to.Port())}, t.Now())
}

func (t *tracer) listen(k *task, c call) reply {
	return then(func(result int64) {
		if protocol := k.process.kinds[int(int32(c.args[0]))]; protocol != "" && result == 0 {
			t.deed(Listen, protocol)
		}
	})
}

// sent looks at a datagram.
func (t *tracer) sent(k *task, fd int, to address, known bool, data []byte) {
	peer := k.process.peers[fd]
	if known {
		if to.unix != "" {
			t.deed(UnixSocket, to.unix)
			return
		}
		peer = to.ip
		t.call(k, fd, peer)
	}
	if peer.Port() != dnsPort {
		return
	}
	if k.process.kinds[fd] == "tcp" && len(data) > 2 {
		data = data[2:] // DNS over TCP begins with a length
	}
	for _, name := range questions(data) {
		t.domain(name)
	}
}

func (t *tracer) sendto(k *task, c call) reply {
	to, known := k.addressAt(c.args[4], uint64(uint32(c.args[5])))
	data := k.process.mem().read(c.args[1], int(min(c.args[2], maxDatagram)))
	t.sent(k, int(int32(c.args[0])), to, known, data)
	return reply{}
}

func (t *tracer) sendmsg(k *task, c call) reply {
	t.message(k, int(int32(c.args[0])), c.args[1])
	return reply{}
}

// sizeofMmsghdr is that of struct mmsghdr: a struct msghdr and a length.
const (
	sizeofMsghdr  = 56
	sizeofMmsghdr = 64
)

func (t *tracer) sendmmsg(k *task, c call) reply {
	for i := range min(uint64(uint32(c.args[2])), maxMessages) {
		t.message(k, int(int32(c.args[0])), c.args[1]+i*sizeofMmsghdr)
	}
	return reply{}
}

// message looks at a struct msghdr: name, length of the name, vectors, number of vectors, see recvmsg(2).
func (t *tracer) message(k *task, fd int, pointer uint64) {
	m := k.process.mem()
	header := m.read(pointer, sizeofMsghdr)
	if len(header) < sizeofMsghdr {
		return
	}
	field := func(i int) uint64 { return binary.LittleEndian.Uint64(header[8*i:]) }
	to, known := k.addressAt(field(0), uint64(uint32(field(1))))
	vectors, count := field(2), min(field(3), maxVectors)
	var data []byte
	for i := range count {
		base, length := m.word(vectors+16*i), m.word(vectors+16*i+8)
		data = append(data, m.read(base, int(min(length, uint64(maxDatagram-len(data)))))...)
	}
	t.sent(k, fd, to, known, data)
}
