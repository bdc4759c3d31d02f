package rules_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tyto/rules"
	"tyto/rules/rulestest"
)

// TestChunksOnPositives scans files made for the rules of signature-base through a small window.
// Whatever is no longer than the overlap must be found as in one piece, at the same offsets.
func TestChunksOnPositives(t *testing.T) {
	dir, sources := signatureBase(t)
	y := newTyto(t, []string{dir}, unlimited)
	examples, err := rulestest.Write(t.TempDir(), sources)
	if err != nil {
		t.Fatal(err)
	}
	const overlap = 2048
	window := rules.Chunks{Size: 3 * overlap, Overlap: overlap}
	compared := 0
	for i, e := range examples {
		if i%4 != 0 {
			continue
		}
		data, err := os.ReadFile(e.Path)
		if err != nil {
			t.Fatal(err)
		}
		// Move everything, so that all kinds of strings meet a border.
		if len(data) > 64 {
			data = append(data[:64:64], append(bytes.Repeat([]byte{4}, i%5000), data[64:]...)...)
		}
		whole, err := y.scanner.ScanMem(data, &rules.Externals{})
		if err != nil {
			t.Fatal(err)
		}
		cut, err := y.scanner.ScanChunks(bytes.NewReader(data), int64(len(data)), window, &rules.Externals{})
		if err != nil {
			t.Fatal(err)
		}
		if long(whole, overlap-8) {
			continue
		}
		want, got := make(findings), make(findings)
		y.record(want, e.Path, true, whole)
		y.record(got, e.Path, true, cut)
		compare(t, want, got)
		compared += want.count()
	}
	t.Logf("%d matches", compared)
	if compared < 1000 {
		t.Error("too few matches to mean anything")
	}
}

// long reports whether some occurrence is longer than the promise for chunks.
func long(r rules.Result, limit int) bool {
	for _, m := range r.Matches {
		for _, s := range m.Strings {
			if s.Length > limit {
				return true
			}
		}
	}
	return false
}

func scannerFor(t testing.TB, text string, o rules.ScannerOptions) *tyto {
	t.Helper()
	file := filepath.Join(t.TempDir(), "test.yar")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := rules.Load([]string{file}, rules.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range set.Problems {
		t.Errorf("%+v", p)
	}
	t.Cleanup(func() { set.Close() })
	info, err := set.File().Stat()
	if err != nil {
		t.Fatal(err)
	}
	scanner, err := rules.Open(set.File(), info.Size(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(scanner.Close)
	return &tyto{set, scanner}
}

// TestChunkBorders slides strings over the border between two chunks, one byte at a time.
func TestChunkBorders(t *testing.T) {
	y := scannerFor(t, `
		rule word { strings: $a = "needle" fullword condition: $a }
		rule wide_word { strings: $a = "needle" wide fullword condition: $a }
		rule counted { strings: $a = "needle" condition: #a == 2 }
		rule chained { strings: $a = { 6E 65 65 64 6C 65 [0-400] 65 6E 64 } condition: $a }
		rule greedy { strings: $a = /ne+dle[a-f]*/ condition: $a }
		rule end { strings: $a = /needle$/ condition: $a }
		rule placed { strings: $a = "needle" condition: $a at 700 }
		rule distance { strings: $a = "needle" condition: uint8(@a[1] + 6) == 0x65 }
		rule size { condition: filesize == 6000 }
		rule no_word { strings: $a = "needles" fullword condition: $a }
	`, unlimited)
	window := rules.Chunks{Size: 1500, Overlap: 600}
	for _, planted := range []string{"needle", "needle needle", "n\x00e\x00e\x00d\x00l\x00e\x00", "needlefade", "xneedle", "needlesx",
		"needle" + strings.Repeat(".", 300) + "end", "needle" + strings.Repeat(".", 395) + "end"} {
		for at := 600; at < 1700; at += 7 {
			data := bytes.Repeat([]byte{'-'}, 6000)
			copy(data[at:], planted)
			whole, err := y.scanner.ScanMem(data, &rules.Externals{})
			if err != nil {
				t.Fatal(err)
			}
			cut, err := y.scanner.ScanChunks(bytes.NewReader(data), int64(len(data)), window, &rules.Externals{})
			if err != nil {
				t.Fatal(err)
			}
			want, got := make(findings), make(findings)
			name := strings.Trim(planted[:6], "\x00")
			y.record(want, name, true, whole)
			y.record(got, name, true, cut)
			compare(t, want, got)
			if t.Failed() {
				t.Fatalf("%q at %d", planted, at)
			}
		}
	}
}
