package pattern

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestMatch(t *testing.T) {
	path := func(kind Kind, value string) Options { return Options{Kind: kind, Value: value, Path: true} }
	exact := func(kind Kind, value string) Options {
		return Options{Kind: kind, Value: value, Path: true, PreserveCase: true}
	}
	tests := []struct {
		name    string
		pattern Options
		yes, no []string
	}{
		{"is", Options{Kind: Is, Value: "Evil.EXE"}, []string{"evil.exe", "EVIL.exe"}, []string{"evil.ex", "xevil.exe", ""}},
		{"is preserving case", Options{Kind: Is, Value: "GooD.eXE", PreserveCase: true}, []string{"GooD.eXE"}, []string{"good.exe"}},
		{"contains", Options{Kind: Contains, Value: "oO"}, []string{"foo", "OO"}, []string{"fo o"}},
		{"starts with", Options{Kind: StartsWith, Value: "ab"}, []string{"ABC"}, []string{"cab"}},
		{"ends with", Options{Kind: EndsWith, Value: "ab"}, []string{"cAB"}, []string{"abc"}},
		{"matches searches", Options{Kind: Matches, Value: "foo|duck.exe"}, []string{"xFOOx", "duck-exe"}, []string{"duckexe"}},
		{"matches preserving case", Options{Kind: Matches, Value: "foo", PreserveCase: true}, []string{"foo"}, []string{"FOO"}},
		{"unicode case", Options{Kind: Is, Value: "ЗЛО.exe"}, []string{"зло.EXE"}, []string{"эло.exe"}},
		{"kelvin sign", Options{Kind: Is, Value: "kit"}, []string{"\u212Ait", "KIT"}, nil},
		{"not utf-8", Options{Kind: Contains, Value: "\xff"}, []string{"a\xffb"}, []string{"a\u00ffb"}},
		{"separators in text only", Options{Kind: Is, Value: `a\b`}, []string{`a\b`}, []string{"a/b"}},
		{"either separator", path(Contains, `\System32\x.dll`),
			[]string{`C:\Windows\System32\x.dll`, "/mnt/c/windows/system32/x.dll"}, []string{"/system32x.dll"}},
		{"unix path on windows", path(EndsWith, "/dev/shm/x"), []string{`Z:\dev\shm\x`}, nil},
		{"drive only in the pattern", path(Is, `C:\Users\Public\doc.exe`),
			[]string{"/Users/Public/doc.exe", `c:\users\public\DOC.exe`},
			[]string{`D:\Users\Public\doc.exe`, "/mnt/Users/Public/doc.exe", "Users/Public/doc.exe"}},
		{"drive in a prefix", path(StartsWith, `C:\Users\`), []string{"/users/a", `c:\users\a`}, []string{"/mnt/users/a"}},
		{"drive in a part", path(Contains, `C:\Users\`), []string{"/users/a", `x|c:\users\a`}, []string{"/mnt/users/a"}},
		{"drive only in the text", path(Is, `\Windows\x`), []string{`C:\Windows\x`, "/windows/x"}, []string{`C:\a\Windows\x`}},
		{"long path prefix", path(Is, `C:\x`), []string{`\\?\C:\x`}, nil},
		{"expression either separator", exact(Matches, `\\AppData\\[^\\"]{1,20}\.exe$`),
			[]string{`C:\AppData\x.exe`, "/AppData/x.exe"}, []string{`C:\AppData\y\x.exe`, "/AppData/y/x.exe", "/appdata/x.exe"}},
		{"expression class with one separator", exact(Matches, `a[\\:]b`), []string{`a\b`, "a/b", "a:b"}, []string{"ab"}},
		{"expression class without separators", exact(Matches, `a[^b]c`), []string{`a\c`, "a/c"}, []string{"abc"}},
		{"expression for unix on windows", exact(Matches, `^.*/tmp/[^/]+$`), []string{`Z:\tmp\x`}, []string{`Z:\tmp\x\y`}},
		{"expression keeps the drive", exact(Matches, `C:\\x$`), []string{`C:\x`}, []string{"/x", `c:\x`}},
		{"expression of a plain literal", exact(Matches, `\\nc\.exe`), []string{"/a/nc.exe"}, []string{"/a/NC.exe", "/a/nc-exe"}},
		{"expression of an anchored literal", exact(Matches, `^/a\.b$`), []string{"/a.b"}, []string{"/a.bc", "/a-b"}},
		{"line break after the end", exact(Matches, `a$`), []string{"a"}, []string{"a\n"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := Compile(test.pattern)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range test.yes {
				if !p.Match(NewText(s, test.pattern.Path)) {
					t.Errorf("%q does not match %q", test.pattern.Value, s)
				}
			}
			for _, s := range test.no {
				if p.Match(NewText(s, test.pattern.Path)) {
					t.Errorf("%q matches %q", test.pattern.Value, s)
				}
			}
		})
	}
}

func TestCompileErrors(t *testing.T) {
	for _, value := range []string{`(?=a)`, `(a)\1`, `[`, `a{2000}`, strings.Repeat("a", MaxLength+1)} {
		o := Options{Kind: Matches, Value: value}
		if _, err := Compile(o); err == nil {
			t.Errorf("%.20q was accepted", value)
		}
		if Check(o) == nil {
			t.Errorf("%.20q was accepted by Check", value)
		}
	}
}

func TestLiterals(t *testing.T) {
	tests := []struct {
		value string
		want  []string
	}{
		{`\\usbclass\.sys`, []string{"/usbclass.sys"}},
		{`\\(a|bc)\.exe$`, []string{"/a.exe", "/bc.exe"}},
		{`(TEMP|Temp)\\[^\\"]+\.(xmd|yls)$`, []string{"temp/"}},
		{`[Cc]:\\(Web|Intel)\\[^\\"]{1,20}\.(exe|dll)`, []string{"c:/intel/", "c:/web/"}},
		{`\\av[0-9]+\.exe$`, []string{"/av"}},
		{`(?i)Kelvin`, []string{"kelvin"}},
		{`a*`, nil},
		{`(a|b*)`, nil},
		{`(foo)?bar`, []string{"bar", "foobar"}},
		{`x(ab){2,}y`, []string{"ab"}},
	}
	for _, test := range tests {
		p, err := Compile(Options{Kind: Matches, Value: test.value, PreserveCase: true, Path: true})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, p.Literals()); diff != "" {
			t.Errorf("literals of %q (-want +got):\n%s", test.value, diff)
		}
	}
}

// FuzzMatch holds patterns against Go's own functions, and literals against matches.
func FuzzMatch(f *testing.F) {
	f.Add(byte(4), `\\(a|b)[^\\/]{1,3}\.exe$`, `C:\a\bcd.exe`, true)
	f.Add(byte(4), `(?i)[k-m]+s?`, "\u212Aſ", false)
	f.Add(byte(1), "É", "é\xff", true)
	f.Fuzz(func(t *testing.T, kind byte, value, text string, caseless bool) {
		o := Options{Kind: Kind(kind % 5), Value: value, PreserveCase: !caseless}
		p, err := Compile(o)
		if err != nil {
			return
		}
		got, want := p.Match(NewText(text, false)), false
		switch o.Kind {
		case Is:
			want = text == value || caseless && strings.EqualFold(text, value)
			if !utf8.ValidString(text) || !utf8.ValidString(value) {
				return // EqualFold takes all invalid bytes for the same
			}
		case Matches:
			flags := ""
			if caseless {
				flags = "(?i)"
			}
			re, err := regexp.Compile(flags + value)
			if err != nil {
				return
			}
			want = re.MatchString(text)
		default:
			want = got
		}
		if got != want {
			t.Fatalf("%+v matches %q: got %v, want %v", o, text, got, want)
		}
		if words := p.Literals(); got && words != nil {
			folded := Fold(text)
			for _, w := range words {
				if strings.Contains(folded, w) {
					return
				}
			}
			t.Fatalf("%+v matches %q, which has none of the literals %q", o, text, words)
		}
	})
}
