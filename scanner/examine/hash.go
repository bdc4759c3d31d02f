package examine

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"tyto/finding"
)

// digests computes the wanted hashes over content that passes by in order. It is reused from
// object to object.
type digests struct {
	md5, sha1, sha256 hash.Hash // nil if not wanted
}

func newDigests(cfg *Config) *digests {
	d := &digests{}
	if cfg.MD5 {
		d.md5 = md5.New()
	}
	if cfg.SHA1 {
		d.sha1 = sha1.New()
	}
	if cfg.SHA256 {
		d.sha256 = sha256.New()
	}
	return d
}

func (d *digests) reset() {
	for _, h := range []hash.Hash{d.md5, d.sha1, d.sha256} {
		if h != nil {
			h.Reset()
		}
	}
}

// Write implements io.Writer; it never fails.
func (d *digests) Write(p []byte) (int, error) {
	for _, h := range []hash.Hash{d.md5, d.sha1, d.sha256} {
		if h != nil {
			h.Write(p)
		}
	}
	return len(p), nil
}

func (d *digests) sum() finding.Hashes {
	var out finding.Hashes
	for _, h := range []struct {
		hash hash.Hash
		text *string
	}{{d.md5, &out.MD5}, {d.sha1, &out.SHA1}, {d.sha256, &out.SHA256}} {
		if h.hash != nil {
			*h.text = hex.EncodeToString(h.hash.Sum(nil))
		}
	}
	return out
}
