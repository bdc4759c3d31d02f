package ioc

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
)

func sum256(s string) []byte { h := sha256.Sum256([]byte(s)); return h[:] }

func TestHashLists(t *testing.T) {
	m, h1 := md5.Sum([]byte("m")), sha1.Sum([]byte("1"))
	b := NewBuilder(Options{})
	for _, row := range []HashRow{
		{Sum: m[:], Score: 55, Comment: "an MD5", Source: "a.txt", Line: 1},
		{Sum: h1[:], Score: 100, Comment: "", Source: "a.txt", Line: 2},
		{Sum: sum256("x"), Score: 60, Comment: "x", Source: "a.txt", Line: 3},
		{Sum: sum256("x"), Score: 80, Comment: "x again", Source: "a.txt", Line: 4},
		{Sum: sum256("x"), Score: 70, Comment: "x", Source: "b.txt", Line: 1},
	} {
		if err := b.AddHash(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.AddHash(HashRow{Sum: make([]byte, 17)}); err == nil {
		t.Error("a hash of 17 bytes was accepted")
	}
	s := b.Build()
	type row struct {
		Name, Source string
		Line, Score  int
		Term         string
	}
	rows := func(h finding.Hashes) (got []row) {
		for _, m := range s.NewRun().Examine(FileItem(&finding.Object{Hashes: h}, nil, true)) {
			got = append(got, row{m.Name, m.Source, m.Line, m.Score, m.Evidence[0].Term})
		}
		return got
	}
	tests := []struct {
		name   string
		hashes finding.Hashes
		want   []row
	}{
		{"md5", finding.Hashes{MD5: hex.EncodeToString(m[:])}, []row{{"an MD5", "a.txt", 1, 55, "FileItem/Md5sum"}}},
		{"sha1 without comment", finding.Hashes{SHA1: hex.EncodeToString(h1[:])}, []row{{"hash list", "a.txt", 2, 100, "FileItem/Sha1sum"}}},
		{"best row of each list", finding.Hashes{SHA256: hex.EncodeToString(sum256("x"))},
			[]row{{"x again", "a.txt", 4, 80, "FileItem/Sha256sum"}, {"x", "b.txt", 1, 70, "FileItem/Sha256sum"}}},
		{"none", finding.Hashes{SHA256: hex.EncodeToString(sum256("y"))}, nil},
		{"no hexadecimal", finding.Hashes{SHA256: "zz"}, nil},
		{"unknown", finding.Hashes{}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, rows(test.hashes)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTrusted(t *testing.T) {
	b := NewBuilder(Options{})
	if err := b.AddTrusted(HashRow{Sum: sum256("x"), Comment: "ours", Source: "trusted-hashes.txt", Line: 4}); err != nil {
		t.Fatal(err)
	}
	s := b.Build()
	if row, ok := s.Trusted(finding.Hashes{SHA256: hex.EncodeToString(sum256("x"))}); !ok || row.Line != 4 || row.Description != "ours" {
		t.Errorf("got %+v, %v", row, ok)
	}
	if _, ok := s.Trusted(finding.Hashes{SHA256: hex.EncodeToString(sum256("y"))}); ok {
		t.Error("an unknown file is trusted")
	}
	if n := s.Needs(); !n.TrustedSHA256 || n.SHA256 {
		t.Errorf("needs: %+v", n)
	}
}

// TestEveryHashIsFound holds the table against a map.
func TestEveryHashIsFound(t *testing.T) {
	table, lines := newHashTable(), map[string]uint32{}
	for i := range 5000 {
		sum := sum256(fmt.Sprint(i))
		if i%3 == 0 {
			sum[0], sum[1] = 7, 7 // crowd one bucket
		}
		if err := table.add(HashRow{Sum: sum, Source: "s", Line: i, Comment: fmt.Sprint(i % 7)}); err != nil {
			t.Fatal(err)
		}
		lines[hex.EncodeToString(sum)] = uint32(i)
	}
	table.freeze()
	for sum, line := range lines {
		rows := table.columns[2].find(sum)
		if len(rows) != 1 || rows[0].line != line || table.comment(rows[0].comment) != fmt.Sprint(line%7) {
			t.Fatalf("%s: got %+v, want line %d", sum, rows, line)
		}
	}
}

// TestMemoryOfHashes bounds the memory of a large list: 150 bytes a row with comments of 60.
func TestMemoryOfHashes(t *testing.T) {
	const n = 200_000
	heap := func() int64 {
		runtime.GC()
		runtime.GC() // twice, for what pools hold
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	build := func() *Set {
		b := NewBuilder(Options{})
		for i := range n {
			row := HashRow{Sum: sum256(fmt.Sprint(i)), Source: "hashes.txt", Line: i, Comment: fmt.Sprintf("%-60d", i)}
			if err := b.AddHash(row); err != nil {
				t.Fatal(err)
			}
		}
		return b.Build()
	}
	s := build()
	with := heap()
	runtime.KeepAlive(s)
	s = nil
	each := (with - heap()) / n
	t.Logf("%d bytes each", each)
	if each <= 32 || each > 150 {
		t.Errorf("%d bytes for each hash, want at most 150", each)
	}
}

// TestTrivialContent holds the refused hashes against ones from other sources.
func TestTrivialContent(t *testing.T) {
	for want, sum := range map[string]string{
		"":     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", // FIPS 180 examples
		"abc":  "a9993e364706816aba3e25717850c26c9cd0d89d",
		"test": "098f6bcd4621d373cade4e832627b4f6",
		"\n":   "68b329da9893e34099c7d8ad5cb9c940", // printf '\n' | md5sum
		"\r\n": "81051bcc2cf1bedf378224b0a93e2877",
		" ":    "7215ee9c7d9dc229d2921a40e899ec5f",
		"\x00": "93b885adfe0da089cdf634904fd59f71",
		"MZ":   "ac6ad5d9b99757c3a878f2d275ace198",
	} {
		raw, err := hex.DecodeString(sum)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := TrivialContent(raw); !ok || got != want {
			t.Errorf("%s: got %q, %v, want %q", sum, got, ok, want)
		}
	}
	if content, ok := TrivialContent(sum256("something of its own")); ok {
		t.Errorf("got %q", content)
	}
	// Computed: each content is known by all three hashes.
	for _, s := range trivialContents() {
		m, h1, h256 := md5.Sum([]byte(s)), sha1.Sum([]byte(s)), sha256.Sum256([]byte(s))
		for _, sum := range [][]byte{m[:], h1[:], h256[:]} {
			if got, ok := TrivialContent(sum); !ok || got != s {
				t.Errorf("hash of %.20q: got %.20q, %v", s, got, ok)
			}
		}
	}
}

func BenchmarkMillionHashes(b *testing.B) {
	build := NewBuilder(Options{})
	for i := range 1_000_000 {
		if err := build.AddHash(HashRow{Sum: sum256(fmt.Sprint(i)), Source: "hashes.txt", Line: i, Comment: "from a feed"}); err != nil {
			b.Fatal(err)
		}
	}
	run := build.Build().NewRun()
	object := finding.Object{Hashes: finding.Hashes{SHA256: hex.EncodeToString(sum256("y"))}}
	item := FileItem(&object, nil, true)
	for b.Loop() {
		run.Examine(item)
	}
}

func TestHashesYieldsAllRows(t *testing.T) {
	b := NewBuilder(Options{})
	var want []HashRow
	for i, width := range []int{16, 20, 32} {
		row := HashRow{Sum: bytes.Repeat([]byte{byte(9 - i)}, width), Score: 70 - i, Comment: fmt.Sprint("c", i), Source: "list.txt", Line: i + 1}
		if err := b.AddHash(row); err != nil {
			t.Fatal(err)
		}
		want = append(want, row)
	}
	got := slices.Collect(b.Build().Hashes())
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-added +yielded):\n%s", diff)
	}
	for range b.Build().Hashes() {
		break // may be left early
	}
}
