package report

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSafe(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "/usr/bin/ls", "/usr/bin/ls"},
		{"windows path", `C:\new\table`, `C:\new\table`},
		{"letters of all scripts", "/tmp/größe 日本語 עברית 😀", "/tmp/größe 日本語 עברית 😀"},
		{"combining mark", "e\u0301", "e\u0301"},
		{"line breaks and tab", "a\nb\rc\td", `a\nb\rc\td`},
		{"nul and escape", "\x00\x1b[31m\x7f", `\x00\x1b[31m\x7f`},
		{"c1", "\u0085\u009b", `\u0085\u009b`},
		{"bytes that are not utf-8", "\xff\xc3(\xed\xa0\x80", `\xff\xc3(\xed\xa0\x80`},
		{"the replacement character itself", "\ufffd", "\ufffd"},
		{"bidirectional", "\u202e\u2066\u200f", `\u202e\u2066\u200f`},
		{"line separators", "\u2028\u2029", `\u2028\u2029`},
		{"other spaces", "\u00a0\u3000", `\u00a0\u3000`},
		{"zero width and soft hyphen", "\u200b\u200d\ufeff\u00ad", `\u200b\u200d\ufeff\u00ad`},
		{"empty looking letters", "\u3164\u115f\uffa0\u2800", `\u3164\u115f\uffa0\u2800`},
		{"variation selector", "a\ufe0f\U000e0101", `a\ufe0f\U000e0101`},
		{"tags", "\U000e0041", `\U000e0041`},
		{"private use", "\ue000", `\ue000`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Safe(tt.in); got != tt.want {
				t.Errorf("Safe(%q) = %q; want %q", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzSafe(f *testing.F) {
	f.Add("a\x1b\u202e\xff日")
	f.Fuzz(func(t *testing.T, s string) {
		safe := Safe(s)
		if !utf8.ValidString(safe) {
			t.Errorf("Safe(%q) = %q is not UTF-8", s, safe)
		}
		for i, r := range safe {
			if r < ' ' || r == 0x7f || !showable(r, utf8.RuneLen(r)) {
				t.Errorf("Safe(%q) holds %U at %d", s, r, i)
			}
		}
		if again := Safe(safe); again != safe {
			t.Errorf("Safe(%q) = %q, and again %q", s, safe, again)
		}
		for _, width := range []int{0, 1, 3, 7, 20} {
			if short := shorten(safe, width); columns(short) > width {
				t.Errorf("shorten(%q, %d) = %q takes %d columns", safe, width, short, columns(short))
			}
		}
	})
}

func TestShorten(t *testing.T) {
	tests := []struct {
		name, in string
		width    int
		want     string
	}{
		{"fits", "/usr/bin/ls", 11, "/usr/bin/ls"},
		{"middle goes", "/usr/share/doc/package/README.txt", 20, "/usr/...e/README.txt"},
		{"wide characters", "/日本語/日本語/日本語.txt", 14, "/日...本語.txt"},
		{"marks stay with their letter", "aaaaaaaaaa" + strings.Repeat("e\u0301", 10), 9, "aa..." + strings.Repeat("e\u0301", 4)},
		{"no room", "abcdef", 2, ".."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := shorten(tt.in, tt.width); got != tt.want {
				t.Errorf("shorten(%q, %d) = %q; want %q", tt.in, tt.width, got, tt.want)
			}
		})
	}
}

func TestCell(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "/tmp/a-b=c", "/tmp/a-b=c"},
		{"equals", "=1+1", "'=1+1"},
		{"plus", "+1", "'+1"},
		{"minus", "-2+3", "'-2+3"},
		{"at", "@SUM(A1)", "'@SUM(A1)"},
		{"full width", "＝1", "'＝1"},
		{"behind blanks and quotes", ` "=1`, `' "=1`},
		{"tab and carriage return", "\t=1\r=2", `\t=1\r=2`},
		{"where semicolons separate", `a;=1;b; "@x`, `a;'=1;b;' "@x`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := cell(tt.in); got != tt.want {
				t.Errorf("cell(%q) = %q; want %q", tt.in, got, tt.want)
			}
		})
	}
}

// text is documented as reversible: undoing the escapes yields the bytes.
func FuzzText(f *testing.F) {
	f.Add("\xff\\xff\\")
	f.Add("plain \\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := text(s)
		if utf8.ValidString(s) {
			if got != s {
				t.Errorf("text(%q) = %q changes valid UTF-8", s, got)
			}
			return
		}
		var back strings.Builder
		for i := 0; i < len(got); i++ {
			switch {
			case got[i] != '\\':
				back.WriteByte(got[i])
			case got[i+1] == '\\':
				back.WriteByte('\\')
				i++
			default:
				const digits = "0123456789abcdef"
				back.WriteByte(byte(strings.IndexByte(digits, got[i+2])<<4 | strings.IndexByte(digits, got[i+3])))
				i += 3
			}
		}
		if back.String() != s {
			t.Errorf("text(%q) = %q, which leads back to %q", s, got, back.String())
		}
	})
}
