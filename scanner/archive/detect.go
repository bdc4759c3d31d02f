package archive

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// HeadSize is how many bytes from the beginning [Detect] wants to see. With fewer, tar archives
// are not recognised.
const HeadSize = 512

// magics are byte strings at the very beginning. The longest of a format is listed, so that
// text does not look like an archive.
var magics = []struct {
	magic  string
	format Format
}{
	{"PK\x03\x04", Zip},
	{"PK\x05\x06", Zip},           // no members
	{"PK\x07\x08PK\x03\x04", Zip}, // marked as spanned, in one piece
	{"\x1f\x8b\x08", Gzip},
	{"\xfd7zXZ\x00", XZ},
	{"\x28\xb5\x2f\xfd", Zstd},
	{"\x04\x22\x4d\x18", LZ4},
	{"\x02\x21\x4c\x18", LZ4}, // legacy frame
	{"7z\xbc\xaf\x27\x1c", SevenZip},
	{"Rar!\x1a\x07\x00", Rar},
	{"Rar!\x1a\x07\x01\x00", Rar},
	{"MSCF\x00\x00\x00\x00", Cab},
	{"!<arch>\n", Ar},
	{"070701", Cpio},
	{"070702", Cpio},
	{"\xed\xab\xee\xdb", RPM},
	{"MZ", Executable},
}

// Detect tells from the first bytes of a file, at best [HeadSize] of them, whether [Walk] can
// look inside, and as what. It does not look at the name. For an [Executable] it is only known
// after the walk whether there was an archive in it.
func Detect(head []byte) (Format, bool) {
	for _, m := range magics {
		if strings.HasPrefix(string(head[:min(len(head), 8)]), m.magic) {
			return m.format, true
		}
	}
	switch {
	case isBzip2(head):
		return Bzip2, true
	case isSkippable(head):
		return Zstd, true
	case isTarHeader(head):
		return Tar, true
	}
	return "", false
}

// isBzip2 looks at the magic of the stream and that of its first block, or of its end if it is
// empty: "BZh9" alone is too short.
func isBzip2(head []byte) bool {
	if len(head) < 10 || string(head[:3]) != "BZh" || head[3] < '1' || head[3] > '9' {
		return false
	}
	block := string(head[4:10])
	return block == "\x31\x41\x59\x26\x53\x59" || block == "\x17\x72\x45\x38\x50\x90"
}

// isSkippable recognises a zstd file that begins with a skippable frame, as pzstd writes it. LZ4
// has the same frames, but no tool begins with one.
func isSkippable(head []byte) bool {
	if len(head) < 8 || binary.LittleEndian.Uint32(head)>>4 != 0x184D2A5 {
		return false
	}
	size := int64(binary.LittleEndian.Uint32(head[4:]))
	next := 8 + size
	return next+4 <= int64(len(head)) && bytes.HasPrefix(head[next:], []byte("\x28\xb5\x2f\xfd"))
}

// isTarHeader reports whether block is a tar header by its checksum, which all variants of the
// format have: the sum of all bytes, with those of the checksum itself taken as spaces. Old
// writers summed signed bytes.
func isTarHeader(block []byte) bool {
	if len(block) < 512 || block[0] == 0 {
		return false
	}
	const from, to = 148, 156
	field := bytes.Trim(block[from:to], " \x00")
	if len(field) == 0 {
		return false
	}
	want := int64(0)
	for _, c := range field {
		if c < '0' || c > '7' {
			return false
		}
		want = want<<3 | int64(c-'0')
	}
	unsigned, signed := int64(0), int64(0)
	for i, c := range block[:512] {
		if from <= i && i < to {
			c = ' '
		}
		unsigned += int64(c)
		signed += int64(int8(c))
	}
	return want == unsigned || want == signed
}
