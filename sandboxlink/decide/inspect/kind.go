package inspect

import (
	"bytes"
	"encoding/binary"

	"tyto/scanner/filetype"
)

// Kind is a class of content that can carry code, as a policy names it.
type Kind string

// The kinds, programs first. None is content that carries none.
const (
	None      Kind = ""
	PE        Kind = "pe"        // programs, libraries and drivers of Windows
	ELF       Kind = "elf"       // programs, libraries and kernel modules of Linux
	MachO     Kind = "macho"     // programs of macOS
	Script    Kind = "script"    // sh, Python, Perl, JavaScript, VBScript, PowerShell, batch, …
	Java      Kind = "java"      // jar archives and classes
	Android   Kind = "android"   // apk archives and dex code
	Installer Kind = "installer" // msi, deb, rpm
	Shortcut  Kind = "shortcut"  // lnk and url files
	HTA       Kind = "hta"       // HTML applications
	Help      Kind = "help"      // compiled HTML help (chm)
	Office    Kind = "office"    // Word, Excel, PowerPoint, old and new, OpenDocument
	RTF       Kind = "rtf"
	PDF       Kind = "pdf"
	OneNote   Kind = "onenote"
	Disk      Kind = "disk"    // iso, img, vhd, vhdx and other images that are opened by a click
	Archive   Kind = "archive" // zip, 7z, rar, tar, cab, …: worth as much as what is inside
)

// Kinds are all of them, in the order in which they are documented.
var Kinds = []Kind{PE, ELF, MachO, Script, Java, Android, Installer, Shortcut, HTA, Help, Office, RTF, PDF, OneNote, Disk, Archive}

// HeadSize is how many bytes of the beginning [Head] looks at.
const HeadSize = filetype.HeadSize

// kindOf are the kinds of the names that package filetype gives.
var kindOf = map[string]Kind{
	"EXE": PE, "ELF": ELF, "MACH-O": MachO,
	"UNIX SCRIPT": Script, "Script": Script, "Python": Script, "PHP": Script, "PowerShell Script": Script,
	"VBS": Script, "VBE": Script, "BATCH": Script, "PYC": Script, "LUAC": Script, "Windows At Job": Script,
	"JAR": Java, "Class": Java, "JAVASER": Java, "APK": Android, "DEX": Android,
	"DEB": Installer, "RPM": Installer, "LNK": Shortcut, "URL": Shortcut, "HTA": HTA, "CHM": Help,
	"OLE": Office, "Office": Office, "ODF": Office, "ACTIVEMIME": Office, "RTF": RTF, "PDF": PDF, "ONENOTE": OneNote,
	"ISO": Disk, "VHD": Disk, "VHDX": Disk, "VMDK": Disk, "VDI": Disk, "QCOW": Disk, "WIM": Disk, "SQUASHFS": Disk,
	"ZIP": Archive, "PKZIP": Archive, "PKSFX": Archive, "7Zip": Archive, "RAR": Archive, "CAB": Archive, "TAR": Archive,
	"TARZ": Archive, "GZIP": Archive, "BZip2": Archive, "XZ": Archive, "ZSTD": Archive, "LZ4": Archive, "LZMA": Archive,
	"LZIP": Archive, "LHA": Archive, "ARJ": Archive, "ACE": Archive, "CPIO": Archive, "XAR": Archive, "CRX": Archive,
}

// Types that package filetype does not name, because no rule asks for them.
const (
	JavaScript = "JavaScript"
	ScriptXML  = "WSF"     // Windows script files and scriptlets
	UDF        = "UDF"     // images without an ISO 9660 part
	BootImage  = "BOOTIMG" // raw images of FAT, exFAT or NTFS volumes, and of partitioned disks
	Perl       = "Perl"
)

// Head tells type and kind from the first bytes of a file. It compares them with tables, allocates nothing and
// follows nothing that the content says beyond these bytes: it is the one look that is cheap and safe enough
// to be taken in a privileged process. The kind is provisional; [Inspect] may say better.
func Head(head []byte) (typ string, kind Kind) {
	head = head[:min(len(head), HeadSize)]
	typ = filetype.Detect(head)
	if typ == "HTML" && containsFold(head, "<hta:application") {
		typ = "HTA"
	}
	if typ == "XML" || typ == "HTML" || typ == "" {
		if better := scriptType(head); better != "" {
			return better, Script
		}
	}
	if typ == "" && isBootSector(head) {
		return BootImage, Disk
	}
	return typ, kindOf[typ]
}

// isBootSector knows raw images by the first sector of a FAT, exFAT or NTFS volume, or by a partition table
// whose first entry makes sense.
func isBootSector(head []byte) bool {
	if len(head) < 512 || head[510] != 0x55 || head[511] != 0xAA {
		return false
	}
	if bytes.HasPrefix(head[3:], []byte("NTFS    ")) || bytes.HasPrefix(head[3:], []byte("EXFAT   ")) {
		return true
	}
	sector := binary.LittleEndian.Uint16(head[11:])
	if (head[0] == 0xEB || head[0] == 0xE9) && sector >= 512 && sector&(sector-1) == 0 {
		return true
	}
	first := head[446:462]
	return first[0]&0x7F == 0 && first[4] != 0 && binary.LittleEndian.Uint32(first[8:]) != 0
}
