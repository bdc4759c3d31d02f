package authenticode

import (
	"bytes"
	"crypto"
	_ "crypto/sha256" // the digests of imageDigest
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// The object identifiers that matter.
var (
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidIndirectData  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 4}
	oidPEImage       = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 15}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidTimeStamp     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 3, 3, 1}
	oidTSTInfo       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
)

// digests are those that are good enough.
var digests = map[string]crypto.Hash{
	"2.16.840.1.101.3.4.2.1": crypto.SHA256,
	"2.16.840.1.101.3.4.2.2": crypto.SHA384,
	"2.16.840.1.101.3.4.2.3": crypto.SHA512,
}

// weak are those that once were.
var weak = map[string]string{"1.2.840.113549.2.5": "MD5", "1.3.14.3.2.26": "SHA-1"}

// signedData is a PKCS #7 SignedData with one signer.
type signedData struct {
	contentType  asn1.ObjectIdentifier
	content      []byte // the content's value, without its tag and length, which is what is digested
	certificates []*x509.Certificate

	issuer     []byte // of the signer's certificate
	serial     *big.Int
	digest     crypto.Hash
	attributes []byte // signed, as DER of a SET
	signature  []byte
	unsigned   cryptobyte.String
}

var context0 = der.Tag(0).ContextSpecific().Constructed()
var context1 = der.Tag(1).ContextSpecific().Constructed()

// parseSignedData reads a signature, behind which at most seven zeros may stand.
func parseSignedData(data []byte) (*signedData, error) {
	input := cryptobyte.String(data)
	var outer, explicit, body, algorithms, inner, signers cryptobyte.String
	var kind asn1.ObjectIdentifier
	if !input.ReadASN1(&outer, der.SEQUENCE) || !outer.ReadASN1ObjectIdentifier(&kind) || !kind.Equal(oidSignedData) ||
		!outer.ReadASN1(&explicit, context0) || !explicit.ReadASN1(&body, der.SEQUENCE) {
		return nil, malformed("it is no PKCS #7 signature")
	}
	if len(input) > 7 || !onlyZeros(input) {
		return nil, malformed("something is hidden behind the signature")
	}
	s := new(signedData)
	var version int
	if !body.ReadASN1Integer(&version) || !body.ReadASN1(&algorithms, der.SET) || !body.ReadASN1(&inner, der.SEQUENCE) {
		return nil, malformed("the signature is damaged")
	}
	if err := s.readContent(inner); err != nil {
		return nil, err
	}
	if err := s.readCertificates(&body); err != nil {
		return nil, err
	}
	if !body.SkipOptionalASN1(context1) || !body.ReadASN1(&signers, der.SET) || !body.Empty() {
		return nil, malformed("the signature is damaged behind its certificates")
	}
	return s, s.readSigner(signers)
}

func (s *signedData) readContent(inner cryptobyte.String) error {
	var explicit, content cryptobyte.String
	var tag der.Tag
	if !inner.ReadASN1ObjectIdentifier(&s.contentType) || !inner.ReadASN1(&explicit, context0) ||
		!explicit.ReadAnyASN1(&content, &tag) || !explicit.Empty() {
		return malformed("the signature is damaged in its content")
	}
	s.content = content
	return nil
}

func (s *signedData) readCertificates(body *cryptobyte.String) error {
	var certificates cryptobyte.String
	var some bool
	if !body.ReadOptionalASN1(&certificates, &some, context0) {
		return malformed("the signature is damaged in its certificates")
	}
	for n := 0; !certificates.Empty(); n++ {
		var one cryptobyte.String
		var tag der.Tag
		if n == maxCerts || !certificates.ReadAnyASN1Element(&one, &tag) {
			return malformed("the signature is damaged in its certificates, or has more than %d", maxCerts)
		}
		// A certificate that is not understood cannot be part of the chain; that is all.
		if cert, err := x509.ParseCertificate(one); err == nil {
			s.certificates = append(s.certificates, cert)
		}
	}
	return nil
}

func (s *signedData) readSigner(signers cryptobyte.String) error {
	var one, name, issuer, algorithm, attributes, encryption, signature cryptobyte.String
	var version int
	var some bool
	s.serial = new(big.Int)
	if !signers.ReadASN1(&one, der.SEQUENCE) || !signers.Empty() {
		return malformed("there is not exactly one signer")
	}
	if !one.ReadASN1Integer(&version) || !one.ReadASN1(&name, der.SEQUENCE) ||
		!name.ReadASN1Element(&issuer, der.SEQUENCE) || !name.ReadASN1Integer(s.serial) || !one.ReadASN1(&algorithm, der.SEQUENCE) {
		return malformed("the signer is damaged, or named in an unusual way")
	}
	hash, err := readDigest(algorithm)
	if err != nil {
		return err
	}
	if !one.ReadOptionalASN1(&attributes, &some, context0) || !some || !one.ReadASN1(&encryption, der.SEQUENCE) ||
		!one.ReadASN1(&signature, der.OCTET_STRING) || !one.ReadOptionalASN1(&s.unsigned, &some, context1) || !one.Empty() {
		return malformed("the signer is damaged")
	}
	// What is signed is the SET, not the tag that it has here.
	var b cryptobyte.Builder
	b.AddASN1(der.SET, func(b *cryptobyte.Builder) { b.AddBytes(attributes) })
	if s.attributes, err = b.Bytes(); err != nil {
		return malformed("the signer is damaged")
	}
	s.issuer, s.digest, s.signature = issuer, hash, signature
	return nil
}

// readDigest reads an AlgorithmIdentifier of a digest.
func readDigest(algorithm cryptobyte.String) (crypto.Hash, error) {
	var oid asn1.ObjectIdentifier
	if !algorithm.ReadASN1ObjectIdentifier(&oid) {
		return 0, malformed("the digest is damaged")
	}
	if name := weak[oid.String()]; name != "" {
		return 0, &judged{Weak, "it was signed with " + name + ", which can be forged"}
	}
	h, ok := digests[oid.String()]
	if !ok {
		return 0, malformed("it was signed with an unknown digest")
	}
	return h, nil
}

// signer returns the certificate of the signer.
func (s *signedData) signer() (*x509.Certificate, error) {
	for _, cert := range s.certificates {
		if bytes.Equal(cert.RawIssuer, s.issuer) && cert.SerialNumber.Cmp(s.serial) == 0 {
			return cert, nil
		}
	}
	return nil, malformed("the certificate of its signer is missing")
}

// verify holds the signed attributes against the content, and the signature against them.
func (s *signedData) verify(signer *x509.Certificate) error {
	h := s.digest.New()
	h.Write(s.content)
	var contentType asn1.ObjectIdentifier
	kind, digest := s.attribute(oidContentType), s.attribute(oidMessageDigest)
	var got cryptobyte.String
	if !kind.ReadASN1ObjectIdentifier(&contentType) || !contentType.Equal(s.contentType) {
		return malformed("what was signed is of another kind")
	}
	if !digest.ReadASN1(&got, der.OCTET_STRING) || !bytes.Equal(got, h.Sum(nil)) {
		return &judged{Tampered, "the signed digest is not that of what was signed"}
	}
	algorithm := map[x509.PublicKeyAlgorithm]map[crypto.Hash]x509.SignatureAlgorithm{
		x509.RSA:   {crypto.SHA256: x509.SHA256WithRSA, crypto.SHA384: x509.SHA384WithRSA, crypto.SHA512: x509.SHA512WithRSA},
		x509.ECDSA: {crypto.SHA256: x509.ECDSAWithSHA256, crypto.SHA384: x509.ECDSAWithSHA384, crypto.SHA512: x509.ECDSAWithSHA512},
	}[signer.PublicKeyAlgorithm][s.digest]
	if err := signer.CheckSignature(algorithm, s.attributes, s.signature); err != nil {
		return &judged{Tampered, "the signature is not the signer's: " + err.Error()}
	}
	return nil
}

// attribute returns the value of a signed attribute that is there once; an empty one otherwise.
func (s *signedData) attribute(want asn1.ObjectIdentifier) cryptobyte.String {
	all := cryptobyte.String(s.attributes)
	var set cryptobyte.String
	if !all.ReadASN1(&set, der.SET) {
		return nil
	}
	values := findAttributes(set, want)
	if len(values) != 1 {
		return nil
	}
	return values[0]
}

// findAttributes returns the sets of values of the attributes of that kind.
func findAttributes(set cryptobyte.String, want asn1.ObjectIdentifier) (found []cryptobyte.String) {
	for !set.Empty() {
		var one, values cryptobyte.String
		var kind asn1.ObjectIdentifier
		if !set.ReadASN1(&one, der.SEQUENCE) || !one.ReadASN1ObjectIdentifier(&kind) || !one.ReadASN1(&values, der.SET) {
			return nil
		}
		if kind.Equal(want) {
			found = append(found, values)
		}
	}
	return found
}

// imageDigest reads what an Authenticode signature says of the program (SpcIndirectDataContent).
func (s *signedData) imageDigest() (crypto.Hash, []byte, error) {
	if !s.contentType.Equal(oidIndirectData) {
		return 0, nil, malformed("it is no signature of a program")
	}
	content := cryptobyte.String(s.content)
	var data, info, algorithm, digest cryptobyte.String
	var kind asn1.ObjectIdentifier
	if !content.ReadASN1(&data, der.SEQUENCE) || !data.ReadASN1ObjectIdentifier(&kind) || !kind.Equal(oidPEImage) ||
		!content.ReadASN1(&info, der.SEQUENCE) || !info.ReadASN1(&algorithm, der.SEQUENCE) || !info.ReadASN1(&digest, der.OCTET_STRING) {
		return 0, nil, malformed("it is no signature of a program")
	}
	h, err := readDigest(algorithm)
	if err == nil && len(digest) != h.Size() {
		err = malformed("the signed digest has %d bytes", len(digest))
	}
	return h, digest, err
}
