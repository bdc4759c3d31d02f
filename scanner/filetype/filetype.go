// Package filetype tells what kind of content a file has by its first bytes.
//
// The names are those that Loki and THOR hand to YARA rules in the external variable
// "filetype", so that a published rule such as
//
//	condition: extension == ".jpg" and filetype == "EXE"
//
// means the same here. Where those scanners have no name for a format, the name is the
// customary abbreviation in capitals.
//
// # Names
//
// Names of Loki's table and of published rules:
//
//	7Zip AESCrypt ARJ ASP BATCH BZip2 Base64 CAB Class ELF EVT EVTX EXE Encase File GIF GZIP
//	JAR JPEG JSP LIBPCAP LNK LSASS Dump File MACH-O MDMP NTFS MFT OLE Office PDF PHP PKSFX
//	PKZIP PowerShell Script Python RAR RTF Registry Hive SWF Script TAR TARZ UNIX SCRIPT VBS
//	VHD VMDK WINPCAP Windows At Job Windows Registry File XML ZIP
//
// Names that Tyto adds:
//
//	archives     ACE APK AR CHM CPIO CRX DEB EPUB ISCAB ISO LHA LZ4 LZIP LZMA ODF RPM
//	             SQUASHFS WIM XAR XZ ZSTD
//	programs     DEX JAVASER LUAC PYC VBE WASM
//	documents    ACTIVEMIME EMAIL HTA HTML ICS MDB ONENOTE PEM PS SVG URL
//	pictures     BMP EMF HEIC ICNS ICO JP2 PNG PSD TIFF WEBP WMF
//	sound, video ASF AVI FLAC FLV MKV MP3 MP4 OGG WAV
//	fonts        TTF WOFF
//	traces       BPLIST CRASHDUMP ESE HIBERFIL JKS JOURNAL LIME PCAPNG PREFETCH SQLITE
//	disks        LUKS NTFS QCOW VDI VHDX
//
// # Differences from Loki
//
// Loki looks for the same magic bytes, and a few more that say little: every file that begins
// with 0xE8 is "SYS" there, every UTF-16 text a "Windows Registry File", every zip archive with
// one common combination of flags a "JAR". Here a short magic counts only when the bytes around it agree
// with the format. Loki's names "SYS", "DOC", "JARCS", "WinZIP", "CWS", "ZWS" and "FWS (Flash)"
// are therefore never given; the last three are "SWF".
//
// A name is a hint, not a proof: whoever made the file chose its first bytes. "EXE" stands for
// anything with a DOS header, as rules expect. Parsers must check for themselves.
package filetype

// HeadSize is how many bytes of the beginning [Detect] looks at, with one exception that it
// documents. Fewer are fine for smaller files; more do no harm.
const HeadSize = 8 << 10

// Unknown is what Loki passes to rules as the type of a file that it does not recognise.
// [Detect] returns the empty string instead; use Unknown only for the external variable.
const Unknown = "UNKNOWN"

// Detect returns the name of the type of a file that begins with head, or the empty string if
// it recognises none. It allocates nothing, keeps no reference to head and never fails.
//
// It looks at the first [HeadSize] bytes. The exception is ISO 9660, whose magic stands at
// 32,769: it is recognised when head is that long and nothing else was.
func Detect(head []byte) string {
	if len(head) == 0 {
		return ""
	}
	near := head[:min(len(head), HeadSize)]
	for i := range bySignature[near[0]] {
		if name := bySignature[near[0]][i].match(near); name != "" {
			return name
		}
	}
	for i := range inside {
		if name := inside[i].match(near); name != "" {
			return name
		}
	}
	if name := text(near); name != "" {
		return name
	}
	return late(head)
}
