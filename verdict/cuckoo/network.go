package cuckoo

import (
	"net/netip"
	"strconv"
	"strings"

	"tyto/verdict"
)

// network reads whom the object spoke to.
func (t *translator) network() {
	network := t.root["network"]
	if network.isNothing() {
		return
	}
	if network.kind() != '{' {
		t.skip()
		return
	}
	t.names(network)
	if traffic := network.get("traffic"); traffic.kind() == '{' { // get/iocs
		t.requests(traffic.get("http"))
	}
	for _, protocol := range []string{"tcp", "udp"} {
		for c := range t.elements(network.get(protocol)) {
			t.connection(protocol, t.text(c.get("dst")), int(t.integer(c.get("dport"))))
		}
	}
	for host := range t.elements(network.get("hosts")) {
		if host.kind() == '{' {
			host = host.get("ip")
		}
		t.host(t.text(host))
	}
	for d := range t.elements(network.get("domains")) {
		if d.kind() == '{' {
			d = d.get("domain")
		}
		t.domain(t.text(d))
	}
	for d := range t.elements(network.get("dns")) {
		t.domain(t.text(either(d.get("request"), d.get("hostname"))))
	}
	t.requests(network.get("http"))
	t.requests(network.get("http_ex"))
	t.requests(network.get("https_ex"))
}

// names notes which names were resolved to which addresses.
func (t *translator) names(network value) {
	note := func(address, name string) {
		if a, err := netip.ParseAddr(address); err == nil && name != "" && len(t.resolved) < maxFields {
			t.resolved[a] = append(t.resolved[a], tidyDomain(name))
		}
	}
	for d := range network.get("domains").elements() {
		address, _ := d.get("ip").text()
		name, _ := d.get("domain").text()
		note(address, name)
	}
	for d := range network.get("dns").elements() {
		name, _ := either(d.get("request"), d.get("hostname")).text()
		for answer := range d.get("answers").elements() {
			address, _ := answer.get("data").text()
			note(address, name)
		}
	}
}

// nameOf returns the shortest of the names that were resolved to an address: a site's own rather than one of
// its customers'.
func (t *translator) nameOf(a netip.Addr) string {
	shortest := ""
	for _, name := range t.resolved[a] {
		if len(name) <= 253 && (shortest == "" || len(name) < len(shortest)) {
			shortest = name
		}
	}
	return shortest
}

// requests reads HTTP requests, of which older reports tell the address in one piece.
func (t *translator) requests(v value) {
	if v.isNothing() {
		return
	}
	for r := range t.elements(v) {
		if r.kind() != '{' {
			t.skip()
			continue
		}
		uri, host := t.text(r.get("uri")), t.text(r.get("host"))
		if !strings.Contains(uri, "://") && host != "" {
			protocol := t.text(r.get("protocol"))
			if protocol != "https" {
				protocol = "http"
			}
			uri = protocol + "://" + host + "/" + strings.TrimPrefix(uri, "/")
		}
		t.url(uri)
		if name, _, _ := strings.Cut(host, ":"); name != "" {
			if _, err := netip.ParseAddr(name); err != nil {
				t.domain(name)
			}
		}
	}
}

func (t *translator) connection(protocol, address string, port int) {
	a, err := netip.ParseAddr(address)
	if err != nil || port < 0 || port > 65535 {
		t.skip()
		return
	}
	t.seen["host\x00"+a.String()] = true
	if t.isNew(len(t.r.Connections), "connection", protocol, a.String(), strconv.Itoa(port)) {
		t.r.Connections = append(t.r.Connections, verdict.Connection{Protocol: protocol, Address: a.String(), Port: port, Domain: t.nameOf(a)})
	}
}

// host notes an address of which no connection tells the port.
func (t *translator) host(address string) {
	a, err := netip.ParseAddr(address)
	if err != nil {
		t.skip()
		return
	}
	if t.isNew(len(t.r.Connections), "host", a.String()) {
		t.r.Connections = append(t.r.Connections, verdict.Connection{Address: a.String(), Domain: t.nameOf(a)})
	}
}

func (t *translator) domain(name string) {
	name = tidyDomain(name)
	if name != "" && t.isNew(len(t.r.Domains), "domain", name) {
		t.r.Domains = append(t.r.Domains, name)
	}
}

func tidyDomain(name string) string {
	return strings.TrimSuffix(strings.ToLower(strings.TrimSpace(name)), ".")
}

func (t *translator) url(url string) {
	if url != "" && t.isNew(len(t.r.URLs), "url", url) {
		t.r.URLs = append(t.r.URLs, url)
	}
}
