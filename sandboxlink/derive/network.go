package derive

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tyto/verdict"
)

// domains makes indicators of the names that the object asked for.
func (c *collector) domains() {
	for _, name := range c.derived.report.Domains {
		c.domain(name, 70, "a name that it asked for")
	}
}

var (
	domainName = regexp.MustCompile(`^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59})$`)
	localName  = regexp.MustCompile(`(?:^|\.)(?:local|localdomain|localhost|lan|home|internal|intranet|corp|arpa|workgroup|test|invalid)$`)
)

func (c *collector) domain(name string, confidence int, why string) {
	lower := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(name)), ".")
	if reason := c.commonDomain(lower); reason != "" {
		c.leaveOut(Domain, name, reason)
		return
	}
	c.add(Indicator{
		Kind: Domain, Confidence: confidence, Why: why, Evidence: []string{name},
		Tests: []Test{{"DnsEntryItem/RecordName", "is", "string", lower}},
		stix:  "domain-name:value = " + stixText(lower),
	})
}

// commonDomain says why a domain is no indicator, or "".
func (c *collector) commonDomain(name string) string {
	switch {
	case localName.MatchString(name):
		return "is a name within a network"
	case len(name) > 253 || !domainName.MatchString(name):
		return "is no name of a domain"
	case below(known().hosts, name):
		return "is a site on which anybody can put something"
	case below(known().domains, name):
		return "is a well-known domain, to which clean computers speak"
	case c.options.Widespread != nil && c.options.Widespread(Domain, name):
		return "the inventory has seen it widely before"
	}
	return ""
}

// urls makes indicators of addresses of the web.
func (c *collector) urls() {
	for _, address := range c.derived.report.URLs {
		c.url(address, 75, "an address that it fetched")
	}
}

// url makes an indicator of an address without its query, in which programs send what is new each time. If
// there is nothing but a host, the host is the indicator.
func (c *collector) url(address string, confidence int, why string) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		c.leaveOut(URL, address, "is no address of the web")
		return
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	ip, err := netip.ParseAddr(host)
	numeric := err == nil
	switch {
	case numeric && commonAddress(ip) != "":
		c.leaveOut(URL, address, "its host "+commonAddress(ip))
		return
	case !numeric && below(known().hosts, host) && len(u.EscapedPath()) > 8: // the path tells
	case !numeric && c.commonDomain(host) != "":
		c.leaveOut(URL, address, "its host "+c.commonDomain(host))
		return
	case numeric:
		c.address(verdict.Connection{Address: host, Port: port(u)}, true)
	default:
		c.domain(host, min(confidence, 70), why)
	}
	path := u.EscapedPath()
	if path == "" || path == "/" {
		return
	}
	value := u.Host + path
	c.add(Indicator{
		Kind: URL, Confidence: confidence, Why: why, Evidence: []string{address},
		Tests: []Test{{"UrlHistoryItem/URL", "contains", "string", "://" + value}},
		stix:  "url:value MATCHES " + stixText("(?i)^https?://"+regexp.QuoteMeta(value)),
	})
}

func port(u *url.URL) int {
	if n, err := strconv.Atoi(u.Port()); err == nil && n > 0 && n <= 65535 {
		return n
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}

// ownPorts are UDP ports by which computers find their network, each other and the time.
var ownPorts = []int{53, 67, 68, 123, 137, 138, 139, 546, 547, 1900, 3702, 5353, 5355}

// addresses makes indicators of addresses that the object spoke to.
func (c *collector) addresses() {
	for _, connection := range c.derived.report.Connections {
		c.address(connection, connection.Domain != "")
	}
}

// webPorts are those of servers on which very many sites may live behind one address.
var webPorts = []int{80, 443}

// address makes an indicator of an address. Named says that a name of its own, or an address of the web,
// leads there: without, a port that any web server has is not enough.
func (c *collector) address(connection verdict.Connection, named bool) {
	a, err := netip.ParseAddr(connection.Address)
	if err != nil {
		c.leaveOut(Address, connection.Address, "is no address")
		return
	}
	a = a.Unmap().WithZone("")
	if reason := c.commonConnection(a, connection); reason != "" {
		c.together(Address, a.String(), reason)
		return
	}
	if slices.Contains(webPorts, connection.Port) && !named {
		c.together(Address, a.String(), "is only known by a port of the web: many sites may share it")
		return
	}
	i := Indicator{
		Kind: Address, Confidence: 50, Why: "an address that it spoke to", Evidence: []string{netip.AddrPortFrom(a, uint16(connection.Port)).String()},
		Tests: []Test{{"PortItem/remoteIP", "is", "IP", a.String()}},
	}
	version := "ipv4-addr"
	if a.Is6() {
		version = "ipv6-addr"
	}
	i.stix = version + ":value = " + stixText(a.String())
	if connection.Port > 0 {
		number := strconv.Itoa(connection.Port)
		i.Confidence, i.Why = 60, "an address and port that it spoke to"
		i.Tests = append(i.Tests, Test{"PortItem/remotePort", "is", "int", number})
		i.stix = "network-traffic:dst_ref.type = " + stixText(version) + " AND network-traffic:dst_ref.value = " + stixText(a.String()) +
			" AND network-traffic:dst_port = " + number
	} else {
		i.Evidence = []string{a.String()}
	}
	c.add(i)
}

// commonConnection says why a connection is no indicator, or "".
func (c *collector) commonConnection(a netip.Addr, connection verdict.Connection) string {
	if reason := commonAddress(a); reason != "" {
		return reason
	}
	switch {
	case connection.Protocol != "tcp" && slices.Contains(ownPorts, connection.Port):
		return "is spoken to by the system itself: name service, time, or the local network"
	case connection.Domain != "" && c.commonDomain(strings.ToLower(connection.Domain)) != "":
		return "belongs to a well-known domain"
	case c.options.Widespread != nil && c.options.Widespread(Address, a.String()):
		return "the inventory has seen it widely before"
	}
	return ""
}

// reserved are networks that no stranger has, beside those that package netip knows. The networks of examples
// (192.0.2.0/24 and others) are left in: nobody has them either, but tests and demonstrations speak to them.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2002::/16"),
}

// commonAddress says why an address is no indicator, or "".
func commonAddress(a netip.Addr) string {
	within := func(networks []netip.Prefix) bool {
		return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	switch {
	case a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast():
		return "is private: each network has its own"
	case a.IsMulticast() || a.IsUnspecified() || within(reserved):
		return "is no address of one computer"
	case within(known().networks):
		return "is shared by many, or a front end of well-known services"
	}
	return ""
}
