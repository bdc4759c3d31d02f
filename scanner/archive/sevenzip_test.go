package archive

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"

	"tyto/finding"
)

// szNumber writes 7z's number of variable length, always with eight bytes.
func szNumber(v uint64) []byte { return binary.LittleEndian.AppendUint64([]byte{0xff}, v) }

// szHeaderOf is a header with one folder of one coder, unpacking to that size.
func szHeaderOf(method []byte, properties []byte, size uint64) []byte {
	coder := append([]byte{byte(len(method))}, method...)
	if len(properties) > 0 {
		coder[0] |= 0x20
		coder = append(append(coder, byte(len(properties))), properties...)
	}
	return slices.Concat(
		[]byte{szHeader, szMainStreams, szPackInfo}, szNumber(0), []byte{1, szSize, 4, szEnd},
		[]byte{szUnpackInfo, szFolder, 1, 0, 1}, coder,
		[]byte{szUnpackSizes}, szNumber(size), []byte{szEnd},
		[]byte{szEnd},
		// One member, named "a".
		[]byte{szFiles, 1, 0x11, 5, 0, 'a', 0, 0, 0, szEnd, szEnd})
}

// TestSevenZipHostile: what would cost the library memory or time is found in the header.
func TestSevenZipHostile(t *testing.T) {
	lzma2, lzma, ppmd, aes := []byte{0x21}, []byte{3, 1, 1}, []byte{3, 4, 1}, []byte{6, 0xf1, 7, 1}
	for _, test := range []struct {
		name   string
		header []byte
		reason finding.Reason
		detail string
	}{
		{"lzma2 of 4 gib", szHeaderOf(lzma2, []byte{40}, 1<<40), finding.ArchiveLimit, "unpacking needs 4 GiB"},
		{"lzma of 4 gib", szHeaderOf(lzma, []byte{0x5d, 0xff, 0xff, 0xff, 0xff}, 1<<40), finding.ArchiveLimit, "unpacking needs 4095 MiB"},
		{"ppmd of 4 gib", szHeaderOf(ppmd, []byte{6, 0, 0, 0, 0xff}, 100), finding.ArchiveLimit, "unpacking needs 4080 MiB"},
		{"key derivation of 2^62 rounds", szHeaderOf(aes, []byte{0x3e | 0x80, 0, 0}, 100), finding.Encrypted, ""},
		{"unknown method", szHeaderOf([]byte{0x77}, nil, 100), finding.Unsupported, "method 0x77"},
		{"impossible properties", szHeaderOf(lzma2, []byte{41}, 100), finding.Damaged, "impossible properties"},
		{"impossible size", szHeaderOf(lzma2, []byte{10}, math.MaxUint64), finding.Damaged, "an impossible size"},
		{"folders", append([]byte{szHeader, szMainStreams, szUnpackInfo, szFolder}, szNumber(1<<32)...), finding.Damaged, "4294967296 folders"},
		{"packed streams", append([]byte{szHeader, szMainStreams, szPackInfo, 0}, szNumber(1<<32)...), finding.Damaged, "4294967296 packed streams"},
		{"coders", append([]byte{szHeader, szMainStreams, szUnpackInfo, szFolder, 1, 0}, szNumber(1<<32)...), finding.Damaged, "4294967296 coders"},
		{"inputs", append([]byte{szHeader, szMainStreams, szUnpackInfo, szFolder, 1, 0, 1, 0x11, 0}, szNumber(1<<32)...), finding.Damaged, "4294967296 inputs"},
		{"members", append([]byte{szHeader, szFiles}, szNumber(1<<32)...), finding.Damaged, "4294967296 members"},
		{"not a header", []byte{9, 9}, finding.Damaged, "property 0x9"},
		{"cut off", []byte{szHeader, szMainStreams, szPackInfo}, finding.Damaged, "cut off"},
		{"packed for ever", append([]byte{szEncodedHeader}, szHeaderOf([]byte{0}, nil, 1<<40)[2:]...), finding.ArchiveLimit, "a header of 1024 GiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			data := sevenZipOf([]byte("data"), test.header)
			all := walkAll(t, "a.7z", data, newBudget(len(data)))
			if len(all) != 1 || all[0].Reason != test.reason || !strings.Contains(all[0].Detail, test.detail) {
				t.Errorf("got %v, want %s with %q", all, test.reason, test.detail)
			}
		})
	}
}

// TestShrinkDictionary: 7-Zip asks for more than it can use.
func TestShrinkDictionary(t *testing.T) {
	for _, test := range []struct {
		property       byte
		size           int64
		want           byte
		wantDictionary int64
	}{
		{40, 1, 0, 4096},
		{30, 4097, 1, 6144},
		{30, 1 << 20, 16, 1 << 20},
		{30, 1<<20 + 1, 17, 3 << 19},
		{10, 1 << 40, 10, 128 << 10},
	} {
		c := sevenZipCoder{properties: []byte{test.property}, size: test.size}
		if got := c.shrinkDictionary(); got != test.wantDictionary || c.properties[0] != test.want {
			t.Errorf("property %d for %d bytes: property %d, dictionary %d; want %d, %d",
				test.property, test.size, c.properties[0], got, test.want, test.wantDictionary)
		}
	}
}

// TestSevenZipMemberDamaged: behind a member that cannot be unpacked those of the same stream
// are lost, and said to be.
func TestSevenZipMemberDamaged(t *testing.T) {
	data := bytes.Clone(fixture(t, "solid.7z"))
	for i := 200; i < 2000; i++ {
		data[i] = 0xff
	}
	got := outcomes(walkAll(t, "a.7z", data, newBudget(len(data))))
	lost := 0
	for _, reason := range got {
		if reason == finding.Damaged {
			lost++
		}
	}
	if len(got) != len(tree) || lost == 0 || got["empty"] != "" {
		t.Errorf("got %v", got)
	}
}
