package wire

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"
	"testing/iotest"
)

// The oracle is the standard library's reader of forms.
func TestFormIsReadAsItWasMeant(t *testing.T) {
	for _, test := range []struct{ name, file, want string }{
		{"plain", "report.docx", "report.docx"},
		{"empty", "", "object"},
		{"dots", "..", "object"},
		{"a path", `C:\Users\me\a.exe`, "a.exe"},
		{"another path", "../../etc/passwd", "passwd"},
		{"quotes and line ends", "a\"b\r\nX-Evil: 1.js", "a_b__X-Evil_ 1.js"},
		{"no utf 8", "a\xff.exe", "a_.exe"},
		{"other scripts", "Bücher.pdf", "Bücher.pdf"},
		{"right to left", "cod\u202efdp.exe", "cod_fdp.exe"},
		{"long", strings.Repeat("x", 300) + ".exe", strings.Repeat("x", 116) + ".exe"},
	} {
		t.Run(test.name, func(t *testing.T) {
			content := []byte("--tyto\r\ncontent\x00\r\n")
			body := Form{Field: "sample", Name: test.file, Size: int64(len(content))}.body(bytes.NewReader(content))
			raw, err := io.ReadAll(iotest.OneByteReader(body))
			if err != nil || int64(len(raw)) != body.size {
				t.Fatalf("read %d bytes, %v; want %d", len(raw), err, body.size)
			}
			_, parameters, err := mime.ParseMediaType(body.contentType)
			if err != nil {
				t.Fatal(err)
			}
			form, err := multipart.NewReader(bytes.NewReader(raw), parameters["boundary"]).ReadForm(1 << 20)
			if err != nil {
				t.Fatal(err)
			}
			if len(form.Value) != 0 || len(form.File) != 1 || len(form.File["sample"]) != 1 {
				t.Fatalf("form = %+v; want one file", form)
			}
			file := form.File["sample"][0]
			if file.Filename != test.want {
				t.Errorf("file name = %q; want %q", file.Filename, test.want)
			}
			f, err := file.Open()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, content) {
				t.Errorf("content = %q, %v; want %q", got, err, content)
			}
		})
	}
}

func TestFormTellsOfContentThatChanged(t *testing.T) {
	broken := errors.New("bad sector")
	for _, test := range []struct {
		name    string
		content io.Reader
		want    string
	}{
		{"shorter", strings.NewReader("1234"), "1 bytes shorter"},
		{"longer", strings.NewReader("123456"), "longer than it was"},
		{"broken at the end", io.MultiReader(strings.NewReader("12345"), iotest.ErrReader(broken)), "bad sector"},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := Form{Field: "file", Size: 5}.body(test.content)
			_, err := io.ReadAll(body)
			if err == nil || !strings.Contains(err.Error(), test.want) || body.failed() == nil {
				t.Errorf("reading = %v, failed = %v; want %q", err, body.failed(), test.want)
			}
		})
	}
}

func TestNothingIsReadAfterClose(t *testing.T) {
	body := Form{Field: "file", Size: 5}.body(iotest.ErrReader(errors.New("read after Close")))
	if err := body.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(body); !errors.Is(err, errEnded) {
		t.Errorf("reading after Close: %v; want %v", err, errEnded)
	}
}
