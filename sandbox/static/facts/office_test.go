package facts

import (
	"archive/zip"
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// specification are the examples of [MS-OVBA] §3.2.
var specification = []struct{ name, packed, plain string }{
	{"nothing to gain", "0119b000616263646566676800696a6b6c6d6e6f70007172737475762e", "abcdefghijklmnopqrstuv."},
	{"normal", "012fb000236161616263646582660070616768696a013808616b6c00306d6e6f700671027004107273747576107778797a003c", "#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa"},
	{"best", "0103b002614500", strings.Repeat("a", 73)},
}

func TestDecompress(t *testing.T) {
	for _, test := range specification {
		t.Run(test.name, func(t *testing.T) {
			packed, err := hex.DecodeString(test.packed)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.plain, string(decompress(packed, 1<<20))); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
		})
	}
}

// stored writes a module as a compressed container that compresses nothing: eight bytes behind each flag
// byte of zero.
func stored(text string) []byte {
	out := []byte{1}
	for len(text) > 0 {
		part := text[:min(len(text), 3000)]
		text = text[len(part):]
		var chunk []byte
		for len(part) > 0 {
			n := min(len(part), 8)
			chunk = append(append(chunk, 0), part[:n]...)
			part = part[n:]
		}
		header := 0xb000 | len(chunk) - 1
		out = append(append(out, byte(header), byte(header>>8)), chunk...)
	}
	return out
}

const module = "Attribute VB_Name = \"ThisDocument\"\r\nSub AutoOpen()\r\nCreateObject(\"WScript.Shell\").Run \"calc\"\r\nEnd Sub\r\n"

// oleOf returns something with the magic of an OLE document that holds a container.
func oleOf(packed string) []byte {
	raw, err := hex.DecodeString(packed)
	if err != nil {
		panic(err)
	}
	return append([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"+strings.Repeat("\x00", 600)), raw...)
}

func TestMacros(t *testing.T) {
	want := []string{"office-macro-runs", "office-macro-starts", "office-macros"}
	t.Run("old form", func(t *testing.T) {
		if diff := cmp.Diff(want, ids(t, oleOf(hex.EncodeToString(stored(module))), "a.doc")); diff != "" {
			t.Errorf("facts (-want +got):\n%s", diff)
		}
	})
	t.Run("new form", func(t *testing.T) {
		content := ooxmlOf(t, map[string]string{
			"[Content_Types].xml": "<Types/>", "word/document.xml": "<x/>", "word/vbaProject.bin": string(stored(module)),
		})
		if diff := cmp.Diff(want, ids(t, content, "a.docm")); diff != "" {
			t.Errorf("facts (-want +got):\n%s", diff)
		}
	})
	t.Run("macros that do nothing", func(t *testing.T) {
		content := oleOf(hex.EncodeToString(stored("Attribute VB_Name = \"M\"\r\nFunction Twice(x)\r\nTwice = 2 * x\r\nEnd Function\r\n")))
		if diff := cmp.Diff([]string{"office-macros"}, ids(t, content, "a.doc")); diff != "" {
			t.Errorf("facts (-want +got):\n%s", diff)
		}
	})
	t.Run("remote template", func(t *testing.T) {
		content := ooxmlOf(t, map[string]string{
			"[Content_Types].xml": "<Types/>", "word/document.xml": "<x/>",
			"word/_rels/settings.xml.rels": `<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/attachedTemplate" Target="http://192.0.2.1/a.dotm" TargetMode="External"/></Relationships>`,
		})
		if diff := cmp.Diff([]string{"office-remote-template"}, ids(t, content, "a.docx")); diff != "" {
			t.Errorf("facts (-want +got):\n%s", diff)
		}
	})
	t.Run("links and a local template", func(t *testing.T) {
		content := ooxmlOf(t, map[string]string{
			"[Content_Types].xml": "<Types/>", "word/document.xml": "<x/>",
			"word/_rels/document.xml.rels": `<Relationship Type="x/hyperlink" Target="http://192.0.2.1/" TargetMode="External"/><Relationship Type="x/attachedTemplate" Target="file:///C:\a.dotm" TargetMode="Internal"/>`,
		})
		if diff := cmp.Diff([]string(nil), ids(t, content, "a.docx")); diff != "" {
			t.Errorf("facts (-want +got):\n%s", diff)
		}
	})
}

func ooxmlOf(t *testing.T, members map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range []string{"[Content_Types].xml", "word/document.xml", "word/vbaProject.bin", "word/_rels/settings.xml.rels", "word/_rels/document.xml.rels"} {
		if text, ok := members[name]; ok {
			m, err := w.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
