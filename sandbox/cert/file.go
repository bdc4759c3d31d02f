package cert

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxFile bounds what is read of a PEM file, in bytes.
const maxFile = 1 << 20

// writePair writes a key and its certificate, in this order: a certificate without its key would look usable.
func writePair(path string, der []byte, key crypto.Signer) error {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for _, name := range []string{path, KeyFile(path)} {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%q: %w", name, ErrExists), err)
		}
	}
	if err := write(KeyFile(path), 0o600, &pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}); err != nil {
		return err
	}
	if err := write(path, 0o644, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
		return errors.Join(err, os.Remove(KeyFile(path)))
	}
	return nil
}

// write makes a file that must not exist. O_EXCL follows no link and writes over nothing.
func write(path string, mode fs.FileMode, block *pem.Block) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if err := errors.Join(pem.Encode(f, block), f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %q: %w", path, err), os.Remove(path))
	}
	return nil
}

// Read returns the first certificate of a PEM file.
func Read(path string) (*x509.Certificate, error) {
	content, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a certificate: %w", err)
	}
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("read the certificate %q: %w", path, err)
			}
			return c, nil
		}
	}
	return nil, fmt.Errorf("read a certificate: %q holds none in PEM form", path)
}

// ReadPool returns all certificates of a PEM file, to trust who they signed.
func ReadPool(path string) (*x509.CertPool, error) {
	content, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("read certificates: %q holds none in PEM form", path)
	}
	return pool, nil
}

// Load reads a certificate, with those behind it in its file, and its key.
func Load(certificate, key string) (tls.Certificate, error) {
	both := [2][]byte{}
	for i, path := range []string{certificate, key} {
		var err error
		if both[i], err = readFile(path); err != nil {
			return tls.Certificate{}, fmt.Errorf("read a certificate and its key: %w", err)
		}
	}
	pair, err := tls.X509KeyPair(both[0], both[1])
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read the certificate %q and its key %q: %w", certificate, key, err)
	}
	return pair, nil
}

func readKey(path string) (crypto.Signer, error) {
	content, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a key: %w", err)
	}
	block, _ := pem.Decode(content)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("read a key: %q holds none in PKCS #8 and PEM form", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the key %q: %w", path, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("read the key %q: it cannot sign", path)
	}
	return signer, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("%q is larger than a certificate can be", filepath.Base(path))
	}
	return content, err
}
