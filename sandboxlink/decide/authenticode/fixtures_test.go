package authenticode_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"tyto/sandboxlink/decide/authenticode"
	"tyto/sandboxlink/decide/decidetest"
)

var update = flag.Bool("update", false, "sign the programs in testdata anew; needs osslsigncode 2.7 or later")

// identity is a certificate with its key.
type identity struct {
	cert *x509.Certificate
	key  crypto.Signer
}

var serial int64

// issue makes a certificate; a nil issuer makes it sign itself.
func issue(t *testing.T, issuer *identity, name string, key crypto.Signer, change func(*x509.Certificate)) *identity {
	t.Helper()
	serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name, Organization: []string{"Tyto Test"}},
		NotBefore: date(2020), NotAfter: date(2120), KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	if change != nil {
		change(template)
	}
	if issuer == nil {
		issuer = &identity{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.cert, key.Public(), issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &identity{cert, key}
}

func date(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }

func authority(c *x509.Certificate) {
	c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign
}

func use(u x509.ExtKeyUsage) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{u} }
}

// write writes certificates and a key as PEM and returns the files.
func (i *identity) write(t *testing.T, dir string, chain ...*identity) (certs, key string) {
	t.Helper()
	certs, key = filepath.Join(dir, i.cert.Subject.CommonName+".pem"), filepath.Join(dir, i.cert.Subject.CommonName+".key")
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, c := range append([]*identity{i}, chain...) {
		all = append(all, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw})...)
	}
	for file, content := range map[string][]byte{certs: all, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certs, key
}

// makeFixtures signs programs into a folder. osslsigncode, which shares no code with this package, makes the signatures.
func makeFixtures(t *testing.T, into string) {
	dir := t.TempDir()
	rsaKey := func() crypto.Signer {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := issue(t, nil, "Tyto Test Root", rsaKey(), authority)
	other := issue(t, nil, "Tyto Test Other Root", rsaKey(), authority)
	between := issue(t, root, "Tyto Test Intermediate", rsaKey(), authority)
	code := use(x509.ExtKeyUsageCodeSigning)
	expired := func(c *x509.Certificate) { code(c); c.NotBefore, c.NotAfter = date(2021), date(2022) }
	stamper := issue(t, between, "Tyto Test Stamper", rsaKey(), func(c *x509.Certificate) {
		use(x509.ExtKeyUsageTimeStamping)(c)
		c.ExtraExtensions = []pkix.Extension{{Id: []int{2, 5, 29, 37}, Critical: true,
			Value: []byte{0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08}}}
		c.ExtKeyUsage = nil
	})
	stampCerts, stampKey := stamper.write(t, dir, between)
	for name, r := range map[string]*identity{"root.pem": root, "other.pem": other} {
		block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.cert.Raw})
		if err := os.WriteFile(filepath.Join(into, name), block, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	unsigned := filepath.Join(dir, "unsigned.exe")
	if err := os.WriteFile(unsigned, decidetest.PE(nil), 0o600); err != nil {
		t.Fatal(err)
	}
	past := issue(t, between, "Tyto Test Expired", rsaKey(), expired)
	stampTime := strconv.FormatInt(time.Date(2021, 6, 1, 12, 0, 0, 0, time.UTC).Unix(), 10)
	for _, f := range []struct {
		name   string
		signer *identity
		hash   string
		extra  []string
	}{
		{"signed.exe", issue(t, between, "Tyto Test Signer", rsaKey(), code), "sha256", nil},
		{"ecdsa.exe", issue(t, between, "Tyto Test Curve", ecKey, code), "sha384", nil},
		{"sha1.exe", issue(t, between, "Tyto Test Weak", rsaKey(), code), "sha1", nil},
		{"server.exe", issue(t, between, "Tyto Test Server", rsaKey(), use(x509.ExtKeyUsageServerAuth)), "sha256", nil},
		{"selfsigned.exe", issue(t, nil, "Tyto Test Nobody", rsaKey(), code), "sha256", nil},
		{"expired.exe", past, "sha256", nil},
		{"stamped.exe", past, "sha256", []string{"-TSA-certs", stampCerts, "-TSA-key", stampKey, "-TSA-time", stampTime}},
	} {
		certs, key := f.signer.write(t, dir, between)
		args := append([]string{"sign", "-h", f.hash, "-certs", certs, "-key", key}, f.extra...)
		out := filepath.Join(into, f.name)
		_ = os.Remove(out) // osslsigncode replaces nothing
		if message, err := exec.Command("osslsigncode", append(args, "-in", unsigned, "-out", out)...).CombinedOutput(); err != nil {
			t.Fatalf("osslsigncode: %v\n%s", err, message)
		}
	}
}

func TestUpdateFixtures(t *testing.T) {
	if !*update {
		t.Skip("run with -update to sign the programs in testdata anew")
	}
	makeFixtures(t, "testdata")
}

// A second implementation comes to the same answer for programs that were signed just now.
func TestAgreesWithOsslsigncode(t *testing.T) {
	if _, err := exec.LookPath("osslsigncode"); err != nil {
		t.Skip("osslsigncode is not installed; the programs in testdata were signed by it")
	}
	dir := t.TempDir()
	makeFixtures(t, dir)
	root, err := os.ReadFile(filepath.Join(dir, "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(root)
	v, err := authenticode.NewVerifier([][]byte{block.Bytes})
	if err != nil {
		t.Fatal(err)
	}
	for name, ours := range map[string]bool{"signed.exe": true, "ecdsa.exe": true, "stamped.exe": true, "selfsigned.exe": false, "expired.exe": false} {
		file := filepath.Join(dir, name)
		message, err := exec.Command("osslsigncode", "verify", "-CAfile", filepath.Join(dir, "root.pem"),
			"-TSA-CAfile", filepath.Join(dir, "root.pem"), "-in", file).CombinedOutput()
		if theirs := err == nil; theirs != ours {
			t.Errorf("%s: osslsigncode says %t, want %t\n%s", name, theirs, ours, message)
		}
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		s, err := v.Verify(f, info.Size())
		f.Close()
		if err != nil || s == nil || (s.State == authenticode.Valid) != ours {
			t.Errorf("%s: got %+v, %v; want valid: %t", name, s, err, ours)
		}
	}
}
