package quarantine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
)

// releasedName is the file with the SHA-256 of what was given back, a line for each.
const releasedName = "released"

// maxReleased is the largest such file that is read, in bytes: some 15,000 lines.
const maxReleased = 1 << 20

var sha256Text = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Released reports whether a file of that SHA-256, in lower-case hexadecimal, was given back. A person has
// looked at it, so nobody should take it again unasked.
func (v *Vault) Released(sha256 string) (bool, error) {
	if v.root() == nil || !sha256Text.MatchString(sha256) {
		return false, nil
	}
	f, err := v.root().Open(releasedName)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, v.vaultError("look whether an object was given back", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxReleased))
	if err != nil {
		return false, v.vaultError("look whether an object was given back", err)
	}
	return bytes.Contains(text, []byte(sha256+"\n")), nil
}

// release notes that an object was given back. The caller has the lock.
func (v *Vault) release(sha256 string) error {
	known, err := v.Released(sha256)
	if err != nil || known || !sha256Text.MatchString(sha256) {
		return err
	}
	f, err := v.root().OpenFile(releasedName, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s\n", sha256)
	return errors.Join(err, f.Close())
}
