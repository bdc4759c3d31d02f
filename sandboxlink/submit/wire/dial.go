package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// maxAddresses of one name are tried.
const maxAddresses = 8

// dialer reaches a server within one timeout, whatever takes the time: the name, the network, TLS.
type dialer struct {
	timeout time.Duration
	config  *tls.Config
	lookup  func(ctx context.Context, host string) ([]netip.Addr, error)
}

func newDialer(timeout time.Duration, config *tls.Config) *dialer {
	return &dialer{timeout: timeout, config: config, lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}}
}

// plain connects without TLS.
func (d *dialer) plain(ctx context.Context, _, address string) (net.Conn, error) {
	return d.dial(ctx, address, func(_ context.Context, c net.Conn) (net.Conn, error) { return c, nil })
}

// tls connects and shakes hands.
func (d *dialer) tls(ctx context.Context, _, address string) (net.Conn, error) {
	return d.dial(ctx, address, func(ctx context.Context, c net.Conn) (net.Conn, error) {
		secured := tls.Client(c, d.config)
		if err := secured.HandshakeContext(ctx); err != nil {
			// The connection is of no use, and its peer may be anybody.
			_ = c.Close()
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, handshakeFault(err)
		}
		return secured, nil
	})
}

// secure makes a connection ready for use, and closes it if it cannot.
type secure func(context.Context, net.Conn) (net.Conn, error)

// dial tries the addresses of a host, a quarter of the timeout after each other or as soon as one has
// failed, and takes the first connection that is ready (RFC 8305 in small). One dead address of a name
// then does not cost the server. net.Dialer would give each address of a family at least two seconds.
func (d *dialer) dial(ctx context.Context, address string, ready secure) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	addresses, err := d.addresses(ctx, address)
	if err != nil {
		return nil, connectFault(err, d.timeout)
	}
	type outcome struct {
		conn net.Conn
		err  error
	}
	outcomes := make(chan outcome)
	begin := func(a netip.AddrPort) {
		go func() {
			conn, err := connect(ctx, a, ready)
			outcomes <- outcome{conn, err}
		}()
	}
	var won net.Conn
	var failed error
	timer := time.NewTimer(0)
	defer timer.Stop()
	for running := 0; running > 0 || len(addresses) > 0; {
		select {
		case <-timer.C:
			if len(addresses) > 0 {
				begin(addresses[0])
				addresses = addresses[1:]
				running++
				timer.Reset(d.timeout / 4)
			}
		case o := <-outcomes:
			running--
			switch {
			case o.err != nil:
				failed = worse(failed, o.err)
				timer.Reset(0)
			case won == nil:
				won, addresses = o.conn, nil
				cancel() // the others; they are waited for
			default:
				_ = o.conn.Close() // came second
			}
		}
	}
	if won != nil {
		return won, nil
	}
	var fault *Error
	if errors.As(failed, &fault) {
		return nil, fault
	}
	return nil, connectFault(failed, d.timeout)
}

// worse keeps the error that says more: that of a server which was reached.
func worse(a, b error) error {
	var fault *Error
	if a == nil || errors.As(b, &fault) {
		return b
	}
	return a
}

// connect reaches one address.
func connect(ctx context.Context, a netip.AddrPort, ready secure) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", a.String())
	if err != nil {
		return nil, err
	}
	return ready(ctx, &earConn{Conn: conn})
}

// earConn keeps listening when nobody takes what is written. A server that refuses an upload answers ("too
// large", "queue full") and closes the connection while we still write; net/http would give up at the write
// error and never read the answer, which has arrived. If none has, the next read says so.
type earConn struct {
	net.Conn
	deaf atomic.Bool // the other side has stopped reading
}

func (c *earConn) Write(p []byte) (int, error) {
	if c.deaf.Load() {
		return len(p), nil
	}
	n, err := c.Conn.Write(p)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		c.deaf.Store(true)
		return len(p), nil
	}
	return n, err
}

// addresses returns where a host may be, the families taking turns.
func (d *dialer) addresses(ctx context.Context, address string) ([]netip.AddrPort, error) {
	if exact, err := netip.ParseAddrPort(address); err == nil {
		return []netip.AddrPort{exact}, nil
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return nil, err
	}
	found, err := d.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var six, four []netip.Addr
	for _, ip := range found {
		if ip = ip.Unmap(); ip.Is4() {
			four = append(four, ip)
		} else {
			six = append(six, ip)
		}
	}
	var out []netip.AddrPort
	for i := 0; i < max(len(six), len(four)) && len(out) < maxAddresses; i++ {
		for _, family := range [][]netip.Addr{six, four} {
			if i < len(family) {
				out = append(out, netip.AddrPortFrom(family[i], uint16(port)))
			}
		}
	}
	if len(out) == 0 {
		return nil, &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	return out, nil
}
