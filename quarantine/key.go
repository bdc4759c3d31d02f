package quarantine

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/age"
)

const keyName = "key.txt"

// maxKeyFile bounds what is read of a key file; one identity with comments takes 200 bytes.
const maxKeyFile = 64 << 10

// key opens and seals the entries of a vault.
type key struct {
	identity *age.X25519Identity
	mac      []byte // by which we know our own descriptions, see the package comment
}

func newKey(identity *age.X25519Identity) (*key, error) {
	mac, err := hkdf.Key(sha256.New, []byte(identity.String()), nil, "tyto quarantine description", sha256.Size)
	if err != nil {
		return nil, err
	}
	return &key{identity: identity, mac: mac}, nil
}

// sign returns the MAC of a description.
func (k *key) sign(description []byte) []byte {
	mac := hmac.New(sha256.New, k.mac)
	mac.Write(description)
	return mac.Sum(nil)
}

// readKey reads the key, and refuses one that others may read.
func readKey(root *os.Root) (*key, error) {
	f, err := root.Open(keyName)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := private(root, keyName); err != nil {
		return nil, err
	}
	identities, err := age.ParseIdentities(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, keyName, err)
	}
	identity, ok := identities[0].(*age.X25519Identity)
	if !ok || len(identities) != 1 {
		return nil, fmt.Errorf("%w: %s must hold one X25519 identity", ErrDamaged, keyName)
	}
	return newKey(identity)
}

// keyLost returns an error if there are entries, to which a new key would not fit.
func keyLost(root *os.Root) error {
	for _, suffix := range []string{suffixDone, suffixCopy} {
		if found, err := fs.Glob(root.FS(), "*"+suffix); err != nil || len(found) > 0 {
			return errors.Join(ErrKeyLost, err)
		}
	}
	return nil
}

// makeKey makes the key of a new vault. The caller holds the lock. At no moment is there a key file that is
// not complete.
func makeKey(root *os.Root) error {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	temporary := keyName + "-" + newID()
	text := "# The key of Tyto's quarantine. Whoever has it can read and forge the entries;\n" +
		"# without it nothing can be restored.\n" + identity.String() + "\n"
	err = writeSynced(root, temporary, []byte(text))
	if err == nil {
		err = closeToOthers(root, temporary)
	}
	if err == nil {
		err = root.Rename(temporary, keyName)
	}
	if err != nil {
		return errors.Join(err, ignoreNotExist(root.Remove(temporary)))
	}
	return syncFolder(root)
}

// writeSynced writes a small new file, readable by its owner only, down to the disk.
func writeSynced(root *os.Root, name string, content []byte) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// makePrivate makes the vault's folder, and those above it.
func makePrivate(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	err := makeFolder(dir)
	if errors.Is(err, fs.ErrExist) {
		return nil // whoever opens it looks at whose it is
	}
	return err
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
