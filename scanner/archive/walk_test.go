package archive

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
)

func TestDetect(t *testing.T) {
	for name, data := range archives(t) {
		t.Run(name, func(t *testing.T) {
			if _, ok := Detect(data[:min(len(data), HeadSize)]); !ok {
				t.Error("not recognised")
			}
		})
	}
	for _, test := range []struct{ name, head string }{
		{"nothing", ""},
		{"text", strings.Repeat("some text\n", 60)},
		{"zeros", strings.Repeat("\x00", 512)},
		{"pk in text", "PK is not enough"},
		{"bzip2 in text", "BZh9 is not enough"},
		{"numbers", strings.Repeat("0000000 ", 64)},
	} {
		t.Run(test.name, func(t *testing.T) {
			if f, ok := Detect([]byte(test.head)); ok {
				t.Errorf("taken for %s", f)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	archive := makeZip(t, file{"first", "12345678"}, file{"second", "1234567890"})
	nested := makeZip(t, file{"inner.zip", string(archive)})
	inner := fmt.Sprint(len(archive), " bytes")
	for _, test := range []struct {
		name   string
		data   []byte
		limits Limits
		want   []seen
	}{
		{"members up to the limit", archive, Limits{MemberBytes: 10}, []seen{
			{Name: "a!/first", Content: "8 bytes"}, {Name: "a!/second", Content: "10 bytes"}}},
		{"a larger member", archive, Limits{MemberBytes: 9}, []seen{
			{Name: "a!/first", Content: "8 bytes"},
			{"a!/second", "9 bytes", finding.ArchiveLimit, "larger than 9 bytes; only its beginning was read"}}},
		{"members", archive, Limits{Entries: 1}, []seen{
			{Name: "a!/first", Content: "8 bytes"},
			{"a!/", "0 bytes", finding.ArchiveLimit, "more than 1 members; the rest was not examined"}}},
		{"bytes", archive, Limits{Bytes: 7}, []seen{
			{"a!/first", "8 bytes", finding.ArchiveLimit, "more than 7 bytes unpacked; the rest was not examined"},
			{"a!/", "0 bytes", finding.ArchiveLimit, "more than 7 bytes unpacked; the rest was not examined"}}},
		{"names", archive, Limits{NameLength: 5}, []seen{
			{Name: "a!/first", Content: "8 bytes"},
			{"a!/", "0 bytes", finding.ArchiveLimit, "its name of 6 bytes was cut to 5"},
			{Name: "a!/secon", Content: "10 bytes"}}},
		{"depth", nested, Limits{Depth: 1}, []seen{
			{Name: "a!/inner.zip", Content: inner},
			{"a!/inner.zip!/", "0 bytes", finding.ArchiveLimit, "more than 1 archives inside each other"}}},
		{"depth is enough", nested, Limits{Depth: 2}, []seen{
			{Name: "a!/inner.zip", Content: inner},
			{Name: "a!/inner.zip!/first", Content: "8 bytes"}, {Name: "a!/inner.zip!/second", Content: "10 bytes"}}},
		{"shared by all depths", nested, Limits{Entries: 2}, []seen{
			{Name: "a!/inner.zip", Content: inner},
			{Name: "a!/inner.zip!/first", Content: "8 bytes"},
			{"a!/inner.zip!/", "0 bytes", finding.ArchiveLimit, "more than 2 members; the rest was not examined"}}},
		{"none", nested, Limits{-1, -1, -1, -1, -1, -1, -1}, []seen{
			{Name: "a!/inner.zip", Content: inner},
			{Name: "a!/inner.zip!/first", Content: "8 bytes"}, {Name: "a!/inner.zip!/second", Content: "10 bytes"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			budget := NewBudget(context.Background(), test.limits, int64(len(test.data)))
			if diff := cmp.Diff(test.want, hunt(t, test.data, "a", budget)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestGoroutines: neither a whole walk nor one that is left leaves anything running.
func TestGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	for name, data := range archives(t) {
		walkAll(t, name, data, newBudget(len(data)))
		for m := range Walk(bytes.NewReader(data), int64(len(data)), name, newBudget(len(data))) {
			if m != nil {
				_, _ = m.Read(make([]byte, 1))
			}
			break
		}
		if after := runtime.NumGoroutine(); after > before {
			t.Fatalf("%s: %d goroutines, %d before", name, after, before)
		}
	}
}

func TestPlainName(t *testing.T) {
	for _, test := range []struct{ name, want string }{
		{"dir/a.log.gz", "a.log"},
		{`C:\dir\a.TXT.XZ`, "a.TXT"},
		{"backup.tgz", "backup.tar"},
		{"noextension", "noextension"},
		{"a.bin", "a.bin"},
	} {
		if got := plainName(test.name); got != test.want {
			t.Errorf("%q: got %q, want %q", test.name, got, test.want)
		}
	}
}

// BenchmarkWalk gives the rate of unpacked bytes, on 16 MiB of text.
func BenchmarkWalk(b *testing.B) {
	text := []byte(strings.Repeat(tree["dir/numbers.txt"], 16<<20/len(tree["dir/numbers.txt"])))
	for name, data := range map[string][]byte{
		"zip": makeZip(b, file{"a", string(text)}),
		"tar": makeTar(b, file{"a", string(text)}),
		"tgz": gzipped(b, makeTar(b, file{"a", string(text)})),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for range b.N {
				budget := NewBudget(context.Background(), Limits{Ratio: -1}, int64(len(data)))
				for m, err := range Walk(bytes.NewReader(data), int64(len(data)), name, budget) {
					if err != nil {
						b.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, m); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
	b.Run("executable without archive", func(b *testing.B) {
		data := portableExecutable()
		b.ReportAllocs()
		for range b.N {
			for _, err := range Walk(bytes.NewReader(data), int64(len(data)), "", newBudget(len(data))) {
				b.Fatal(err)
			}
		}
	})
}
