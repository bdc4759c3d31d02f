package filetype

import (
	"bytes"
	"encoding/binary"
)

// The functions of this file look at the bytes around a short or ambiguous magic. Each is
// called only after its magic matched and must bear a head that ends at any place.

func bzip2(head []byte) string {
	const block, end = "1AY&SY", "\x17\x72\x45\x38\x50\x90"
	if len(head) < 10 || head[3] < '1' || head[3] > '9' {
		return ""
	}
	if m := string(head[4:10]); m != block && m != end {
		return ""
	}
	return "BZip2"
}

// lzma knows the old .lzma header by its plausible values only: the usual properties byte, a
// dictionary of 2ⁿ or 2ⁿ+2ⁿ⁻¹ bytes, and a size that is unknown or below 256 GiB.
func lzma(head []byte) string {
	if len(head) < 13 {
		return ""
	}
	dict, size := binary.LittleEndian.Uint32(head[1:]), binary.LittleEndian.Uint64(head[5:])
	lowest := dict & -dict
	if dict == 0 || dict != lowest && dict != lowest|lowest<<1 || size != 1<<64-1 && size >= 1<<38 {
		return ""
	}
	return "LZMA"
}

// cpioOld knows the binary format of cpio by a file name that ends where the header says.
func cpioOld(order binary.ByteOrder) func([]byte) string {
	return func(head []byte) string {
		const header = 26
		if len(head) < header {
			return ""
		}
		n := int(order.Uint16(head[20:]))
		if n < 2 || len(head) < header+n || bytes.IndexByte(head[header:header+n], 0) != n-1 {
			return ""
		}
		return "CPIO"
	}
}

func arj(head []byte) string {
	const largestHeader = 2600
	if len(head) < 4 {
		return ""
	}
	if n := binary.LittleEndian.Uint16(head[2:]); n == 0 || n > largestHeader {
		return ""
	}
	return "ARJ"
}

func aescrypt(head []byte) string {
	if len(head) < 5 || head[3] > 3 || head[4] != 0 {
		return ""
	}
	return "AESCrypt"
}

// cafebabe tells Java classes from Mach-O files for several processors, which share a magic. A
// class has its version there, which began with 45; nobody builds for 45 processors.
func cafebabe(head []byte) string {
	if len(head) < 8 {
		return ""
	}
	if n := binary.BigEndian.Uint32(head[4:]); n > 0 && n < 45 {
		return "MACH-O"
	}
	return "Class"
}

func bmp(head []byte) string {
	if len(head) < 18 || binary.LittleEndian.Uint32(head[6:]) != 0 {
		return ""
	}
	switch binary.LittleEndian.Uint32(head[14:]) { // the size of the second header
	case 12, 16, 40, 52, 56, 64, 108, 124:
		return "BMP"
	}
	return ""
}

func riff(head []byte) string {
	if len(head) < 12 {
		return ""
	}
	switch string(head[8:12]) {
	case "WEBP":
		return "WEBP"
	case "WAVE":
		return "WAV"
	case "AVI ":
		return "AVI"
	}
	return ""
}

// icon knows icons and cursors by a first entry that lies behind the directory.
func icon(head []byte) string {
	if len(head) < 22 {
		return ""
	}
	n, offset := uint32(binary.LittleEndian.Uint16(head[4:])), binary.LittleEndian.Uint32(head[18:])
	if n == 0 || n > 1024 || head[9] != 0 && head[9] != 255 || offset < 6+16*n {
		return ""
	}
	return "ICO"
}

func emf(head []byte) string {
	if len(head) >= 44 && string(head[40:44]) == " EMF" {
		return "EMF"
	}
	return ""
}

func flash(head []byte) string {
	if len(head) < 8 || head[3] == 0 || head[3] > 60 {
		return ""
	}
	return "SWF"
}

func trueType(head []byte) string {
	if len(head) < 12 || head[5] == 0 || head[5] > 64 {
		return ""
	}
	return "TTF"
}

// isoMedia names a file of the ISO base media format by its brand.
func isoMedia(head []byte) string {
	if len(head) < 12 || head[0] != 0 {
		return ""
	}
	switch string(head[8:12]) {
	case "heic", "heix", "mif1", "msf1", "avif", "avis":
		return "HEIC"
	}
	return "MP4"
}

// minidump tells a dump of LSASS, which holds the credentials of everybody logged on, from
// others: its program's name, or the dumping command, often stands near the beginning.
func minidump(head []byte) string {
	if bytes.Contains(head, []byte("l\x00s\x00a\x00s\x00s\x00")) || bytes.Contains(head, []byte("lsass")) {
		return "LSASS Dump File"
	}
	return "MDMP"
}

func pcapng(head []byte) string {
	if len(head) < 12 {
		return ""
	}
	switch string(head[8:12]) { // the byte-order magic
	case "\x1a\x2b\x3c\x4d", "\x4d\x3c\x2b\x1a":
		return "PCAPNG"
	}
	return ""
}

// lha knows the archives of lha and larc by the method, such as "-lh5-".
func lha(head []byte) string {
	if len(head) < 7 || head[6] != '-' || head[4] != 'h' && head[4] != 'z' {
		return ""
	}
	return "LHA"
}

// python knows compiled Python: a version between 3,000 and 4,000 in two bytes (62,000 and
// more in Python 2), then CR LF, then flags of which only the lowest two are used.
func python(head []byte) string {
	if len(head) < 16 {
		return ""
	}
	version := binary.LittleEndian.Uint16(head)
	if version >= 3000 && version < 4000 && binary.LittleEndian.Uint32(head[4:]) < 4 || version > 62000 && version < 62300 {
		return "PYC"
	}
	return ""
}

// skippable knows a skippable frame, with which parallel compressors begin, and looks at the
// magic of the frame behind it.
func skippable(head []byte) string {
	if head[0]&0xf0 != 0x50 || len(head) < 8 {
		return ""
	}
	rest := head[8:]
	n := int64(binary.LittleEndian.Uint32(head[4:]))
	if n+4 > int64(len(rest)) {
		return ""
	}
	switch string(rest[n : n+4]) {
	case "\x28\xb5\x2f\xfd":
		return "ZSTD"
	case "\x04\x22\x4d\x18":
		return "LZ4"
	}
	return ""
}

// oldTar knows the tar format without magic by the checksum of its first header: the sum of
// all its bytes, those of the checksum itself counted as spaces.
func oldTar(head []byte) bool {
	const header, field, fieldEnd = 512, 148, 156
	if len(head) < header || head[0] == 0 {
		return false
	}
	stated, digits := 0, 0
	for _, c := range head[field:fieldEnd] {
		switch {
		case c >= '0' && c <= '7':
			stated, digits = stated<<3|int(c-'0'), digits+1
		case c != ' ' && c != 0:
			return false
		}
	}
	if digits == 0 {
		return false
	}
	sum := (fieldEnd - field) * int(' ')
	for i, c := range head[:header] {
		if i < field || i >= fieldEnd {
			sum += int(c)
		}
	}
	return sum == stated
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
