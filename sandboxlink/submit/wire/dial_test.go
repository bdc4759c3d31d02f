package wire

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// One dead address of a name does not cost the server, whichever way it is dead. 127.0.0.2 and others are this
// machine too, and nothing listens there.
func TestSeveralAddressesOfAName(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d := newDialer(20*time.Second, nil)
	for _, test := range []struct {
		name      string
		addresses []string
		want      string
	}{
		{"the first", []string{"127.0.0.1", "127.0.0.2"}, ""},
		{"the last", []string{"127.0.0.4", "127.0.0.3", "127.0.0.2", "127.0.0.1"}, ""},
		{"the other family", []string{"::1", "127.0.0.1"}, ""},
		{"mapped", []string{"::ffff:127.0.0.1"}, ""},
		{"none", nil, "no address is known"},
		{"all dead", []string{"127.0.0.2", "127.0.0.3"}, "refused"},
		{"too many", append(strings.Split(strings.Repeat("127.0.0.2 ", maxAddresses), " ")[:maxAddresses], "127.0.0.1"), "refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d.lookup = func(context.Context, string) ([]netip.Addr, error) {
				var all []netip.Addr
				for _, a := range test.addresses {
					all = append(all, netip.MustParseAddr(a))
				}
				return all, nil
			}
			c, err := d.plain(t.Context(), "tcp", net.JoinHostPort("sandbox.example", port))
			if test.want == "" {
				if err != nil {
					t.Fatalf("dial = %v", err)
				}
				if got := c.RemoteAddr().String(); got != l.Addr().String() {
					t.Errorf("connected to %s; want %s", got, l.Addr())
				}
				_ = c.Close()
				return
			}
			var fault *Error
			if !errors.As(err, &fault) || fault.Kind != Down || !strings.Contains(fault.Reason, test.want) {
				t.Errorf("dial = %v; want kind down with %q", err, test.want)
			}
		})
	}
}

// Looking a name up counts as connecting.
func TestSlowNames(t *testing.T) {
	d := newDialer(20*time.Millisecond, nil)
	d.lookup = func(ctx context.Context, _ string) ([]netip.Addr, error) {
		<-ctx.Done()
		return nil, &net.DNSError{Err: "slow", Name: "sandbox.example", IsTimeout: true}
	}
	_, err := d.plain(t.Context(), "tcp", "sandbox.example:443")
	if err == nil || !strings.Contains(err.Error(), "no connection within 20ms") {
		t.Errorf("dial = %v; want that time is over", err)
	}
}
