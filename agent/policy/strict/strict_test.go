package strict_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/agent/policy/strict"
	"tyto/finding"
)

type colour string

func (c *colour) UnmarshalText(text []byte) error {
	if string(text) != "red" {
		return fmt.Errorf("%q is no colour: use red", text)
	}
	*c = colour(text)
	return nil
}

type settings struct {
	Name   string            `yaml:"name"`
	On     bool              `yaml:"on"`
	Count  int               `yaml:"count"`
	Small  int8              `yaml:"small"`
	Share  float64           `yaml:"share"`
	Keep   time.Duration     `yaml:"keep"`
	Colour colour            `yaml:"colour"`
	List   []string          `yaml:"list"`
	Inner  inner             `yaml:"inner"`
	Maybe  *inner            `yaml:"maybe,omitempty"`
	Many   []inner           `yaml:"many"`
	Words  map[string]string `yaml:"words"`
	inline `yaml:",inline"`
	Hidden string `yaml:"-"`
}

type inner struct {
	Max  int    `yaml:"max"`
	Path string `yaml:"path"`
}

type inline struct {
	Flat string `yaml:"flat"`
}

func TestDecode(t *testing.T) {
	got := settings{Name: "default", List: []string{"default"}, Inner: inner{Max: 7}}
	lines, problems := strict.Decode("policy.yaml", []byte(`# a comment
name: "12:30"
on: true
count: 0x10
share: 1
keep: 30d
colour: red
list: [a, 4096, "true"]
inner:
  path: C:\Windows
maybe: {max: 3}
many:
  - max: 1
  - path: /tmp
words: {a: b}
`), &got)
	if len(problems) > 0 {
		t.Fatalf("problems: %v", problems)
	}
	want := settings{
		Name: "12:30", On: true, Count: 16, Share: 1, Keep: 30 * 24 * time.Hour, Colour: "red",
		List: []string{"a", "4096", "true"}, Inner: inner{Max: 7, Path: `C:\Windows`}, Maybe: &inner{Max: 3},
		Many: []inner{{Max: 1}, {Path: "/tmp"}}, Words: map[string]string{"a": "b"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(settings{})); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	for path, want := range map[string]int{"name": 2, "inner.path": 10, "inner.max": 9, "many[1].path": 14, "many[1].max": 14, "nothing": 2} {
		if got := lines.Of(path); got != want {
			t.Errorf("%s is on line %d, want %d", path, got, want)
		}
	}
}

func TestEmptyDocumentsChangeNothing(t *testing.T) {
	for _, document := range []string{"", "\n", "# only a comment\n", "---\n", "null\n"} {
		got := settings{Name: "default"}
		if _, problems := strict.Decode("f", []byte(document), &got); len(problems) > 0 || got.Name != "default" {
			t.Errorf("%q: %+v, %v", document, got, problems)
		}
	}
}

func TestProblems(t *testing.T) {
	for _, test := range []struct {
		name, document string
		want           []string // "line: part of the message"
	}{
		{"unknown key", "nmae: x", []string{`1: unknown key "nmae": did you mean "name"?`}},
		{"unknown inner key", "inner:\n  size: 1", []string{`2: unknown key "inner.size": the keys here are max, path`}},
		{"key with a hyphen", "many:\n- pa-th: x", []string{`2: unknown key "many[0].pa-th": did you mean "path"?`}},
		{"field that is in no file", "Hidden: x", []string{`1: unknown key "Hidden"`}},
		{"twice", "name: a\non: true\nname: b", []string{`3: "name" is set a second time, first on line 1: remove one`}},
		{"no value", "name:\ncount: 1", []string{`1: "name" has no value: leave the key out for the default`}},
		{"all at once", "name: [a]\ncount: many\non: \"true\"\nlist: a\ninner: 3\n", []string{
			`1: "name" must be text, not a list`,
			`2: "count" must be a whole number, not "many"`,
			`3: "on" must be true or false, not "true"`,
			`4: "list" must be a list, not "a"`,
			`5: "inner" must be a group of keys, not "3"`,
		}},
		{"out of range", "small: 300", []string{`1: "small": 300 is out of range`}},
		{"beyond all numbers", "count: 99999999999999999999", []string{`1: "count" must be a whole number`}},
		{"not a number", "share: .nan", []string{`1: "share": .nan is out of range`}},
		{"duration without a unit", "keep: 30", []string{`1: "keep": "30" is no duration: write it as 90s, 2h30m or 30d`}},
		{"text with rules", "colour: blue", []string{`1: "colour": "blue" is no colour: use red`}},
		{"anchor", "name: &a x", []string{`1: "name": anchors and aliases (& and *) are not supported`}},
		{"alias", "name: x\nlist: [*a]", []string{`this is not YAML: unknown anchor 'a' referenced`}},
		{"tag", "name: !!binary aGk=", []string{`1: "name": tags such as !!binary are not supported`}},
		{"merge", "<<: {name: x}", []string{`1: unknown key "<<"`}},
		{"two documents", "name: a\n---\nname: b", []string{`2: a second document begins`}},
		{"no yaml", "name: a\n\tcount: 1", []string{`2: this is not YAML`}},
		{"a list", "- a", []string{`1: the file must be a group of keys, not a list`}},
		{"list as a key", "? [a]\n: b", []string{`1: the file: a key must be a word`}},
		{"word twice", "words: {a: b, a: c}", []string{`1: "words.a" is set a second time`}},
		{"too large", strings.Repeat("#", strict.MaxSize+1), []string{`0: the file has more than 1048576 bytes`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, problems := strict.Decode("policy.yaml", []byte(test.document), new(settings))
			if len(problems) != len(test.want) {
				t.Fatalf("%d problems, want %d: %v", len(problems), len(test.want), problems)
			}
			for i, p := range problems {
				if text := fmt.Sprintf("%d: %s", p.Line, p.Message); !strings.Contains(text, test.want[i]) {
					t.Errorf("problem %q, want one with %q", text, test.want[i])
				}
				if p.File != "policy.yaml" || p.Warning {
					t.Errorf("problem %+v: want an error in policy.yaml", p)
				}
			}
		})
	}
}

// What is nested without end ends soon, and a bomb of aliases does not go off.
func TestBombs(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'z'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	for name, document := range map[string]string{
		"aliases": bomb,
		"lists":   "list: " + strings.Repeat("[", 9000),
		"garbage": strings.Repeat("x1: y\nx2: [\n", 5000),
		"unknown": func() (s string) {
			for i := range 5000 {
				s += fmt.Sprintf("k%d: 1\n", i)
			}
			return s
		}(),
	} {
		_, problems := strict.Decode("f", []byte(document), new(settings))
		if len(problems) == 0 || len(problems) > 100 {
			t.Errorf("%s: %d problems", name, len(problems))
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "90s": 90 * time.Second, "2h30m": 150 * time.Minute, "30d": 720 * time.Hour, "1d12h": 36 * time.Hour, "500ms": time.Second / 2,
	} {
		got, err := strict.ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", text, got, err, want)
		}
		if again, err := strict.ParseDuration(strict.FormatDuration(got)); err != nil || again != got {
			t.Errorf("%v is written as %q, read as %v, %v", got, strict.FormatDuration(got), again, err)
		}
	}
	for _, text := range []string{"", "d", "30", "-1s", "1d-1s", "1d+1s", "1.5d", "999999999d", "106751d24h", "1dd", "1d1d"} {
		if got, err := strict.ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", 150 * time.Minute: "2h30m", time.Hour: "1h", time.Minute: "1m", 48 * time.Hour: "2d", 25 * time.Hour: "25h", 100 * time.Minute: "1h40m", 10 * time.Minute: "10m"} {
		if got := strict.FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%v) = %q, want %q", d, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("name: x\nlist: [a]\nmany:\n- max: 1\n"))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("keep: 1d1h\nwords: {a: b}\nmaybe: {max: 1}\n"))
	f.Fuzz(func(t *testing.T, document []byte) {
		var s settings
		lines, problems := strict.Decode("f", document, &s)
		count := strings.Count(string(document), "\n") + strings.Count(string(document), "\r") + 1
		for _, p := range append(problems, finding.Problem{Line: lines.Of("many[0].max")}) {
			// The separators of Unicode are line breaks for YAML as well.
			if p.Line < 0 || p.Line > count+len(document)/2 {
				t.Errorf("problem on line %d of %d: %s", p.Line, count, p.Message)
			}
		}
	})
}
