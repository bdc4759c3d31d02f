package lists

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/unicode"

	"tyto/ioc"
)

// rows is a sink that writes down what it gets, a row a line.
type rows struct{ got []string }

func (r *rows) note(format string, args ...any) { r.got = append(r.got, fmt.Sprintf(format, args...)) }

func (r *rows) AddIndicator(i *ioc.Indicator) {
	terms := []ioc.Node{i.Pattern}
	if i.Pattern.Term == nil {
		terms = i.Pattern.Children
	}
	s := fmt.Sprintf("%d: %d %q", i.Line, i.Score, i.Name)
	for _, n := range terms {
		not := ""
		if n.Term.Negate {
			not = "not "
		}
		s += fmt.Sprintf(" %s%s %s %s case=%v", not, n.Term.Path, n.Term.Condition, n.Term.Value, n.Term.PreserveCase)
	}
	r.note("%s", s)
}

func (r *rows) AddHash(h ioc.HashRow) error {
	r.note("%d: %d %q %s", h.Line, h.Score, h.Comment, hex.EncodeToString(h.Sum)[:6])
	return nil
}

func (r *rows) AddTrusted(h ioc.HashRow) error {
	r.note("%d: trusted %q %s", h.Line, h.Comment, hex.EncodeToString(h.Sum)[:6])
	return nil
}

func (r *rows) AddNetwork(n ioc.Network) {
	r.note("%d: %d %q %s", n.Line, n.Score, n.Description, n.Value)
}
func (r *rows) AddKeyword(k ioc.Keyword) {
	r.note("%d: %d %q %s", k.Line, k.Score, k.Description, k.Value)
}

const (
	md5a  = "aa0000000000000000000000000000aa"
	sha1b = "bb000000000000000000000000000000000000bb"
	sha2c = "cc000000000000000000000000000000000000000000000000000000000000cc"
	full  = "FileItem/FullPath"
)

func TestParse(t *testing.T) {
	wide, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String("# Größe\r\n" + md5a + ";ö\r\n")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		kind     Kind
		list     string
		want     []string
		problems []string // "line: part of the message"
	}{
		{"hashes", Hashes, strings.Join([]string{"# Actor X", strings.ToUpper(md5a) + ";a file - https://x", sha1b + ";55;a; b", sha2c, md5a + ";80"}, "\n"),
			[]string{`2: 100 "a file - https://x" aa0000`, `3: 55 "a; b" bb0000`, `4: 100 "Actor X" cc0000`, `5: 80 "Actor X" aa0000`}, nil},
		{"hashes of other tools", Hashes, md5a + "  ./a b.exe\n" + sha1b + " *c.bin\n" + sha2c + "\td\n" + md5a + ",e,f\n" + `"` + md5a + `","g"` + "\n",
			[]string{`1: 100 "./a b.exe" aa0000`, `2: 100 "c.bin" bb0000`, `3: 100 "d" cc0000`, `4: 100 "e,f" aa0000`, `5: 100 "g" aa0000`}, nil},
		{"csv with a header", Hashes, "md5,name\n" + md5a + ",x\n", []string{`2: 100 "x" aa0000`}, nil},
		{"no hash", Hashes, md5a + ";x\nhello;y\n" + md5a[1:] + ";z\n", []string{`1: 100 "x" aa0000`}, []string{"2: hash", "3: hash"}},
		{"hash of nothing", Hashes, "\nd41d8cd98f00b204e9800998ecf8427e;evil\n" + md5a, []string{`3: 100 "" aa0000`}, []string{`2: that of the content ""`}},
		{"trusted", Trusted, sha2c + ";ours\n" + md5a + "\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;empty",
			[]string{`1: trusted "ours" cc0000`, `2: trusted "" aa0000`, `3: trusted "empty" e3b0c4`}, []string{"0: forged"}},

		{"names", Names, "# Actor\n\\\\evil\\.exe$;70\n(?i)\\\\x;-50;(?i)\\\\good\\\\\n/tmp/systemdb;50\n", []string{
			`2: 70 "Actor" ` + full + ` matches \\evil\.exe$ case=true`,
			`3: -50 "Actor" ` + full + ` matches (?i)\\x case=true not ` + full + ` matches (?i)\\good\\ case=true`,
			`4: 50 "Actor" ` + full + ` contains /tmp/systemdb case=false`}, nil},
		{"name without score", Names, `a\.b`, []string{`1: 60 "a\\.b" ` + full + ` matches a\.b case=true`}, nil},
		{"semicolons in expressions", Names, `a;b\.c;60;d;e`, []string{`1: 60 "a;b\\.c" ` + full + ` matches a;b\.c case=true not ` + full + ` contains d;e case=false`}, nil},
		{"bad names", Names, "ok\\.exe;60\n(?=x);60\nx\\.y;high\nx\\.y;101\n;60\nx\\.y;60;(\n", []string{`1: 60 "ok\\.exe" ` + full + ` matches ok\.exe case=true`},
			[]string{"2: RE2", "3: whole number", "4: between", "5: empty", "6: exception"}},
		{"handles", Handles, `^Global\\x$;70`, []string{`1: 70 "^Global\\\\x$" ProcessItem/HandleList/Handle/Name matches ^Global\\x$ case=true`}, nil},

		{"c2", C2, "# Actor\nEvil.example.com\n192.0.2.1;65\n192.0.2.0/24;60;net\n2001:db8::1\n", []string{
			`2: 100 "Actor" evil.example.com`, `3: 65 "Actor" 192.0.2.1`, `4: 60 "net" 192.0.2.0/24`, `5: 100 "Actor" 2001:db8::1`}, nil},
		{"bad c2", C2, "a b.com\nlocal\n1.2.3.4/99\n0.0.0.0/0\nx.com;much\n", nil, []string{"1: neither", "2: neither", "3: network", "4: every", "5: whole number"}},
		{"keywords", Keywords, "# Tool\nsekurlsa::LogonPasswords\n  %COMSPEC% /C x;y\n", []string{`2: 60 "Tool" sekurlsa::LogonPasswords`, `3: 60 "Tool" %COMSPEC% /C x;y`}, nil},

		{"mixed line ends", Hashes, "# a\r" + md5a + "\r\n" + sha1b + "\n\r\n" + sha2c, []string{`2: 100 "a" aa0000`, `3: 100 "a" bb0000`, `5: 100 "a" cc0000`}, nil},
		{"mark", Hashes, "\xef\xbb\xbf" + md5a, []string{`1: 100 "" aa0000`}, nil},
		{"utf-16", Hashes, wide, []string{`2: 100 "ö" aa0000`}, nil},
		{"latin-1", Hashes, md5a + ";\xf6", []string{`1: 100 "ö" aa0000`}, nil},
		{"long line", Hashes, md5a + ";" + strings.Repeat("x", maxLine) + "\n" + sha1b, []string{`2: 100 "" bb0000`}, []string{"1: longer"}},
		{"comments nearest to the row", Hashes, "# far\n#\n\n# 1\n# 2\n# 3\n# 4\n" + md5a, []string{`8: 100 "2 3 4" aa0000`}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var sink rows
			count, problems, err := Parse(strings.NewReader(test.list), "list.txt", test.kind, &sink)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, sink.got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if count.Rows != len(test.want) {
				t.Errorf("%d rows counted, want %d", count.Rows, len(test.want))
			}
			if len(problems) != len(test.problems) {
				t.Fatalf("problems: %+v, want %q", problems, test.problems)
			}
			for i, want := range test.problems {
				line, part, _ := strings.Cut(want, ": ")
				if p := problems[i]; fmt.Sprint(p.Line) != line || !strings.Contains(p.Message, part) || p.File != "list.txt" {
					t.Errorf("problem %+v, want %q", p, want)
				}
			}
		})
	}
}

func TestProblemsAreBounded(t *testing.T) {
	count, problems, err := Parse(strings.NewReader(strings.Repeat("no hash\n", 1000)), "l", Hashes, &rows{})
	if err != nil || count.Refused != 1000 || len(problems) != maxProblems+1 || !strings.Contains(problems[maxProblems].Message, "980 more") {
		t.Errorf("%+v, %d problems, %v", count, len(problems), err)
	}
}

func TestKindOf(t *testing.T) {
	tests := map[string]Kind{
		"hash-iocs.txt": Hashes, "/x/hashes.txt": Hashes, "my_hash_list.csv": Hashes, "c2-iocs.txt": C2, "bad-domains.txt": C2,
		"filename-iocs.txt": Names, "filenames.txt": Names, "keywords.txt": Keywords, "my-handles.txt": Handles, "pipes.txt": Pipes,
		"trusted-hash-iocs.txt": Trusted, "falsepositive-hashes.txt": Trusted, "Trusted-Hashes.TXT": Trusted,
		"README.txt": "", "rehash.txt": "", "hashish.txt": "", "domainsx.txt": "",
	}
	for name, want := range tests {
		if got, ok := KindOf(name); got != want || ok != (want != "") {
			t.Errorf("KindOf(%q) = %q, %v, want %q", name, got, ok, want)
		}
	}
}

func TestSniff(t *testing.T) {
	tests := []struct {
		name, head string
		want       bool
	}{
		{"plain", md5a + "\n" + sha1b + "\n", true},
		{"header", "sha256,name\n" + sha2c + ",x\n", true},
		{"comments", "# feed\n\n" + sha2c + "  x\n", true},
		{"prose", "These hashes are bad:\nsee below\nand above\n" + md5a, false},
		{"too long", md5a + "0\n", false},
		{"empty", "", false},
	}
	for _, test := range tests {
		if got := Sniff([]byte(test.head)); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// FuzzParse looks for crashes, and holds the count against the sink.
func FuzzParse(f *testing.F) {
	for i, list := range []string{md5a + ";55;x\n", "# c\n(?i)\\\\x;50;(y|z)\n", "a.com\n1.2.3.0/24;5\n", "\xff\xfea\x00\n\x00", "\xef\xbb\xbfx\ry\r\n\xf6", "key word\n"} {
		f.Add(byte(i), []byte(list))
	}
	kinds := []Kind{Hashes, Names, C2, Trusted, Keywords, Handles}
	f.Fuzz(func(t *testing.T, kind byte, list []byte) {
		var sink rows
		count, problems, err := Parse(strings.NewReader(string(list)), "l", kinds[int(kind)%len(kinds)], &sink)
		if err != nil || count.Rows != len(sink.got) || count.Refused > 0 && len(problems) == 0 {
			t.Fatalf("%+v, %d rows in the sink, %d problems, %v", count, len(sink.got), len(problems), err)
		}
		KindOf(string(list))
		Sniff(list)
	})
}
