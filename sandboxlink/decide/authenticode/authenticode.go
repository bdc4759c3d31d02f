// Package authenticode verifies the signatures of Windows programs, anywhere and without a network.
//
//	file ──► image digest ─┐
//	  └─ certificate table ─► PKCS #7 ─► signed digest ─► signer ─► chain ─► roots that were given
//
// A signature that is present says nothing: anybody can copy one from another program. [Valid] means that all of
// these hold: the digest of the image is the one that was signed, with SHA-256 or better; the signature over it
// verifies with the signer's certificate; that certificate may sign code, and its chain ends at one of the roots of
// [NewVerifier]; it was not expired when a time stamp, verified in the same way, says that it signed, or is not
// expired now; and the certificate table holds the one signature and nothing else.
//
// What it does not do: ask whether a certificate was revoked (that needs a network), read catalogs (only
// Windows knows which of them hold), or look at second signatures. Like Windows it cannot notice data that was hidden in
// those parts of a signature that are not signed: a valid program that reads itself may find a message there.
//
// It runs in a worker process, as it parses foreign bytes. The formats are those of Microsoft's "Windows
// Authenticode Portable Executable Signature Format" of 2008 and of RFC 2315, 5652 and 3161.
package authenticode

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"
)

// Signature is what was found out about the signature of a program.
type Signature struct {
	// State says how far it can be trusted.
	State State `json:"state"`
	// Detail says in a sentence why it is not [Valid].
	Detail string `json:"detail,omitempty"`
	// Name and Organization are of the signer's certificate. They are worth nothing unless the state is Valid.
	Name         string `json:"name,omitempty"`
	Organization string `json:"organization,omitempty"`
	// Chain are the SHA-256 fingerprints in hex of the certificates from the signer's to a root.
	Chain []string `json:"chain,omitempty"`
	// Time is when a time stamp says that it was signed, nil without one.
	Time *time.Time `json:"time,omitempty"`
}

// State is how far a signature can be trusted.
type State string

// The states.
const (
	Valid     State = "valid"     // verified up to one of the roots
	Untrusted State = "untrusted" // whole, but its chain does not end at a root, has expired, or may not sign code
	Tampered  State = "tampered"  // the program is not the one that was signed
	Malformed State = "malformed" // not to be understood, or with more in it than a signature
	Weak      State = "weak"      // with a digest that can be forged
)

// Limits.
const (
	maxTable = 1 << 20 // bytes of certificate table
	maxCerts = 64      // certificates in one signature
	maxChain = 10      // fingerprints told
	maxText  = 200     // bytes of a name
)

// Verifier verifies against roots. It is safe for concurrent use.
type Verifier struct {
	roots *x509.CertPool
	some  bool
	now   func() time.Time
}

// NewVerifier takes the roots as DER.
func NewVerifier(roots [][]byte) (*Verifier, error) {
	v := &Verifier{roots: x509.NewCertPool(), some: len(roots) > 0, now: time.Now}
	for i, der := range roots {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("read root certificate %d: %w", i+1, err)
		}
		v.roots.AddCert(cert)
	}
	return v, nil
}

// judged is an error that carries its state.
type judged struct {
	state State
	text  string
}

func (e *judged) Error() string { return e.text }

func malformed(format string, args ...any) error {
	return &judged{Malformed, fmt.Sprintf(format, args...)}
}

// Verify verifies the signature of the program of that size in r. It returns nil without an error if the program has
// none, or is no PE file. The error says that it could not be read.
func (v *Verifier) Verify(r io.ReaderAt, size int64) (*Signature, error) {
	img, err := readImage(r, size)
	if err != nil || img == nil || img.tableSize == 0 {
		return nil, err
	}
	s := &Signature{State: Valid}
	switch err := v.verify(r, img, s); {
	case err == nil:
	default:
		var j *judged
		if !errors.As(err, &j) {
			return nil, err
		}
		s.State, s.Detail = j.state, cut(j.text)
	}
	return s, nil
}

func (v *Verifier) verify(r io.ReaderAt, img *image, s *Signature) error {
	table, err := img.table(r)
	if err != nil {
		return err
	}
	sd, err := parseSignedData(table)
	if err != nil {
		return err
	}
	signer, err := sd.signer()
	if err != nil {
		return err
	}
	s.Name = cut(signer.Subject.CommonName)
	if len(signer.Subject.Organization) > 0 {
		s.Organization = cut(signer.Subject.Organization[0])
	}
	algorithm, want, err := sd.imageDigest()
	if err != nil {
		return err
	}
	got, err := img.digest(r, algorithm)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return &judged{Tampered, "the program is not the one that was signed: its digest is another"}
	}
	if err := sd.verify(signer); err != nil {
		return err
	}
	at := v.now()
	stamped, err := v.timeStamp(sd)
	if err != nil {
		return err
	}
	if !stamped.IsZero() {
		s.Time, at = &stamped, stamped
	}
	chain, err := v.chain(sd, signer, at, x509.ExtKeyUsageCodeSigning)
	if err != nil {
		return err
	}
	for _, cert := range chain[:min(len(chain), maxChain)] {
		sum := sha256.Sum256(cert.Raw)
		s.Chain = append(s.Chain, hex.EncodeToString(sum[:]))
	}
	return nil
}

// chain finds the way from a signer to a root.
func (v *Verifier) chain(sd *signedData, signer *x509.Certificate, at time.Time, use x509.ExtKeyUsage) ([]*x509.Certificate, error) {
	if !v.some {
		return nil, &judged{Untrusted, "no root certificates are given to verify its chain with"}
	}
	between := x509.NewCertPool()
	for _, cert := range sd.certificates {
		between.AddCert(cert)
	}
	chains, err := signer.Verify(x509.VerifyOptions{
		Roots: v.roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{use},
	})
	if err != nil {
		return nil, &judged{Untrusted, err.Error()}
	}
	return chains[0], nil
}

// cut bounds a text that came from the file.
func cut(text string) string {
	return string(bytes.ToValidUTF8([]byte(text[:min(len(text), maxText)]), []byte("\uFFFD")))
}
