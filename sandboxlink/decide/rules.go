package decide

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"tyto/sandboxlink/decide/authenticode"
	"tyto/sandboxlink/decide/inspect"
	"tyto/scanner/walk"
)

// rules is a policy made ready.
type rules struct {
	kinds   map[Kind]bool
	hashes  map[[sha256.Size]byte]bool
	allowed []walk.Pattern
	risky   []walk.Pattern
	signers []signer
	roots   [][]byte // certificates as DER
}

// Limits of the files that a policy names.
const (
	maxHashes   = 4 << 20
	maxRootFile = 4 << 20
)

func newRules(p *Policy) (r rules, err error) {
	r.kinds = map[Kind]bool{}
	for _, k := range p.Kinds {
		r.kinds[Kind(k)] = true
	}
	if r.allowed, err = patterns(p.AllowPaths); err != nil {
		return r, err
	}
	if r.risky, err = patterns(p.RiskyPaths); err != nil {
		return r, err
	}
	for _, text := range p.Signers {
		s, err := parseSigner(text)
		if err != nil {
			return r, err
		}
		r.signers = append(r.signers, s)
	}
	for _, file := range p.Roots {
		if err := r.readRoots(file); err != nil {
			return r, fmt.Errorf("read root certificates: %w", err)
		}
	}
	r.hashes = map[[sha256.Size]byte]bool{}
	for _, entry := range p.AllowHashes {
		if sum, ok := parseHash(entry); ok {
			r.hashes[sum] = true
		} else if err := r.readHashes(entry); err != nil {
			return r, fmt.Errorf("read allowed hashes: %w", err)
		}
	}
	return r, nil
}

func patterns(texts []string) (all []walk.Pattern, err error) {
	for _, text := range texts {
		p, err := walk.ParsePattern(text)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func matching(patterns []walk.Pattern, path string) (string, bool) {
	for i := range patterns {
		if patterns[i].Match(path, false) {
			return patterns[i].String(), true
		}
	}
	return "", false
}

func parseHash(text string) (sum [sha256.Size]byte, ok bool) {
	if len(text) != hex.EncodedLen(len(sum)) {
		return sum, false
	}
	_, err := hex.Decode(sum[:], []byte(text))
	return sum, err == nil
}

// readHashes reads a file with a hash at the beginning of each line; what follows is a remark, as sha256sum writes it.
func (r *rules) readHashes(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		sum, ok := parseHash(strings.TrimPrefix(fields[0], `\`)) // sha256sum marks escaped names so
		if !ok {
			return fmt.Errorf("%s:%d: %.80q is no SHA-256: write 64 hexadecimal digits, then what you like", file, n, fields[0])
		}
		if r.hashes[sum] = true; len(r.hashes) > maxHashes {
			return fmt.Errorf("%s: more than %d hashes", file, maxHashes)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func (r *rules) readRoots(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRootFile))
	if err != nil {
		return err
	}
	before := len(r.roots)
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			r.roots = append(r.roots, block.Bytes)
		}
	}
	if len(r.roots) == before {
		return fmt.Errorf("%q holds no certificate: it must be PEM", file)
	}
	if _, err := authenticode.NewVerifier(r.roots[before:]); err != nil {
		return fmt.Errorf("%q: %w", file, err)
	}
	return nil
}

// signer is whose signatures are trusted: by one of these.
type signer struct{ name, organization, fingerprint string }

var errSigner = errors.New(`write "CN=Name", "O=Name" or "sha256:" and 64 hexadecimal digits`)

func parseSigner(text string) (signer, error) {
	if name, ok := strings.CutPrefix(text, "CN="); ok && name != "" {
		return signer{name: name}, nil
	}
	if name, ok := strings.CutPrefix(text, "O="); ok && name != "" {
		return signer{organization: name}, nil
	}
	if hash, ok := strings.CutPrefix(text, "sha256:"); ok {
		if _, ok := parseHash(hash); ok {
			return signer{fingerprint: strings.ToLower(hash)}, nil
		}
	}
	return signer{}, fmt.Errorf("%q is no signer: %w", text, errSigner)
}

// signs reports whether a valid signature is this signer's.
func (s signer) signs(sig *authenticode.Signature) bool {
	switch {
	case s.name != "":
		return sig.Name == s.name
	case s.organization != "":
		return sig.Organization == s.organization
	}
	return slices.Contains(sig.Chain, s.fingerprint)
}

// asks reports whether a kind is asked about. provisional is set before the content was looked into: then it is enough
// that it may turn out to be one.
func (r *rules) asks(kind Kind, provisional bool) bool {
	if r.kinds[kind] {
		return true
	}
	if !provisional {
		return false
	}
	switch kind {
	case inspect.Office:
		return r.kinds[inspect.Installer]
	case inspect.Archive:
		return r.kinds[inspect.Office] || r.kinds[inspect.Java] || r.kinds[inspect.Android]
	}
	return false
}
