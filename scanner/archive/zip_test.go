package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
)

// file is a member to pack.
type file struct{ name, content string }

// makeZip packs with the standard library, deflated, with data descriptors.
func makeZip(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		m, err := w.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(m, f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// rawZip packs members as they are given, with sizes in the local headers.
func rawZip(headers ...rawHeader) []byte {
	var b, dir []byte
	for _, h := range headers {
		offset := len(b)
		b = append(b, h.local()...)
		dir = append(dir, h.central(offset)...)
	}
	start := len(b)
	b = append(b, dir...)
	return append(b, zipEndRecord(len(headers), len(dir), start)...)
}

func zipEndRecord(entries, size, start int) []byte {
	end := binary.LittleEndian.AppendUint32(nil, zipEnd)
	end = append(end, 0, 0, 0, 0)
	for range 2 {
		end = binary.LittleEndian.AppendUint16(end, uint16(entries))
	}
	end = binary.LittleEndian.AppendUint32(end, uint32(size))
	end = binary.LittleEndian.AppendUint32(end, uint32(start))
	return append(end, 0, 0)
}

// rawHeader is a member whose every field can be a lie.
type rawHeader struct {
	name           string
	flags, method  uint16
	crc            uint32
	packed, size   uint32 // in the central directory, and in the local header if not streamed
	data           []byte
	noLocalSizes   bool
	behind         []byte // a data descriptor
	externalAttrib uint32
}

func stored(name, content string) rawHeader {
	return rawHeader{name: name, crc: crc32.ChecksumIEEE([]byte(content)), packed: uint32(len(content)), size: uint32(len(content)), data: []byte(content)}
}

func (h rawHeader) common() []byte {
	b := []byte{20, 0}
	b = binary.LittleEndian.AppendUint16(b, h.flags)
	b = binary.LittleEndian.AppendUint16(b, h.method)
	b = append(b, 0, 0, 0x21, 0x58) // 2024-01-01
	return b
}

func (h rawHeader) local() []byte {
	b := binary.LittleEndian.AppendUint32(nil, zipLocal)
	b = append(b, h.common()...)
	if h.noLocalSizes {
		b = append(b, make([]byte, 12)...)
	} else {
		b = h.sizes(b)
	}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(h.name)))
	b = append(b, 0, 0)
	b = append(b, h.name...)
	b = append(b, h.data...)
	return append(b, h.behind...)
}

func (h rawHeader) sizes(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, h.crc)
	b = binary.LittleEndian.AppendUint32(b, h.packed)
	return binary.LittleEndian.AppendUint32(b, h.size)
}

func (h rawHeader) central(offset int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, zipCentral)
	b = append(b, 20, 0)
	b = append(b, h.common()...)
	b = h.sizes(b)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(h.name)))
	b = append(b, make([]byte, 8)...)
	b = binary.LittleEndian.AppendUint32(b, h.externalAttrib)
	b = binary.LittleEndian.AppendUint32(b, uint32(offset))
	return append(b, h.name...)
}

// TestZipHiding has the tricks by which members are hidden from readers.
func TestZipHiding(t *testing.T) {
	one := makeZip(t, file{"one", strings.Repeat("first ", 100)})
	two := makeZip(t, file{"two", strings.Repeat("second ", 100)})
	both := []seen{{Name: "two", Content: strings.Repeat("second ", 100)}, {Name: "one", Content: strings.Repeat("first ", 100)}}
	wantOne := both[1:]
	end := bytes.LastIndex(one, []byte("PK\x05\x06"))
	directory := bytes.LastIndex(one, []byte("PK\x01\x02"))
	problem := func(s string) seen { return seen{Reason: finding.Damaged, Detail: s} }
	const fallback = "; its local headers are read instead"

	shown, hidden := stored("shown", "shown content"), stored("hidden", "hidden content")
	// The declared size of a deflated member covers the member behind it, which is not in the
	// directory.
	greedy := rawHeader{name: "greedy", method: 8, data: []byte("\x4b\x04\x00"), crc: crc32.ChecksumIEEE([]byte("a")), size: 1}
	greedy.data = append(greedy.data, hidden.local()...)
	greedy.packed = uint32(len(greedy.data))

	fake := stored("fake", "not encrypted at all")
	fake.flags = zipEncrypted
	real := fake
	real.crc++

	streamed := stored("streamed", "stored PK\x03\x04 and PK\x07\x08 without sizes")
	streamed.flags, streamed.noLocalSizes = zipStreamed, true
	streamed.behind = streamed.sizes([]byte("PK\x07\x08"))

	for _, test := range []struct {
		name string
		data []byte
		want []seen
	}{
		{"data before the archive", append([]byte("MZ unpacker"), one...), wantOne},
		{"data behind the archive", append(bytes.Clone(one), bytes.Repeat([]byte("x"), 1000)...), wantOne},
		{"too much data behind the archive", append(bytes.Clone(one), bytes.Repeat([]byte("x"), 70_000)...),
			append([]seen{problem("zip: there is no central directory" + fallback)}, wantOne...)},
		{"two archives", append(bytes.Clone(one), two...), both},
		{"no end record", one[:end], append([]seen{problem("zip: there is no central directory" + fallback)}, wantOne...)},
		{"no directory", one[:directory], append([]seen{problem("zip: there is no central directory" + fallback)}, wantOne...)},
		{"broken directory", bytes.Replace(one, []byte("PK\x01\x02"), []byte("PK\x01\x01"), 1),
			append([]seen{problem("zip: there is no central directory" + fallback)}, wantOne...)},
		{"directory names too few", func() []byte {
			b := rawZip(shown, hidden)
			b = b[:bytes.LastIndex(b, []byte("PK\x01\x02"))]
			return append(b, zipEndRecord(2, len(shown.central(0)), len(shown.local())+len(hidden.local()))...)
		}(), []seen{{Name: "shown", Content: "shown content"}, problem("zip: the central directory has 1 entries of 2" + fallback), {Name: "hidden", Content: "hidden content"}}},
		{"not in the directory", func() []byte {
			b := append(hidden.local(), shown.local()...)
			dir := shown.central(len(hidden.local()))
			return append(append(b, dir...), zipEndRecord(1, len(dir), len(b))...)
		}(), []seen{{Name: "shown", Content: "shown content"}, {Name: "hidden", Content: "hidden content"}}},
		{"behind a declared size", rawZip(greedy), []seen{{Name: "greedy", Content: "a"}, {Name: "hidden", Content: "hidden content"}}},
		{"wrong offset", func() []byte {
			b := hidden.local()
			dir := hidden.central(7)
			return append(append(b, dir...), zipEndRecord(1, len(dir), len(b))...)
		}(), []seen{{Name: "hidden", Reason: finding.Damaged, Detail: "zip: no local header at byte 7"}, {Name: "hidden", Content: "hidden content"}}},
		{"says encrypted", rawZip(fake), []seen{{Name: "fake", Content: "not encrypted at all"}}},
		{"is encrypted", rawZip(real), []seen{{Name: "fake", Reason: finding.Encrypted, Detail: "a password is needed"}}},
		{"stored without sizes and directory", append(streamed.local(), shown.local()...),
			[]seen{problem("zip: there is no central directory" + fallback), {Name: "streamed", Content: string(streamed.data)}, {Name: "shown", Content: "shown content"}}},
		{"beyond the end", func() []byte {
			long := shown
			long.packed = 1 << 30
			return rawZip(long, hidden)
		}(), []seen{
			{Name: "shown", Reason: finding.Damaged, Detail: "zip: the data reaches beyond the end of the file"},
			{Name: "hidden", Content: "hidden content"},
			{Name: "shown", Content: "shown content"}, // from its local header, up to the next member
		}},
		{"directory with content", rawZip(stored("dir/", "content")), []seen{{Name: "dir/", Content: "content"}}},
		{"empty", zipEndRecord(0, 0, 0), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			// Not every case begins as a zip: self-extractors come here by another way.
			w := newWalk(test.data, newBudget(len(test.data)))
			if diff := cmp.Diff(test.want, w.all(t, Zip)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestZipLies has members that are not what the directory says.
func TestZipLies(t *testing.T) {
	lie := func(change func(*rawHeader)) rawHeader {
		h := rawHeader{name: "lie", method: 8, data: []byte("\x4b\x04\x00"), crc: crc32.ChecksumIEEE([]byte("a")), packed: 3, size: 1}
		change(&h)
		return h
	}
	after := stored("after", "the next one")
	for _, test := range []struct {
		name string
		lie  rawHeader
		want seen
	}{
		{"nothing", lie(func(h *rawHeader) {}), seen{Content: "a"}},
		{"size", lie(func(h *rawHeader) { h.size = 1 << 31 }), seen{Content: "a"}},
		{"checksum", lie(func(h *rawHeader) { h.crc++ }), seen{Content: "a", Reason: finding.Damaged, Detail: "zip: checksum of the content differs"}},
		{"packed size too small", lie(func(h *rawHeader) { h.packed = 1 }), seen{Reason: finding.Damaged, Detail: "it ends too early"}},
		{"packed size too large", lie(func(h *rawHeader) { h.packed = 1 << 31 }), seen{Content: "a"}},
		{"unknown method", lie(func(h *rawHeader) { h.method = 0x3333 }), seen{Reason: finding.Unsupported, Detail: "zip: compression method 13107 (unknown)"}},
		{"wrong method", lie(func(h *rawHeader) { h.method = 12 }), seen{Reason: finding.Damaged, Detail: "bzip2 data invalid: bad magic value"}},
		{"encrypted by another method", lie(func(h *rawHeader) { h.method, h.flags = 99, 1 }), seen{Reason: finding.Encrypted, Detail: "a password is needed"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.want.Name = "lie"
			want := []seen{test.want, {Name: "after", Content: "the next one"}}
			data := rawZip(test.lie, after)
			if diff := cmp.Diff(want, walkAll(t, "a.zip", data, newBudget(len(data)))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestZipNames: names are the bytes of the archive.
func TestZipNames(t *testing.T) {
	var headers []rawHeader
	var want []seen
	for _, name := range []string{"../../etc/passwd", "/absolute", `C:\Windows\a.exe`, "caf\x82", "café", "\xff\xfe", "new\nline\x1b[31m", "twice", "twice", "", "a\x00b"} {
		headers = append(headers, stored(name, "of "+name))
		want = append(want, seen{Name: name, Content: "of " + name})
	}
	data := rawZip(headers...)
	if diff := cmp.Diff(want, walkAll(t, "a.zip", data, newBudget(len(data)))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestZip64 has more members than fit 16 bits.
func TestZip64(t *testing.T) {
	const n = 70_000
	files := make([]file, n)
	for i := range files {
		files[i] = file{name: fmt.Sprint(i)}
	}
	data := makeZip(t, files...)
	budget := NewBudget(context.Background(), Limits{Entries: -1}, int64(len(data)))
	if got := len(contents(t, walkAll(t, "a.zip", data, budget))); got != n {
		t.Errorf("%d members of %d", got, n)
	}
}
