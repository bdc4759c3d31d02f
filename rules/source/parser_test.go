package source

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// outline is a file in short: its rules as "line [private] [global] name", their strings as
// "id kind value modifiers".
func outline(f *File) (out []string) {
	for _, i := range f.Imports {
		out = append(out, "import "+i.Module)
	}
	for _, i := range f.Includes {
		out = append(out, "include "+string(i.Value()))
	}
	for _, r := range f.Rules {
		line := fmt.Sprint(r.Line)
		if r.Private {
			line += " private"
		}
		if r.Global {
			line += " global"
		}
		out = append(out, line+" "+r.Name)
		for _, s := range r.Strings {
			kind := map[Kind]string{Text: "text", Hex: "hex", Regexp: "regexp"}[s.Value.Kind]
			text := fmt.Sprintf("  %s %s %q", s.ID, kind, s.Value.Value())
			for _, m := range s.Modifiers {
				text += " " + m.Name
				for _, a := range m.Args {
					text += "," + a.Raw
				}
			}
			out = append(out, text)
		}
	}
	return out
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"only comments", "// rule a\n/* rule b { condition: true } */", nil},
		{"one rule", "rule a { condition: true }", []string{"1 a"}},
		{
			"strings",
			"import \"pe\"\nprivate global rule a : x y {\n meta:\n  k = \"v }\"\n  n = -3\n  b = true\n strings:\n  $ = \"t\\x41\\\"\\\\\" wide ascii\n  $h = { 4D [1-2] ( 5A | ?? ) /* } */ } private\n  $r = /a\\/b\\d/is fullword\n  $x = \"k\" xor(0x01-0xff) nocase\n condition: any of them }",
			[]string{
				"import pe",
				"2 private global a",
				`  $ text "tA\"\\" wide ascii`,
				`  $h hex " 4D [1-2] ( 5A | ?? ) /* } */ " private`,
				`  $r regexp "a/b\\d" fullword`,
				`  $x text "k" xor,0x01,-,0xff nocase`,
			},
		},
		{
			"hexadecimal looking bodies",
			"rule a{condition:false}rule b { condition: 0xab == 1 }\nrule c{strings:$a={AB}condition:$a}",
			[]string{"1 a", "1 b", "2 c", `  $a hex "AB"`},
		},
		{
			"include",
			"include \"./a\\b.yar\"\nrule r { meta: include = \"x\" condition: true }",
			[]string{`include ./a\b.yar`, "2 r"},
		},
		{
			"words that look like sections",
			"rule strings_rule { meta: condition_x = 1 meta_strings = \"strings:\" condition: filename == \"condition:\" }",
			[]string{"1 strings_rule"},
		},
		{"carriage returns", "rule a\r\n{\r\n condition:\r\n  true\r\n}\r\nrule b { condition: a }\r\n", []string{"1 a", "6 b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Parse([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, outline(f)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       int
		message    string
	}{
		{"garbage", "\n\nfoo", 3, `"rule" expected, not "foo"`},
		{"no name", "rule { condition: true }", 1, "a rule's name expected"},
		{"unterminated text", "rule a { strings:\n $a = \"b\n condition: $a }", 2, "text without closing quote"},
		{"unterminated regexp", "rule a { strings:\n $a = /b\n condition: $a }", 2, "without closing slash"},
		{"unterminated comment", "rule a {\n/* ", 2, "comment without end"},
		{"bad escape", `rule a { strings: $a = "\q" condition: $a }`, 1, "illegal escape"},
		{"no brace", "rule a { condition: true\n", 2, `"}" expected, not the end of the file`},
		{"no condition", "rule a { strings: $a = \"b\"\n }", 2, `"condition" expected`},
		{"empty condition", "rule a { condition: }", 1, "a condition expected"},
		{"not ascii", "rule a { condition: é }", 1, "non-ascii"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(c.text))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v", err)
			}
			if e.Line != c.line || !strings.Contains(e.Message, c.message) {
				t.Errorf("line %d: %s; want line %d: …%s…", e.Line, e.Message, c.line, c.message)
			}
		})
	}
}

func TestInt(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "10": 10, "0x1F": 31, "0o17": 15, "3KB": 3072, "2MB": 2 << 20, "9223372036854775807": 1<<63 - 1,
	} {
		if got, ok := (Token{Kind: Number, Raw: text}).Int(); !ok || got != want {
			t.Errorf("%s is %d, %v; want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"1.5", "9223372036854775808", "9223372036854775807KB"} {
		if got, ok := (Token{Kind: Number, Raw: text}).Int(); ok {
			t.Errorf("%s is %d", text, got)
		}
	}
}

// FuzzParse makes sure that no text crashes the parser, and that specialising a file that parses
// yields a file that parses, with the rules that were announced, on their lines.
func FuzzParse(f *testing.F) {
	f.Add("import \"pe\"\nprivate rule a : t { meta: a = 1 strings: $a = \"b\" xor(1-2) condition: $a at 0 or pe.is_dll() }\nrule b { condition: a and not filesize < 3KB }")
	f.Add("rule a { strings: $h = { 4? [2-] ( 01 | 02 ) } $r = /x\\/y/i condition: for any i in (0..pe.number_of_sections): ( @h[i] < 3 ) }")
	f.Add("include \"x\"\nglobal rule g { condition: uint16be(0) == 0x4d5a or any of (g*) }")
	f.Add("rule a { condition: ((((true)))) and not not not false }")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse([]byte(text))
		if err != nil {
			return
		}
		for _, facts := range testFacts {
			out, kept := Specialise([]byte(text), file, facts)
			if len(kept) == 0 {
				continue
			}
			again, err := Parse(out)
			if err != nil {
				t.Fatalf("%q became %q: %v", text, out, err)
			}
			if len(again.Rules) != len(kept) {
				t.Fatalf("%d rules, %d announced", len(again.Rules), len(kept))
			}
			for i, k := range kept {
				if got, want := again.Rules[i], file.Rules[k]; got.Name != want.Name || got.Line != want.Line {
					t.Errorf("rule %q at %d where %q at %d was announced", got.Name, got.Line, want.Name, want.Line)
				}
			}
		}
	})
}

var testFacts = []Facts{
	{Prefix: []byte("MZ"), MaxSize: 100},
	{Prefix: []byte("\x7fELF"), MinSize: 100, MaxSize: 1 << 40},
	{NotPrefixes: [][]byte{[]byte("MZ"), []byte("\x7fELF")}, MinSize: 10, MaxSize: 1 << 40},
}
