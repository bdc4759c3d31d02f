package authenticode_test

import (
	"bytes"
	"encoding/binary"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/sandboxlink/decide/authenticode"
	"tyto/sandboxlink/decide/decidetest"
)

// The programs in testdata were signed by osslsigncode: see fixtures_test.go.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func roots(t testing.TB, names ...string) (all [][]byte) {
	t.Helper()
	for _, name := range names {
		block, _ := pem.Decode(fixture(t, name))
		if block == nil {
			t.Fatalf("%s is no PEM", name)
		}
		all = append(all, block.Bytes)
	}
	return all
}

func verify(t testing.TB, program []byte, rootFiles ...string) *authenticode.Signature {
	t.Helper()
	v, err := authenticode.NewVerifier(roots(t, rootFiles...))
	if err != nil {
		t.Fatal(err)
	}
	s, err := v.Verify(bytes.NewReader(program), int64(len(program)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// securityEntry is where the 64-bit programs of decidetest have the entry of their certificate table.
const securityEntry = 88 + 112 + 4*8

// table returns a copy of a signed program, with where its certificate table begins.
func table(program []byte) ([]byte, uint32) {
	return bytes.Clone(program), binary.LittleEndian.Uint32(program[securityEntry:])
}

func TestVerify(t *testing.T) {
	signed := fixture(t, "signed.exe")
	changed, at := table(signed)
	changed[512]++
	appended := append(bytes.Clone(signed), "payload!"...)
	hidden := func() []byte { // behind the signature, in a table that is longer
		p, _ := table(signed)
		p = append(p, bytes.Repeat([]byte("payload!"), 4)...)
		binary.LittleEndian.PutUint32(p[securityEntry+4:], uint32(len(p))-at)
		binary.LittleEndian.PutUint32(p[at:], uint32(len(p))-at)
		return p
	}()
	transplanted := func() []byte { // onto another program
		p := decidetest.PE([]byte{0x90, 0xC3})
		binary.LittleEndian.PutUint32(p[securityEntry:], uint32(len(p)))
		binary.LittleEndian.PutUint32(p[securityEntry+4:], uint32(len(signed))-at)
		return append(p, signed[at:]...)
	}()
	forged := func() []byte { // the signature's last byte before the alignment
		p, _ := table(signed)
		end := len(bytes.TrimRight(p, "\x00"))
		p[end-1]++
		return p
	}()
	tests := []struct {
		name    string
		program []byte
		roots   []string
		want    authenticode.State
	}{
		{"valid", signed, []string{"root.pem"}, authenticode.Valid},
		{"with an elliptic curve", fixture(t, "ecdsa.exe"), []string{"root.pem"}, authenticode.Valid},
		{"stamped and since expired", fixture(t, "stamped.exe"), []string{"root.pem"}, authenticode.Valid},
		{"another root", signed, []string{"other.pem"}, authenticode.Untrusted},
		{"no roots", signed, nil, authenticode.Untrusted},
		{"expired", fixture(t, "expired.exe"), []string{"root.pem"}, authenticode.Untrusted},
		{"certificate for servers", fixture(t, "server.exe"), []string{"root.pem"}, authenticode.Untrusted},
		{"signed by itself", fixture(t, "selfsigned.exe"), []string{"root.pem"}, authenticode.Untrusted},
		{"with sha1", fixture(t, "sha1.exe"), []string{"root.pem"}, authenticode.Weak},
		{"changed", changed, []string{"root.pem"}, authenticode.Tampered},
		{"another's signature", transplanted, []string{"root.pem"}, authenticode.Tampered},
		{"forged", forged, []string{"root.pem"}, authenticode.Tampered},
		{"appended", appended, []string{"root.pem"}, authenticode.Malformed},
		{"hidden behind the signature", hidden, []string{"root.pem"}, authenticode.Malformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := verify(t, test.program, test.roots...)
			if got == nil || got.State != test.want {
				t.Fatalf("got %+v, want state %s", got, test.want)
			}
			if (got.Detail == "") != (test.want == authenticode.Valid) {
				t.Errorf("state %s with detail %q", got.State, got.Detail)
			}
			if len(got.Chain) > 0 != (test.want == authenticode.Valid) {
				t.Errorf("state %s with chain %q", got.State, got.Chain)
			}
		})
	}
}

// The signer is told with all certificates up to the root, and when it signed.
func TestSigner(t *testing.T) {
	got := verify(t, fixture(t, "stamped.exe"), "root.pem")
	if len(got.Chain) != 3 {
		t.Errorf("chain of %d certificates, want signer, intermediate and root", len(got.Chain))
	}
	got.Chain = nil
	stamped := time.Date(2021, 6, 1, 12, 0, 0, 0, time.UTC)
	want := &authenticode.Signature{State: authenticode.Valid, Name: "Tyto Test Expired", Organization: "Tyto Test", Time: &stamped}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("signature (-want +got):\n%s", diff)
	}
}

func TestNothingToVerify(t *testing.T) {
	for name, program := range map[string][]byte{
		"unsigned": decidetest.PE(nil), "no program": []byte("hello"), "empty": nil, "half a header": decidetest.PE(nil)[:100],
	} {
		if got := verify(t, program, "root.pem"); got != nil {
			t.Errorf("%s: got %+v, want nil", name, got)
		}
	}
}

// However a signed program is changed, it is not valid any more: each byte of it counts, but for those that the format
// leaves out.
func TestEveryByteCounts(t *testing.T) {
	signed := fixture(t, "signed.exe")
	v, err := authenticode.NewVerifier(roots(t, "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	_, at := table(signed)
	const checksum = 88 + 64
	for i := range int(at) {
		if i >= checksum && i < checksum+4 {
			continue
		}
		program := bytes.Clone(signed)
		program[i] ^= 0xff
		s, err := v.Verify(bytes.NewReader(program), int64(len(program)))
		if err == nil && s != nil && s.State == authenticode.Valid {
			t.Fatalf("still valid with another byte at %d", i)
		}
	}
}

// No change of a signed program makes it valid, and none makes the verifier fail otherwise than by saying so.
func FuzzVerify(f *testing.F) {
	signed := fixture(f, "signed.exe")
	f.Add(signed)
	f.Add(fixture(f, "stamped.exe"))
	f.Add(fixture(f, "sha1.exe"))
	v, err := authenticode.NewVerifier(roots(f, "root.pem"))
	if err != nil {
		f.Fatal(err)
	}
	valid := map[string]bool{}
	for _, name := range []string{"signed.exe", "stamped.exe", "ecdsa.exe"} {
		valid[image(fixture(f, name))] = true
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		s, err := v.Verify(bytes.NewReader(program), int64(len(program)))
		if err != nil {
			t.Fatal(err)
		}
		if s != nil && s.State == authenticode.Valid && !valid[image(program)] {
			t.Errorf("a program is valid that was never signed")
		}
	})
}

// image returns what of a signed program is covered by its signature.
func image(program []byte) string {
	const checksum = 88 + 64
	if len(program) < securityEntry+8 {
		return ""
	}
	at := min(int(binary.LittleEndian.Uint32(program[securityEntry:])), len(program))
	p := bytes.Clone(program[:max(at, securityEntry+8)])
	clear(p[checksum : checksum+4])
	clear(p[securityEntry : securityEntry+8])
	return string(p)
}

func BenchmarkVerify(b *testing.B) {
	signed := fixture(b, "stamped.exe")
	v, err := authenticode.NewVerifier(roots(b, "root.pem"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if s, err := v.Verify(bytes.NewReader(signed), int64(len(signed))); err != nil || s.State != authenticode.Valid {
			b.Fatal(s, err)
		}
	}
}
