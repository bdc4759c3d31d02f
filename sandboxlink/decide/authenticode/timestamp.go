package authenticode

import (
	"bytes"
	"crypto/x509"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// timeStamp returns when an authority says that the signature was made (RFC 3161), or a zero time if there is no such
// statement, or none that can be verified: then the signer's certificate must not have expired now.
func (v *Verifier) timeStamp(sd *signedData) (time.Time, error) {
	found := findAttributes(sd.unsigned, oidTimeStamp)
	if len(found) != 1 {
		return time.Time{}, nil
	}
	token, err := parseSignedData(found[0])
	if err != nil || !token.contentType.Equal(oidTSTInfo) {
		return time.Time{}, nil
	}
	at, ok := token.stamped(sd.signature)
	if !ok {
		return time.Time{}, &judged{Tampered, "its time stamp belongs to another signature"}
	}
	signer, err := token.signer()
	if err != nil || token.verify(signer) != nil {
		return time.Time{}, nil
	}
	if _, err := v.chain(token, signer, at, x509.ExtKeyUsageTimeStamping); err != nil {
		return time.Time{}, nil
	}
	return at, nil
}

// stamped reads the time of a TSTInfo, and reports whether it is about that signature.
func (s *signedData) stamped(signature []byte) (time.Time, bool) {
	content := cryptobyte.String(s.content)
	var info, imprint, algorithm, digest cryptobyte.String
	var version int
	var at time.Time
	if !content.ReadASN1(&info, der.SEQUENCE) || !info.ReadASN1Integer(&version) || !info.SkipASN1(der.OBJECT_IDENTIFIER) ||
		!info.ReadASN1(&imprint, der.SEQUENCE) || !imprint.ReadASN1(&algorithm, der.SEQUENCE) ||
		!imprint.ReadASN1(&digest, der.OCTET_STRING) || !info.SkipASN1(der.INTEGER) || !info.ReadASN1GeneralizedTime(&at) {
		return time.Time{}, false
	}
	hash, err := readDigest(algorithm)
	if err != nil {
		return time.Time{}, false
	}
	h := hash.New()
	h.Write(signature)
	return at, bytes.Equal(h.Sum(nil), digest)
}
