package filetype

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"go/ast"
	"go/parser"
	"go/token"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf16"
)

// sample is a file made for the tests: what Detect must say of it, and words that the file
// command's description of it must hold.
type sample struct {
	name   string
	data   []byte
	want   string
	oracle string // empty: file(1) is not asked, for it knows less or words it differently
}

func samples(t testing.TB) []sample {
	longName := strings.Repeat("d/", 40) + "file"
	return []sample{
		{"zip", zipOf(t, "a.txt", "x"), "ZIP", "Zip archive"},
		{"empty zip", zipOf(t), "PKZIP", "Zip archive data (empty)"},
		{"docx", zipOf(t, "[Content_Types].xml", "<x/>", "word/document.xml", "<x/>"), "Office", ""},
		{"docx in another order", zipOf(t, "word/document.xml", "<x/>"), "Office", ""},
		{"xlsx behind relations", zipOf(t, "_rels/.rels", "<x/>"), "Office", ""},
		{"jar", zipOf(t, "META-INF/MANIFEST.MF", "Manifest-Version: 1.0"), "JAR", ""},
		{"apk", zipOf(t, "AndroidManifest.xml", "x"), "APK", ""},
		{"odt", storedZip(t, "mimetype", "application/vnd.oasis.opendocument.text"), "ODF", "OpenDocument Text"},
		{"epub", storedZip(t, "mimetype", "application/epub+zip"), "EPUB", "EPUB document"},
		{"jar with the manifest second", storedZip(t, "a", "x", "META-INF/MANIFEST.MF", "x"), "JAR", ""},
		{"split zip", append([]byte("PK\x07\x08"), zipOf(t, "a", "x")...), "ZIP", "Zip"},
		{"tar", tarOf(t, tar.FormatUSTAR, "a"), "TAR", "POSIX tar archive"},
		{"gnu tar", tarOf(t, tar.FormatGNU, longName), "TAR", "POSIX tar archive (GNU)"},
		{"old tar", oldTarOf(t), "TAR", "tar archive"},
		{"gzip", gzipOf(t, "x"), "GZIP", "gzip compressed data"},
		{"bzip2", []byte("BZh91AY&SY\x00\x00"), "BZip2", "bzip2 compressed data"},
		{"empty bzip2", []byte("BZh9\x17\x72\x45\x38\x50\x90\x00\x00\x00\x00"), "BZip2", "bzip2 compressed data"},
		{"xz", []byte("\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46"), "XZ", "XZ compressed data"},
		{"zstd", []byte("\x28\xb5\x2f\xfd\x04\x58\x00"), "ZSTD", "Zstandard compressed data"},
		{"zstd behind a skippable frame", []byte("\x50\x2a\x4d\x18\x02\x00\x00\x00ab\x28\xb5\x2f\xfd\x04"), "ZSTD", ""},
		{"lz4", []byte("\x04\x22\x4d\x18\x64\x40\xa7"), "LZ4", "LZ4 compressed data"},
		{"lzma", []byte("\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00"), "LZMA", "LZMA compressed data"},
		{"lzip", []byte("LZIP\x01\x0c\x00"), "LZIP", "lzip compressed data"},
		{"7z", []byte("7z\xbc\xaf\x27\x1c\x00\x04"), "7Zip", "7-zip archive"},
		{"rar 4", []byte("Rar!\x1a\x07\x00\xcf\x90\x73\x00\x00\x0d\x00"), "RAR", "RAR archive data"},
		{"rar 5", []byte("Rar!\x1a\x07\x01\x00\x33\x92\xb5\xe5"), "RAR", "RAR archive data, v5"},
		{"cab", []byte("MSCF\x00\x00\x00\x00\x7a\x00\x00\x00\x00\x00\x00\x00\x2c\x00\x00\x00\x00\x00\x00\x00\x03\x01\x01\x00\x01\x00"), "CAB", "Microsoft Cabinet"},
		{"ar", []byte("!<arch>\nx.o/            0           0     0     644     1         `\nx\n"), "AR", "current ar archive"},
		{"deb", []byte("!<arch>\ndebian-binary   1700000000  0     0     100644  4         `\n2.0\n"), "DEB", "Debian binary package"},
		{"cpio", []byte("070701000000010000"), "CPIO", "ASCII cpio archive"},
		{"rpm", append([]byte("\xed\xab\xee\xdb\x03\x00\x00\x00\x00\x01"), make([]byte, 90)...), "RPM", "RPM v3"},
		{"iso", isoImage(), "ISO", "ISO 9660"},
		{"wim", append([]byte("MSWIM\x00\x00\x00\xd0"), make([]byte, 300)...), "WIM", "Windows imaging"},
		{"squashfs", append([]byte("hsqs"), make([]byte, 100)...), "SQUASHFS", "Squashfs"},
		{"chm", []byte("ITSF\x03\x00\x00\x00\x60\x00\x00\x00"), "CHM", "MS Windows HtmlHelp"},
		{"compress", []byte("\x1f\x9d\x90\x61"), "TARZ", "compress'd data"},
		{"arj", []byte("\x60\xea\x2b\x00\x22\x0b\x01\x02\x10\x00\x02"), "ARJ", "ARJ archive"},
		{"lha", []byte("\x1d\x00-lh5-\x00\x00"), "LHA", ""},
		{"ace", []byte("\x00\x00\x31\x00\x00\x00\x10**ACE**\x14\x14"), "ACE", "ACE archive"},

		{"exe", append([]byte("MZ\x90\x00\x03"), make([]byte, 100)...), "EXE", "MS-DOS executable"},
		{"elf", []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00"), "ELF", "ELF 64-bit"},
		{"mach-o", []byte("\xcf\xfa\xed\xfe\x07\x00\x00\x01\x03\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00"), "MACH-O", "Mach-O 64-bit"},
		{"universal mach-o", []byte("\xca\xfe\xba\xbe\x00\x00\x00\x02\x01\x00\x00\x07"), "MACH-O", "Mach-O universal"},
		{"class", []byte("\xca\xfe\xba\xbe\x00\x00\x00\x34\x00\x10\x0a"), "Class", "compiled Java class"},
		{"dex", []byte("dex\n035\x00\x00\x00\x00\x00"), "DEX", "Dalvik dex file"},
		{"wasm", []byte("\x00asm\x01\x00\x00\x00"), "WASM", "WebAssembly"},
		{"compiled python", []byte("\x55\x0d\x0d\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), "PYC", "CPython 3.8"},
		{"two letters and a line end", []byte("ab\r\nnot compiled at all"), "", ""},

		{"shell", []byte("#!/bin/sh\necho\n"), "UNIX SCRIPT", "POSIX shell script"},
		{"perl", []byte("#! /usr/bin/perl -w\n"), "UNIX SCRIPT", "Perl script"},
		{"python", []byte("#!/usr/bin/python3\nimport os\n"), "Python", "Python script"},
		{"python by env", []byte("#!/usr/bin/env -S X=1 python3 -u\nimport os\n"), "Python", ""},
		{"php by shebang", []byte("#!/usr/bin/env php\n<?php\n"), "PHP", "php script"},
		{"powershell on unix", []byte("#!/usr/bin/env pwsh\n"), "PowerShell Script", "pwsh"},
		{"relative interpreter", []byte("#!python.exe\n"), "Python", ""},
		{"unknown relative interpreter", []byte("#!bin/x\n"), "Script", ""},
		{"rust attribute", []byte("#![allow(dead_code)]\n"), "", ""},
		{"php", []byte("<?php eval($_POST['x']);"), "PHP", "PHP script"},
		{"php behind a blank line", []byte("\r\n  <?PHP echo 1;"), "PHP", ""},
		{"asp", []byte("<%@ Language=\"VBScript\" %>\n<% Response.Write(\"x\") %>"), "ASP", ""},
		{"aspx", []byte("<%@ Page Language=\"C#\" %>"), "ASP", ""},
		{"jsp", []byte("<%@ page import=\"java.util.*\" %>"), "JSP", ""},
		{"batch", []byte("@echo off\r\ndir\r\n"), "BATCH", "DOS batch file"},
		{"vbs", []byte("On Error Resume Next\r\nSet x = CreateObject(\"y\")"), "VBS", ""},
		{"vbs function", []byte("Function Run(x)\r\n Run = x\r\nEnd Function\r\n"), "VBS", ""},
		{"powershell function", []byte("Function Get-Thing {\n}\n"), "PowerShell Script", ""},
		{"powershell parameters", []byte("param(\n  [string]$Name\n)\n"), "PowerShell Script", ""},
		{"javascript function", []byte("function f() { return 1 - 2 }\n"), "", ""},
		{"encoded exe", []byte("TVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAAAAAAA"), "Base64", ""},
		{"word that begins like one", []byte("tvpqx is not a program"), "", ""},

		{"ole", append([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), make([]byte, 504)...), "OLE", "Composite Document File V2"},
		{"pdf", []byte("%PDF-1.7\n"), "PDF", "PDF document, version 1.7"},
		{"pdf behind something", []byte("\x00\x00\x00junk\n%PDF-1.7\n"), "PDF", ""},
		{"rtf", []byte("{\\rtf1\\ansi x}"), "RTF", "Rich Text Format"},
		{"mutilated rtf", []byte("{\\rt\x01\\x}"), "RTF", ""},
		{"onenote", []byte("\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3"), "ONENOTE", ""},
		{"postscript", []byte("%!PS-Adobe-3.0\n"), "PS", "PostScript document"},
		{"html", []byte("\xef\xbb\xbf<!DOCTYPE html>\n<html></html>"), "HTML", "HTML document"},
		{"hta", []byte("<html><head><HTA:APPLICATION id=x></head>"), "HTA", ""},
		{"xml", []byte("<?xml version=\"1.0\"?><a/>"), "XML", "XML 1.0 document"},
		{"svg", []byte("<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>"), "SVG", "SVG Scalable Vector"},
		{"scheduled task", wide("<?xml version=\"1.0\" encoding=\"UTF-16\"?>\r\n<Task version=\"1.2\">"), "Windows At Job", ""},
		{"registry export", wide("Windows Registry Editor Version 5.00\r\n"), "Windows Registry File", "UTF-16, little-endian"},
		{"other wide text", wide("hello"), "", ""},
		{"mail", []byte("Return-Path: <a@b>\nReceived: from x\nTo: y\n\nHi"), "EMAIL", "SMTP mail"},
		{"mailbox", []byte("From a@b Sat Nov 21 10:00:00 2026\nFrom: a@b\n\nHi"), "EMAIL", ""},
		{"letter", []byte("From the desk of A\nwith regards"), "", ""},
		{"calendar", []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n"), "ICS", "vCalendar"},
		{"link", []byte("[InternetShortcut]\r\nURL=file://x\r\n"), "URL", "MS Windows 95 Internet shortcut"},
		{"key", []byte("-----BEGIN CERTIFICATE-----\n"), "PEM", "PEM certificate"},

		{"png", pngImage(t), "PNG", "PNG image data"},
		{"jpeg", jpegImage(t), "JPEG", "JPEG image data"},
		{"gif", gifImage(t), "GIF", "GIF image data"},
		{"bmp", []byte("BM\x3a\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x18\x00"), "BMP", "PC bitmap"},
		{"text that begins with BM", []byte("BMW is a maker of cars"), "", ""},
		{"tiff", []byte("II*\x00\x08\x00\x00\x00"), "TIFF", "TIFF image data"},
		{"webp", []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00"), "WEBP", "Web/P image"},
		{"wav", []byte("RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"), "WAV", "WAVE audio"},
		{"icon", []byte("\x00\x00\x01\x00\x01\x00\x10\x10\x00\x00\x01\x00\x20\x00\x68\x04\x00\x00\x16\x00\x00\x00\x28\x00\x00\x00\x10\x00\x00\x00\x20\x00\x00\x00\x01\x00\x20\x00"), "ICO", "MS Windows icon"},
		{"mp4", []byte("\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"), "MP4", "ISO Media"},
		{"heic", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), "HEIC", "HEIF Image"},
		{"flash", []byte("CWS\x0a\x10\x00\x00\x00x\x9c"), "SWF", "Macromedia Flash"},
		{"ogg", []byte("OggS\x00\x02"), "OGG", "Ogg data"},

		{"shortcut", []byte("L\x00\x00\x00\x01\x14\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46"), "LNK", "MS Windows shortcut"},
		{"registry hive", append([]byte("regf\x01\x00\x00\x00"), make([]byte, 100)...), "Registry Hive", "MS Windows registry file"},
		{"event log", append([]byte("ElfFile\x00"), make([]byte, 120)...), "EVTX", "Event Log"},
		{"old event log", []byte("0\x00\x00\x00LfLe\x01\x00\x00\x00\x01\x00\x00\x00"), "EVT", ""},
		{"prefetch", []byte("\x17\x00\x00\x00SCCA\x11\x00\x00\x00"), "PREFETCH", ""},
		{"mft", []byte("FILE0\x00\x03\x00"), "NTFS MFT", ""},
		{"minidump", append([]byte("MDMP\x93\xa7\x00\x00"), make([]byte, 40)...), "MDMP", "Mini DuMP crash report"},
		{"minidump of lsass", append([]byte("MDMP\x93\xa7\x00\x00"), wide("C:\\Windows\\System32\\lsass.exe")...), "LSASS Dump File", "Mini DuMP crash report"},
		{"sqlite", append([]byte("SQLite format 3\x00\x10\x00\x01\x01\x00\x40\x20\x20"), make([]byte, 100)...), "SQLITE", "SQLite 3"},
		{"ese", append([]byte("\x00\x00\x00\x00\xef\xcd\xab\x89\x20\x06\x00\x00"), make([]byte, 100)...), "ESE", ""},
		{"pcap", []byte("\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x01\x00\x00\x00"), "WINPCAP", "pcap capture file"},
		{"big-endian pcap", []byte("\xa1\xb2\xc3\xd4\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x01"), "LIBPCAP", "pcap capture file"},
		{"pcapng", []byte("\n\r\r\n\x1c\x00\x00\x00\x4d\x3c\x2b\x1a\x01\x00\x00\x00"), "PCAPNG", "pcapng capture file"},
		{"journal", append([]byte("LPKSHHRH"), make([]byte, 250)...), "JOURNAL", ""},
		{"vmdk", append([]byte("KDMV\x01\x00\x00\x00"), make([]byte, 500)...), "VMDK", "VMware4 disk image"},
		{"vhd", append([]byte("conectix"), make([]byte, 500)...), "VHD", "Microsoft Disk Image"},
		{"qcow2", []byte("QFI\xfb\x00\x00\x00\x03"), "QCOW", "QEMU QCOW"},
		{"expert witness", []byte("EVF\t\r\n\xff\x00\x01\x01\x00\x00\x00"), "Encase File", "EWF/Expert Witness"},
		{"java key store", []byte("\xfe\xed\xfe\xed\x00\x00\x00\x02\x00\x00\x00\x01"), "JKS", "Java KeyStore"},

		{"empty", nil, "", ""},
		{"zeros", make([]byte, 4096), "", ""},
		{"plain text", []byte("hello, world\n"), "", ""},
		{"text that mentions a pdf", []byte("magic: %PDF-x\n"), "", ""},
	}
}

func TestDetect(t *testing.T) {
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			if got := Detect(s.data); got != s.want {
				t.Errorf("Detect = %q, want %q", got, s.want)
			}
		})
	}
}

// TestAgainstFile asks the file command about the same samples, so that the samples are what
// their names say.
func TestAgainstFile(t *testing.T) {
	if _, err := exec.LookPath("file"); err != nil {
		t.Skip("the file command is not installed: apt-get install file")
	}
	asked := 0
	for _, s := range samples(t) {
		if s.oracle == "" {
			continue
		}
		asked++
		path := t.TempDir() + "/sample"
		if err := os.WriteFile(path, s.data, 0o600); err != nil {
			t.Fatal(err)
		}
		said, err := exec.Command("file", "--brief", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(said), s.oracle) {
			t.Errorf("%s: file says %q, not %q", s.name, said, s.oracle)
		}
	}
	t.Logf("%d samples compared", asked)
}

// TestNamesAreDocumented holds the list in the package comment complete.
func TestNamesAreDocumented(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "filetype.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(file.Doc.Text(), "# Names")
	list, _, _ = strings.Cut(list, "# Differences")
	list = " " + strings.Join(strings.Fields(list), " ") + " "
	for name := range returnedNames(t) {
		if !strings.Contains(list, " "+name+" ") {
			t.Errorf("%q is not in the package comment", name)
		}
	}
}

// returnedNames collects every name in the source that a table or a return statement holds.
func returnedNames(t *testing.T) map[string]bool {
	names := map[string]bool{}
	for _, path := range []string{"signature.go", "refine.go", "zip.go", "text.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		add := func(e ast.Expr) {
			if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING && lit.Value != `""` {
				names[strings.Trim(lit.Value, `"`)] = true
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ReturnStmt:
				for _, e := range n.Results {
					add(e)
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "name" && !internal(n.Value) {
					add(n.Value)
				}
			}
			return true
		})
	}
	if len(names) < 80 {
		t.Fatalf("only %d names found: the test no longer fits the source", len(names))
	}
	return names
}

// internal reports whether e is a name that only stands between a table and its refinement.
func internal(e ast.Expr) bool {
	lit, ok := e.(*ast.BasicLit)
	return ok && (lit.Value == `"function"` || lit.Value == `"mbox"`)
}

func TestDetectAllocatesNothing(t *testing.T) {
	all := samples(t)
	allocations := testing.AllocsPerRun(10, func() {
		for _, s := range all {
			Detect(s.data)
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations for %d samples, want none", allocations, len(all))
	}
}

func FuzzDetect(f *testing.F) {
	for _, s := range samples(f) {
		f.Add(s.data)
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		// What stands behind the part that is looked at must not matter.
		if len(head) <= HeadSize {
			longer := append(bytes.Clone(head), "PK\x03\x04#!/bin/sh"...)
			if len(head) == HeadSize && Detect(head) != Detect(longer) {
				t.Errorf("Detect = %q, with more bytes %q", Detect(head), Detect(longer))
			}
		}
		Detect(head)
	})
}

func BenchmarkDetect(b *testing.B) {
	for _, s := range samples(b) {
		if len(s.data) > HeadSize {
			continue
		}
		head := append(bytes.Clone(s.data), make([]byte, HeadSize-len(s.data))...)
		b.Run(s.name, func(b *testing.B) {
			for b.Loop() {
				Detect(head)
			}
		})
	}
}

func zipOf(t testing.TB, namesAndData ...string) []byte { return makeZip(t, zip.Deflate, namesAndData) }

func storedZip(t testing.TB, namesAndData ...string) []byte {
	return makeZip(t, zip.Store, namesAndData)
}

func makeZip(t testing.TB, method uint16, namesAndData []string) []byte {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for i := 0; i < len(namesAndData); i += 2 {
		data := []byte(namesAndData[i+1])
		h := &zip.FileHeader{Name: namesAndData[i], Method: method}
		if method == zip.Deflate {
			member, err := w.CreateHeader(h)
			if err != nil {
				t.Fatal(err)
			}
			member.Write(data)
			continue
		}
		h.CompressedSize64, h.UncompressedSize64 = uint64(len(data)), uint64(len(data))
		member, err := w.CreateRaw(h) // states the sizes in front, as office programs do
		if err != nil {
			t.Fatal(err)
		}
		member.Write(data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func tarOf(t testing.TB, format tar.Format, name string) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Format: format}); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return buf.Bytes()
}

// oldTarOf takes the magic out of a tar archive and corrects its checksum.
func oldTarOf(t testing.TB) []byte {
	data := tarOf(t, tar.FormatUSTAR, "a")
	var removed int
	for i := 257; i < 265; i++ {
		removed += int(data[i])
		data[i] = 0
	}
	var sum int
	for _, c := range data[148:154] {
		sum = sum<<3 | int(c-'0')
	}
	sum -= removed
	for i := 153; i >= 148; i-- {
		data[i] = '0' + byte(sum&7)
		sum >>= 3
	}
	return data
}

func gzipOf(t testing.TB, text string) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	w.Write([]byte(text))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func isoImage() []byte {
	image := make([]byte, 40<<10)
	copy(image[32768:], "\x01CD001\x01")
	return image
}

func wide(text string) []byte {
	data := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		data = append(data, byte(u), byte(u>>8))
	}
	return data
}

func pngImage(t testing.TB) []byte {
	var buf bytes.Buffer
	if err := png.Encode(&buf, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func jpegImage(t testing.TB) []byte {
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, image.NewGray(image.Rect(0, 0, 1, 1)), nil); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func gifImage(t testing.TB) []byte {
	var buf bytes.Buffer
	if err := gif.Encode(&buf, image.NewGray(image.Rect(0, 0, 1, 1)), nil); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
