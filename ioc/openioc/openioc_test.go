package openioc

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"tyto/finding"
	"tyto/ioc"
	"tyto/testdata"
)

const head10 = `<?xml version="1.0" encoding="utf-8"?>
<ioc xmlns="http://schemas.mandiant.com/2010/ioc" id="guid-1" last-modified="2020-01-01T00:00:00">
  <short_description>A test</short_description>
  <description>What it is.</description>
  <keywords>one two</keywords>
  <authored_by>Me</authored_by>
  <links>
    <link rel="family">ZEUS</link>
    <link rel="report" href="https://example.com/r"/>
    <link rel="report">https://example.com/s</link>
  </links>
  <definition>
`

const tail10 = `
  </definition>
</ioc>`

// file10 returns an OpenIOC 1.0 file. Its pattern begins in line 13.
func file10(pattern string) string { return head10 + pattern + tail10 }

func item(condition, search, content string) string {
	return `<IndicatorItem condition="` + condition + `"><Context document="FileItem" search="` + search +
		`" type="mir"/><Content type="string">` + content + `</Content></IndicatorItem>`
}

func TestParse10(t *testing.T) {
	got, problems, err := Parse(strings.NewReader(file10(`<Indicator operator="OR" id="root">
<IndicatorItem id="i1" condition="is">
  <Context document="FileItem" search="FileItem/Md5sum" type="mir"/>
  <Content type="md5">0123456789abcdef0123456789abcdef</Content>
</IndicatorItem>
<Indicator operator="and">
`+item("contains", "FileItem/FileName", "a &amp; b")+`
`+item("isnot", "FileItem/FilePath", " spaced ")+`
</Indicator>
`+item("containsnot", "FileItem/FullPath", "c")+`
</Indicator>`)), "a.ioc", Limits{})
	if err != nil || len(problems) != 0 {
		t.Fatal(err, problems)
	}
	want := []*ioc.Indicator{{
		ID: "guid-1", Name: "A test", Description: "What it is.", Author: "Me", Source: "a.ioc", Line: 2, Score: 100,
		Tags: []string{"one", "two", "family:ZEUS"}, References: []string{"https://example.com/r", "https://example.com/s"},
		Pattern: ioc.Node{Children: []ioc.Node{{Operator: ioc.Or, Children: []ioc.Node{
			ioc.Leaf(ioc.Term{ID: "i1", Line: 14, Path: "FileItem/Md5sum", Condition: ioc.Is, Type: "md5", Value: "0123456789abcdef0123456789abcdef"}),
			{Operator: ioc.And, Children: []ioc.Node{
				ioc.Leaf(ioc.Term{Line: 19, Path: "FileItem/FileName", Condition: ioc.Contains, Type: "string", Value: "a & b"}),
				ioc.Leaf(ioc.Term{Line: 20, Path: "FileItem/FilePath", Condition: ioc.Is, Negate: true, Type: "string", Value: " spaced "}),
			}},
			ioc.Leaf(ioc.Term{Line: 22, Path: "FileItem/FullPath", Condition: ioc.Contains, Negate: true, Type: "string", Value: "c"}),
		}}}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParse11(t *testing.T) {
	got, problems, err := Parse(strings.NewReader(`<OpenIOC xmlns="http://openioc.org/schemas/OpenIOC_1.1" id="g">
<metadata><short_description>n</short_description><links/></metadata>
<criteria>
<Indicator operator="AND" id="r">
<IndicatorItem id="a" condition="greater-than" preserve-case="false" negate="true"><Context document="FileItem" search="FileItem/SizeInBytes"/><Content type="int">1000</Content></IndicatorItem>
<IndicatorItem id="b" condition="isnot" preserve-case="true" negate="true"><Context document="FileItem" search="FileItem/FileName"/><Content type="string">
   x
</Content></IndicatorItem>
</Indicator></criteria><parameters><param id="p" ref-id="a" name="comment"><value>v</value></param></parameters></OpenIOC>`), "f", Limits{})
	if err != nil || len(problems) != 0 {
		t.Fatal(err, problems)
	}
	want := ioc.Node{Children: []ioc.Node{{Operator: ioc.And, Children: []ioc.Node{
		ioc.Leaf(ioc.Term{ID: "a", Line: 5, Path: "FileItem/SizeInBytes", Condition: ioc.GreaterThan, Negate: true, Type: "int", Value: "1000"}),
		ioc.Leaf(ioc.Term{ID: "b", Line: 6, Path: "FileItem/FileName", Condition: ioc.Is, PreserveCase: true, Type: "string", Value: "x"}),
	}}}}
	if diff := cmp.Diff(want, got[0].Pattern); diff != "" || got[0].Name != "n" || got[0].ID != "g" {
		t.Errorf("%+v (-want +got):\n%s", got[0], diff)
	}
}

// TestBadParts shows that what cannot be understood stays as an unknown term, is reported with
// its line, and costs nothing else.
func TestBadParts(t *testing.T) {
	good := item("is", "FileItem/FileName", "x")
	tests := []struct {
		name    string
		pattern string
		want    string // the problem
		terms   int
	}{
		{"unknown condition", `<Indicator operator="AND">` + good + "\n" + item("resembles", "FileItem/FileName", "y") + `</Indicator>`, `unknown condition "resembles"`, 2},
		{"no context", `<Indicator operator="AND">` + good + "\n" + `<IndicatorItem condition="is"><Content>x</Content></IndicatorItem></Indicator>`, "no Context", 2},
		{"no content", `<Indicator operator="AND">` + good + "\n" + `<IndicatorItem condition="is"><Context search="FileItem/FileName"/></IndicatorItem></Indicator>`, "no Content", 2},
		{"bad flag", `<Indicator operator="AND">` + good + "\n" + `<IndicatorItem condition="is" negate="maybe"><Context search="FileItem/FileName"/><Content>x</Content></IndicatorItem></Indicator>`, "negate", 2},
		{"unknown operator", `<Indicator operator="AND">` + good + "\n" + `<Indicator operator="XOR">` + good + `</Indicator></Indicator>`, `"XOR"`, 3},
		{"empty branch", `<Indicator operator="AND">` + good + "\n" + `<Indicator operator="OR"/></Indicator>`, "empty", 2},
		{"strange element", `<Indicator operator="OR">` + good + "\n" + `<Surprise><Content>x</Content></Surprise></Indicator>`, `"Surprise"`, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, problems, err := Parse(strings.NewReader(file10(test.pattern)), "a.ioc", Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if len(problems) != 1 || problems[0].Line != 14 || !problems[0].Warning || !strings.Contains(problems[0].Message, test.want) {
				t.Errorf("problems: %+v", problems)
			}
			if n := countTerms(got[0].Pattern); n != test.terms {
				t.Errorf("%d terms, want %d", n, test.terms)
			}
			b := ioc.NewBuilder(ioc.Options{})
			b.AddIndicator(got[0])
			object := finding.Object{Path: "/x"}
			matches := b.Build().NewRun().Examine(ioc.FileItem(&object, nil, true))
			if want := strings.Contains(test.name, "strange"); len(matches) > 0 != want {
				t.Errorf("matches: %+v", matches)
			}
		})
	}
}

func countTerms(n ioc.Node) int {
	if n.Term != nil {
		return 1
	}
	count := 0
	for _, c := range n.Children {
		count += countTerms(c)
	}
	return count
}

func TestRefusedFiles(t *testing.T) {
	deep := strings.Repeat(`<Indicator operator="OR">`, 100) + item("is", "FileItem/FileName", "x") + strings.Repeat("</Indicator>", 100)
	tests := []struct {
		name, file string
		limits     Limits
		want       string
	}{
		{"empty", "", Limits{}, "empty"},
		{"cut off", head10 + `<Indicator operator="AND">` + item("is", "FileItem/FileName", "x"), Limits{}, "EOF"},
		{"broken", file10("<Indicator operator=\"AND\">\n\n<oops</Indicator>"), Limits{}, "expected"},
		{"other xml", "<html><body/></html>", Limits{}, ErrNotOpenIOC.Error()},
		{"deep", file10(deep), Limits{}, "nested deeper than 64"},
		{"large", file10(strings.Repeat(" ", 2000)), Limits{Bytes: 1000}, "larger than 1000 bytes"},
		{"many items", file10(`<Indicator operator="OR">` + strings.Repeat(item("is", "FileItem/FileName", "x"), 4) + `</Indicator>`), Limits{Items: 3}, "more than 3 items"},
		{"long text", file10(`<Indicator operator="OR">` + item("is", "FileItem/FileName", strings.Repeat("x", 100)) + `</Indicator>`), Limits{Text: 99}, "longer than 99 bytes"},
		{"entity", `<!DOCTYPE ioc [<!ENTITY x SYSTEM "file:///etc/passwd"><!ENTITY lol "lollollol">]>` + file10(`<Indicator operator="OR">` + item("is", "FileItem/FileName", "&lol;") + `</Indicator>`)[39:], Limits{}, "entity"},
		{"encoding", `<?xml version="1.0" encoding="koi8-r"?><ioc/>`, Limits{}, "save the file as UTF-8"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, _, err := Parse(strings.NewReader(test.file), "a.ioc", test.limits)
			if err == nil || got != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, %v; want an error with %q", got, err, test.want)
			}
			var position *Error
			if errors.As(err, &position) && position.Line == 0 {
				t.Errorf("%v has no line", err)
			}
		})
	}
}

func TestEncodings(t *testing.T) {
	const name = "Größe.exe"
	utf8 := file10(`<Indicator operator="OR">` + item("is", "FileItem/FileName", name) + `</Indicator>`)
	encode := func(s string, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	as := func(encoding string) string { return strings.Replace(utf8, "utf-8", encoding, 1) }
	files := map[string]string{
		"utf-8":                utf8,
		"utf-8 with mark":      "\xef\xbb\xbf" + utf8,
		"utf-8 with cr lf":     strings.ReplaceAll(utf8, "\n", "\r\n"),
		"utf-16le with mark":   encode(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(as("utf-16"))),
		"utf-16be with mark":   encode(unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder().String(as("UTF-16"))),
		"utf-16le without":     encode(unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewEncoder().String(as("utf-16le"))),
		"utf-16be without":     encode(unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM).NewEncoder().String(as("utf-16be"))),
		"latin-1":              encode(charmap.ISO8859_1.NewEncoder().String(as("iso-8859-1"))),
		"windows-1252":         encode(charmap.Windows1252.NewEncoder().String(as("Windows-1252"))),
		"us-ascii with escape": strings.ReplaceAll(as("us-ascii"), "öß", "&#246;&#xDF;"),
	}
	for encoding, file := range files {
		t.Run(encoding, func(t *testing.T) {
			if !Sniff([]byte(file)[:300]) {
				t.Error("not recognised")
			}
			got, _, err := Parse(strings.NewReader(file), "f", Limits{})
			if err != nil {
				t.Fatal(err)
			}
			term := got[0].Pattern.Children[0].Children[0].Term
			if term.Value != name || term.Line != 13 {
				t.Errorf("value %q in line %d", term.Value, term.Line)
			}
		})
	}
}

// FuzzParse looks for crashes, and for terms that a parse invents or loses silently.
func FuzzParse(f *testing.F) {
	f.Add([]byte(file10(`<Indicator operator="OR">` + item("is", "FileItem/FileName", "x") + `</Indicator>`)))
	f.Add([]byte(`<OpenIOC id="x"><criteria><Indicator operator="AND"><IndicatorItem condition="matches" negate="true"><Context search="FileItem/PEInfo/Sections/Section/Name"/><Content type="string">[</Content></IndicatorItem></Indicator></criteria></OpenIOC>`))
	f.Add([]byte(scored("a=55", "and=60", "kind=70", "f=-5", "x=1")))
	f.Add([]byte("<\x00i\x00o\x00c\x00/\x00>\x00"))
	for _, folder := range []string{"mandiant-2015", "ioc-writer-1.1", "openioc-to-stix"} {
		files, err := filepath.Glob(filepath.Join(testdata.Root(f), "..", "shared", "data", "openioc", folder, "*.ioc*"))
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range files {
			if content, err := os.ReadFile(name); err == nil && len(content) < 8<<10 {
				f.Add(content)
			}
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		indicators, _, err := Parse(strings.NewReader(string(content)), "f", Limits{Bytes: 1 << 20})
		if err != nil && indicators != nil {
			t.Fatal("indicators from a file that is refused")
		}
		b := ioc.NewBuilder(ioc.Options{})
		terms := 0
		for _, i := range indicators {
			b.AddIndicator(i)
			terms += countTerms(i.Pattern)
		}
		s := b.Build()
		checked := 0
		for _, c := range s.Check() {
			checked += len(c.Terms)
		}
		if checked != terms {
			t.Fatalf("%d terms checked of %d", checked, terms)
		}
		s.NewRun().Examine(ioc.FileItem(&finding.Object{Path: "/a/b.exe", Size: 1}, nil, true))
	})
}

// OpenIOC has no place for the end of validity; Tyto writes it as a link.
func TestValidUntil(t *testing.T) {
	with := func(link string) string {
		return strings.Replace(file10(`<Indicator operator="OR">`+item("is", "FileItem/FileName", "x")+`</Indicator>`), "<links>", "<links>"+link, 1)
	}
	got, problems, err := Parse(strings.NewReader(with(`<link rel="valid-until">2026-12-31T00:00:00Z</link>`)), "a.ioc", Limits{})
	if err != nil || len(problems) != 0 || !got[0].ValidUntil.Equal(time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("it is valid until %v (%v, %v)", got[0].ValidUntil, problems, err)
	}
	got, problems, err = Parse(strings.NewReader(with(`<link rel="valid-until">tomorrow</link>`)), "a.ioc", Limits{})
	if err != nil || len(problems) != 1 || !got[0].ValidUntil.IsZero() {
		t.Errorf("it is valid until %v (%v, %v), want no end and one problem", got[0].ValidUntil, problems, err)
	}
}
