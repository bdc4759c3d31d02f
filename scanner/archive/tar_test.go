package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
)

func makeTar(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.content)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestTarBehindDamage: what another tool may extract is seen, plain and compressed.
func TestTarBehindDamage(t *testing.T) {
	one, two := file{"one", strings.Repeat("first ", 200)}, file{"two", "second"}
	first, second := seen{Name: one.name, Content: one.content}, seen{Name: two.name, Content: two.content}
	both := makeTar(t, one, two)
	at := bytes.Index(both, []byte("two"))
	brokenHeader := bytes.Clone(both)
	brokenHeader[at+150]++
	third := makeTar(t, file{"three", "third"})
	oneZeroBlock := append(append(bytes.Clone(both[:at]), make([]byte, 512)...), both[at:]...)
	damage := func(detail string) seen { return seen{Reason: finding.Damaged, Detail: detail} }

	for _, test := range []struct {
		name string
		data []byte
		want []seen
	}{
		{"whole", both, []seen{first, second}},
		{"broken header", append(brokenHeader, third...), []seen{first, damage("tar: a header is broken at about byte 2048"), {Name: "three", Content: "third"}}},
		{"appended archive", append(bytes.Clone(both), third...), []seen{first, second, {Name: "three", Content: "third"}}},
		{"a block of zeros between", oneZeroBlock, []seen{first, damage("tar: a header is broken at about byte 2560"), second}},
		{"cut in the content", both[:1000], []seen{{one.name, one.content[:488], finding.Damaged, "it ends too early"}, damage("it ends too early")}},
		{"no end", both[:at+1024], []seen{first, second}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, walkAll(t, "a.tar", test.data, newBudget(len(test.data)))); diff != "" {
				t.Errorf("plain (-want +got):\n%s", diff)
			}
			packed := gzipped(t, test.data)
			if diff := cmp.Diff(test.want, walkAll(t, "a.tgz", packed, newBudget(len(packed)))); diff != "" {
				t.Errorf("compressed (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCompressedDamage reads up to the damage.
func TestCompressedDamage(t *testing.T) {
	packed := gzipped(t, []byte("some text"))
	wrongSum := bytes.Clone(packed)
	wrongSum[len(wrongSum)-8]++
	for _, test := range []struct {
		name string
		data []byte
		want seen
	}{
		{"zeros behind the end", append(bytes.Clone(packed), make([]byte, 100)...), seen{Content: "some text"}},
		{"garbage behind the end", append(bytes.Clone(packed), "garbage"...), seen{Content: "some text", Reason: finding.Damaged, Detail: "unknown data behind the end of the stream"}},
		{"wrong checksum", wrongSum, seen{Content: "some text", Reason: finding.Damaged, Detail: "gzip: invalid checksum"}},
		{"cut", packed[:len(packed)-4], seen{Content: "some text", Reason: finding.Damaged, Detail: "it ends too early"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.want.Name = "a.txt"
			if diff := cmp.Diff([]seen{test.want}, walkAll(t, "dir/a.txt.gz", test.data, newBudget(len(test.data)))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
