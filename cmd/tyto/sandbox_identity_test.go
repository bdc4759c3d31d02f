package main

import (
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/agent/policy"
	"tyto/sandbox/cert"
)

// What is printed is pasted into a policy: it must be one, whatever the address and the folder are called.
func TestPolicySnippet(t *testing.T) {
	pins := []string{strings.Repeat("0", 64), "1e" + strings.Repeat("7", 62), strings.Repeat("af", 32)}
	tests := []struct{ name, address, folder string }{
		{"name", "sandbox.example.org:8443", "tls"},
		{"address", "192.0.2.7:8443", "tls"},
		{"address of version 6", "[2001:db8::1]:8443", "tls"},
		{"loopback of version 6", "[::1]:8443", "tls"},
		{"space", "localhost:8443", "my tls"},
		{"comment", "localhost:8443", "a #b"},
		{"mapping", "localhost:8443", "a: b"},
		{"quotes", "localhost:8443", `it's "tls"`},
		{"backslash", "localhost:8443", `Program\new`},
		{"line break", "localhost:8443", "a\nsandbox: {}"},
		{"reference", "localhost:8443", "*a & !b %c @d"},
		{"letters", "localhost:8443", "Prüfstand"},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.ContainsAny(test.folder, "\n*:\"") {
				t.Skip("Windows has no such names")
			}
			pin, ca := pins[i%len(pins)], filepath.Join(t.TempDir(), test.folder, "ca.pem")
			var out strings.Builder
			printPolicy(&out, test.address, ca, pin)
			_, document, ok := strings.Cut(out.String(), "\n\n")
			if !ok {
				t.Fatalf("there is no snippet:\n%s", &out)
			}
			p, problems := policy.Parse("policy.yaml", []byte(document))
			if policy.Broken(problems) {
				t.Fatalf("%s\n%s", policy.Plain(problems), document)
			}
			if diff := cmp.Diff([]policy.SandboxServer{{Address: test.address, CA: ca, Pin: pin}}, p.Sandbox.Servers); diff != "" {
				t.Errorf("servers (-want +got):\n%s\n%s", diff, document)
			}
		})
	}
}

// Agents are told an address that their certificate check accepts.
func TestReachedAt(t *testing.T) {
	authority, err := cert.Create(filepath.Join(t.TempDir(), "tls"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Server([]string{"box", "sandbox.example.org", "192.0.2.7", "::1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, listens, flag, want string }{
		{"all addresses", "[::]:8443", "", "box:8443"},
		{"all addresses with a name", "[::]:8443", "sandbox.example.org", "sandbox.example.org:8443"},
		{"all addresses of version 4", "0.0.0.0:8443", "", "box:8443"},
		{"this computer only", "[::1]:8443", "sandbox.example.org", "[::1]:8443"},
		{"this computer only by an address that it does not hold", "127.0.0.1:8443", "sandbox.example.org", "sandbox.example.org:8443"},
		{"an address that it holds", "192.0.2.7:8443", "", "192.0.2.7:8443"},
		{"an address that it does not hold", "192.0.2.8:8443", "", "box:8443"},
		{"an address and a name", "192.0.2.7:8443", "sandbox.example.org", "sandbox.example.org:8443"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			id := &identity{leaf: pair.Leaf, name: test.flag}
			address, err := net.ResolveTCPAddr("tcp", test.listens)
			if err != nil {
				t.Fatal(err)
			}
			if got := id.reachedAt(address); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// The authority is named to agents only if it has signed what the server shows.
func TestAuthorityOf(t *testing.T) {
	dir := t.TempDir()
	create := func(name string) (*cert.Authority, *cert.Pair) {
		t.Helper()
		a, err := cert.Create(filepath.Join(dir, name), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		p, err := a.Server([]string{"localhost"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return a, p
	}
	authority, pair := create("one")
	_, other := create("other")
	if got := authorityOf(pair.Certificate, pair.Leaf); got != authority.File() {
		t.Errorf("%q, want %q", got, authority.File())
	}
	if got := authorityOf(pair.Certificate, other.Leaf); got != "" {
		t.Errorf("%q beside a certificate of another authority, want none", got)
	}
	if got := authorityOf(filepath.Join(dir, "server.pem"), pair.Leaf); got != "" {
		t.Errorf("%q where there is none, want none", got)
	}
}
