package wire

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Address is where a server is. The zero value is none; see [ParseAddress].
type Address struct {
	host  string // a name in lower case, or an IP address without brackets
	port  string
	plain bool
}

// ParseAddress reads the address of a server as people write it: [Server].Address says how. Errors say what
// to write instead.
func ParseAddress(s string) (Address, error) {
	a, err := parseAddress(s)
	if err != nil {
		return Address{}, fmt.Errorf("server %q: %w", printable(s, 200), err)
	}
	return a, nil
}

func parseAddress(s string) (a Address, err error) {
	rest := s
	if scheme, after, found := strings.Cut(s, "://"); found {
		switch strings.ToLower(scheme) {
		case "https":
		case "http":
			a.plain = true
		default:
			return a, fmt.Errorf("%q is no protocol of a sandbox: write the host and port only, or https:// before them", printable(scheme, 40))
		}
		rest = strings.TrimSuffix(after, "/")
	}
	if rest == "" {
		return a, fmt.Errorf("there is no host: write a name or an address, and a port: sandbox.example:443")
	}
	if i := strings.IndexAny(rest, "/?#@"); i >= 0 {
		return a, fmt.Errorf("%q has no place in it: write host and port only", rest[i:i+1])
	}
	a.port = "443"
	if a.plain {
		a.port = "80"
	}
	host, bracketed := rest, strings.HasPrefix(rest, "[")
	switch {
	case bracketed && strings.HasSuffix(rest, "]"):
		host = rest[1 : len(rest)-1]
	case !bracketed && strings.Count(rest, ":") > 1:
		return a, fmt.Errorf("an IPv6 address is written in brackets, so that the port can be told from it: [2001:db8::1]:443")
	case bracketed || strings.Contains(rest, ":"):
		if host, a.port, err = net.SplitHostPort(rest); err != nil {
			return a, fmt.Errorf("write host:port, with an IPv6 address in brackets: [2001:db8::1]:443")
		}
	}
	if n, err := strconv.ParseUint(a.port, 10, 16); err != nil || n == 0 || a.port[0] == '+' {
		return a, fmt.Errorf("%q is no port: write a number from 1 to 65535", printable(a.port, 20))
	}
	a.port = strings.TrimLeft(a.port, "0")
	if bracketed {
		ip, err := netip.ParseAddr(host)
		switch {
		case err != nil || !ip.Is6():
			return a, fmt.Errorf("what stands in the brackets is no IPv6 address")
		case ip.Zone() != "":
			return a, fmt.Errorf("an address with a zone (%%%s) means another thing on each computer: give the server an address of its own", printable(ip.Zone(), 20))
		}
		a.host = ip.String()
		return a, nil
	}
	if a.host, err = hostName(host); err != nil {
		return a, err
	}
	return a, nil
}

// hostName checks a name or an IPv4 address. Names of other scripts are written as in DNS: "xn--…".
func hostName(host string) (string, error) {
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		return ip.String(), nil
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if name == "" || len(name) > 253 {
		return "", fmt.Errorf("%q is no name of a host", printable(host, 40))
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		odd := strings.ContainsFunc(label, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
		})
		if label == "" || len(label) > 63 || odd {
			return "", fmt.Errorf("%q is no name of a host", printable(host, 40))
		}
	}
	// No top-level domain is a number, and some resolvers take such names for addresses.
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return "", fmt.Errorf("%q is no IPv4 address", printable(host, 40))
	}
	return name, nil
}

// URL is "https://host:port", always with the port: the server's name in stored data and messages.
func (a Address) URL() string {
	scheme := "https"
	if a.plain {
		scheme = "http"
	}
	return scheme + "://" + net.JoinHostPort(a.host, a.port)
}

// Plain reports that the connection is not protected: who can read or change the traffic sees what is sent and
// decides on the verdict.
func (a Address) Plain() bool { return a.plain }
