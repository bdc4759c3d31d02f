package rules

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
)

// tree writes files below a new folder. A text that begins with "-> " makes a symbolic link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			if runtime.GOOS == "windows" {
				t.Skip("needs symbolic links")
			}
			err = os.Symlink(target, file)
		} else {
			err = os.WriteFile(file, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const ok = "rule ok { condition: true }"

// told is a problem in short, with the folder cut off.
func told(dir string, problems []finding.Problem) (out []string) {
	for _, p := range problems {
		line := strings.TrimPrefix(strings.TrimPrefix(p.File, dir), string(filepath.Separator))
		line = filepath.ToSlash(line) + ":" + string(rune('0'+p.Line)) + ": " + p.Message
		if p.Warning {
			line = "warning: " + line
		}
		out = append(out, strings.ReplaceAll(line, dir, "DIR"))
	}
	slices.Sort(out)
	return out
}

// names are the rules of a set as "file name:line".
func names(dir string, s *Set) (out []string) {
	for _, r := range s.Rules {
		rel, _ := filepath.Rel(dir, r.Source)
		out = append(out, filepath.ToSlash(rel)+" "+r.Name)
	}
	slices.Sort(out)
	return out
}

func TestLoad(t *testing.T) {
	for _, c := range []struct {
		name     string
		files    map[string]string
		rules    []string
		problems []string // each must begin so
	}{
		{
			name:  "rule files in folders",
			files: map[string]string{"a.yar": ok, "sub/b.YARA": ok, "c.txt": ok, "d.yarc": "x"},
			rules: []string{"a.yar ok", "sub/b.YARA ok"},
		},
		{
			name: "a broken file costs nobody else",
			files: map[string]string{
				"a.yar": ok, "b.yar": "rule x {\n condition: $a }\nrule y { condition: true }", "c.yar": ok,
				"d.yar": "import \"nothing\"\n" + ok, "e.yar": "rule z {\n\n condition: nobody == 1 }",
			},
			rules: []string{"a.yar ok", "c.yar ok"},
			problems: []string{
				`b.yar:2: rule "x": undefined string "$a"; the file is not used`,
				`d.yar:1: unknown module "nothing": this build of libyara has console, `,
				`e.yar:3: rule "z": undefined identifier "nobody": a module must be imported, a rule stand before its use in the same file, and the external variables are filename, filepath, `,
			},
		},
		{
			name: "text that is no rule source",
			files: map[string]string{
				"bom.yar": "\xef\xbb\xbf" + ok, "utf16.yar": "\xff\xfer\x00", "zero.yar": "rule a {\n\x00", "compiled.yar": "YARA\x00\x00",
			},
			problems: []string{
				"bom.yar:1: the file begins with a byte-order mark",
				"compiled.yar:1: the file contains a zero byte: it is no rule source (compiled rules cannot",
				"utf16.yar:1: the file is UTF-16",
				"zero.yar:2: the file contains a zero byte",
			},
		},
		{
			name: "includes",
			files: map[string]string{
				"a.yar": "include \"sub/b.inc\"\nrule a { condition: b }", "sub/b.inc": "include \"../c.inc\"\nrule b { condition: c }", "c.inc": "rule c { condition: true }",
			},
			rules: []string{"a.yar a", "a.yar b", "a.yar c"},
		},
		{
			name: "includes that go wrong",
			files: map[string]string{
				"absolute.yar": "\ninclude \"/etc/passwd\"",
				"circle.yar":   "include \"circle.inc\"\n" + ok, "circle.inc": "include \"circle.yar\"",
				"drive.yar":   `include "c:\x.yar"`,
				"missing.yar": "include \"nowhere.inc\"",
				"outside.yar": ok + "\ninclude \"sub/../../outside.inc\"",
				"broken.yar":  "include \"broken.inc\"", "broken.inc": "\n\nrule x y { condition: true }",
				"link.yar": "include \"link.inc\"", "link.inc": "-> /etc/hostname",
			},
			problems: []string{
				`absolute.yar:2: include "/etc/passwd": absolute paths are not allowed`,
				`broken.inc:3: rule "x": syntax error`,
				`circle.inc:1: include "circle.yar": files include each other in a circle: circle.yar -> circle.inc -> circle.yar`,
				`drive.yar:1: include "c:\\x.yar": absolute paths are not allowed`,
				`link.yar:1: include "link.inc": path escapes`,
				`missing.yar:1: include "nowhere.inc": no such file`,
				`outside.yar:2: include "sub/../../outside.inc": it lies outside the folder "DIR"`,
			},
		},
		{
			name:  "an index of files that are there anyway",
			files: map[string]string{"index.yar": "include \"a.yar\"\ninclude \"b.yar\"", "a.yar": ok, "b.yar": ok},
			rules: []string{"a.yar ok", "b.yar ok"},
		},
		{
			name:     "links",
			files:    map[string]string{"a.yar": ok, "inside.yar": "-> a.yar", "outside.yar": "-> /etc/hostname", "dangling.yar": "-> nothing"},
			rules:    []string{"a.yar ok", "inside.yar ok"},
			problems: []string{"dangling.yar:0: cannot be read: no such file", "outside.yar:0: cannot be read: path escapes"},
		},
		{
			name:  "no rules at all",
			files: map[string]string{"a.yar": "// nothing yet"},
		},
		{
			name:     "a folder that is called like a rule file",
			files:    map[string]string{"a.yar/b.yar": ok},
			rules:    []string{"a.yar/b.yar ok"},
			problems: nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := tree(t, c.files)
			set, err := Load([]string{dir}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer set.Close()
			if diff := cmp.Diff(c.rules, names(dir, set)); diff != "" {
				t.Errorf("rules: %s", diff)
			}
			got := told(dir, set.Problems)
			if len(got) != len(c.problems) {
				t.Fatalf("problems: %q", got)
			}
			for i, want := range c.problems {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("problem %q does not begin with %q", got[i], want)
				}
			}
		})
	}
}

func TestLoadPaths(t *testing.T) {
	dir := tree(t, map[string]string{"a.yar": ok, "b.txt": ok, "sub/c.yar": "include \"../a.yar\""})
	a, b := filepath.Join(dir, "a.yar"), filepath.Join(dir, "b.txt")
	set, err := Load([]string{a, b, dir, a}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	// A file that is named is read whatever it is called, and every file once.
	if diff := cmp.Diff([]string{"a.yar ok", "b.txt ok"}, names(dir, set)); diff != "" {
		t.Error(diff)
	}
	// Named alone, an include may not leave the file's folder.
	set, err = Load([]string{filepath.Join(dir, "sub", "c.yar")}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if len(set.Problems) != 1 || !strings.Contains(set.Problems[0].Message, "outside the folder") {
		t.Errorf("problems: %+v", set.Problems)
	}
	if _, err := Load([]string{filepath.Join(dir, "nowhere")}, Options{}); err == nil {
		t.Error("a path that does not exist is no error")
	}
}

func TestLimits(t *testing.T) {
	dir := tree(t, map[string]string{"a.yar": ok, "b.yar": ok + strings.Repeat(" ", 100), "s/t/u/c.yar": ok})
	_, problems, err := Read([]string{dir}, Limits{FileSize: 60, Depth: 2})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"b.yar:0: cannot be read: 127 bytes are more than the limit of 60 for one rule file", "s/t/u:0: folders deeper than 2 are not searched for rules"}
	if diff := cmp.Diff(want, told(dir, problems)); diff != "" {
		t.Error(diff)
	}
	if _, _, err := Read([]string{dir}, Limits{Files: 1}); err == nil || !strings.Contains(err.Error(), "more than 1 rule files") {
		t.Errorf("error %v", err)
	}
	if _, _, err := Read([]string{dir}, Limits{Bytes: 60}); err == nil || !strings.Contains(err.Error(), "more than 60 bytes of rules") {
		t.Errorf("error %v", err)
	}
}

func TestTable(t *testing.T) {
	dir := tree(t, map[string]string{"a.yar": `
rule first : one two {
	meta:
		description = "what it is"
		hash = "a"
		hash = "b"
		score = 60
		n = -3
		yes = true
		ID = "1234"
	condition: filename == "x"
}
private global rule second { meta: score = "95" condition: extension == ".x" }
rule third { meta: score = 1000 condition: true }
rule fourth { meta: score = -70 condition: true }
`})
	set, err := Load([]string{dir}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	file := filepath.Join(dir, "a.yar")
	want := []Rule{
		{
			Name: "first", Source: file, Line: 2, Tags: []string{"one", "two"}, Score: 60,
			Meta: []finding.Meta{
				{Key: "description", Value: "what it is"}, {Key: "hash", Value: "a"}, {Key: "hash", Value: "b"},
				{Key: "score", Value: int64(60)}, {Key: "n", Value: int64(-3)}, {Key: "yes", Value: true}, {Key: "ID", Value: "1234"},
			},
		},
		{Name: "second", Source: file, Line: 13, Score: 95, Private: true, Global: true, Meta: []finding.Meta{{Key: "score", Value: "95"}}},
		{Name: "third", Source: file, Line: 14, Score: 100, Meta: []finding.Meta{{Key: "score", Value: int64(1000)}}},
		{Name: "fourth", Source: file, Line: 15, Score: -70, Meta: []finding.Meta{{Key: "score", Value: int64(-70)}}},
	}
	if diff := cmp.Diff(want, set.Rules); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"filename", "extension"}, set.Uses); diff != "" {
		t.Error(diff)
	}
	got, err := set.Match(Match{Rule: 0, Strings: []StringMatch{{ID: "$a", Offset: 7, Length: 300, Data: []byte("x")}}, Cut: 2})
	if err != nil {
		t.Fatal(err)
	}
	wantMatch := finding.Match{
		Kind: finding.Rule, Name: "first", ID: "1234", Source: file, Line: 2, Description: "what it is", Score: 60,
		Tags: []string{"one", "two"}, Meta: want[0].Meta, Cut: 2,
		Evidence: []finding.Evidence{{Term: "$a", Offset: 7, Length: 300, Data: []byte("x")}},
	}
	if diff := cmp.Diff(wantMatch, got); diff != "" {
		t.Error(diff)
	}
	for _, index := range []int{-1, 4} {
		if _, err := set.Match(Match{Rule: index}); err == nil {
			t.Errorf("rule %d exists", index)
		}
	}
}

// TestVersion says what makes two sets the same.
func TestVersion(t *testing.T) {
	version := func(files map[string]string) string {
		set, err := Load([]string{tree(t, files)}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer set.Close()
		return set.Version
	}
	base := version(map[string]string{"a.yar": ok})
	if version(map[string]string{"b.yar": ok}) != base {
		t.Error("the version depends on where the rules are")
	}
	if version(map[string]string{"a.yar": ok + " "}) == base || version(map[string]string{"a.yar": ok, "b.yar": ok}) == base {
		t.Error("the version does not depend on the rules")
	}
}

// TestEncode carries sources to another process and back.
func TestEncode(t *testing.T) {
	dir := tree(t, map[string]string{"a.yar": "include \"b.inc\"", "b.inc": ok})
	set, err := Load([]string{dir}, Options{Compile: func(s *Sources, out *os.File) error {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		go func() {
			s.Encode(w)
			w.Close()
		}()
		there, err := DecodeSources(r)
		if err != nil {
			return err
		}
		return Compile(there, out)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if diff := cmp.Diff([]string{"a.yar ok"}, names(dir, set)); diff != "" {
		t.Error(diff)
	}
}
