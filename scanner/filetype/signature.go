package filetype

import (
	"bytes"
	"encoding/binary"
)

// signature is one row of the table: magic bytes at an offset, and the name they stand for.
type signature struct {
	offset int
	magic  string
	name   string
	// refine, where set, decides with the bytes around the magic and returns the name; the
	// empty string means that the magic is a coincidence and the search goes on.
	refine func(head []byte) string
}

func (s *signature) match(head []byte) string {
	if len(head) < s.offset+len(s.magic) || string(head[s.offset:s.offset+len(s.magic)]) != s.magic {
		return ""
	}
	if s.refine != nil {
		return s.refine(head)
	}
	return s.name
}

// bySignature is the table of magic bytes at offset 0, by their first byte, so that a file is
// compared with a handful of rows. It is never written after start.
var bySignature = groupByFirstByte(atStart)

func groupByFirstByte(rows []signature) (groups [256][]signature) {
	for _, row := range rows {
		groups[row.magic[0]] = append(groups[row.magic[0]], row)
	}
	return groups
}

// atStart is the table of magic bytes at offset 0. Of rows with a common beginning, the more
// specific stands first. Sources: the formats' own specifications, the public file type table
// of signature-base for the names.
var atStart = []signature{
	// Archives and compressed files.
	{magic: "PK\x03\x04", refine: zipType},
	{magic: "PK\x05\x06", name: "PKZIP"},                  // an empty archive
	{magic: "PK\x07\x08PK\x03\x04", refine: splitZIPType}, // the first part of a split archive
	{magic: "PK00PK\x03\x04", name: "ZIP"},                // what was to be split but is not
	{magic: "PKSpX", name: "PKSFX"},
	{magic: "Rar!\x1a\x07", name: "RAR"}, // 00 follows in version 4, 01 00 in version 5
	{magic: "7z\xbc\xaf\x27\x1c", name: "7Zip"},
	{magic: "\x1f\x8b\x08", name: "GZIP"},
	{magic: "\x1f\x9d", name: "TARZ"},
	{magic: "\x1f\xa0", name: "TARZ"},
	{magic: "BZh", refine: bzip2},
	{magic: "\xfd7zXZ\x00", name: "XZ"},
	{magic: "\x28\xb5\x2f\xfd", name: "ZSTD"},
	{magic: "\x04\x22\x4d\x18", name: "LZ4"},
	{magic: "\x02\x21\x4c\x18", name: "LZ4"}, // legacy frames, as in kernel images
	{magic: "LZIP\x01", name: "LZIP"},
	{magic: "\x5d\x00\x00", refine: lzma},
	{magic: "MSCF", name: "CAB"},
	{magic: "ISc(", name: "ISCAB"},
	{magic: "!<arch>\ndebian-binary", name: "DEB"},
	{magic: "!<arch>\n", name: "AR"},
	{magic: "!<thin>\n", name: "AR"},
	{magic: "070701", name: "CPIO"},
	{magic: "070702", name: "CPIO"},
	{magic: "070707", name: "CPIO"},
	{magic: "\xc7\x71", refine: cpioOld(binary.LittleEndian)},
	{magic: "\x71\xc7", refine: cpioOld(binary.BigEndian)},
	{magic: "\xed\xab\xee\xdb", name: "RPM"},
	{magic: "\x60\xea", refine: arj},
	{magic: "MSWIM\x00\x00\x00", name: "WIM"},
	{magic: "hsqs", name: "SQUASHFS"},
	{magic: "sqsh", name: "SQUASHFS"},
	{magic: "xar!\x00", name: "XAR"},
	{magic: "Cr24", name: "CRX"},
	{magic: "ITSF", name: "CHM"},
	{magic: "AES", refine: aescrypt},

	// Programs.
	{magic: "MZ", name: "EXE"},
	{magic: "\x7fELF", name: "ELF"},
	{magic: "\xfe\xed\xfa\xce", name: "MACH-O"},
	{magic: "\xfe\xed\xfa\xcf", name: "MACH-O"},
	{magic: "\xce\xfa\xed\xfe", name: "MACH-O"},
	{magic: "\xcf\xfa\xed\xfe", name: "MACH-O"},
	{magic: "\xca\xfe\xba\xbe", refine: cafebabe},
	{magic: "\xca\xfe\xba\xbf", name: "MACH-O"},
	{magic: "dex\n0", name: "DEX"},
	{magic: "dey\n0", name: "DEX"},
	{magic: "\x00asm", name: "WASM"},
	{magic: "\x1bLua", name: "LUAC"},
	{magic: "\xac\xed\x00\x05", name: "JAVASER"},
	{magic: "#@~^", name: "VBE"},
	{magic: "#!", refine: shebang},

	// Documents.
	{magic: "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", name: "OLE"},
	{magic: "%PDF", name: "PDF"},
	{magic: "{\\rt", name: "RTF"}, // Word opens {\rt, malware leaves out the f
	{magic: "\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", name: "ONENOTE"},
	{magic: "\xa1\x2f\xff\x43\xd9\xef\x76\x4c\x9e\xe2\x10\xea\x57\x22\x76\x5f", name: "ONENOTE"},
	{magic: "ActiveMime", name: "ACTIVEMIME"},
	{magic: "%!PS", name: "PS"},
	{magic: "\xc5\xd0\xd3\xc6", name: "PS"},
	{magic: "\x00\x01\x00\x00Standard Jet DB", name: "MDB"},
	{magic: "\x00\x01\x00\x00Standard ACE DB", name: "MDB"},

	// Pictures, sound, video, fonts.
	{magic: "\xff\xd8\xff", name: "JPEG"},
	{magic: "GIF8", name: "GIF"},
	{magic: "\x89PNG\r\n\x1a\n", name: "PNG"},
	{magic: "BM", refine: bmp},
	{magic: "II*\x00", name: "TIFF"},
	{magic: "MM\x00*", name: "TIFF"},
	{magic: "II+\x00", name: "TIFF"},
	{magic: "MM\x00+", name: "TIFF"},
	{magic: "RIFF", refine: riff},
	{magic: "\x00\x00\x01\x00", refine: icon},
	{magic: "\x00\x00\x02\x00", refine: icon},
	{magic: "8BPS\x00", name: "PSD"},
	{magic: "\xd7\xcd\xc6\x9a", name: "WMF"},
	{magic: "\x01\x00\x00\x00", refine: emf},
	{magic: "\x00\x00\x00\x0cjP  \r\n\x87\n", name: "JP2"},
	{magic: "icns", name: "ICNS"},
	{magic: "ID3", name: "MP3"},
	{magic: "OggS\x00", name: "OGG"},
	{magic: "fLaC", name: "FLAC"},
	{magic: "FLV\x01", name: "FLV"},
	{magic: "\x1aE\xdf\xa3", name: "MKV"},
	{magic: "\x30\x26\xb2\x75\x8e\x66\xcf\x11", name: "ASF"},
	{magic: "FWS", refine: flash},
	{magic: "CWS", refine: flash},
	{magic: "ZWS", refine: flash},
	{magic: "\x00\x01\x00\x00\x00", refine: trueType},
	{magic: "OTTO\x00", name: "TTF"},
	{magic: "wOFF", name: "WOFF"},
	{magic: "wOF2", name: "WOFF"},

	// Traces that a system leaves.
	{magic: "L\x00\x00\x00\x01\x14\x02\x00", name: "LNK"},
	{magic: "regf", name: "Registry Hive"},
	{magic: "ElfFile\x00", name: "EVTX"},
	{magic: "0\x00\x00\x00LfLe", name: "EVT"},
	{magic: "MAM\x04", name: "PREFETCH"},
	{magic: "FILE0\x00", name: "NTFS MFT"},
	{magic: "FILE*\x00", name: "NTFS MFT"},
	{magic: "MDMP", refine: minidump},
	{magic: "PAGEDU", name: "CRASHDUMP"},
	{magic: "PAGEDUMP", name: "CRASHDUMP"},
	{magic: "EMiL", name: "LIME"},
	{magic: "HIBR", name: "HIBERFIL"},
	{magic: "hibr", name: "HIBERFIL"},
	{magic: "SQLite format 3\x00", name: "SQLITE"},
	{magic: "LPKSHHRH", name: "JOURNAL"},
	{magic: "bplist0", name: "BPLIST"},
	{magic: "\xfe\xed\xfe\xed\x00\x00\x00", name: "JKS"},
	{magic: "\xd4\xc3\xb2\xa1", name: "WINPCAP"},
	{magic: "\x4d\x3c\xb2\xa1", name: "WINPCAP"},
	{magic: "\xa1\xb2\xc3\xd4", name: "LIBPCAP"},
	{magic: "\xa1\xb2\xcd\x34", name: "LIBPCAP"},
	{magic: "\xa1\xb2\x3c\x4d", name: "LIBPCAP"},
	{magic: "\n\r\r\n", refine: pcapng},

	// Disks.
	{magic: "KDMV", name: "VMDK"},
	{magic: "COWD", name: "VMDK"},
	{magic: "# Disk DescriptorFile", name: "VMDK"},
	{magic: "conectix", name: "VHD"},
	{magic: "vhdxfile", name: "VHDX"},
	{magic: "QFI\xfb", name: "QCOW"},
	{magic: "EVF\t\r\n\xff\x00", name: "Encase File"},
	{magic: "EVF2\r\n\x81\x00", name: "Encase File"},
	{magic: "_CASE_", name: "Encase File"},
	{magic: "\xeb\x52\x90NTFS    ", name: "NTFS"},
	{magic: "LUKS\xba\xbe", name: "LUKS"},
}

// inside is the table of magic bytes that do not stand at the beginning; each row is compared
// with every file that atStart does not know.
var inside = []signature{
	{offset: 257, magic: "ustar", name: "TAR"},
	{offset: 4, magic: "ftyp", refine: isoMedia},
	{offset: 4, magic: "SCCA", name: "PREFETCH"},
	{offset: 4, magic: "\xef\xcd\xab\x89", name: "ESE"},
	{offset: 64, magic: "\x7f\x10\xda\xbe", name: "VDI"},
	{offset: 7, magic: "**ACE**", name: "ACE"},
	{offset: 2, magic: "-l", refine: lha},
	{offset: 2, magic: "\r\n", refine: python},
	{offset: 1, magic: "\x2a\x4d\x18", refine: skippable},
}

// late looks for what needs a longer search, in files that nothing else has recognised.
func late(head []byte) string {
	near := head[:min(len(head), HeadSize)]
	if oldTar(near) {
		return "TAR"
	}
	// Readers accept a PDF header anywhere in the first 1,024 bytes.
	if i := bytes.Index(near[:min(len(near), 1024)], []byte("%PDF-")); i >= 0 && len(near) > i+5 && digit(near[i+5]) {
		return "PDF"
	}
	const iso = 32769 // one byte into sector 16
	if len(head) >= iso+5 && string(head[iso:iso+5]) == "CD001" {
		return "ISO"
	}
	return ""
}
