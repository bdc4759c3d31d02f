package cert

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func create(t *testing.T) (*Authority, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tls")
	a, err := Create(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	return a, dir
}

// Certificates are good for what they are for, by the names that they bear, as long as they live.
func TestChain(t *testing.T) {
	a, _ := create(t)
	server, err := a.Server([]string{"sandbox.example.org", "192.0.2.7", "[2001:db8::1]"}, now)
	if err != nil {
		t.Fatal(err)
	}
	client, err := a.Client("agents", now)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"sandbox.example.org", "192.0.2.7", "2001:db8::1"}, Names(server.Leaf)); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	pool, err := ReadPool(a.File())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		leaf  *x509.Certificate
		usage x509.ExtKeyUsage
		host  string
		when  time.Time
		good  bool
	}{
		{"server", server.Leaf, x509.ExtKeyUsageServerAuth, "sandbox.example.org", now, true},
		{"server by address", server.Leaf, x509.ExtKeyUsageServerAuth, "192.0.2.7", now, true},
		{"server by address of version 6", server.Leaf, x509.ExtKeyUsageServerAuth, "2001:db8::1", now, true},
		{"on the last day", server.Leaf, x509.ExtKeyUsageServerAuth, "192.0.2.7", now.Add(LeafLifetime - time.Hour), true},
		{"for a clock that is behind", server.Leaf, x509.ExtKeyUsageServerAuth, "192.0.2.7", now.Add(-30 * time.Minute), true},
		{"client", client.Leaf, x509.ExtKeyUsageClientAuth, "", now, true},
		{"by another name", server.Leaf, x509.ExtKeyUsageServerAuth, "other.example.org", now, false},
		{"expired", server.Leaf, x509.ExtKeyUsageServerAuth, "192.0.2.7", now.Add(LeafLifetime + time.Hour), false},
		{"server as client", server.Leaf, x509.ExtKeyUsageClientAuth, "", now, false},
		{"client as server", client.Leaf, x509.ExtKeyUsageServerAuth, "", now, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := test.leaf.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{test.usage}, DNSName: test.host, CurrentTime: test.when})
			if (err == nil) != test.good {
				t.Errorf("%v", err)
			}
		})
	}
}

// Names are compared as clients do it, and addresses as they were entered.
func TestCovers(t *testing.T) {
	a, _ := create(t)
	names := []string{"sandbox.example.org", "*.box.example.org", "192.0.2.7", "[2001:db8::1]", "fe80::1%eth0"}
	server, err := a.Server(names, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, "SANDBOX.example.org", "one.box.example.org", "2001:DB8:0::1", "::ffff:192.0.2.7") {
		if !Covers(server.Leaf, name) {
			t.Errorf("%q is not covered", name)
		}
	}
	for _, name := range []string{"", "example.org", "a.b.box.example.org", "192.0.2.8", "::1"} {
		if Covers(server.Leaf, name) {
			t.Errorf("%q is covered", name)
		}
	}
}

// Keys are for their owner alone, and nothing is written over.
func TestFiles(t *testing.T) {
	a, dir := create(t)
	if _, err := a.Server([]string{"localhost"}, now); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		for name, want := range map[string]fs.FileMode{"ca-key.pem": 0o600, "server-key.pem": 0o600, ".": 0o700} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v (%v), want %v", name, info.Mode().Perm(), err, want)
			}
		}
	}
	before, err := os.ReadFile(filepath.Join(dir, "server-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Server([]string{"localhost"}, now); !errors.Is(err, ErrExists) {
		t.Errorf("a second server certificate: %v, want ErrExists", err)
	}
	if _, err := Create(dir, now); !errors.Is(err, ErrExists) {
		t.Errorf("a second authority: %v, want ErrExists", err)
	}
	after, err := os.ReadFile(filepath.Join(dir, "server-key.pem"))
	if err != nil || string(before) != string(after) {
		t.Error("the key was written over")
	}
}

// An authority is found again, and signs on; agents that trust it notice nothing.
func TestRenew(t *testing.T) {
	first, dir := create(t)
	old, err := first.Server([]string{"localhost"}, now)
	if err != nil {
		t.Fatal(err)
	}
	a, made, err := OpenOrCreate(dir, now)
	if err != nil || made {
		t.Fatalf("opened: %v, made: %v", err, made)
	}
	later := now.Add(LeafLifetime)
	fresh, err := a.Renew([]string{"localhost"}, later)
	if err != nil {
		t.Fatal(err)
	}
	if Pin(old.Leaf) == Pin(fresh.Leaf) || len(Pin(fresh.Leaf)) != 64 {
		t.Errorf("pins are %s and %s", Pin(old.Leaf), Pin(fresh.Leaf))
	}
	pool, err := ReadPool(first.File())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.Leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: later, DNSName: "localhost"}); err != nil {
		t.Error(err)
	}
	if _, err := Load(fresh.Certificate, fresh.Key); err != nil {
		t.Error(err)
	}
	if _, err := a.Renew([]string{"localhost"}, now.Add(AuthorityLifetime+time.Hour)); err == nil || !strings.Contains(err.Error(), "has expired") {
		t.Errorf("an authority that has expired signs: %v", err)
	}
	last, err := a.Renew([]string{"localhost"}, now.Add(AuthorityLifetime-time.Hour))
	if err != nil || last.Leaf.NotAfter.After(a.certificate.NotAfter) {
		t.Errorf("a certificate outlives its authority: %v", err)
	}
}

func TestWrong(t *testing.T) {
	a, dir := create(t)
	for _, names := range [][]string{nil, {""}, {"host:8443"}, {"a b"}, {"-a"}, {"a..b"}, {"http://a"}, {strings.Repeat("a.", 200)}} {
		if _, err := a.Server(names, now); err == nil {
			t.Errorf("a certificate is made for %q", names)
		}
	}
	for _, name := range []string{"", "ca", "server", "../x", "a/b", "a-key", ".hidden", strings.Repeat("a", 65)} {
		if _, err := a.Client(name, now); err == nil {
			t.Errorf("a client certificate is made for %q", name)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the folder holds %v (%v)", entries, err)
	}
	other, otherDir := create(t)
	_ = other
	key, err := os.ReadFile(filepath.Join(otherDir, "ca-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ca-key.pem"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "does not belong") {
		t.Errorf("the key of another authority is taken: %v", err)
	}
}

// OpenSSL, where there is one, reads what is made here and comes to the same pin.
func TestOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("needs the program openssl")
	}
	a, _ := create(t)
	pair, err := a.Server([]string{"localhost"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), openssl, "x509", "-in", pair.Certificate, "-noout", "-fingerprint", "-sha256").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, fingerprint, _ := strings.Cut(strings.TrimSpace(string(out)), "=")
	if got := strings.ToLower(strings.ReplaceAll(fingerprint, ":", "")); got != Pin(pair.Leaf) {
		t.Errorf("openssl says %s, the pin is %s", got, Pin(pair.Leaf))
	}
	if out, err := exec.CommandContext(t.Context(), openssl, "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", a.File(), pair.Certificate).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
