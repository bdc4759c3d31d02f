// Package cert makes the certificates of a sandbox server and of its clients: a private certification
// authority, and what it signs.
//
//	authority, err := cert.Create(dir, now)          // once: ca.pem, ca-key.pem
//	server, err := authority.Server(names, now)      // server.pem, server-key.pem
//	client, err := authority.Client("agents", now)   // agents.pem, agents-key.pem
//
// An agent that trusts ca.pem trusts each server certificate that the authority signs, also the next one;
// an agent that pins ([Pin]) trusts this one alone. Who holds ca-key.pem can make both kinds: it belongs on the
// server, or better on a stick in a drawer, and nowhere else.
//
// All keys are ECDSA on P-256, which every TLS 1.2 client knows. Keys are written for their owner alone (mode
// 0600), and nothing that is there is written over, unless by [Authority.Renew].
package cert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Lifetimes. An authority lives as long as the machines that trust it; what it signs is renewed now and
// then, so that a stolen key is worth something for a while only. 825 days is the longest that all TLS
// clients take.
const (
	AuthorityLifetime = 10 * 365 * 24 * time.Hour
	LeafLifetime      = 825 * 24 * time.Hour
	// skew is how far clocks of clients may be behind.
	skew = time.Hour
)

// The names of files in a folder of certificates.
const (
	AuthorityFile = "ca.pem"
	ServerFile    = "server.pem"
)

// ErrExists says that a file is there already; test with errors.Is.
var ErrExists = errors.New("it exists already")

// Authority is a private certification authority.
type Authority struct {
	dir         string
	certificate *x509.Certificate
	key         crypto.Signer
}

// Pair is a certificate and its key, on disk.
type Pair struct {
	Certificate, Key string // paths of PEM files
	Leaf             *x509.Certificate
}

// KeyFile returns the path of the key that belongs to a certificate's file: "server-key.pem" to "server.pem".
func KeyFile(certificate string) string { return strings.TrimSuffix(certificate, ".pem") + "-key.pem" }

// Create makes an authority in a folder, which is made if it is missing. It fails with [ErrExists] if there is
// one.
func Create(dir string, now time.Time) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for certificates: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// The number tells authorities apart in lists of certificates.
		Subject:   pkix.Name{CommonName: fmt.Sprintf("Tyto sandbox CA %x", serial.Bytes()[:4])},
		NotBefore: now.Add(-skew), NotAfter: now.Add(AuthorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	a := &Authority{dir: dir, key: key}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	path := filepath.Join(dir, AuthorityFile)
	if err := writePair(path, der, key); err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	return a, nil
}

// Open opens the authority of a folder. The error is fs.ErrNotExist where there is none.
func Open(dir string) (*Authority, error) {
	path := filepath.Join(dir, AuthorityFile)
	certificate, err := Read(path)
	if err != nil {
		return nil, err
	}
	key, err := readKey(KeyFile(path))
	if err != nil {
		return nil, err
	}
	if public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(certificate.PublicKey) {
		return nil, fmt.Errorf("%q does not belong to %q", KeyFile(path), path)
	}
	if !certificate.IsCA {
		return nil, fmt.Errorf("%q is no certification authority", path)
	}
	return &Authority{dir: dir, certificate: certificate, key: key}, nil
}

// OpenOrCreate opens the authority of a folder, or makes one; made tells which.
func OpenOrCreate(dir string, now time.Time) (a *Authority, made bool, err error) {
	a, err = Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		a, err = Create(dir, now)
		return a, err == nil, err
	}
	return a, false, err
}

// File returns the path of the authority's certificate, which agents trust.
func (a *Authority) File() string { return filepath.Join(a.dir, AuthorityFile) }

// Server makes a certificate for a server that is reached by these names and IP addresses. It fails with
// [ErrExists] if there is one in the folder.
func (a *Authority) Server(names []string, now time.Time) (*Pair, error) {
	if len(names) == 0 {
		return nil, errors.New("make a server certificate: name the host names and addresses by which the server is reached")
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: commonName(names[0])},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if err := addName(template, name); err != nil {
			return nil, fmt.Errorf("make a server certificate: %w", err)
		}
	}
	return a.sign(ServerFile, template, now)
}

// Renew makes another certificate for a server in the place of the one that is there, if one is. Agents that
// pinned that one have to be told of the new pin.
func (a *Authority) Renew(names []string, now time.Time) (*Pair, error) {
	old := filepath.Join(a.dir, ServerFile)
	for _, path := range []string{old, KeyFile(old)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("renew a server certificate: %w", err)
		}
	}
	return a.Server(names, now)
}

// Client makes a certificate by which clients show who they are. Its name becomes that of its files, NAME.pem;
// it fails with [ErrExists] if there is such a file.
func (a *Authority) Client(name string, now time.Time) (*Pair, error) {
	if !validFileName(name) {
		return nil, fmt.Errorf("make a client certificate: %q is no name for its file: use letters, digits, \"-\", \"_\" and \".\"", name)
	}
	return a.sign(name+".pem", &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, now)
}

// sign fills in what all certificates have and writes the pair. What is signed does not outlive who signs.
func (a *Authority) sign(file string, template *x509.Certificate, now time.Time) (*Pair, error) {
	if now.After(a.certificate.NotAfter) {
		return nil, fmt.Errorf("sign a certificate: the authority %q has expired on %s: make a new one in another folder", a.File(), a.certificate.NotAfter.Format(time.DateOnly))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	if template.SerialNumber, err = newSerial(); err != nil {
		return nil, err
	}
	template.NotBefore, template.NotAfter = now.Add(-skew), now.Add(LeafLifetime)
	if template.NotAfter.After(a.certificate.NotAfter) {
		template.NotAfter = a.certificate.NotAfter
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
	}
	p := &Pair{Certificate: filepath.Join(a.dir, file)}
	p.Key = KeyFile(p.Certificate)
	if p.Leaf, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
	}
	if err := writePair(p.Certificate, der, key); err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
	}
	return p, nil
}

// Pin returns the SHA-256 of a certificate, by which an agent knows exactly this one: 64 hexadecimal digits.
func Pin(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// Names returns what a certificate is valid for.
func Names(c *x509.Certificate) []string {
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// Covers reports whether clients that reach a server by this name or address know it by the certificate.
func Covers(c *x509.Certificate, name string) bool {
	if ip, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		name = ip.WithZone("").Unmap().String() // as addName enters it
	}
	return c.VerifyHostname(name) == nil
}

// newSerial returns a random serial number of 127 bits at most, as CAs use them.
func newSerial() (*big.Int, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	b[0] = b[0]&0x7f | 0x40 // positive, and of full length
	return new(big.Int).SetBytes(b[:]), nil
}

// addName enters a host name or an address.
func addName(c *x509.Certificate, name string) error {
	if ip, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		c.IPAddresses = append(c.IPAddresses, net.IP(ip.WithZone("").Unmap().AsSlice()))
		return nil
	}
	if !validHostName(strings.TrimPrefix(name, "*.")) {
		return fmt.Errorf("%q is neither a host name nor an IP address (without a port)", name)
	}
	c.DNSNames = append(c.DNSNames, name)
	return nil
}

// commonName shortens a name to the 64 characters that X.520 allows.
func commonName(name string) string { return name[:min(len(name), 64)] }

// validHostName checks the form of RFC 1123; names of other alphabets come in their ASCII form.
func validHostName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !isAlphanumeric(c) && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// validFileName reports whether a client's name is good for a file's on any system, and none of ours.
func validFileName(name string) bool {
	if name == "" || len(name) > 64 || !isAlphanumeric(name[0]) {
		return false
	}
	for _, c := range []byte(name) {
		if !isAlphanumeric(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return name != "ca" && name != "server" && !strings.HasSuffix(name, "-key")
}
