package sandbox

import (
	"net"
	"net/netip"
	"sync"
)

// counter bounds how much of something there is at a time, in all and for each client.
type counter struct {
	most, each int

	mu      sync.Mutex
	all     int
	clients map[netip.Prefix]int // only those that have some
}

func newCounter(most, each int) *counter {
	return &counter{most: most, each: each, clients: map[netip.Prefix]int{}}
}

// take takes one for a client; release, which may be called once, gives it back. It is nil if there is none.
func (c *counter) take(client netip.Prefix) (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= c.most || c.clients[client] >= c.each {
		return nil
	}
	c.all++
	c.clients[client]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all--
		if c.clients[client]--; c.clients[client] == 0 {
			delete(c.clients, client)
		}
	}
}

// clientOf returns who is at the other end: an IPv4 address, or the /64 network of an IPv6 one, which is
// what one computer can choose its addresses from. What has no address is one client together.
func clientOf(address string) netip.Prefix {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip := a.Addr().Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() && !ip.IsLoopback() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// bounded admits a number of connections at a time, in all and of each client. Those beyond are closed at
// once: before the TLS handshake there is no language in which to tell them why.
type bounded struct {
	net.Listener
	counter *counter
	refused func(client string)
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		client := conn.RemoteAddr().String()
		if release := b.counter.take(clientOf(client)); release != nil {
			return &counted{Conn: conn, release: sync.OnceFunc(release)}, nil
		}
		_ = conn.Close()
		b.refused(client)
	}
}

// counted gives its place back when it is closed.
type counted struct {
	net.Conn
	release func()
}

func (c *counted) Close() error {
	defer c.release()
	return c.Conn.Close()
}
