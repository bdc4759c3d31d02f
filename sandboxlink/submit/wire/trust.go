package wire

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// maxCertificates is the longest file of certificates: the list that Debian ships is 220 KiB.
const maxCertificates = 1 << 20

// trust makes the TLS side of the server's settings.
func (s Server) trust(a Address) (*tls.Config, error) {
	if a.Plain() {
		if s.CA != "" || s.Pin != "" || s.ClientCertificate != "" || s.ClientKey != "" {
			return nil, errors.New("http:// uses no certificates: leave out http://, or ca, pin and client certificate")
		}
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: a.host}
	if s.CA != "" {
		data, err := readSmall(s.CA)
		if err != nil {
			return nil, fmt.Errorf("reading the certificates of ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("%q (ca) has no certificate in PEM form in it", s.CA)
		}
	}
	if s.Pin != "" {
		want, err := pin(s.Pin)
		if err != nil {
			return nil, err
		}
		// A pin alone replaces authorities and names: there is one certificate that will do.
		c.InsecureSkipVerify = s.CA == ""
		c.VerifyConnection = func(state tls.ConnectionState) error { return checkPin(state, want) }
	}
	switch {
	case s.ClientCertificate == "" && s.ClientKey == "":
	case s.ClientCertificate == "" || s.ClientKey == "":
		return nil, errors.New("client_certificate and client_key belong together: set both or none")
	default:
		pair, err := tls.LoadX509KeyPair(s.ClientCertificate, s.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("reading our certificate %q and its key %q: %w", s.ClientCertificate, s.ClientKey, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// checkPin runs at the end of each handshake. An expired certificate is refused although it is pinned: its
// owner has said until when its key is to be relied upon.
func checkPin(state tls.ConnectionState, want [sha256.Size]byte) error {
	if len(state.PeerCertificates) == 0 {
		return &Error{Kind: Config, Reason: "the server shows no certificate"}
	}
	leaf := state.PeerCertificates[0]
	have := sha256.Sum256(leaf.Raw)
	if subtle.ConstantTimeCompare(have[:], want[:]) != 1 {
		return &Error{Kind: Config, Reason: fmt.Sprintf("the server shows another certificate than the pinned one: its SHA-256 is %x, set for %q", have, printable(leaf.Subject.String(), 80))}
	}
	// The system's clock, as crypto/tls uses it for everything else about certificates.
	switch now := time.Now(); {
	case now.After(leaf.NotAfter):
		return &Error{Kind: Config, Reason: fmt.Sprintf("the server's certificate is pinned and has expired on %s: give the server a new one and pin that", leaf.NotAfter.UTC().Format(time.DateOnly))}
	case now.Before(leaf.NotBefore):
		return &Error{Kind: Config, Reason: fmt.Sprintf("the server's certificate is valid only from %s: check the clocks", leaf.NotBefore.UTC().Format(time.DateTime))}
	}
	return nil
}

// pin reads a pin: a fingerprint as openssl and browsers show it, or a file.
func pin(s string) (sum [sha256.Size]byte, err error) {
	digits := strings.NewReplacer(":", "", " ", "").Replace(strings.TrimPrefix(strings.ToLower(strings.TrimSpace(s)), "sha256:"))
	if raw, err := hex.DecodeString(digits); err == nil && len(raw) == sha256.Size {
		return [sha256.Size]byte(raw), nil
	}
	data, err := readSmall(s)
	if err != nil {
		return sum, fmt.Errorf("pin is neither the SHA-256 of a certificate in 64 hexadecimal digits nor a file that can be read: %w", err)
	}
	if block, _ := pem.Decode(data); block != nil {
		data = block.Bytes
	}
	certificate, err := x509.ParseCertificate(data)
	if err != nil {
		return sum, fmt.Errorf("%q (pin) is no certificate in PEM or DER form: %w", s, err)
	}
	return sha256.Sum256(certificate.Raw), nil
}

// readSmall reads a file of certificates.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxCertificates {
		return nil, fmt.Errorf("%q is no file of certificates: it is too large, or no file", path)
	}
	return os.ReadFile(path)
}
